"""Pooling on NumPy arrays: C++ kernels for float32 and float64, plain NumPy for other dtypes."""

from __future__ import annotations

import math

import numpy as np

from pytensor import _C
from pytensor.backend.cpu.index import copied
from pytensor.backend.reference import pool as plain
from pytensor.backend.reference.pool import max_pool_gather

__all__ = [
    "adaptive_avg_pool",
    "adaptive_avg_pool_backward",
    "adaptive_max_pool",
    "avg_pool",
    "avg_pool_backward",
    "max_pool",
    "max_pool_at",
    "max_pool_backward",
    "max_pool_gather",
    "pool_gather",
    "pool_scatter",
    "pool_unpool",
]


def _dense(array):
    return array if array.flags.c_contiguous else copied(array)


def _has_kernel(array) -> bool:
    return array.dtype.char in "fd" and array.dtype.isnative


def _with_channels_last(array, axes):
    """``array`` with its channels moved to the end if they lie there in memory, else None."""
    if array.flags.c_contiguous or axes < 2 or array.ndim != axes + 2:
        return None
    moved = array.transpose(0, *range(2, axes + 2), 1)
    return moved if moved.flags.c_contiguous else None


def _channels_back(array):
    return array.transpose(0, array.ndim - 1, *range(1, array.ndim - 1))


def max_pool(x, out_size, kernel, stride, padding, dilation, keep):
    if not _has_kernel(x) or (keep == "offsets" and math.prod(kernel) > 256):
        return plain.max_pool(x, out_size, kernel, stride, padding, dilation, keep)
    moved = _with_channels_last(x, len(kernel))
    if moved is not None:
        result = _C.pool_max_forward_last(moved, out_size, kernel, stride, padding, dilation, keep)
        return _channels_back(result) if keep == "none" else tuple(map(_channels_back, result))
    return _C.pool_max_forward(_dense(x), out_size, kernel, stride, padding, dilation, keep)


def max_pool_at(x, starts, kernel):
    if not _has_kernel(x):
        return plain.max_pool_at(x, starts, kernel)
    return _C.pool_max_at(_dense(x), [_dense(s) for s in starts], kernel)


def max_pool_backward(grad, offsets, in_shape, kernel, stride, padding, dilation):
    if not _has_kernel(grad) or offsets.dtype != np.uint8:
        return plain.max_pool_backward(grad, offsets, in_shape, kernel, stride, padding, dilation)
    moved = _with_channels_last(offsets, len(kernel))
    if moved is not None:
        grad = _dense(grad.transpose(0, *range(2, grad.ndim), 1))
        shape = (in_shape[0], *in_shape[2:], in_shape[1])
        return _channels_back(_C.pool_max_backward_last(grad, moved, shape, kernel, stride, padding, dilation))
    return _C.pool_max_backward(_dense(grad), _dense(offsets), in_shape, kernel, stride, padding, dilation)


def avg_pool(x, out_size, kernel, stride, padding, count_include_pad, divisor):
    if not _has_kernel(x):
        return plain.avg_pool(x, out_size, kernel, stride, padding, count_include_pad, divisor)
    moved = _with_channels_last(x, len(kernel))
    if moved is not None:
        args = (out_size, kernel, stride, padding, count_include_pad, divisor)
        return _channels_back(_C.pool_avg_forward_last(moved, *args))
    return _C.pool_avg_forward(_dense(x), out_size, kernel, stride, padding, count_include_pad, divisor)


def avg_pool_backward(grad, in_shape, kernel, stride, padding, count_include_pad, divisor):
    if not _has_kernel(grad):
        return plain.avg_pool_backward(grad, in_shape, kernel, stride, padding, count_include_pad, divisor)
    grad = _dense(grad)
    return _C.pool_avg_backward(grad, in_shape, kernel, stride, padding, count_include_pad, divisor)


def adaptive_avg_pool(x, out_size):
    if not _has_kernel(x):
        return plain.adaptive_avg_pool(x, out_size)
    moved = _with_channels_last(x, len(out_size))
    if moved is not None:
        return _channels_back(_C.pool_avg_forward_last(moved, out_size, (), (), (), True, 0))
    return _C.pool_adaptive_avg_forward(_dense(x), out_size)


def adaptive_avg_pool_backward(grad, in_shape, axes):
    if not _has_kernel(grad):
        return plain.adaptive_avg_pool_backward(grad, in_shape, axes)
    return _C.pool_adaptive_avg_backward(_dense(grad), in_shape, grad.shape[grad.ndim - axes :])


def adaptive_max_pool(x, out_size):
    if not _has_kernel(x):
        return plain.adaptive_max_pool(x, out_size)
    return _C.pool_adaptive_max_forward(_dense(x), out_size)


def _inside(result):
    if result is None:
        raise ValueError("indices: found an index outside its plane")
    return result


def pool_scatter(grad, indices, in_shape, axes):
    if not _has_kernel(grad):
        return plain.pool_scatter(grad, indices, in_shape, axes)
    return _inside(_C.pool_scatter(_dense(grad), _dense(indices), in_shape, axes, True))


def pool_unpool(x, indices, shape, axes):
    if not _has_kernel(x):
        return plain.pool_unpool(x, indices, shape, axes)
    return _C.pool_scatter(_dense(x), _dense(indices), shape, axes, False)


def pool_gather(x, indices, axes):
    if not _has_kernel(x):
        return plain.pool_gather(x, indices, axes)
    return _inside(_C.pool_gather(_dense(x), _dense(indices), axes))
