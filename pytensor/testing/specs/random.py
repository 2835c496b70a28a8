"""Specs of random ops: shape, dtype, range, and that a seed fixes what is drawn.

That the numbers are PyTorch's is tested in tests/parity and, with recorded numbers, in tests/test_random.py.
"""

from __future__ import annotations

import functools

import numpy as np

from pytensor.testing.spec import OpSpec

drawn = functools.partial(OpSpec, differentiable=False, inplace=False, out=False)


def mean_within(result: np.ndarray, mean: float, deviation: float) -> None:
    """The mean of many draws lies within eight standard errors of the distribution's."""
    if result.size >= 16:
        assert abs(result.mean(dtype=float) - mean) <= 8 * deviation / np.sqrt(result.size)


def uniform(result, *args, low=0.0, high=1.0):
    assert ((result >= low) & (result <= high)).all()
    mean_within(result, (low + high) / 2, (high - low) / np.sqrt(12))


def normal(result, *args, mean=0.0, std=1.0):
    assert np.isfinite(result).all()
    mean_within(result, mean, std)


def of_shape(check):
    def verify(result, size):
        assert result.shape == tuple(size) and result.dtype == np.float32
        check(result)

    return verify


def in_form(check):
    """For ops that take their form from a tensor."""

    def verify(result, x, *args):
        assert result.shape == x.shape and result.dtype == x.dtype
        check(result, *args)

    return verify


def integers(result, low, high):
    assert ((result >= low) & (result < high)).all()


def randint_samples(s):
    low = s.integer(-50, 50)
    return s.sample(low, low + s.integer(1, 100), s.shape())


def check_randint(result, low, high, size):
    assert result.shape == tuple(size) and result.dtype == np.int64
    integers(result, low, high)


def check_permutation(result, n):
    assert result.dtype == np.int64 and sorted(result.tolist()) == list(range(n))


def normal_samples(s):
    a, b = s.broadcastable(2)
    return s.sample(s.array(a, values="finite", only=(-9, 9)), s.array(b, values="finite", only=(0, 2)))


def check_normal(result, mean, std):
    assert result.shape == np.broadcast_shapes(mean.shape, std.shape)
    assert (np.abs(result - mean) <= 9 * std).all()


def check_bernoulli(result, p):
    assert result.shape == p.shape and np.isin(result, (0, 1)).all()
    assert (result[p == 0] == 0).all() and (result[p == 1] == 1).all()


def check_poisson(result, rate):
    assert result.shape == rate.shape and (result >= 0).all() and (result == np.round(result)).all()
    assert (result[rate == 0] == 0).all()


def binomial_samples(s):
    a, b = s.broadcastable(2)
    count, p = s.array(a, values="finite", only=(0, 50)), s.array(b, values="finite", only=(0, 1))
    return s.sample(count, p.astype(count.dtype))


def check_binomial(result, count, p):
    assert result.shape == np.broadcast_shapes(count.shape, p.shape)
    assert (result >= 0).all() and (result <= count).all()


def multinomial_samples(s):
    weights = s.array(dims=(1, 2), min_side=2, values="finite", only=(0.1, 1.0))
    replacement = s.flag()
    count = s.integer(1, 9 if replacement else weights.shape[-1])
    return s.sample(weights, count, replacement)


def check_multinomial(result, weights, count, replacement):
    assert result.shape == (*weights.shape[:-1], count) and result.dtype == np.int64
    integers(result, 0, weights.shape[-1])
    if not replacement:
        for row in result.reshape(-1, count):
            assert len(set(row.tolist())) == count


def fill(name: str, arguments, check) -> OpSpec:
    """An op that fills its tensor: ``x.uniform_(low, high)``."""
    return drawn(
        f"Tensor.{name}",
        lambda s: s.sample(s.array(read_only=False, layouts=("contiguous", "transposed", "stepped")), *arguments(s)),
        verify=in_form(check),
        mutates=True,
    )


def interval(s):
    low = s.number(-9, 9)
    return low, low + s.number(0.5, 9)


def positive(result, *args):
    assert (result >= 0).all() and np.isfinite(result).all()


def finite(result, *args):
    assert np.isfinite(result).all()


def counts(result, *args):
    assert (result >= 1).all() and (result == np.round(result)).all()


SPECS = [
    drawn("rand", lambda s: s.sample(s.shape()), verify=of_shape(uniform)),
    drawn("randn", lambda s: s.sample(s.shape()), verify=of_shape(normal)),
    drawn("rand_like", lambda s: s.sample(s.array()), verify=in_form(uniform)),
    drawn("randn_like", lambda s: s.sample(s.array()), verify=in_form(normal)),
    drawn("randint", randint_samples, verify=check_randint),
    drawn("randint_like", lambda s: s.sample(s.array(), -3, 9), verify=in_form(integers)),
    drawn("randperm", lambda s: s.sample(s.integer(0, 99)), verify=check_permutation),
    drawn("normal", normal_samples, verify=check_normal),
    drawn("bernoulli", lambda s: s.sample(s.array(values="finite", only=(0, 1))), verify=check_bernoulli),
    drawn("poisson", lambda s: s.sample(s.array(values="finite", only=(0, 30))), verify=check_poisson),
    drawn("binomial", binomial_samples, verify=check_binomial),
    drawn("multinomial", multinomial_samples, verify=check_multinomial),
    fill("uniform_", interval, lambda result, low, high: uniform(result, low=low, high=high)),
    fill("normal_", lambda s: (s.number(-9, 9), s.number(0.5, 2)), lambda r, m, d: normal(r, mean=m, std=d)),
    fill("random_", lambda s: (-5, s.integer(1, 99)), integers),
    fill("exponential_", lambda s: (s.number(0.5, 3),), positive),
    fill("geometric_", lambda s: (s.number(0.1, 0.9),), counts),
    fill("cauchy_", lambda s: (s.number(-3, 3), s.number(0.5, 3)), finite),
    fill("log_normal_", lambda s: (s.number(-1, 1), s.number(0.1, 1)), positive),
]
