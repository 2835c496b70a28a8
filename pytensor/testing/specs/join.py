"""Specs of joining and splitting."""

from __future__ import annotations

import functools

import numpy as np

from pytensor.testing.spec import ANY, OpSpec

exact = functools.partial(OpSpec, dtypes=ANY, tolerance=0, upcast=False)


def along(s, axis_sizes=(0, 3), dims=(1, 3)):
    """A few arrays that differ along one axis, and the axis."""
    shape = list(s.shape(dims=dims))
    axis = s.integer(-len(shape), len(shape) - 1)
    parts = []
    for _ in range(s.integer(1, 3)):
        shape[axis] = s.integer(*axis_sizes)
        parts.append(s.array(tuple(shape)))
    return parts, axis


def cat_samples(s):
    parts, axis = along(s)
    return s.sample(parts, axis)


def same_shape(s, dims=(0, 3)):
    shape = s.shape(dims=dims)
    return [s.array(shape) for _ in range(s.integer(1, 3))]


def stack_samples(s):
    parts = same_shape(s)
    return s.sample(parts, s.dim(parts[0].ndim + 1))


def split_samples(s):
    x = s.array(dims=(1, 3))
    return s.sample(x, s.integer(1, 4), s.dim(x))


def split(x, size, dim):
    return tuple(np.split(x, range(size, max(x.shape[dim], 1), size), dim))


def sizes_samples(s):
    x = s.array(dims=(1, 3))
    dim = s.dim(x)
    cut = s.integer(0, x.shape[dim])
    return s.sample(x, [cut, x.shape[dim] - cut], dim)


def split_with_sizes(x, sizes, dim):
    return tuple(np.split(x, np.cumsum(sizes)[:-1], dim))


def chunk(x, chunks, dim):
    length = x.shape[dim]
    size = -(-length // chunks)
    return tuple(np.split(x, [0] * (chunks - 1), dim)) if size == 0 else split(x, size, dim)


def tensor_split_samples(s):
    x = s.array(dims=(1, 3))
    where = s.integer(1, 4) if s.flag() else sorted(s.integer(0, 5) for _ in range(2))
    return s.sample(x, where, s.dim(x))


def tensor_split(x, where, dim):
    return tuple(np.array_split(x, where, dim))


def axis_samples(ndim):
    def samples(s):
        x = s.array(dims=(ndim, 3))
        return s.sample(x, [s.integer(0, 3)])

    return samples


def unbind_samples(s):
    x = s.array(dims=(1, 3), min_side=1)
    return s.sample(x, s.dim(x))


def unbind(x, dim):
    return tuple(np.moveaxis(x, dim, 0))


SPECS = [
    exact("cat", cat_samples, np.concatenate),
    exact("stack", stack_samples, np.stack),
    exact("hstack", lambda s: s.sample(same_shape(s)), np.hstack),
    exact("vstack", lambda s: s.sample(same_shape(s)), np.vstack),
    exact("dstack", lambda s: s.sample(same_shape(s)), np.dstack),
    exact("column_stack", lambda s: s.sample(same_shape(s)), np.column_stack),
    exact("split", split_samples, split),
    exact("split_with_sizes", sizes_samples, split_with_sizes),
    exact("chunk", split_samples, chunk),
    exact("tensor_split", tensor_split_samples, tensor_split),
    exact("hsplit", axis_samples(1), np.hsplit),
    exact("vsplit", axis_samples(2), np.vsplit),
    exact("dsplit", axis_samples(3), np.dsplit),
    exact("unbind", unbind_samples, unbind),
    exact("atleast_1d", lambda s: s.sample(s.array()), np.atleast_1d),
    exact("atleast_2d", lambda s: s.sample(s.array()), np.atleast_2d),
    exact("atleast_3d", lambda s: s.sample(s.array()), np.atleast_3d),
]
