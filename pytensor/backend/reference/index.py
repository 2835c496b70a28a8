"""Gathering and scattering along one axis, in plain NumPy.

An index outside of [0, size) is answered with None instead of a result, with False by what writes in place; the op
words the error. What is scattered into is written in place: the caller has made the copy, or the zeros."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pytensor.backend.reference.array_module import array_module

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


def in_bounds(index: Any, size: int) -> bool:
    """Are all indices in [0, size)?"""
    return bool(((index >= 0) & (index < size)).all())


def _size(x: Any, axis: int) -> int:
    return x.shape[axis] if x.ndim else 1


def _grid(xp: Any, index: Any, axis: int) -> tuple[Any, ...]:
    """``index`` along ``axis``, every other axis counting itself."""
    places = []
    for d in range(index.ndim):
        shape = [1] * index.ndim
        shape[d] = index.shape[d]
        places.append(index if d == axis else xp.arange(index.shape[d]).reshape(shape))
    return tuple(places)


def _part(x: Any, index: Any) -> Any:
    return x[tuple(slice(0, n) for n in index.shape)]


def gather(x: Any, axis: int, index: Any) -> Any:
    """``out[i][j] = x[index[i][j]][j]`` for axis 0, and so on."""
    xp = array_module(x)
    if not in_bounds(index, _size(x, axis)):
        return None
    if index.ndim == 0 or x.ndim == 0:
        return xp.broadcast_to(x.reshape(()), index.shape).copy() if x.size else x.copy()
    return x[_grid(xp, index, axis)]


_UFUNCS = {"sum": "add", "prod": "multiply", "amax": "maximum", "amin": "minimum"}


def scatter(name: str, out: Any, axis: int, index: Any, source: Any) -> bool:
    """``out[index[i][j]][j]`` becomes, for axis 0, the ``sum prod amax amin`` of itself and all ``source[i][j]`` that go
    there, or for ``store`` the last of them in row-major order, in place. ``source`` may be a number. Halves are combined
    in float32 and rounded once, as PyTorch's are."""
    if index.size == 0:
        return True
    if not in_bounds(index, _size(out, axis)):
        return False
    if name != "store" and _is_half(out.dtype):
        wide = out.astype(np.float32)
        scatter(name, wide, axis, index, source)
        with np.errstate(over="ignore"):
            out[...] = wide
        return True
    xp = array_module(out)
    lines, places, values = _with_axes(out, index, xp.asarray(source, dtype=out.dtype))
    at, part = (
        _grid(xp, places, axis),
        _part(xp.broadcast_to(values, places.shape) if values.size == 1 else values, places),
    )
    with np.errstate(all="ignore"):
        if name == "store":
            lines[at] = part
        else:
            getattr(xp, _UFUNCS[name]).at(lines, at, part)
    return True


def scattered(name: str, x: Any, axis: int, index: Any, source: Any, include_self: bool = True) -> Any:
    """A copy of ``x`` with ``source`` scattered into it; the elements that are met do not take part themselves when
    ``include_self`` is false."""
    out = x.copy()
    if not include_self and index.size and in_bounds(index, _size(out, axis)):
        scatter("store", out, axis, index, _neutral(name, out.dtype))
    return out if scatter(name, out, axis, index, source) else None


def _is_half(dtype: Any) -> bool:
    return dtype.itemsize == 2 and dtype.kind not in "iu"


def _neutral(name: str, dtype: Any) -> Any:
    """What changes nothing when something is combined with it."""
    if name in ("sum", "prod"):
        return int(name == "prod")
    low = name == "amax"
    if dtype.kind in "iu":
        return np.iinfo(dtype).min if low else np.iinfo(dtype).max
    return not low if dtype.kind == "b" else -np.inf if low else np.inf


def _with_axes(*arrays: Any) -> tuple[Any, ...]:
    """0-d arrays as views with one axis."""
    return tuple(a.reshape(1) if a.ndim == 0 else a for a in arrays)


