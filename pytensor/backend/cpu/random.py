"""Random fills of contiguous NumPy arrays by the kernels in csrc/kernels/random.

``generator`` is a ``_C.RandomGenerator``; ``out`` is contiguous and of float32 or float64 unless said otherwise.
"""

from __future__ import annotations

import numpy as np

from pytensor import _C
from pytensor.backend.reference import random as plain

__all__ = [
    "dropout",
    "masked_scale",
    "random_bernoulli",
    "random_binomial",
    "random_integers",
    "random_multinomial",
    "random_normal",
    "random_permutation",
    "random_poisson",
    "random_transformed",
    "random_uniform",
    "random_weights_fault",
]


def random_uniform(generator: _C.RandomGenerator, out: np.ndarray, low: float, high: float) -> None:
    """Uniform on [low, high)."""
    _C.random_uniform(generator, out, low, high)


def random_normal(generator: _C.RandomGenerator, out: np.ndarray, mean: float, std: float, serial: bool) -> None:
    """Normal; ``serial`` draws one by one however many there are."""
    _C.random_normal(generator, out, mean, std, serial)


def random_transformed(generator: _C.RandomGenerator, out: np.ndarray, kind: int, a: float, b: float) -> None:
    """Kinds: 0 exponential(rate a), 1 geometric(p = a), 2 Cauchy(median a, scale b), 3 log-normal(mean a, std b)."""
    _C.random_transformed(generator, out, kind, a, b)


def random_bernoulli(generator: _C.RandomGenerator, out: np.ndarray, p: float) -> None:
    """True with probability p; ``out`` is of bool."""
    _C.random_bernoulli(generator, out, p)


def random_integers(generator: _C.RandomGenerator, out: np.ndarray, range: int, base: int, wide: bool) -> None:
    """base + draw % range, with 64-bit draws when wide (range 0 is 2^64); ``out`` is of int64."""
    _C.random_integers(generator, out, range, base, wide)


def random_permutation(generator: _C.RandomGenerator, out: np.ndarray) -> None:
    """A permutation of 0 .. n-1; ``out`` is of int64."""
    _C.random_permutation(generator, out)


def random_poisson(generator: _C.RandomGenerator, rate: np.ndarray) -> np.ndarray:
    """Poisson samples of the rates, both of float64."""
    return _C.random_poisson(generator, np.asarray(rate, order="C"))


def random_binomial(generator: _C.RandomGenerator, count: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Successes of ``count`` trials of probability p, of one shape and type, float32 or float64."""
    return _C.random_binomial(generator, np.asarray(count, order="C"), np.asarray(p, order="C"))


def random_weights_fault(weights: np.ndarray) -> int:
    """0; 1 for weights [rows, categories] with an element that is negative or not finite, 2 with a row of zeros."""
    if weights.dtype.char not in "fd" or not weights.dtype.isnative:
        return plain.random_weights_fault(weights)
    return _C.random_weights_fault(np.ascontiguousarray(weights))


def random_multinomial(generator: _C.RandomGenerator, weights: np.ndarray, samples: int) -> np.ndarray:
    """Indices drawn with replacement, [rows, samples], from the rows of weights [rows, categories]."""
    return _C.random_multinomial(generator, np.ascontiguousarray(weights), samples)


def dropout(generator: _C.RandomGenerator, x: np.ndarray, keep: float) -> tuple[np.ndarray, np.ndarray]:
    """(x * mask / keep, mask), with mask true with probability keep. x is contiguous."""
    return _C.dropout(generator, x, keep)


def masked_scale(x: np.ndarray, mask: np.ndarray, scale: float) -> np.ndarray:
    """x * mask * scale; both contiguous."""
    return _C.masked_scale(x, mask, scale)
