"""Sorting, searching and counting on NumPy arrays."""

from __future__ import annotations

import numpy as np

from pytensor.backend.reference.sort import bin_counts, histogram_counts, search_sorted, sort, unique
from pytensor.backend.reference.sort import kth_smallest as sort_rank
from pytensor.backend.reference.sort import top_k as sort_all

__all__ = ["bin_counts", "histogram_counts", "kth_smallest", "search_sorted", "sort", "top_k", "unique"]

_SHORT = 128  # rows that are sorted as a whole faster than they are partitioned


def kth_smallest(x: np.ndarray, rank: int, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """See :func:`pytensor.backend.reference.kth_smallest`."""
    if x.ndim == 0 or x.shape[axis] <= _SHORT or x.dtype.kind not in "iuf":
        return sort_rank(x, rank, axis)
    one = (slice(None),) * axis + (slice(rank, rank + 1),)
    places = np.argpartition(x, rank, axis=axis)[one].astype(np.int64)
    return np.take_along_axis(x, places, axis), places


def top_k(x: np.ndarray, k: int, axis: int, largest: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """See :func:`pytensor.backend.reference.top_k`: partitions first, then sorts k elements."""
    n = x.shape[axis] if x.ndim else 1
    if n <= _SHORT or 2 * k >= n or x.dtype.kind not in "iuf":
        return sort_all(x, k, axis, largest)
    if k == 0:
        return sort_all(x, k, axis, largest)
    # NumPy's order has NaN last, which is PyTorch's: greatest.
    cut, head = (n - k, slice(n - k, None)) if largest else (k - 1, slice(0, k))
    some = np.argpartition(x, cut, axis=axis)[(slice(None),) * axis + (head,)]
    values, order = sort(np.take_along_axis(x, some, axis), axis, largest)
    return values, np.take_along_axis(some, order, axis).astype(np.int64)
