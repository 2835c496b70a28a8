"""Attention on NumPy arrays: C++ kernels for float32 and float64, which the half precisions are widened to."""

from __future__ import annotations

import numpy as np

from pytensor import _C
from pytensor.backend.reference.attention import stored

__all__ = ["attention_backward", "attention_forward"]


def _is_half(array) -> bool:
    return array.dtype.itemsize == 2


def _wide(array):
    return array.astype("float32") if array is not None and _is_half(array) else array


def _native(array):
    """For the kernel, which reads strides in whole elements and no swapped bytes."""
    if array is None:
        return None
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    size = array.itemsize
    for stride in array.strides:
        if stride % size:
            return np.ascontiguousarray(array)
    return array


def attention_forward(query, key, value, mask, dropout, keep_scale, scale, causal, into):
    if _is_half(query):
        arrays = (_wide(query), _wide(key), _wide(value), _wide(mask))
        out, logsumexp = attention_forward(*arrays, dropout, keep_scale, scale, causal, None)
        return stored((out.astype(query.dtype), logsumexp), None if into is None else (into,))
    arrays = (_native(query), _native(key), _native(value), _native(mask))
    return _C.attention_forward(*arrays, dropout, keep_scale, scale, causal, into)


def attention_backward(
    grad, query, key, value, mask, dropout, keep_scale, scale, causal, out, logsumexp, groups, need_mask, into
):
    if _is_half(query):
        arrays = (_wide(grad), _wide(query), _wide(key), _wide(value), _wide(mask))
        rest = (_wide(out), logsumexp, groups, need_mask, None)
        found = attention_backward(*arrays, dropout, keep_scale, scale, causal, *rest)
        return stored(tuple(g if g is None else g.astype(query.dtype) for g in found), into)
    arrays = (_native(grad), _native(query), _native(key), _native(value), _native(mask))
    return _C.attention_backward(*arrays, dropout, keep_scale, scale, causal, out, logsumexp, groups, need_mask, into)
