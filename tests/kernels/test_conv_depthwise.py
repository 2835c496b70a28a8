"""Depthwise convolutions at every level and thread count: sizes around bands, strips and vectors of channels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytensor import _C
from pytensor.backend.cpu import conv
from pytensor.backend.reference import conv as reference
from pytensor.testing.levels import SETTINGS


def random(rng, *shape, dtype="float32"):
    return rng.standard_normal(shape).astype(dtype)


def check(x, w, b, g, where):
    groups, size, taps = where[3], x.shape[2:], w.shape[2:]
    of_input = None if b is None else random(np.random.default_rng(1), groups, dtype=x.dtype)
    wide = [None if a is None else a.astype(float) for a in (x, w, b, g, of_input)]
    eps = 32 * np.finfo(x.dtype).eps

    def close(actual, function, *args):
        expected = function(*args)
        scale = function(*(np.abs(a) if isinstance(a, np.ndarray) else a for a in args))
        assert actual.shape == expected.shape
        assert (np.abs(actual - expected) <= eps * scale + 1e-37).all()

    for level, threads in SETTINGS:
        _C.set_cpu_level(level)
        _C.set_num_threads(threads)
        close(conv.conv_forward(x, w, b, *where), reference.conv_forward, wide[0], wide[1], wide[2], *where)
        dx = conv.conv_grad_input(g, w, of_input, size, *where)
        close(dx, reference.conv_grad_input, wide[3], wide[1], wide[4], size, *where)
        dw, db = conv.conv_grad_weight(g, x, taps, *where, True)
        for i, actual in enumerate((dw, db)):
            close(actual, lambda *a, i=i: reference.conv_grad_weight(*a)[i], wide[3], wide[0], taps, *where, True)


@st.composite
def problems(draw):
    spatial = draw(st.integers(1, 2))
    kernel = draw(st.sampled_from([[3, 3], [5, 5], [3, 3], [5, 5], [1, 3], [3, 1], [2, 2], [7, 7], [4, 6]]))[-spatial:]
    stride = [draw(st.sampled_from([1, 1, 2, 3]))] * spatial
    dilation = [draw(st.sampled_from([1, 1, 1, 2, 3])) for _ in range(spatial)]
    padding = [draw(st.integers(0, 3)) for _ in range(spatial)]
    sides = st.sampled_from([1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 14, 15, 16, 17, 28, 31, 33, 47])
    size = [max(draw(sides), d * (k - 1) + 1 - 2 * p) for k, d, p in zip(kernel, dilation, padding, strict=True)]
    groups, multiplier = draw(st.sampled_from([2, 3, 4, 5, 19])), draw(st.sampled_from([1, 1, 1, 2, 3]))
    batch = draw(st.sampled_from([1, 2, 3]))
    where = stride, padding, dilation, groups
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    dtype = draw(st.sampled_from(["float32", "float64"]))
    x = random(rng, batch, groups, *size, dtype=dtype)
    w = random(rng, groups * multiplier, 1, *kernel, dtype=dtype)
    b = random(rng, groups * multiplier, dtype=dtype) if draw(st.booleans()) else None
    out = reference.conv_output_size(size, kernel, *where[:3])
    g = random(rng, batch, groups * multiplier, *out, dtype=dtype)
    for a in range(2, 2 + spatial - 1):  # all but rows may be strided
        if draw(st.booleans()):
            x, g = np.repeat(x, 2, a).take(range(0, 2 * x.shape[a], 2), a), np.flip(np.flip(g, a).copy(), a)
    return x, w, b, g, where


@given(problem=problems())
def test_values(problem):
    check(*problem)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("side", [7, 14, 28, 56])
def test_sizes_of_networks(kernel, stride, side):
    rng = np.random.default_rng(side)
    pad = kernel // 2
    out = (side + 2 * pad - kernel) // stride + 1
    x, w, g = random(rng, 3, 5, side, side), random(rng, 5, 1, kernel, kernel), random(rng, 3, 5, out, out)
    check(x, w, None, g, ([stride] * 2, [pad] * 2, [1, 1], 5))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_special_values_reach_what_they_should(kernel, stride):
    """A NaN or infinity of one plane stays in the windows that hold it."""
    pad = kernel // 2
    where = [stride] * 2, [pad] * 2, [1, 1], 4
    rng = np.random.default_rng(0)
    for side in (6, 8, 17, 40):
        x, w = random(rng, 2, 4, side, side), random(rng, 4, 1, kernel, kernel)
        x[0, 1, side - 1, side - 1], x[1, 2, 0, 3], x[1, 3, 2, 0] = np.nan, np.inf, -np.inf
        with np.errstate(all="ignore"):
            y = reference.conv_forward(x, w, None, *where)
            dx = reference.conv_grad_input(y, w, None, (side, side), *where)
            for level, threads in SETTINGS:
                _C.set_cpu_level(level)
                _C.set_num_threads(threads)
                for actual, expected in (
                    (conv.conv_forward(x, w, None, *where), y),
                    (conv.conv_grad_input(y, w, None, (side, side), *where), dx),
                ):
                    np.testing.assert_array_equal(np.isfinite(actual), np.isfinite(expected))
                    at = np.isfinite(expected)
                    np.testing.assert_allclose(actual[at], expected[at], rtol=1e-3, atol=1e-3)
