"""Specs of indexing: basic, advanced and mixed keys."""

from __future__ import annotations

import functools

import numpy as np

from pytensor.testing.spec import ANY, OpSpec

exact = functools.partial(OpSpec, dtypes=ANY, tolerance=0, upcast=False)


def slice_of(s, side: int) -> slice:
    start = s.choose(None, s.integer(-side - 1, side + 1))
    stop = s.choose(None, s.integer(-side - 1, side + 1))
    return slice(start, stop, s.choose(None, s.integer(1, 3)))


def basic_item(s, side: int):
    return s.integer(-side, side - 1) if side and s.flag() else slice_of(s, side)


def decorate(s, items: list) -> tuple:
    """Puts None and an ellipsis into a key; an ellipsis may stand for nothing."""
    if s.flag():
        items.insert(s.integer(0, len(items)), None)
    if s.flag():
        kept = s.integer(0, len(items))
        if not any(item is None for item in items[kept:]):
            items[kept:] = [Ellipsis]
    return tuple(items)


def basic_samples(s):
    x = s.array()
    items = [basic_item(s, side) for side in x.shape[: s.integer(0, x.ndim)]]
    return s.sample(x, decorate(s, items))


def index_array(s, side: int, shape: tuple[int, ...]) -> np.ndarray:
    return s.array(shape, dtype="int64", only=(-side, side - 1))


def advanced_key(s, x: np.ndarray) -> tuple:
    """Integer arrays that broadcast with each other, among slices and integers."""
    shapes = s.broadcastable(x.ndim)
    items: list = []
    for side, shape in zip(x.shape, shapes, strict=True):
        if s.flag():
            items.append(index_array(s, side, shape))
        else:
            items.append(slice_of(s, side))
    if not any(isinstance(item, np.ndarray) for item in items):
        items[0] = index_array(s, x.shape[0], shapes[0])
    return tuple(items)


def advanced_samples(s):
    x = s.array(dims=(1, 3), min_side=1)
    return s.sample(x, advanced_key(s, x))


def mask_samples(s):
    x = s.array(dims=(1, 3))
    depth = s.integer(1, x.ndim)
    return s.sample(x, s.array(x.shape[:depth], dtype="bool"))


def writable(s, **limits):
    return s.array(read_only=False, layouts=("contiguous", "transposed", "stepped"), **limits)


def set_basic_samples(s):
    x = writable(s)
    items = tuple(basic_item(s, side) for side in x.shape[: s.integer(0, x.ndim)])
    return s.sample(x, items, value_for(s, x[items]))


def set_mask_samples(s):
    x = writable(s, dims=(1, 3))
    mask = s.array(x.shape[: s.integer(1, x.ndim)], dtype="bool")
    return s.sample(x, mask, s.array(()))


def set_advanced_samples(s):
    """One axis is indexed without repeats: what wins among repeats is not defined."""
    x = writable(s, dims=(1, 3), min_side=1)
    rows = s.array((x.shape[0],), dtype="int64", values="distinct")
    rows = np.argsort(rows)[: s.integer(1, x.shape[0])]
    return s.sample(x, rows, value_for(s, x[rows]))


def value_for(s, part) -> np.ndarray:
    shape = np.shape(part)
    return s.array(tuple(1 if s.flag() else n for n in shape[s.integer(0, len(shape)) :]))


def put(x, key, value):
    out = x.copy()
    out[key] = value
    return out


SPECS = [
    exact("Tensor.__getitem__", basic_samples, lambda x, key: x[key], variant="basic"),
    exact("Tensor.__getitem__", advanced_samples, lambda x, key: x[key], variant="advanced"),
    exact("Tensor.__getitem__", mask_samples, lambda x, mask: x[mask], variant="mask"),
    exact("Tensor.__setitem__", set_basic_samples, put, variant="basic", mutates=True),
    exact("Tensor.__setitem__", set_advanced_samples, put, variant="advanced", mutates=True),
    exact("Tensor.__setitem__", set_mask_samples, put, variant="mask", mutates=True),
]
