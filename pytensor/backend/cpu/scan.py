"""Scans on NumPy arrays."""

from __future__ import annotations

import numpy as np

from pytensor import _C
from pytensor.backend.reference import scan as plain
from pytensor.backend.reference.scan import cumulative_extreme as plain_cumulative_extreme
from pytensor.backend.reference.scan import logcumsumexp as plain_logcumsumexp

__all__ = ["cumulative", "cumulative_extreme", "logcumsumexp"]

_KERNEL_TYPES = {np.dtype(t) for t in ("float32", "float64")}
_EXTREME_TYPES = _KERNEL_TYPES | {np.dtype(t) for t in ("bool", "uint8", "int32", "int64")}


def cumulative(name: str, x: np.ndarray, axis: int, reverse: bool = False) -> np.ndarray:
    """See :func:`pytensor.backend.reference.cumulative`."""
    if x.dtype in _KERNEL_TYPES and x.ndim > 0:
        return _C.reduce_scan(name, x, axis, reverse)
    if x.dtype.kind in "bi" and x.ndim > 0:
        return _C.reduce_scan(name, x.astype(np.int64, copy=False), axis, reverse)
    return plain.cumulative(name, x, axis, reverse)


def cumulative_extreme(name: str, x: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """See :func:`pytensor.backend.reference.cumulative_extreme`."""
    if x.dtype in _EXTREME_TYPES and x.ndim > 0:
        return _C.reduce_scan_extremes(name == "cummax", x, axis)
    return plain_cumulative_extreme(name, x, axis)


def logcumsumexp(x: np.ndarray, axis: int) -> np.ndarray:
    """See :func:`pytensor.backend.reference.logcumsumexp`."""
    if x.dtype in _KERNEL_TYPES and x.ndim > 0:
        return _C.reduce_scan_logsumexp(x, axis)
    return plain_logcumsumexp(x, axis)
