"""Sorting, searching and counting in plain NumPy. NaN sorts as the greatest value, as in PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np

from pytensor.backend.reference.array_module import array_module

__all__ = ["bin_counts", "histogram_counts", "kth_smallest", "search_sorted", "sort", "top_k", "unique", "unique_runs"]


def sort(x: Any, axis: int, descending: bool = False) -> tuple[Any, Any]:
    """Sorted values and where they came from; equal elements keep their order."""
    xp = array_module(x)
    if x.ndim == 0:
        return x.copy(), xp.zeros((), dtype=np.int64)
    keys = x.astype(np.float32) if x.dtype.kind not in "biuf" else x
    if descending:  # a stable ascending sort of the reversed axis, read backwards
        places = xp.flip(xp.argsort(xp.flip(keys, axis), axis=axis, kind="stable"), axis)
        places = x.shape[axis] - 1 - places
    else:
        places = xp.argsort(keys, axis=axis, kind="stable")
    return xp.take_along_axis(x, places, axis), places.astype(np.int64)


def top_k(x: Any, k: int, axis: int, largest: bool = True) -> tuple[Any, Any]:
    """The k greatest (or smallest) elements in order, and their places."""
    values, places = sort(x, axis, largest)
    if x.ndim == 0:
        return values, places
    head = (slice(None),) * axis + (slice(0, k),)
    return values[head].copy(), places[head].copy()


def kth_smallest(x: Any, rank: Any, axis: int) -> tuple[Any, Any]:
    """The element at a rank of the sorted lines along ``axis``, which stays with size 1, and its place. ``rank`` is
    a number, or an array of one for each line, with axis ``axis`` of size 1."""
    values, places = sort(x, axis)
    if x.ndim == 0:
        return values, places
    if not isinstance(rank, int):
        xp = array_module(x)
        return xp.take_along_axis(values, rank, axis), xp.take_along_axis(places, rank, axis)
    one = (slice(None),) * axis + (slice(rank, rank + 1),)
    return values[one].copy(), places[one].copy()


def search_sorted(boundaries: Any, values: Any, right: bool) -> Any:
    """Where ``values`` would be inserted into rows of ``boundaries`` (last axis; sorted)."""
    xp = array_module(boundaries)
    side = "right" if right else "left"
    if boundaries.ndim == 1:
        return xp.asarray(xp.searchsorted(boundaries, values, side=side)).astype(np.int64)
    if values.size == 0:
        return xp.zeros(values.shape, dtype=np.int64)
    wanted = values.reshape(-1, values.shape[-1])
    rows = boundaries.reshape(wanted.shape[0], -1)
    result = xp.zeros(wanted.shape, dtype=np.int64)
    for i in range(rows.shape[0]):
        result[i] = xp.searchsorted(rows[i], wanted[i], side=side)
    return result.reshape(values.shape)


def unique(x: Any, axis: int | None = None, want_inverse: bool = True) -> tuple[Any, Any, Any]:
    """Sorted different elements (or slices along ``axis``), for every element which of them it is (may be None
    unless wanted), and how often each comes."""
    xp = array_module(x)
    if axis is None:
        values, inverse, counts = xp.unique(x.reshape(-1), return_inverse=True, return_counts=True, equal_nan=False)
        return values, inverse.reshape(x.shape).astype(np.int64), counts.astype(np.int64)
    values, inverse, counts = xp.unique(x, return_inverse=True, return_counts=True, axis=axis, equal_nan=False)
    return values, inverse.reshape(-1).astype(np.int64), counts.astype(np.int64)


def unique_runs(x: Any, axis: int | None = None, want_inverse: bool = True) -> tuple[Any, Any, Any]:
    """The same for the first of each run of equal neighbours."""
    xp = array_module(x)
    array, along = (x.reshape(-1), 0) if axis is None or x.ndim == 0 else (x, axis)
    rows = xp.moveaxis(array, along, 0)
    n = rows.shape[0]
    starts = xp.ones(n, dtype=bool)
    starts[1:] = (rows[1:] != rows[:-1]).any(axis=tuple(range(1, rows.ndim)))
    first = xp.flatnonzero(starts)
    inverse = (xp.cumsum(starts) - 1).astype(np.int64)
    counts = xp.diff(xp.append(first, n)).astype(np.int64)
    return xp.take(array, first, axis=along), inverse.reshape(x.shape) if axis is None else inverse, counts


def bin_counts(x: Any, weights: Any | None, minlength: int) -> Any:
    """How often each of 0, 1, ... comes, or the sum of its weights; None when an element is negative."""
    xp = array_module(x)
    if x.size and int(x.min()) < 0:
        return None
    if weights is None:
        return xp.bincount(x, minlength=minlength).astype(np.int64)
    wide = weights.astype(np.float64)
    return xp.bincount(x, wide, minlength=minlength).astype(np.float32 if weights.dtype == np.float32 else np.float64)


def histogram_counts(x: Any, edges: Any, weights: Any | None = None) -> Any:
    """Elements per bin; the last bin includes its upper edge. Elements outside and NaN do not count."""
    xp = array_module(x)
    bins = edges.shape[0] - 1
    place = xp.searchsorted(edges, x, side="right") - 1
    place = xp.where(x == edges[-1], bins - 1, place)
    inside = (x >= edges[0]) & (x <= edges[-1])
    kept = None if weights is None else weights[inside]
    return xp.bincount(place[inside], kept, minlength=bins)
