"""Sorting, searching and counting on NumPy arrays, by the kernels of csrc/kernels/index."""

from __future__ import annotations

from typing import Any

import numpy as np

from pytensor import _C
from pytensor.backend.reference.sort import bin_counts as plain_bin_counts
from pytensor.backend.reference.sort import histogram_counts as plain_histogram_counts
from pytensor.backend.reference.sort import kth_smallest as plain_kth_smallest
from pytensor.backend.reference.sort import search_sorted as plain_search_sorted
from pytensor.backend.reference.sort import sort as plain_sort
from pytensor.backend.reference.sort import top_k as plain_top_k
from pytensor.backend.reference.sort import unique as plain_unique
from pytensor.backend.reference.sort import unique_runs as plain_unique_runs

__all__ = ["bin_counts", "histogram_counts", "kth_smallest", "search_sorted", "sort", "top_k", "unique", "unique_runs"]

_SORTED = {np.dtype(t) for t in ("float32", "float64", "bool", "uint8", "int8", "int16", "int32", "int64")}
_COUNTED = {t for t in _SORTED if t.kind in "iu"}
_BINNED = {t for t in _SORTED if t.kind == "f"}


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


def unique(x: np.ndarray, axis: int | None = None, want_inverse: bool = True) -> tuple[Any, Any, Any]:
    """See :func:`pytensor.backend.reference.unique`."""
    if axis is None and x.dtype in _SORTED:
        return _unique(x, False, want_inverse)
    return plain_unique(x, axis, want_inverse)


def unique_runs(x: np.ndarray, axis: int | None = None, want_inverse: bool = True) -> tuple[Any, Any, Any]:
    """See :func:`pytensor.backend.reference.unique_runs`."""
    if axis is None and x.dtype in _SORTED:
        return _unique(x, True, want_inverse)
    return plain_unique_runs(x, axis, want_inverse)


def _unique(x: np.ndarray, runs: bool, want_inverse: bool) -> tuple[Any, Any, Any]:
    values, inverse, counts = _C.index_unique(_widened(x), runs, want_inverse)
    return values.astype(x.dtype, copy=False), inverse, counts


def _widened(x: np.ndarray) -> np.ndarray:
    """C-contiguous, of a type that the kernels of counting have."""
    if x.dtype.itemsize < 4:
        return x.astype(np.int32, order="C")
    return x if x.flags.c_contiguous else x.copy()


def bin_counts(x: np.ndarray, weights: np.ndarray | None, minlength: int) -> np.ndarray | None:
    """See :func:`pytensor.backend.reference.bin_counts`."""
    if x.dtype not in _COUNTED:
        return plain_bin_counts(x, weights, minlength)
    if weights is None:
        return _C.index_bin_counts(_widened(x), minlength)
    single = weights.dtype == np.float32
    if not single:
        weights = weights.astype(np.float64, copy=False)
    totals = _C.index_bin_weights(_widened(x), np.ascontiguousarray(weights), minlength)
    return totals.astype(np.float32) if single and totals is not None else totals


def histogram_counts(x: np.ndarray, edges: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """See :func:`pytensor.backend.reference.histogram_counts`."""
    if weights is None and x.dtype in _BINNED and edges.dtype == x.dtype and edges.size > 1:
        return _C.index_histogram(np.ascontiguousarray(x), np.ascontiguousarray(edges))
    return plain_histogram_counts(x, edges, weights)
