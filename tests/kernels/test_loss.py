"""The loss kernels at every level and thread count against the NumPy reference in double precision."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pytensor import _C
from pytensor.backend.cpu import loss as cpu
from pytensor.backend.reference import loss as reference
from pytensor.testing.compare import assert_agree
from pytensor.testing.levels import LEVELS, each_setting
from pytensor.testing.strategies import arrays, shapes

IGNORED = -100


def wide(array):
    return None if array is None else np.asarray(array, np.float64)


@st.composite
def problems(draw):
    """(logits, target, weight, smoothing)"""
    dtype = draw(st.sampled_from(["float32", "float64"]))
    batch, inner = draw(st.integers(0, 9)), draw(st.sampled_from([1, 1, 2, 7, 63, 64, 65, 130]))
    classes = draw(st.sampled_from([1, 2, 3, 10, 15, 16, 17, 100]))
    x = draw(arrays(dtype, (batch, classes, inner), "finite"))
    x = x + x.dtype.type(draw(st.sampled_from([0, 0, 1000])))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    target = rng.integers(0, classes, (batch, inner))
    target[rng.random(target.shape) < draw(st.sampled_from([0, 0.3, 1]))] = IGNORED
    weight = rng.random(classes).astype(dtype) if draw(st.booleans()) else None
    return x, target, weight, draw(st.sampled_from([0.0, 0.1, 1.0]))


@given(problems(), st.sampled_from(["none", "mean", "sum"]), st.data())
def test_cross_entropy(problem, reduction, data):
    x, target, weight, smoothing = problem
    labels = (target, wide(weight), IGNORED, smoothing)
    result, _, _, factor = reference.cross_entropy(wide(x), *labels, reduction)
    spread = np.abs(x.astype(float) - x.max(axis=1, keepdims=True)).max(axis=1) if x.size else np.zeros(target.shape)
    size = 2 + spread if reduction == "none" else (2 + spread).sum() * (1 if reduction == "sum" else np.abs(factor))
    g = data.draw(arrays(x.dtype, target.shape if reduction == "none" else (1,), "finite"))
    for _ in each_setting():
        actual = cpu.cross_entropy(x, target, weight, IGNORED, smoothing, reduction)
        assert_agree(actual[0], result, 32, size)
        np.testing.assert_allclose(actual[3], factor, rtol=1e-5)
        ours = cpu.cross_entropy_backward(g, x, target, weight, IGNORED, smoothing, *actual[1:3], 0.5)
        largest, log_sum = (wide(a) for a in actual[1:3])
        expected = reference.cross_entropy_backward(wide(g), wide(x), *labels, largest, log_sum, 0.5)
        most = np.abs(g).max() if g.size else 0
        assert_agree(ours, expected, 64, most * (1 + np.expand_dims(spread, 1)))


@given(problems(), st.sampled_from(["none", "mean", "sum"]), st.data())
def test_nll(problem, reduction, data):
    x, target, weight, _ = problem
    result, factor = reference.nll_loss(wide(x), target, wide(weight), IGNORED, reduction)
    size = np.abs(x).max(initial=1) * (1 if reduction == "none" else x.size * max(1, np.nan_to_num(factor)))
    g = data.draw(arrays(x.dtype, target.shape if reduction == "none" else (1,), "finite"))
    expected = reference.nll_loss_backward(wide(g), x.shape, target, wide(weight), IGNORED, 0.5)
    for _ in each_setting():
        actual = cpu.nll_loss(x, target, weight, IGNORED, reduction)
        assert_agree(actual[0], result, 16, size)
        np.testing.assert_allclose(actual[1], factor, rtol=1e-5)
        assert_agree(cpu.nll_loss_backward(g, x.shape, target, weight, IGNORED, 0.5), expected, 8)


def test_bad_target():
    for backend in (cpu, reference):
        assert backend.bad_target(np.array([0, 2, IGNORED]), 3, IGNORED) is None
        assert backend.bad_target(np.array([0, 3, 4]), 3, IGNORED) == 3
        assert backend.bad_target(np.array([[0, -1]]), 3, IGNORED) == -1
        assert backend.bad_target(np.zeros(0, np.int64), 0, IGNORED) is None


KINDS = {
    "mse": ("finite", (-np.inf, np.inf)),
    "l1": ("any", (-np.inf, np.inf)),
    "smooth_l1": ("finite", (-np.inf, np.inf)),
    "huber": ("finite", (-np.inf, np.inf)),
    "bce": ("finite", (0.0, 1.0)),
    "bce_with_logits": ("finite", (-np.inf, np.inf)),
    "soft_margin": ("finite", (-np.inf, np.inf)),
}


@given(st.sampled_from(sorted(KINDS)), st.sampled_from(["float32", "float64"]), st.data())
def test_pair_losses(kind, dtype, data):
    values, only = KINDS[kind]
    shape = data.draw(shapes(0, 3))
    x = data.draw(arrays(dtype, shape, values, only=only))
    probability = kind in ("bce", "bce_with_logits")
    t = data.draw(arrays(dtype, shape, values, only=(0.0, 1.0) if probability else (-np.inf, np.inf)))
    param = data.draw(st.sampled_from([0.5, 1.0, 3.0]))
    g = data.draw(arrays(dtype, shape, "finite"))
    with np.errstate(all="ignore"):
        losses = reference.pair_loss(kind, param, wide(x), wide(t), "none")
        grads = reference.pair_loss_backward(kind, param, wide(g), wide(x), wide(t), 0.25)
        size = np.abs(wide(x)) + np.abs(wide(t))
        scale = {"mse": size**2, "l1": size, "smooth_l1": size * (1 + size / param)}.get(kind, (1 + size) ** 2)
        slope = {"bce": (1 + size) / np.maximum((1 - wide(x)) * wide(x), 1e-12)}.get(kind, 1 + size)
        allowed, slope = scale + np.abs(losses), np.abs(wide(g)) * slope * (1 + size / param)
    for _ in each_setting():
        assert_agree(cpu.pair_loss(kind, param, x, t, "none"), losses, 16, allowed, kind)
        assert_agree(cpu.pair_loss_backward(kind, param, g, x, t, 0.25), grads, 16, slope, kind)
        if values == "finite" and kind != "soft_margin":
            total = np.abs(losses).sum() + np.sum(scale)
            assert_agree(cpu.pair_loss(kind, param, x, t, "sum"), losses.sum(), 64, total, kind)


def test_sums_do_not_depend_on_threads():
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((2, 100_001)).astype(np.float32)
    for level in LEVELS:
        _C.set_cpu_level(level)
        results = []
        for threads in (1, 2):
            _C.set_num_threads(threads)
            results.append(cpu.pair_loss("mse", 0.0, x, t, "mean"))
        assert results[0] == results[1]
        assert abs(results[0] - np.square(x.astype(float) - t).mean()) < 1e-6
