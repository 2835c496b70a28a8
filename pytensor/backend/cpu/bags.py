"""Bags of rows of a table by the kernels of csrc/kernels/index/bags.h; other types than float32 and float64 in
NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from pytensor import _C
from pytensor.backend.reference import bags as plain

__all__ = ["bag_dot", "bag_max", "bag_spread", "bag_sum"]

_TYPES = (np.dtype("float32"), np.dtype("float64"))


def _straight(x: Any, dtype: Any = None) -> Any:
    """C-contiguous, of a dtype; what is no array stays."""
    if not isinstance(x, np.ndarray) or (x.flags.c_contiguous and (dtype is None or x.dtype == dtype)):
        return x
    return np.ascontiguousarray(x, dtype=dtype)


def bag_sum(table: np.ndarray, numbers: Any, bounds: Any, padding: int, weights: Any, mean: bool) -> Any:
    """See :func:`pytensor.backend.reference.bag_sum`."""
    if table.dtype not in _TYPES:
        return plain.bag_sum(table, numbers, bounds, padding, weights, mean)
    numbers, bounds = _straight(numbers, np.int64), _straight(bounds, np.int64)
    return _C.bag_sum(_straight(table), numbers, bounds, padding, _straight(weights), mean)


def bag_max(table: np.ndarray, numbers: Any, bounds: Any, padding: int, with_places: bool) -> Any:
    """See :func:`pytensor.backend.reference.bag_max`."""
    if table.dtype not in _TYPES:
        return plain.bag_max(table, numbers, bounds, padding, with_places)
    numbers, bounds = _straight(numbers, np.int64), _straight(bounds, np.int64)
    return _C.bag_max(_straight(table), numbers, bounds, padding, with_places)


def bag_spread(
    grad: np.ndarray, numbers: Any, bounds: Any, padding: int, weights: Any, mean: bool, rows: int
) -> np.ndarray:
    """See :func:`pytensor.backend.reference.bag_spread`."""
    if grad.dtype not in _TYPES:
        return plain.bag_spread(grad, numbers, bounds, padding, weights, mean, rows)
    numbers, bounds = _straight(numbers, np.int64), _straight(bounds, np.int64)
    return _C.bag_spread(_straight(grad), numbers, bounds, padding, _straight(weights), mean, rows)


def bag_dot(grad: np.ndarray, table: np.ndarray, numbers: Any, bounds: Any, padding: int) -> np.ndarray:
    """See :func:`pytensor.backend.reference.bag_dot`."""
    if grad.dtype not in _TYPES:
        return plain.bag_dot(grad, table, numbers, bounds, padding)
    numbers, bounds = _straight(numbers, np.int64), _straight(bounds, np.int64)
    return _C.bag_dot(_straight(grad), _straight(table), numbers, bounds, padding)
