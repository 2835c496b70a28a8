"""Gathering and scattering on NumPy arrays by the kernels of csrc/kernels/index."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from pytensor import _C
from pytensor.backend.cpu.pointwise import cast
from pytensor.backend.reference import index as plain

__all__ = [
    "add_rows",
    "compress",
    "copied",
    "count_set",
    "expand",
    "gather",
    "in_bounds",
    "join",
    "pick",
    "places",
    "plus_rows",
    "put",
    "scatter",
    "scattered",
    "store",
    "take_rows",
    "triangle",
]

_MOVED = {np.dtype(t) for t in ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64")}
COPIED = _MOVED | {np.dtype(t) for t in ("complex64", "complex128")}
_ADDED = {np.dtype(t) for t in ("int32", "int64", "float32", "float64")}


def _int64(index: np.ndarray) -> np.ndarray:
    return index if index.dtype == np.int64 else index.astype(np.int64)


def in_bounds(index: np.ndarray, size: int) -> bool:
    """See :func:`pytensor.backend.reference.in_bounds`."""
    return _C.index_in_bounds(np.ascontiguousarray(_int64(index)), size)


def gather(x: np.ndarray, axis: int, index: np.ndarray) -> np.ndarray | None:
    """See :func:`pytensor.backend.reference.gather`."""
    if x.dtype in _MOVED and x.ndim and x.ndim == index.ndim:
        return _C.index_gather(x, axis, _int64(index))
    return plain.gather(x, axis, index)


_REDUCTIONS = {"store": 0, "sum": 1, "prod": 2, "amax": 3, "amin": 4}


@functools.cache
def _is_half(dtype: np.dtype) -> bool:
    return dtype.itemsize == 2 and dtype.name in ("float16", "bfloat16")


def _has_scatter(name: str, x: np.ndarray, index: np.ndarray) -> bool:
    if not 0 < x.ndim == index.ndim:
        return False
    if name == "store":
        return x.dtype in COPIED or _is_half(x.dtype)
    return x.dtype in COPIED and not _is_half(x.dtype) and (name in ("sum", "prod") or x.dtype.kind != "c")


def scatter(name: str, out: np.ndarray, axis: int, index: np.ndarray, source: Any) -> bool:
    """See :func:`pytensor.backend.reference.scatter`."""
    if name != "store" and _is_half(out.dtype):
        total = scattered(name, out, axis, index, source)
        if total is not None:
            out[...] = total
        return total is not None
    if not _has_scatter(name, out, index):
        return plain.scatter(name, out, axis, index, source)
    return _C.index_scatter(_REDUCTIONS[name], out, axis, _int64(index), _like(source, index, out))


def scattered(
    name: str, x: np.ndarray, axis: int, index: np.ndarray, source: Any, include_self: bool = True
) -> np.ndarray | None:
    """See :func:`pytensor.backend.reference.scattered`. Halves are combined in float32 and rounded once, as PyTorch's."""
    if name != "store" and _is_half(x.dtype):
        wide = scattered(name, _wide(x), axis, index, _wide(source), include_self)
        return None if wide is None else cast(wide, x.dtype)
    if not _has_scatter(name, x, index):
        return plain.scattered(name, x, axis, index, source, include_self)
    start = _straight(x)
    out = _C.new_array(x.shape, x.dtype.num)
    values = _like(source, index, x)
    inside = _C.index_scatter(_REDUCTIONS[name], out, axis, _int64(index), values, start, include_self)
    return out if inside else None


def _wide(source: Any) -> Any:
    return cast(source, np.dtype(np.float32)) if isinstance(source, np.ndarray) else np.float32(source)


def _like(source: Any, index: np.ndarray, x: np.ndarray) -> np.ndarray:
    """A number for all elements of ``index``, or the array that ``source`` is."""
    return source if getattr(source, "ndim", 0) else np.broadcast_to(np.asarray(source, x.dtype), index.shape)


def take_rows(x: np.ndarray, axis: int, index: np.ndarray) -> np.ndarray | None:
    """See :func:`pytensor.backend.reference.take_rows`."""
    if x.dtype in _MOVED and x.flags.c_contiguous and x.ndim:
        index = _int64(np.asarray(index))
        if not index.flags.c_contiguous:
            index = index.copy()
        return _C.index_take_rows(x, axis, index)
    return plain.take_rows(x, axis, index)


