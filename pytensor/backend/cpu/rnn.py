"""Recurrent layers on NumPy arrays: C++ kernels for float32 and float64, plain NumPy for other dtypes."""

from __future__ import annotations

import numpy as np

from pytensor import _C
from pytensor.backend.reference import rnn as plain

__all__ = ["rnn_backward", "rnn_forward"]


def _dense(array):
    return array if array is None or array.flags.c_contiguous else np.ascontiguousarray(array)


def _has_kernel(layer) -> bool:
    x, h0 = layer[1], layer[3]
    return x.dtype.char in "fd" and x.dtype.isnative and len(h0) > 0


def _arguments(mode, x, batch_sizes, h0, c0, weights, reverse):
    """A layer as the kernels take it: rows without gaps."""
    return mode, _dense(x), batch_sizes, _dense(h0), _dense(c0), *map(_dense, weights), reverse


def rnn_forward(layer, y, h_n, c_n, training):
    if not _has_kernel(layer):
        return plain.rnn_forward(layer, y, h_n, c_n, training)
    return _C.rnn_forward(*_arguments(*layer), y, h_n, c_n, training)


def rnn_backward(layer, y, kept, grads, states, need_x, need_weights):
    if not _has_kernel(layer):
        return plain.rnn_backward(layer, y, kept, grads, states, need_x, need_weights)
    grad_y, grad_h_n, grad_c_n = grads
    if grad_y is not None and grad_y.strides[1] != grad_y.itemsize and grad_y.shape[1] != 1:
        grad_y = np.ascontiguousarray(grad_y)
    given = grad_y, _dense(grad_h_n), _dense(grad_c_n)
    return _C.rnn_backward(*_arguments(*layer), y, *kept, *given, *states, need_x, need_weights)
