"""Scans on NumPy arrays."""

from __future__ import annotations

import numpy as np

from pytensor import _C
from pytensor.backend.reference import scan as plain
from pytensor.backend.reference.scan import cumulative_extreme, logcumsumexp

__all__ = ["cumulative", "cumulative_extreme", "logcumsumexp"]

_KERNEL_TYPES = {np.dtype(t) for t in ("float32", "float64")}


def cumulative(name: str, x: np.ndarray, axis: int, reverse: bool = False) -> np.ndarray:
    """See :func:`pytensor.backend.reference.cumulative`."""
    if x.dtype in _KERNEL_TYPES and x.ndim > 0:
        return _C.reduce_scan(name, x, axis, reverse)
    return plain.cumulative(name, x, axis, reverse)