def add_rows(out: np.ndarray, axis: int, index: np.ndarray, source: np.ndarray) -> bool:
    """See :func:`pytensor.backend.reference.add_rows`."""
    if out.dtype in _ADDED and out.flags.c_contiguous and index.ndim == 1:
        return _C.index_add_rows(out, axis, np.ascontiguousarray(_int64(index)), np.ascontiguousarray(source))
    return scatter("sum", out, axis, *_repeated(axis, index, source))


def plus_rows(x: np.ndarray, axis: int, index: np.ndarray, source: np.ndarray) -> np.ndarray | None:
    """See :func:`pytensor.backend.reference.plus_rows`."""
    if x.dtype in _ADDED and x.flags.c_contiguous and x.ndim and index.ndim == 1:
        return _C.index_plus_rows(x, axis, np.ascontiguousarray(_int64(index)), np.ascontiguousarray(source))
    return scattered("sum", x, axis, *_repeated(axis, index, source))


def _repeated(axis: int, index: np.ndarray, source: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A vector of indices of slices as the indices of their elements, and the slices."""
    shape = [index.size if d == axis else 1 for d in range(source.ndim)]
    return np.broadcast_to(index.reshape(shape), source.shape), source


def copied(x: np.ndarray) -> np.ndarray:
    """See :func:`pytensor.backend.reference.copied`."""
    copy = _C.new_array(x.shape, x.dtype.num)
    store(copy, x)
    return copy


def join(arrays: Sequence[np.ndarray], axis: int) -> np.ndarray:
    """See :func:`pytensor.backend.reference.join`."""
    if arrays[0].dtype in COPIED:
        return _C.index_join(arrays, axis)
    return plain.join(arrays, axis)


def store(out: np.ndarray, x: np.ndarray) -> None:
    """See :func:`pytensor.backend.reference.store`."""
    if x.dtype == out.dtype and x.shape == out.shape and x.dtype in COPIED:
        _C.index_copy_into(out, x)
    else:
        out[...] = x


def compress(x: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """See :func:`pytensor.backend.reference.compress`."""
    if x.dtype in COPIED:
        return _C.index_compress(_straight(x), _straight(mask))
    return plain.compress(x, mask)


def pick(x: np.ndarray, axes: tuple[int, ...], indices: tuple[np.ndarray, ...]) -> np.ndarray | None:
    """See :func:`pytensor.backend.reference.pick`."""
    if x.dtype not in COPIED:
        return plain.pick(x, axes, indices)
    if len(axes) == 1 and x.flags.c_contiguous and x.dtype in _MOVED:
        rows = take_rows(x, axes[0], indices[0])
        if rows is not None:  # no index is negative
            return rows
    return _C.index_pick(x, axes, tuple(map(_int64, indices)))


def put(
    out: np.ndarray, axes: tuple[int, ...], indices: tuple[np.ndarray, ...], source: np.ndarray, accumulate: bool
) -> bool:
    """See :func:`pytensor.backend.reference.put`."""
    if accumulate and _is_half(out.dtype):
        wide = _wide(out)
        if not put(wide, axes, indices, _wide(source), True):
            return False
        out[...] = cast(wide, out.dtype)
        return True
    if out.dtype not in COPIED or (accumulate and out.dtype.kind == "b"):
        return plain.put(out, axes, indices, source, accumulate)
    return _C.index_put(out, axes, tuple(map(_int64, indices)), source, accumulate)


def expand(out: np.ndarray, mask: np.ndarray, source: np.ndarray) -> bool:
    """See :func:`pytensor.backend.reference.expand`."""
    if out.dtype in COPIED and out.flags.c_contiguous:
        return _C.index_expand(out, _straight(mask), np.ascontiguousarray(source))
    return plain.expand(out, mask, source)


def count_set(mask: np.ndarray) -> int:
    """See :func:`pytensor.backend.reference.count_set`."""
    return _C.index_count_set(_straight(mask))


def places(mask: np.ndarray) -> np.ndarray:
    """See :func:`pytensor.backend.reference.places`."""
    return _C.index_places(_straight(mask))


def triangle(x: np.ndarray, upper: bool, diagonal: int) -> np.ndarray:
    """See :func:`pytensor.backend.reference.triangle`."""
    if x.dtype in COPIED:
        return _C.index_triangle(_straight(x), upper, diagonal)
    return plain.triangle(x, upper, diagonal)


def _straight(x: np.ndarray) -> np.ndarray:
    return x if x.flags.c_contiguous else copied(x)