def take_rows(x: Any, axis: int, index: Any) -> Any:
    """Slices of x along ``axis`` at indices, whose axes take the place of that axis."""
    xp = array_module(x)
    return xp.asarray(xp.take(x, index, axis=axis)) if in_bounds(index, x.shape[axis]) else None


def add_rows(out: Any, axis: int, index: Any, source: Any) -> bool:
    """Adds the slices of ``source`` along ``axis`` to those of ``out`` at a vector of indices, in place."""
    if not in_bounds(index, out.shape[axis]):
        return False
    array_module(out).add.at(out, (slice(None),) * axis + (index,), source)
    return True


def plus_rows(x: Any, axis: int, index: Any, source: Any) -> Any:
    """A copy of ``x`` with the slices of ``source`` added by :func:`add_rows`."""
    out = x.copy()
    return out if add_rows(out, axis, index, source) else None


def join(arrays: Sequence[Any], axis: int) -> Any:
    """Arrays of one dtype, one after the other along an axis, in a C-contiguous array."""
    return array_module(arrays[0]).concatenate(arrays, axis)


def copied(x: Any) -> Any:
    """A C-contiguous copy."""
    return x.copy()


def store(out: Any, x: Any) -> None:
    """Copies ``x`` into ``out``, whose memory it does not share; of another dtype it is cast."""
    out[...] = x


def _full_key(ndim: int, axes: tuple[int, ...], indices: tuple[Any, ...]) -> tuple[Any, ...]:
    key: list[Any] = [slice(None)] * ndim
    for axis, index in zip(axes, indices, strict=True):
        key[axis] = index
    return tuple(key)


def _within(x: Any, axes: tuple[int, ...], indices: tuple[Any, ...]) -> bool:
    sizes = [x.shape[axis] for axis in axes]
    return all(bool(((i >= -n) & (i < n)).all()) for i, n in zip(indices, sizes, strict=True))


def pick(x: Any, axes: tuple[int, ...], indices: tuple[Any, ...]) -> Any:
    """``x[:, i, j]`` for ascending ``axes`` (1, 2) and integer arrays that broadcast. Their axes take the place of the
    indexed ones where these are neighbours, else they come first. Negative indices count from the end."""
    if not _within(x, axes, indices):
        return None
    return array_module(x).asarray(x[_full_key(x.ndim, axes, indices)])


def put(out: Any, axes: tuple[int, ...], indices: tuple[Any, ...], source: Any, accumulate: bool) -> bool:
    """``out[:, i, j] = source``, or ``+=`` with repeated indices added up, in place; False, and nothing written, for an
    index out of bounds. ``source`` broadcasts to what :func:`pick` gives."""
    if not _within(out, axes, indices):
        return False
    key = _full_key(out.ndim, axes, indices)
    if accumulate:
        array_module(out).add.at(out, key, source)
    else:
        out[key] = source
    return True


def expand(out: Any, mask: Any, source: Any) -> bool:
    """``out[mask] = source`` for a mask of out's shape, in place, with as many elements as are set or with one; False
    for another number of them."""
    if source.size != 1 and source.size != int(mask.sum()):
        return False
    out[mask] = source.reshape(-1)
    return True


def count_set(mask: Any) -> int:
    """How many elements of a mask are true."""
    return int(mask.sum())


def compress(x: Any, mask: Any) -> Any:
    """The elements of ``x`` where ``mask`` of the same shape is true, in row-major order."""
    return x[mask]


def places(mask: Any) -> Any:
    """The places where a mask is true, in row-major order: for each axis a row of int64 indices."""
    xp = array_module(mask)
    if mask.ndim == 0:
        return xp.empty((0, int(mask)), dtype=np.int64)
    return xp.stack(mask.nonzero()).astype(np.int64, copy=False)


def triangle(x: Any, upper: bool, diagonal: int) -> Any:
    """Matrices (the last two axes) with zeros below a diagonal (``upper``) or above it."""
    xp = array_module(x)
    return (xp.triu if upper else xp.tril)(x, diagonal)
