"""Scans along one axis in plain NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from pytensor.backend.reference.array_module import array_module

__all__ = ["cumulative", "cumulative_extreme", "logcumsumexp"]


def cumulative(name: str, x: Any, axis: int, reverse: bool = False) -> Any:
    """``cumsum`` or ``cumprod``, with ``reverse`` from the end; integers in int64, floating point accumulated in double precision."""
    xp = array_module(x)
    if x.ndim == 0:
        return x.astype(np.int64) if x.dtype.kind in "biu" else x.copy()
    wide = np.int64 if x.dtype.kind in "biu" else np.complex128 if x.dtype.kind == "c" else np.float64
    with np.errstate(all="ignore"):
        result = getattr(xp, name)(xp.flip(x.astype(wide), axis) if reverse else x.astype(wide), axis=axis)
    if reverse:
        result = xp.ascontiguousarray(xp.flip(result, axis))
    return result if wide is np.int64 else result.astype(x.dtype)


def cumulative_extreme(name: str, x: Any, axis: int) -> tuple[Any, Any]:
    """``cummax`` or ``cummin``, and the place of the last such element so far. NaN wins."""
    xp = array_module(x)
    if x.ndim == 0:
        return x.copy(), xp.zeros((), dtype=np.int64)
    wide = x.astype(np.float32) if x.dtype.kind not in "biufc" else x
    best = (xp.maximum if name == "cummax" else xp.minimum).accumulate(wide, axis=axis)
    hit = (wide == best) | (wide != wide)
    shape = [1] * x.ndim
    shape[axis] = x.shape[axis]
    order = xp.arange(x.shape[axis]).reshape(shape)
    places = xp.maximum.accumulate(xp.where(hit, order, 0), axis=axis).astype(np.int64)
    return best.astype(x.dtype), places


def logcumsumexp(x: Any, axis: int) -> Any:
    """log of the cumulative sum of exp, without overflow."""
    xp = array_module(x)
    if x.ndim == 0 or x.size == 0:
        return x.copy()
    if x.dtype.kind == "c":
        wide = x.astype(np.complex128)
        peak = wide.real.max(axis=axis, keepdims=True)
        return (xp.log(xp.exp(wide - peak).cumsum(axis=axis)) + peak).astype(x.dtype)
    wide = x.astype(np.float64)
    with np.errstate(all="ignore"):
        return xp.logaddexp.accumulate(wide, axis=axis).astype(x.dtype)
