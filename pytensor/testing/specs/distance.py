"""Specs of distances between vectors."""

import numpy as np

from pytensor.testing import OpSpec

EPS = 1e-8


def pair(s):
    """Two arrays of one shape, away from the origin in gradient checks: the norm has no derivative there."""
    shape = s.shape(dims=(1, 4), min_side=1)
    return s.array(shape, values="finite"), s.array(shape, values="finite")


def cosine_samples(s):
    x, y = pair(s)
    return s.sample(x, y, s.dim(x))


def lengths(x, y, dim):
    norm = [np.maximum(np.sqrt((a.astype(np.float64) ** 2).sum(dim, keepdims=True)), EPS) for a in (x, y)]
    return x / norm[0], y / norm[1]


def cosine(x, y, dim):
    a, b = lengths(x, y, dim)
    return (a * b).sum(dim)


def cosine_scale(x, y, dim):  # a sum of products of both signs; each length is itself a sum
    a, b = lengths(x, y, dim)
    return (np.abs(a * b)).sum(dim) * max(x.shape[dim], 1) + 1


def distance_samples(s):
    x, y = pair(s)
    return s.sample(x, y, p=s.choose(1.0, 2.0, 3.0), keepdim=s.flag())


def distance(x, y, p, keepdim):
    return (np.abs(x - y + 1e-6) ** p).sum(-1, keepdims=keepdim) ** (1 / p)


def distance_scale(x, y, p, keepdim):
    return (np.abs(x) + np.abs(y) + 1e-6).sum(-1, keepdims=keepdim) * max(x.shape[-1], 1)


SPECS = [
    OpSpec(
        "cosine_similarity",
        cosine_samples,
        cosine,
        scale=cosine_scale,
        kinks=lambda x, y, dim: np.minimum(*(np.sqrt((a**2).sum(dim)) for a in (x, y))),
    ),
    OpSpec(
        "pairwise_distance",
        distance_samples,
        distance,
        scale=distance_scale,
        kinks=lambda x, y, p, keepdim: np.abs(x - y + 1e-6),
    ),
]
