"""Pointwise ops on NumPy arrays: the C++ kernels, and NumPy for dtypes that have none."""

from __future__ import annotations

import numpy as np

from pytensor import _C
from pytensor.backend.reference.pointwise import FULL_NUMBERS
from pytensor.backend.reference.pointwise import cast as cast_without_kernel
from pytensor.backend.reference.pointwise import pointwise as without_kernel

__all__ = ["binary", "cast", "pointwise", "unary"]

_has_kernel: dict[tuple[str, np.dtype], bool] = {}


def pointwise(name, inputs, params=(), out=None):
    """The op `name` (kernels.inc lists them) on broadcast inputs of one dtype; `where` takes a boolean first, and beside
    half precision the second input of those in FULL_NUMBERS may be a 0-d float32.

    params: the op's scalars. out: the array that takes the result, of its exact shape and dtype; may be one of the
    inputs, else shares no memory with them.
    """
    dtype = inputs[0 if name in FULL_NUMBERS else -1].dtype
    supported = _has_kernel.get((name, dtype))
    if supported is None:
        supported = _has_kernel[name, dtype] = _C.pointwise_supports(name, dtype)
    if not supported:
        if out is None and not all(x.flags.c_contiguous for x in inputs):
            return _in_layout(inputs, without_kernel(name, inputs, params))
        return without_kernel(name, inputs, params, out)
    return _C.pointwise(name, inputs, params, out)


def _in_layout(inputs, result):
    """The result with its axes in memory in the order of the inputs' axes, as the kernels leave it."""
    ordered = _C.new_result(inputs, result.dtype.num)
    ordered[...] = result
    return ordered


def unary(name, x, out=None):
    return pointwise(name, (x,), (), out)


def binary(name, a, b, out=None):
    return pointwise(name, (a, b), (), out)


def cast(x, dtype):
    """A copy of `x` as another dtype (or the same), in the layout of an element-by-element result. Complex numbers lose
    their imaginary part in real types."""
    if x.dtype.kind != "c" and dtype.kind != "c":
        return _C.cast(x, dtype.num)
    return _in_layout((x,), cast_without_kernel(x, dtype))
