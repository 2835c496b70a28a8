"""Normalisations on NumPy arrays: C++ kernels for float32 and float64, plain NumPy for other and mixed dtypes."""

from __future__ import annotations

from pytensor import _C
from pytensor.backend.cpu.index import copied
from pytensor.backend.reference import norm as plain

__all__ = [
    "batch_norm_backward",
    "batch_norm_eval",
    "batch_norm_train",
    "group_norm",
    "group_norm_backward",
    "softmax",
    "softmax_backward",
]


def _dense(array):
    return array if array.flags.c_contiguous else copied(array)


def _has_kernel(x, *vectors) -> bool:
    """Is there a kernel for x, and do the vectors (or None) have its dtype?"""
    dtype = x.dtype
    if dtype.char not in "fd" or not dtype.isnative:
        return False
    for v in vectors:  # a loop: this stands before every call
        if v is not None and v.dtype != dtype:
            return False
    return True


def _vector(v):
    return v if v is None else _dense(v)


def _writable(v) -> bool:
    return v is None or v.flags.carray


def batch_norm_train(x, weight, bias, running_mean, running_var, momentum, eps):
    kernel = _has_kernel(x, weight, bias, running_mean, running_var)
    if not kernel or not (_writable(running_mean) and _writable(running_var)):
        return plain.batch_norm_train(x, weight, bias, running_mean, running_var, momentum, eps)
    return _C.norm_batch_train(_dense(x), _vector(weight), _vector(bias), running_mean, running_var, momentum, eps)


def batch_norm_eval(x, weight, bias, mean, var, eps):
    if not _has_kernel(x, weight, bias, mean, var):
        return plain.batch_norm_eval(x, weight, bias, mean, var, eps)
    return _C.norm_batch_eval(_dense(x), _vector(weight), _vector(bias), _dense(mean), _dense(var), eps)


def batch_norm_backward(grad, x, weight, mean, var, eps, training, need_x):
    if not _has_kernel(x, grad, weight, mean, var):
        return plain.batch_norm_backward(grad, x, weight, mean, var, eps, training, need_x)
    arrays = _dense(grad), _dense(x), _vector(weight), _dense(mean), _dense(var)
    return _C.norm_batch_backward(*arrays, eps, training, need_x)


def group_norm(x, weight, bias, batch, channels, groups, eps, centered=True):
    if not _has_kernel(x, weight, bias):
        return plain.group_norm(x, weight, bias, batch, channels, groups, eps, centered)
    return _C.norm_group_forward(_dense(x), _vector(weight), _vector(bias), batch, channels, groups, eps, centered)


def group_norm_backward(grad, x, weight, mean, rstd, batch, channels, groups, need_x, centered=True):
    if not _has_kernel(x, grad, weight, mean, rstd):
        return plain.group_norm_backward(grad, x, weight, mean, rstd, batch, channels, groups, need_x, centered)
    arrays = _dense(grad), _dense(x), _vector(weight), mean, rstd
    return _C.norm_group_backward(*arrays, batch, channels, groups, need_x, centered)


def softmax(x, axis, log):
    if not _has_kernel(x):
        return plain.softmax(x, axis, log)
    return _C.norm_softmax(_dense(x), axis, log)


def softmax_backward(grad, y, axis, log):
    if not _has_kernel(y, grad):
        return plain.softmax_backward(grad, y, axis, log)
    return _C.norm_softmax_backward(_dense(grad), _dense(y), axis, log)
