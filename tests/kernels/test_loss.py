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
    "kl": ("finite", (-30.0, 30.0)),
    "kl_log": ("finite", (-30.0, 30.0)),
    "hinge": ("finite", (-np.inf, np.inf)),
    "bce_pos_weight": ("finite", (-np.inf, np.inf)),
    "gaussian": ("finite", (-1e6, 1e6)),
}
GRADIENTS = {"kl": "kl_by_target", "kl_log": "kl_log_by_target", "gaussian": "gaussian_by_variance"}


def pair_params(draw, kind, dtype, shape):
    """A number, or an array that broadcasts to the shape: one number, the last axes, or what has to be copied."""
    if kind not in ("bce_pos_weight", "gaussian"):
        return draw(st.sampled_from([0.5, 1.0, 3.0]))
    axes = draw(st.integers(0, len(shape)))
    sides = [n if draw(st.booleans()) or kind == "gaussian" else 1 for n in shape[axes:]]
    return draw(arrays(dtype, tuple(sides), "finite", only=(0.25, 8.0)))


def pair_magnitudes(kind, param, x, t):
    """What errors of the losses and of their slopes are relative to."""
    size = np.abs(x) + np.abs(t)
    p = np.abs(wide(param)) if isinstance(param, np.ndarray) else param
    losses = {"mse": size**2, "l1": size, "smooth_l1": size * (1 + size / p), "gaussian": (1 + size) ** 2 * (1 + 1 / p)}
    slopes = {"bce": (1 + size) / np.maximum((1 - x) * x, 1e-12), "gaussian": (1 + size) ** 2 * (1 + 1 / p) ** 2}
    if kind == "kl_log":
        return (np.exp(t) * (1 + size),) * 2
    if kind == "kl":
        term = np.nan_to_num(np.abs(np.log(t)), nan=0, posinf=0)
        return np.abs(t) * (term + size), 1 + term + size
    if kind == "bce_pos_weight":
        return ((1 + p) * (1 + size) ** 2,) * 2
    return losses.get(kind, (1 + size) ** 2), slopes.get(kind, 1 + size) * (1 + size / p)


@given(st.sampled_from(sorted(KINDS)), st.sampled_from(["float32", "float64"]), st.data())
def test_pair_losses(kind, dtype, data):
    values, only = KINDS[kind]
    shape = data.draw(shapes(0, 3))
    x = data.draw(arrays(dtype, shape, values, only=only))
    of_target = {"bce": (0.0, 1.0), "bce_with_logits": (0.0, 1.0), "bce_pos_weight": (0.0, 1.0), "kl": (0.0, 100.0)}
    t = data.draw(arrays(dtype, shape, values, only=of_target.get(kind, only)))
    param = pair_params(data.draw, kind, dtype, shape)
    number = not isinstance(param, np.ndarray)
    exact = param if number else wide(param)
    g = data.draw(arrays(dtype, shape, "finite"))
    gradients = [kind, GRADIENTS[kind]] if kind in GRADIENTS else [kind]
    with np.errstate(all="ignore"):
        losses = reference.pair_loss(kind, exact, wide(x), wide(t), "none")
        grads = [reference.pair_loss_backward(k, exact, wide(g), wide(x), wide(t), 0.25) for k in gradients]
        scale, slope = pair_magnitudes(kind, param, wide(x), wide(t))
        allowed, slope = scale + np.abs(losses), np.abs(wide(g)) * slope
    for _ in each_setting():
        assert_agree(cpu.pair_loss(kind, param, x, t, "none"), losses, 16, allowed, kind)
        for k, expected in zip(gradients, grads, strict=True):
            assert_agree(cpu.pair_loss_backward(k, param, g, x, t, 0.25), expected, 16, slope, k)
        if values == "finite" and kind != "soft_margin":
            total = np.abs(losses).sum() + np.sum(scale)
            assert_agree(cpu.pair_loss(kind, param, x, t, "sum"), losses.sum(), 64, total, kind)


def test_parameters_repeat_over_pieces():
    """Periods that divide a piece of the kernel, that don't, and that are longer."""
    rng = np.random.default_rng(0)
    for rows, columns in [(3000, 3), (1000, 16), (5, 5000), (9000, 1)]:
        x, t = rng.standard_normal((2, rows, columns))
        param = rng.random(columns) + 0.5
        expected = reference.pair_loss("bce_pos_weight", param, x, t, "none")
        grad = reference.pair_loss_backward("bce_pos_weight", param, x, x, t, 1.0)
        for _ in each_setting():
            np.testing.assert_allclose(cpu.pair_loss("bce_pos_weight", param, x, t, "none"), expected, rtol=1e-9)
            np.testing.assert_allclose(cpu.pair_loss_backward("bce_pos_weight", param, x, x, t, 1.0), grad, rtol=1e-9)


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
