"""Recurrent layers on NumPy arrays: C++ kernels for float32 and float64, plain NumPy for other dtypes."""

from __future__ import annotations

import numpy as np

from pytensor import _C
from pytensor.backend.reference import rnn as plain

__all__ = ["rnn_backward", "rnn_forward"]


def _dense(array):
    return array if array is None or array.flags.c_contiguous else np.ascontiguousarray(array)


def _has_kernel(x, h0) -> bool:
    return x.dtype.char in "fd" and x.dtype.isnative and len(h0) > 0


def rnn_forward(mode, x, batch_sizes, h0, c0, weights, reverse, y, h_n, c_n, training):
    if not _has_kernel(x, h0):
        return plain.rnn_forward(mode, x, batch_sizes, h0, c0, weights, reverse, y, h_n, c_n, training)
    w_ih, w_hh, b_ih, b_hh, w_hr = map(_dense, weights)
    return _C.rnn_forward(
        mode,
        _dense(x),
        batch_sizes,
        _dense(h0),
        _dense(c0),
        w_ih,
        w_hh,
        b_ih,
        b_hh,
        w_hr,
        reverse,
        y,
        h_n,
        c_n,
        training,
    )


def rnn_backward(
    mode,
    x,
    batch_sizes,
    h0,
    c0,
    weights,
    reverse,
    y,
    kept,
    grad_y,
    grad_h_n,
    grad_c_n,
    grad_h0,
    grad_c0,
    need_x,
    need_weights,
):
    if not _has_kernel(x, h0):
        return plain.rnn_backward(
            mode,
            x,
            batch_sizes,
            h0,
            c0,
            weights,
            reverse,
            y,
            kept,
            grad_y,
            grad_h_n,
            grad_c_n,
            grad_h0,
            grad_c0,
            need_x,
            need_weights,
        )
    w_ih, w_hh, b_ih, b_hh, w_hr = map(_dense, weights)
    if grad_y is not None and grad_y.strides[1] != grad_y.itemsize and grad_y.shape[1] != 1:
        grad_y = np.ascontiguousarray(grad_y)
    return _C.rnn_backward(
        mode,
        _dense(x),
        batch_sizes,
        _dense(h0),
        _dense(c0),
        w_ih,
        w_hh,
        b_ih,
        b_hh,
        w_hr,
        reverse,
        y,
        *kept,
        grad_y,
        _dense(grad_h_n),
        _dense(grad_c_n),
        grad_h0,
        grad_c0,
        need_x,
        need_weights,
    )
