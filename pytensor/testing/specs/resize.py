"""Specs of changing a tensor's size in place."""

from __future__ import annotations

import functools

import numpy as np

from pytensor.testing.spec import ANY, OpSpec

resized = functools.partial(OpSpec, dtypes=ANY, differentiable=False, inplace=False, out=False, mutates=True)


def smaller(s):
    """A size that the storage holds: larger ones leave elements uninitialised."""
    x = s.array(read_only=False, layouts=("contiguous",))
    return s.sample(x, drawn_size(s, x.size))


def drawn_size(s, most: int) -> tuple[int, ...]:
    first = s.integer(0, most)
    return (first, s.integer(0, most // first)) if first else (0, 3)


def like_smaller(s):
    x = s.array(read_only=False, layouts=("contiguous",))
    return s.sample(x, np.zeros(drawn_size(s, x.size)))


def first_elements(result, x, size):
    size = size.shape if isinstance(size, np.ndarray) else tuple(size)
    assert result.shape == size and result.dtype == x.dtype
    np.testing.assert_array_equal(result.ravel(), np.ravel(x)[: result.size])


SPECS = [
    resized("Tensor.resize_", smaller, verify=first_elements),
    resized("resize_as_", like_smaller, verify=first_elements),
]
