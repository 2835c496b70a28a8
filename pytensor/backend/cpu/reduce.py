"""Reductions on NumPy arrays by the kernels of csrc/kernels/reduce."""

from __future__ import annotations

import numpy as np

from pytensor import _C
from pytensor.backend.reference import reduce as plain

__all__ = ["extreme_with_indices", "reduction"]

_FLOATS_ONLY = {"mean", "var", "std", "norm2", "nansum"}
_KERNEL_TYPES = {np.dtype(t) for t in ("float32", "float64", "bool", "uint8", "int32", "int64")}
_EXTREMES = {"max", "min"}
_PREDICATES = {"any", "all", "argmax", "argmin"}


def reduction(name: str, x: np.ndarray, axes: tuple[int, ...], keepdim: bool = False, param: float = 0.0) -> np.ndarray:
    """See :func:`pytensor.backend.reference.reduction`."""
    mask = 0
    for axis in axes:
        mask |= 1 << axis
    dtype = x.dtype
    if dtype == np.uint8 and (name == "any" or name == "all"):
        return _C.reduce_run(name, np.asarray(x != 0), mask, keepdim, param)
    if dtype == np.bool_ and name.startswith("arg"):
        return _C.reduce_run(name, x.view(np.uint8), mask, keepdim, param)
    if dtype in _KERNEL_TYPES and (name not in _FLOATS_ONLY or dtype.kind == "f"):
        return _C.reduce_run(name, x, mask, keepdim, param)
    stand_in = _stand_in(dtype)
    if stand_in is None:
        return plain.reduction(name, x, axes, keepdim, param)
    result = _C.reduce_run(name, x.astype(stand_in), mask, keepdim, param)
    if name in _PREDICATES or (stand_in == np.int32 and name not in _EXTREMES):
        return result
    return result.astype(dtype)


def extreme_with_indices(name: str, x: np.ndarray, axis: int, keepdim: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """See :func:`pytensor.backend.reference.extreme_with_indices`."""
    mask = 1 << axis if x.ndim else 0
    if x.dtype in _KERNEL_TYPES:
        return _C.reduce_run(name, x, mask, keepdim, 0.0, True)
    stand_in = _stand_in(x.dtype)
    if stand_in is None:
        return plain.extreme_with_indices(name, x, axis, keepdim)
    values, places = _C.reduce_run(name, x.astype(stand_in), mask, keepdim, 0.0, True)
    return values.astype(x.dtype), places


def _stand_in(dtype: np.dtype) -> type | None:
    """The type whose kernels serve for one that has none."""
    if dtype.kind == "i":
        return np.int32
    return np.float32 if dtype == np.float16 or dtype.kind == "V" or dtype.name == "bfloat16" else None
