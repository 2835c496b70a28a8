"""Softmax cross-entropy on NumPy arrays: C++ kernels for float32 and float64, plain NumPy for other dtypes."""

from __future__ import annotations

import numpy as np

from pytensor import _C
from pytensor.backend.cpu.index import copied
from pytensor.backend.reference import loss as plain

__all__ = [
    "bad_target",
    "cross_entropy",
    "cross_entropy_backward",
    "ctc_loss",
    "ctc_loss_backward",
    "nll_loss",
    "nll_loss_backward",
    "pair_loss",
    "pair_loss_backward",
]


def _dense(array):
    return array if array.flags.c_contiguous else copied(array)


def _has_kernel(x, weight) -> bool:
    return x.dtype.char in "fd" and x.dtype.isnative and (weight is None or weight.dtype == x.dtype)


def bad_target(target, classes, ignore_index):
    return _C.loss_bad_target(_dense(target), classes, ignore_index)


def cross_entropy(x, target, weight, ignore_index, smoothing, reduction):
    if not _has_kernel(x, weight):
        return plain.cross_entropy(x, target, weight, ignore_index, smoothing, reduction)
    weight = None if weight is None else _dense(weight)
    return _C.loss_cross_entropy(_dense(x), _dense(target), weight, ignore_index, smoothing, reduction)


def cross_entropy_backward(grad, x, target, weight, ignore_index, smoothing, largest, log_sum, factor):
    if not _has_kernel(x, weight):
        return plain.cross_entropy_backward(grad, x, target, weight, ignore_index, smoothing, largest, log_sum, factor)
    weight = None if weight is None else _dense(weight)
    arrays = _dense(grad), _dense(x), _dense(target), weight
    return _C.loss_cross_entropy_backward(*arrays, ignore_index, smoothing, largest, log_sum, factor)


def nll_loss(x, target, weight, ignore_index, reduction):
    if not _has_kernel(x, weight):
        return plain.nll_loss(x, target, weight, ignore_index, reduction)
    weight = None if weight is None else _dense(weight)
    return _C.loss_nll(_dense(x), _dense(target), weight, ignore_index, reduction)


def nll_loss_backward(grad, shape, target, weight, ignore_index, factor):
    if not _has_kernel(grad, weight):
        return plain.nll_loss_backward(grad, shape, target, weight, ignore_index, factor)
    weight = None if weight is None else _dense(weight)
    return _C.loss_nll_backward(_dense(grad), shape, _dense(target), weight, ignore_index, factor)


def _is_pair(param, x, target) -> bool:
    alike = isinstance(param, (int, float)) or param.dtype == x.dtype
    return x.dtype.char in "fd" and x.dtype.isnative and target.dtype == x.dtype and alike


def _pair_param(param, x):
    """What the kernel reads: a number, or an array whose elements repeat along the last axes of x."""
    if isinstance(param, (int, float)):
        return float(param)
    shape = param.shape[next((i for i, n in enumerate(param.shape) if n != 1), param.ndim) :]
    if param.ndim <= x.ndim and (param.size == 1 or shape == x.shape[x.ndim - len(shape) :]):
        return _dense(param)
    return _dense(np.broadcast_to(param, x.shape))


def pair_loss(kind, param, x, target, reduction):
    if not _is_pair(param, x, target):
        return plain.pair_loss(kind, param, x, target, reduction)
    return _C.loss_pair(kind, _pair_param(param, x), _dense(x), _dense(target), reduction)


def pair_loss_backward(kind, param, grad, x, target, factor):
    if not _is_pair(param, x, target) or grad.dtype != x.dtype:
        return plain.pair_loss_backward(kind, param, grad, x, target, factor)
    return _C.loss_pair_backward(kind, _pair_param(param, x), _dense(grad), _dense(x), _dense(target), factor)


def ctc_loss(log_probs, targets, input_lengths, target_lengths, blank):
    if not _has_kernel(log_probs, None):
        return plain.ctc_loss(log_probs, targets, input_lengths, target_lengths, blank)
    return _C.loss_ctc(_dense(log_probs), _dense(targets), input_lengths, target_lengths, blank)


def ctc_loss_backward(grad, log_probs, targets, input_lengths, target_lengths, blank, losses, alpha, zero_infinity):
    arrays = log_probs, targets, input_lengths, target_lengths
    if not _has_kernel(log_probs, None):
        return plain.ctc_loss_backward(grad, *arrays, blank, losses, alpha, zero_infinity)
    return _C.loss_ctc_backward(_dense(grad), *map(_dense, arrays), blank, losses, alpha, zero_infinity)
