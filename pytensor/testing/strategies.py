"""Hypothesis strategies for what kernels and ops are given: shapes, values and memory layouts.

Values come from a NumPy generator seeded by hypothesis: large arrays cost nothing to draw, every failure can
be replayed, and hypothesis still shrinks what matters (shape, layout, kind of values).
"""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from pytensor.testing.numpy_dtypes import finfo, is_float, numpy_dtype
from pytensor.testing.spec import REAL_LINE


@st.composite
def shapes(draw, min_dims: int = 0, max_dims: int = 4, min_side: int = 0, max_side: int = 6, large: bool = True):
    """A shape: 0-d, empty and size-1 sides come often; now and then one side is long (around 2^k)."""
    ndim = draw(st.integers(min_dims, max_dims))
    usual = st.integers(max(min_side, 1), max_side)
    sides = draw(st.lists(usual, min_size=ndim, max_size=ndim))
    if ndim and min_side == 0 and draw(st.integers(0, 9)) == 9:
        sides[draw(st.integers(0, ndim - 1))] = 0
    elif ndim and large and draw(st.integers(0, 4)) == 4:
        power = draw(st.sampled_from([16, 32, 64, 128, 256, 1024]))
        sides[draw(st.integers(0, ndim - 1))] = power + draw(st.integers(-1, 1))
    return tuple(sides)


@st.composite
def broadcastable_shapes(draw, count: int, max_dims: int = 4, min_side: int = 0, max_side: int = 6, large: bool = True):
    """``count`` shapes that broadcast with each other."""
    full = draw(shapes(0, max_dims, min_side, max_side, large))
    result = []
    for _ in range(count):
        if draw(st.booleans()):
            result.append(full)
            continue
        kept = full[draw(st.integers(0, len(full))) :]
        result.append(tuple(1 if draw(st.booleans()) else side for side in kept))
    return tuple(result)


def specials(dtype: np.dtype) -> np.ndarray:
    """NaN, infinities, signed zeros, denormals, the smallest and the largest finite numbers."""
    info = finfo(dtype)
    tiny, largest, least = float(info.tiny), float(info.max), float(info.smallest_subnormal)
    with np.errstate(all="ignore"):
        return np.array(
            [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, least, -least, tiny / 2, -tiny / 2, tiny, largest, -largest]
        ).astype(dtype)


def fill(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype, kind: str, only) -> np.ndarray:
    """An array of random values of a kind (see :meth:`pytensor.testing.source.Source.array`)."""
    size = int(np.prod(shape))
    low, high = only
    if dtype.kind == "b":
        return np.asarray(rng.random(shape) < 0.5)
    if kind == "distinct":
        values = rng.permutation(size) - size // 2
        if dtype.kind == "u":
            values = rng.permutation(size)
        values = np.asarray(values, dtype).reshape(shape)
        return values / dtype.type(8) if is_float(dtype) and size < 128 else values
    if dtype.kind in "iu":
        return fill_integers(rng, shape, dtype, kind, only)
    if dtype.kind == "c":
        return np.asarray(rng.normal(size=shape) * 2 + 2j * rng.normal(size=shape), dtype)
    return fill_floats(rng, shape, dtype, kind, low, high)


def fill_integers(rng, shape, dtype, kind, only) -> np.ndarray:
    info = np.iinfo(dtype)
    low, high = only if only != REAL_LINE else ((info.min, info.max) if kind == "any" else (-9, 9))
    low, high = max(int(max(low, info.min)), info.min), min(int(min(high, info.max)), info.max)
    values = rng.integers(low, high, size=shape, dtype=dtype, endpoint=True)
    if kind == "any" and only == REAL_LINE:  # a full-range draw is never small: mix both
        small = rng.integers(max(-9, info.min), 9, size=shape, dtype=dtype, endpoint=True)
        values = np.where(rng.random(shape) < 0.7, small, values)
    return np.asarray(values, dtype)


def fill_floats(rng, shape, dtype, kind, low, high) -> np.ndarray:
    if np.isfinite(low) and np.isfinite(high):
        values = rng.uniform(low, high, size=shape)
    elif np.isfinite(low):
        values = low + rng.exponential(2.0, size=shape)
    elif np.isfinite(high):
        values = high - rng.exponential(2.0, size=shape)
    else:
        values = rng.normal(size=shape) * rng.choice([0.1, 1.0, 10.0])
        values = np.where(rng.random(shape) < 0.1, np.round(values), values)
    values = np.asarray(values, dtype)
    if kind == "smooth":
        return values
    if kind == "any":
        extra = specials(dtype)
    else:
        extra = np.array([0.0, -0.0, 1.0, float(finfo(dtype).tiny) / 2], dtype)
    with np.errstate(invalid="ignore"):
        inside = ((extra >= low) & (extra <= high)) | (
            np.isnan(extra) & (not np.isfinite(low) and not np.isfinite(high))
        )
    extra = extra[inside]
    rate = rng.choice([0.0, 0.05, 0.3])
    if extra.size and rate:
        values = np.where(rng.random(shape) < rate, rng.choice(extra, size=shape), values)
    return np.asarray(values, dtype)


LAYOUTS = ("contiguous", "reversed", "stepped", "transposed", "broadcast", "offset")


@st.composite
def arranged(draw, array: np.ndarray, layouts: tuple[str, ...] = LAYOUTS, read_only: bool | None = None):
    """The same values in another memory layout (``broadcast`` repeats values along one axis), maybe read-only."""
    layout = draw(st.sampled_from(layouts))
    out = lay_out(array, layout, draw)
    if read_only or (read_only is None and draw(st.booleans())):
        out = out.view()
        out.flags.writeable = False
    return out


def lay_out(array: np.ndarray, layout: str, draw) -> np.ndarray:
    if layout == "contiguous" or array.ndim == 0:
        return array
    axis = draw(st.integers(0, array.ndim - 1))
    if layout == "reversed":
        return np.flip(np.flip(array, axis).copy(), axis)
    if layout == "transposed":
        order = draw(st.permutations(range(array.ndim)))
        return array.transpose(order).copy().transpose(np.argsort(order))
    if layout == "broadcast":
        if array.shape[axis] == 0:
            return array
        return np.broadcast_to(array.take([0], axis), array.shape)
    step = draw(st.integers(2, 3)) if layout == "stepped" else 1
    start = draw(st.integers(0, 2))
    room = np.zeros((*array.shape[:axis], start + array.shape[axis] * step, *array.shape[axis + 1 :]), array.dtype)
    window = room[(slice(None),) * axis + (slice(start, start + array.shape[axis] * step, step),)]
    window[...] = array
    return window


@st.composite
def arrays(
    draw,
    dtype: str | np.dtype,
    shape: tuple[int, ...] | st.SearchStrategy | None = None,
    values: str = "any",
    only: tuple[float, float] = REAL_LINE,
    layouts: tuple[str, ...] = LAYOUTS,
    read_only: bool | None = None,
):
    """An array with drawn shape, values and layout. ``read_only=None`` draws that too."""
    if shape is None:
        shape = shapes()
    if isinstance(shape, st.SearchStrategy):
        shape = draw(shape)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    array = np.asarray(fill(rng, tuple(shape), numpy_dtype(dtype), values, only))
    return draw(arranged(array, layouts, read_only))
