"""The normalisation kernels at every level and thread count against the NumPy reference in double precision."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pytensor import _C
from pytensor.backend.cpu import norm as cpu
from pytensor.backend.reference import norm as reference
from pytensor.testing.compare import assert_agree
from pytensor.testing.levels import LEVELS, each_setting
from pytensor.testing.strategies import arrays, shapes

EPS = 1e-5


def wide(*arrays):
    return [None if a is None else np.asarray(a, np.float64) for a in arrays]


@st.composite
def problems(draw):
    """x (batch, channels, ...), weight and bias (or None); now and then far from zero."""
    batch, channels = draw(st.integers(1, 9)), draw(st.sampled_from([1, 2, 3, 4, 6, 8, 12, 17, 33]))
    spatial = draw(st.sampled_from([(), (), (1,), (5,), (7, 7), (8, 9), (4097,)]))
    batch = 2 if spatial == (4097,) else batch
    channels = min(channels, 3) if spatial == (4097,) else channels
    dtype = draw(st.sampled_from(["float32", "float64"]))
    x = draw(arrays(dtype, (batch, channels, *spatial), "smooth"))
    x = x + x.dtype.type(draw(st.sampled_from([0, 0, 100])))
    weight = draw(st.none() | arrays(dtype, (channels,), "smooth"))
    bias = draw(st.none() | arrays(dtype, (channels,), "smooth"))
    return x, weight, bias


def sensitivity(x, mean, rstd):
    """How much rounding errors of x show in the normalised values: they are divided by the deviation."""
    return 1 + (np.abs(x) + np.abs(mean)) * rstd


def channel(v, x):
    return np.asarray(v, np.float64).reshape(1, -1, *(1,) * (x.ndim - 2))


@given(problems())
def test_batch_norm_training(problem):
    x, weight, bias = problem
    if x.size // x.shape[1] < 2:
        return
    zeros, ones = np.zeros(x.shape[1], x.dtype), np.ones(x.shape[1], x.dtype)
    rm, rv = wide(zeros.copy(), ones.copy())
    y, mean, var = reference.batch_norm_train(*wide(x, weight, bias), rm, rv, 0.1, EPS)
    scale = sensitivity(x.astype(float), channel(mean, x), 1 / np.sqrt(channel(var, x) + EPS))
    scale = scale**2 * (1 if weight is None else np.abs(channel(weight, x)))
    scale = scale + (0 if bias is None else np.abs(channel(bias, x)))
    size = np.abs(x).max()
    for _ in each_setting():
        running = zeros.copy(), ones.copy()
        actual = cpu.batch_norm_train(x, weight, bias, *running, 0.1, EPS)
        assert_agree(actual[0], y, 32, scale)
        assert_agree(actual[1], mean, 16, size, "mean")
        assert_agree(actual[2], var, 64, var + size * np.sqrt(var) + size**2 * np.finfo(x.dtype).eps, "variance")
        assert_agree(running[0], rm, 16, size, "running mean")
        assert_agree(running[1], rv, 128, 1 + rv + size * np.sqrt(rv), "running variance")


@given(problems(), st.data())
def test_batch_norm_evaluation(problem, data):
    x, weight, bias = problem
    mean = data.draw(arrays(x.dtype, (x.shape[1],), "smooth"))
    var = np.abs(data.draw(arrays(x.dtype, (x.shape[1],), "smooth")))
    y = reference.batch_norm_eval(*wide(x, weight, bias, mean, var), EPS)
    scale = sensitivity(x.astype(float), channel(mean, x), 1 / np.sqrt(channel(var, x) + EPS))
    scale = scale * (1 if weight is None else np.abs(channel(weight, x)))
    scale = scale + (0 if bias is None else np.abs(channel(bias, x)))
    for _ in each_setting():
        assert_agree(cpu.batch_norm_eval(x, weight, bias, mean, var, EPS), y, 16, scale)


@given(problems(), st.booleans(), st.data())
def test_batch_norm_backward(problem, training, data):
    x, weight, _ = problem
    g = data.draw(arrays(x.dtype, x.shape, "finite"))
    _, mean, var = (
        reference.batch_norm_train(*wide(x, None, None), None, None, 0.1, EPS)
        if (x.size // x.shape[1] > 1)
        else (None, *wide(x.reshape(-1), np.ones(x.shape[1])))
    )
    mean, var = mean.astype(x.dtype), var.astype(x.dtype)
    expected = reference.batch_norm_backward(*wide(g, x, weight, mean, var), EPS, training, True)
    rstd = 1 / np.sqrt(channel(var, x) + EPS)
    normal = sensitivity(x.astype(float), channel(mean, x), rstd)
    axes = (0, *range(2, x.ndim))
    total = (np.abs(g) * normal).sum(axis=axes)
    w = 1 if weight is None else np.abs(channel(weight, x))
    scale = (np.abs(g) + channel(total, x) * normal) * rstd * w
    for _ in each_setting():
        actual = cpu.batch_norm_backward(g, x, weight, mean, var, EPS, training, True)
        assert_agree(actual[0], expected[0], 64, scale, "grad_x")
        assert_agree(actual[1], expected[1], 64, total, "grad_weight")
        assert_agree(actual[2], expected[2], 64, np.abs(g).sum(axis=axes), "grad_bias")
        without = cpu.batch_norm_backward(g, x, weight, mean, var, EPS, training, False)
        assert without[0] is None
        np.testing.assert_array_equal(without[1], actual[1])


@given(problems(), st.data())
def test_group_norm(problem, data):
    x, weight, bias = problem
    batch, channels = x.shape[:2]
    groups = data.draw(st.sampled_from([g for g in range(1, channels + 1) if channels % g == 0]))
    sizes = (batch, channels, groups)
    g = data.draw(arrays(x.dtype, x.shape, "finite"))
    y, mean, rstd = reference.group_norm(*wide(x, weight, bias), *sizes, EPS)
    rows = (batch, groups, -1)
    normal = sensitivity(
        x.astype(float).reshape(rows), mean.reshape(batch, groups, 1), rstd.reshape(batch, groups, 1)
    ).reshape(x.shape)
    w = 1 if weight is None else np.abs(channel(weight, x))
    b = 0 if bias is None else np.abs(channel(bias, x))
    for _ in each_setting():
        actual = cpu.group_norm(x, weight, bias, *sizes, EPS)
        assert_agree(actual[0], y, 32, normal**2 * w + b)
        assert_agree(actual[1], mean, 16, np.abs(x).max(), "mean")
        backward(g, x, weight, actual[1], actual[2], sizes, normal * w)


def backward(g, x, weight, mean, rstd, sizes, normal):
    batch, _, groups = sizes
    expected = reference.group_norm_backward(*wide(g, x, weight, mean, rstd), *sizes, True)
    actual = cpu.group_norm_backward(g, x, weight, mean, rstd, *sizes, True)
    total = (np.abs(g) * normal).reshape(batch, groups, -1).sum(axis=2)
    per_row = np.repeat(total, x.size // (batch * groups), axis=1).reshape(x.shape)
    k = np.repeat(np.asarray(rstd, float).reshape(batch, groups), x.size // (batch * groups), axis=1).reshape(x.shape)
    axes = (0, *range(2, x.ndim))
    assert_agree(actual[0], expected[0], 64, (per_row * (1 + normal)) * k, "grad_x")
    assert_agree(actual[1], expected[1], 64, (np.abs(g) * (1 + normal)).sum(axis=axes) * 4, "grad_weight")
    assert_agree(actual[2], expected[2], 64, np.abs(g).sum(axis=axes), "grad_bias")


@st.composite
def lines(draw, values):
    dtype = draw(st.sampled_from(["float32", "float64"]))
    x = draw(arrays(dtype, shapes(0, 4), values))
    return x, draw(st.integers(0, max(x.ndim - 1, 0)))


@given(lines("any"), st.booleans())
def test_softmax(problem, log):
    x, axis = problem
    with np.errstate(all="ignore"):
        y = reference.softmax(x.astype(np.float64), axis, log)
        size = np.abs(x.astype(np.float64) - x.max(axis=axis, keepdims=True)) if x.size and x.ndim else 0
        scale = (np.abs(y) if not log else np.abs(y) + 1) * (1 + size)
    for _ in each_setting():
        assert_agree(cpu.softmax(x, axis, log), y, 8, scale)


@given(lines("finite"), st.booleans(), st.data())
def test_softmax_backward(problem, log, data):
    x, axis = problem
    y = reference.softmax(x, axis, log)
    g = data.draw(arrays(x.dtype, x.shape, "finite"))
    expected = reference.softmax_backward(*wide(g, y), axis, log)
    p = np.exp(y.astype(float)) if log else y.astype(float)
    total = np.abs(g) if x.ndim == 0 else (np.abs(g) * (1 if log else p)).sum(axis=axis, keepdims=True)
    scale = np.abs(g) * (1 if log else p) + total * p * (1 + (np.abs(y) if log else 0))
    for _ in each_setting():
        assert_agree(cpu.softmax_backward(g, y, axis, log), expected, 32, scale)


def test_large_mean_does_not_cancel():
    """A variance of 1 beside a mean of 10,000, over enough elements for sums of squares to lose all digits."""
    x = (np.random.default_rng(0).standard_normal((64, 3, 700)) + 10000).astype(np.float32)
    expected = x.astype(np.float64).var(axis=(0, 2))
    for _ in each_setting():
        _, _, var = cpu.batch_norm_train(x, None, None, None, None, 0.1, EPS)
        np.testing.assert_allclose(var, expected, rtol=1e-5)


def test_threads_do_not_change_results():
    x = np.random.default_rng(1).standard_normal((300, 64)).astype(np.float32)
    for level in LEVELS:
        _C.set_cpu_level(level)
        results = []
        for threads in (1, 2):
            _C.set_num_threads(threads)
            _, mean, rstd = cpu.group_norm(x, None, None, 300, 64, 1, EPS)
            results.append(cpu.group_norm_backward(x, x, None, mean, rstd, 300, 64, 1, True))
        for one, two in zip(*results, strict=True):
            np.testing.assert_array_equal(one, two)
