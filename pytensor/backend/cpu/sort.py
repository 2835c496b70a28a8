"""Sorting, searching and counting on NumPy arrays, by the kernels of csrc/kernels/index."""

from __future__ import annotations

from typing import Any

import numpy as np

from pytensor import _C
from pytensor.backend.reference.sort import bin_counts, histogram_counts, unique
from pytensor.backend.reference.sort import kth_smallest as plain_kth_smallest
from pytensor.backend.reference.sort import search_sorted as plain_search_sorted
from pytensor.backend.reference.sort import sort as plain_sort
from pytensor.backend.reference.sort import top_k as plain_top_k

__all__ = ["bin_counts", "histogram_counts", "kth_smallest", "search_sorted", "sort", "top_k", "unique"]

_SORTED = {np.dtype(t) for t in ("float32", "float64", "bool", "uint8", "int8", "int16", "int32", "int64")}


def sort(x: np.ndarray, axis: int, descending: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """See :func:`pytensor.backend.reference.sort`."""
    if x.ndim and x.dtype in _SORTED:
        return _C.index_sort(x, axis, descending)
    return plain_sort(x, axis, descending)


def kth_smallest(x: np.ndarray, rank: Any, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """See :func:`pytensor.backend.reference.kth_smallest`."""
    if x.ndim and x.dtype in _SORTED:
        return _C.index_select_rank(x, axis, rank if isinstance(rank, int) else np.ascontiguousarray(rank, np.int64))
    return plain_kth_smallest(x, rank, axis)


def top_k(x: np.ndarray, k: int, axis: int, largest: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """See :func:`pytensor.backend.reference.top_k`."""
    if x.ndim and x.dtype in _SORTED:
        return _C.index_top_k(x, axis, k, largest)
    return plain_top_k(x, k, axis, largest)


def search_sorted(boundaries: np.ndarray, values: np.ndarray, right: bool) -> np.ndarray:
    """See :func:`pytensor.backend.reference.search_sorted`."""
    if boundaries.dtype == values.dtype and values.dtype in _SORTED and boundaries.ndim:
        edges, wanted = np.ascontiguousarray(boundaries), np.ascontiguousarray(values).reshape(values.shape)
        return _C.index_search_sorted(edges, wanted, right)
    return plain_search_sorted(boundaries, values, right)
