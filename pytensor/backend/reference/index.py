"""Gathering and scattering along one axis, in plain NumPy. Indices have been checked: 0 <= index < size."""

from __future__ import annotations

from typing import Any

import numpy as np

from pytensor.backend.reference.array_module import array_module

__all__ = ["add_rows", "gather", "scatter", "scatter_add", "scatter_reduce", "take_rows"]


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
    if index.ndim == 0 or x.ndim == 0:
        return xp.broadcast_to(x.reshape(()), index.shape).copy() if x.size else x.copy()
    return x[_grid(xp, index, axis)]


def scatter(x: Any, axis: int, index: Any, source: Any) -> Any:
    """A copy of x with ``out[index[i][j]][j] = source[i][j]``; of several the last one in row-major order stays.
    ``source`` may be a number."""
    xp = array_module(x)
    out = x.copy()
    values = source
    if index.size == 0:
        return out
    if out.ndim == 0:
        out[...] = values if not hasattr(values, "reshape") else values.reshape(-1)[0]
        return out
    out[_grid(xp, index, axis)] = _part(values, index) if getattr(values, "ndim", 0) else values
    return out


def scatter_add(x: Any, axis: int, index: Any, source: Any) -> Any:
    """The same, adding up."""
    xp = array_module(x)
    out = x.copy()
    if index.size == 0:
        return out
    if out.ndim == 0:
        return (out + source.reshape(-1)[: index.size].sum()).astype(x.dtype) + xp.zeros((), x.dtype)
    xp.add.at(out, _grid(xp, index, axis), _part(source, index))
    return out


_UFUNCS = {"sum": "add", "prod": "multiply", "amax": "maximum", "amin": "minimum"}


def scatter_reduce(name: str, x: Any, axis: int, index: Any, source: Any) -> Any:
    """The same for ``sum prod amax amin``, starting from the elements of x."""
    xp = array_module(x)
    out = x.reshape(-1).copy() if x.ndim == 0 else x.copy()
    places = index.reshape(-1) if x.ndim == 0 else index
    values = source.reshape(-1) if x.ndim == 0 else source
    if index.size:
        with np.errstate(all="ignore"):
            getattr(xp, _UFUNCS[name]).at(out, _grid(xp, places, axis), _part(values, places))
    return out.reshape(x.shape)


def take_rows(x: Any, axis: int, index: Any) -> Any:
    """Slices of x along ``axis`` at a vector of indices."""
    xp = array_module(x)
    return xp.asarray(xp.take(x, index, axis=axis))


def add_rows(x: Any, axis: int, index: Any, source: Any) -> Any:
    """A copy of x with the slices of ``source`` along ``axis`` added at a vector of indices."""
    xp = array_module(x)
    out = x.copy()
    xp.add.at(out, (slice(None),) * axis + (index,), source)
    return out
