"""The pooling kernels at every level and thread count against the NumPy reference."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytensor.backend.cpu import pool as cpu
from pytensor.backend.reference import pool as reference
from pytensor.testing.compare import assert_agree
from pytensor.testing.levels import each_setting
from pytensor.testing.strategies import arrays


def output_size(size, kernel, stride, padding, dilation, ceil_mode):
    span = size + 2 * padding - dilation * (kernel - 1) - 1
    out = (-(-span // stride) if ceil_mode else span // stride) + 1
    return out - 1 if ceil_mode and (out - 1) * stride >= size + padding else out


@st.composite
def windows(draw, values="any", dilated=True):
    """(x, out_size, kernel, stride, padding, dilation) with 1 to 3 pooled axes."""
    axes = draw(st.integers(1, 3))

    def per_axis(low, high):
        return tuple(draw(st.integers(low, high)) for _ in range(axes))

    kernel = draw(st.sampled_from([(2,) * axes, (3,) * axes])) if draw(st.booleans()) else per_axis(1, 5)
    if axes == 1 and draw(st.booleans()):
        kernel = (draw(st.integers(4, 80)),)  # also windows of several vectors
    stride = per_axis(1, 4) if draw(st.integers(0, 2)) == 0 else (2,) * axes
    dilation = per_axis(1, 3) if dilated and draw(st.integers(0, 2)) == 0 else (1,) * axes
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    longest = {1: 140, 2: 40, 3: 12}[axes]
    size = [
        max(draw(st.integers(1, longest)), d * (k - 1) + 1 - 2 * p)
        for k, p, d in zip(kernel, padding, dilation, strict=True)
    ]
    ceil_mode = draw(st.booleans())
    numbers = zip(size, kernel, stride, padding, dilation, strict=True)
    out = tuple(output_size(*n, ceil_mode) for n in numbers)
    lead = draw(st.sampled_from([(3,), (2, 3), (1, 1), (0, 2)]))
    x = draw(arrays(draw(st.sampled_from(["float32", "float64"])), (*lead, *size), values))
    return x, out, kernel, stride, padding, dilation


# Dilated taps: the first window, partly in the padding, touches rows further down only than the second.
ROWS_OUT_OF_ORDER = (np.sin(np.arange(30, dtype="float32")).reshape(1, 5, 6), (5, 4), (2, 2), (1, 1), (1, 0), (2, 2))


@given(windows())
@example(ROWS_OUT_OF_ORDER)
def test_max(problem):
    x, *where = problem
    values, indices = reference.max_pool(x, *where, "indices")
    _, offsets = reference.max_pool(x, *where, "offsets")
    for _ in each_setting():
        np.testing.assert_array_equal(cpu.max_pool(x, *where, "none"), values)
        for keep, kept in (("offsets", offsets), ("indices", indices)):
            actual = cpu.max_pool(x, *where, keep)
            np.testing.assert_array_equal(actual[0], values)
            np.testing.assert_array_equal(actual[1], kept)
            assert actual[1].dtype == kept.dtype


def channels_last(x):
    """The same values with the channels beside each other in memory."""
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)


@given(windows(), st.sampled_from([1, 3, 16, 37, 70]), st.data())
def test_max_channels_last(problem, channels, data):
    x, *where = problem
    shape = (2, channels, *x.shape[x.ndim - len(where[0]) :])
    x = channels_last(np.resize(x, shape) if x.size else np.zeros(shape, x.dtype))
    values, indices = reference.max_pool(x, *where, "indices")
    _, offsets = reference.max_pool(x, *where, "offsets")
    g = channels_last(np.resize(data.draw(arrays(x.dtype, (3, 23), "finite")), offsets.shape))
    expected = reference.max_pool_backward(g.astype(np.float64), offsets, shape, *where[1:])
    scale = reference.max_pool_backward(np.abs(g).astype(np.float64), offsets, shape, *where[1:])
    for _ in each_setting():
        np.testing.assert_array_equal(cpu.max_pool(x, *where, "none"), values)
        for keep, kept in (("offsets", offsets), ("indices", indices)):
            actual = cpu.max_pool(x, *where, keep)
            np.testing.assert_array_equal(actual[0], values)
            np.testing.assert_array_equal(actual[1], kept)
        kept = channels_last(offsets)
        for grad in (g, np.ascontiguousarray(g)):
            assert_agree(cpu.max_pool_backward(grad, kept, shape, *where[1:]), expected, 16, scale)


@given(windows("distinct"), st.data())
def test_max_backward(problem, data):
    x, out, *window = problem
    _, offsets = reference.max_pool(x, out, *window, "offsets")
    values, indices = reference.max_pool(x, out, *window, "indices")
    g = data.draw(arrays(x.dtype, offsets.shape, "finite"))
    expected = reference.max_pool_backward(g.astype(np.float64), offsets, x.shape, *window)
    scale = reference.max_pool_backward(np.abs(g).astype(np.float64), offsets, x.shape, *window)
    size = x.shape[x.ndim - len(out) :]
    starts = zip(size, out, *window[1:], strict=True)  # does every window meet the input?
    inside = all(-(-max(0, p - o * s) // d) * d + o * s - p < n for n, m, s, p, d in starts for o in range(m))
    for _ in each_setting():
        assert_agree(cpu.max_pool_backward(g, offsets, x.shape, *window), expected, 16, scale)
        if inside:
            assert_agree(cpu.pool_scatter(g, indices, x.shape, len(out)), expected, 16, scale)
            np.testing.assert_array_equal(cpu.pool_gather(x, indices, len(out)), values)
            unpooled = cpu.pool_unpool(g, indices, x.shape, len(out))
            np.testing.assert_array_equal(unpooled, reference.pool_unpool(g, indices, x.shape, len(out)))


@given(windows("finite", dilated=False), st.booleans(), st.sampled_from([0, 1, 7]))
def test_avg(problem, count_include_pad, divisor):
    x, out, kernel, stride, padding, _ = problem
    where = (kernel, stride, padding, count_include_pad, divisor)
    expected = reference.avg_pool(x.astype(np.float64), out, *where)
    scale = reference.avg_pool(np.abs(x).astype(np.float64), out, *where)
    for _ in each_setting():
        assert_agree(cpu.avg_pool(x, out, *where), expected, 64, scale)


@given(windows("finite", dilated=False), st.sampled_from([1, 3, 16, 37, 70]), st.booleans(), st.sampled_from([0, 7]))
def test_avg_channels_last(problem, channels, count_include_pad, divisor):
    x, out, kernel, stride, padding, _ = problem
    shape = (2, channels, *x.shape[x.ndim - len(out) :])
    x = channels_last(np.resize(x, shape) if x.size else np.zeros(shape, x.dtype))
    where = (kernel, stride, padding, count_include_pad, divisor)
    wide, sizes = x.astype(np.float64), np.abs(x).astype(np.float64)
    for _ in each_setting():
        expected = reference.avg_pool(wide, out, *where)
        assert_agree(cpu.avg_pool(x, out, *where), expected, 64, reference.avg_pool(sizes, out, *where))
        expected = reference.adaptive_avg_pool(wide, out)
        assert_agree(cpu.adaptive_avg_pool(x, out), expected, 64, reference.adaptive_avg_pool(sizes, out))


@given(windows("any", dilated=False))
def test_avg_of_special_values(problem):
    """NaN and infinities reach the outputs whose windows hold them, and no others."""
    x, out, kernel, stride, padding, _ = problem
    x = np.where(np.abs(x) > 1e30, np.inf, x).astype(x.dtype)
    with np.errstate(invalid="ignore"):
        expected = reference.avg_pool(x, out, kernel, stride, padding, True, 0)
    for _ in each_setting():
        actual = cpu.avg_pool(x, out, kernel, stride, padding, True, 0)
        np.testing.assert_array_equal(np.isnan(actual), np.isnan(expected))
        np.testing.assert_array_equal(np.isinf(actual), np.isinf(expected))


@given(windows("finite", dilated=False), st.booleans(), st.sampled_from([0, 1, 7]), st.data())
def test_avg_backward(problem, count_include_pad, divisor, data):
    x, out, kernel, stride, padding, _ = problem
    where = (kernel, stride, padding, count_include_pad, divisor)
    g = data.draw(arrays(x.dtype, (*x.shape[: x.ndim - len(out)], *out), "finite"))
    expected = reference.avg_pool_backward(g.astype(np.float64), x.shape, *where)
    scale = reference.avg_pool_backward(np.abs(g).astype(np.float64), x.shape, *where)
    for _ in each_setting():
        assert_agree(cpu.avg_pool_backward(g, x.shape, *where), expected, 64, scale)


@st.composite
def adaptive(draw, values):
    """(x, out_size): sizes that divide, sizes that do not, one window, as many windows as inputs or more."""
    axes = draw(st.integers(1, 3))
    longest = {1: 140, 2: 24, 3: 9}[axes]
    size = tuple(draw(st.integers(1, longest)) for _ in range(axes))
    out = tuple(draw(st.sampled_from([1, n, max(n // 2, 1), 0]) | st.integers(1, 9)) for n in size)
    lead = draw(st.sampled_from([(3,), (2, 3), (1, 1), (0, 2), (2, 11)]))
    return draw(arrays(draw(st.sampled_from(["float32", "float64"])), (*lead, *size), values)), out


@given(adaptive("finite"))
def test_adaptive_avg(problem):
    x, out = problem
    expected = reference.adaptive_avg_pool(x.astype(np.float64), out)
    scale = reference.adaptive_avg_pool(np.abs(x).astype(np.float64), out)
    for _ in each_setting():
        assert_agree(cpu.adaptive_avg_pool(x, out), expected, 64, scale)


@given(adaptive("finite"), st.data())
def test_adaptive_avg_backward(problem, data):
    x, out = problem
    g = data.draw(arrays(x.dtype, (*x.shape[: x.ndim - len(out)], *out), "finite"))
    expected = reference.adaptive_avg_pool_backward(g.astype(np.float64), x.shape, len(out))
    scale = reference.adaptive_avg_pool_backward(np.abs(g).astype(np.float64), x.shape, len(out))
    for _ in each_setting():
        assert_agree(cpu.adaptive_avg_pool_backward(g, x.shape, len(out)), expected, 64, scale)


@given(adaptive("any"))
def test_adaptive_max(problem):
    x, out = problem
    values, indices = reference.adaptive_max_pool(x, out)
    for _ in each_setting():
        actual = cpu.adaptive_max_pool(x, out)
        np.testing.assert_array_equal(actual[0], values)
        np.testing.assert_array_equal(actual[1], indices)


def test_indices_outside_the_plane_are_refused():
    g = np.ones((1, 2), np.float32)
    for wrong in (4, -1):
        with pytest.raises(ValueError, match="outside"):
            cpu.pool_scatter(g, np.array([[0, wrong]]), (1, 4), 1)
        for backend in (cpu, reference):
            assert backend.pool_unpool(g, np.array([[0, wrong]]), (1, 4), 1) is None
        with pytest.raises(ValueError, match="outside"):
            cpu.pool_gather(np.ones((1, 4), np.float32), np.array([[0, wrong]]), 1)


def test_large_gradients_of_tiles():
    """More than the caches hold goes past them; part by part it does not."""
    rng = np.random.default_rng(0)
    for shape, kernel in (((3, 3, 700, 902), (2, 2)), ((2, 7, 600, 646), (1, 2))):
        out = (*shape[:-2], shape[-2] // kernel[0], shape[-1] // kernel[1])
        g = rng.standard_normal(out, np.float32)
        offsets = rng.integers(0, math.prod(kernel), out, np.uint8)
        where = (kernel, kernel, (0, 0), (1, 1))
        parts = [cpu.max_pool_backward(a, b, shape[1:], *where) for a, b in zip(g, offsets, strict=True)]
        for _ in each_setting():
            np.testing.assert_array_equal(cpu.max_pool_backward(g, offsets, shape, *where), np.stack(parts))
