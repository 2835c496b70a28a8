"""Specs of flips, rolls, repeats, triangles and diagonals."""

from __future__ import annotations

import functools

import numpy as np

from pytensor.testing.spec import ANY, OpSpec

exact = functools.partial(OpSpec, dtypes=ANY, tolerance=0, upcast=False)


def flip_samples(s):
    x = s.array()
    return s.sample(x, s.dims(x))


def roll_samples(s):
    x = s.array(dims=(1, 3))
    dims = s.dims(x, min_size=1)
    return s.sample(x, tuple(s.integer(-7, 7) for _ in dims), dims)


def rot90_samples(s):
    x = s.array(dims=(2, 3))
    return s.sample(x, s.integer(-5, 5), s.choose((0, 1), (1, 0), (-1, 0)))


def repeat_samples(s):
    x = s.array(dims=(0, 2))
    return s.sample(x, *(s.integer(0, 3) for _ in range(max(x.ndim + s.integer(0, 1), 1))))


def tile_samples(s):
    x = s.array(dims=(0, 2))
    return s.sample(x, tuple(s.integer(0, 3) for _ in range(s.integer(0, 3))))


def interleave_samples(s):
    x = s.array(dims=(1, 3))
    dim = s.dim(x)
    if s.flag():
        return s.sample(x, s.integer(0, 3), dim)
    counts = np.array([s.integer(0, 3) for _ in range(x.shape[dim])], dtype=np.int64)
    return s.sample(x, counts, dim)


def triangle_samples(s):
    return s.sample(s.array(dims=(2, 4)), s.integer(-3, 3))


def diag(x, k):
    return np.diag(x, k)


def diag_in_reach(s):
    x = s.array(dims=(1, 2))
    k = s.integer(-3, 3)
    s.require(x.ndim == 1 or -x.shape[0] <= k <= x.shape[1])
    return s.sample(x, k)


def embed_samples(s):
    return s.sample(s.array(dims=(1, 3)), s.integer(-2, 2))


def embed(x, k):
    n = x.shape[-1] + abs(k)
    out = np.zeros((*x.shape[:-1], n, n), x.dtype)
    i = np.arange(x.shape[-1])
    out[..., i + max(-k, 0), i + max(k, 0)] = x
    return out


def block_samples(s):
    return s.sample(*(s.array(dims=(0, 2)) for _ in range(s.integer(1, 3))))


def blocks(*parts):
    parts = [np.atleast_2d(p) for p in parts]
    out = np.zeros((sum(p.shape[0] for p in parts), sum(p.shape[1] for p in parts)), parts[0].dtype)
    i = j = 0
    for p in parts:
        out[i : i + p.shape[0], j : j + p.shape[1]] = p
        i, j = i + p.shape[0], j + p.shape[1]
    return out


def broadcast_samples(s):
    return s.sample(*(s.array(shape) for shape in s.broadcastable(2)))


SPECS = [
    exact("flip", flip_samples, np.flip),
    exact("fliplr", lambda s: s.sample(s.array(dims=(2, 3))), np.fliplr),
    exact("flipud", lambda s: s.sample(s.array(dims=(1, 3))), np.flipud),
    exact("roll", roll_samples, np.roll),
    exact("rot90", rot90_samples, np.rot90),
    exact("Tensor.repeat", repeat_samples, lambda x, *n: np.tile(x, n)),
    exact("tile", tile_samples, np.tile),
    exact("repeat_interleave", interleave_samples, np.repeat),
    exact("tril", triangle_samples, np.tril),
    exact("triu", triangle_samples, np.triu),
    exact("diag", diag_in_reach, diag),
    exact("diag_embed", embed_samples, embed),
    exact("diagflat", embed_samples, lambda x, k: embed(x.reshape(-1), k)),
    exact("block_diag", block_samples, blocks),
    exact("broadcast_tensors", broadcast_samples, lambda a, b: tuple(np.broadcast_arrays(a, b))),
]
