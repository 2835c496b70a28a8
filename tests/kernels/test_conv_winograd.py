"""Winograd's convolution at every level and thread count: values, the stated bound of its error, special values."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytensor import _C, cpu
from pytensor.backend.cpu import conv
from pytensor.backend.reference import conv as reference
from pytensor.testing.levels import LEVELS, SETTINGS

WHERE = [1, 1], [1, 1], [1, 1], 1
# By how much |A'| (|G| |g| |G'| * |B'| |d| |B|) |A| exceeds the largest |g| times the largest |d|: the worst case of
# both transforms along both axes.
WORST = {"tiles of 2": 64, "tiles of 4": 564}


@pytest.fixture(autouse=True)
def restore_settings():
    level, threads, mode = _C.cpu_level(), _C.get_num_threads(), _C.winograd()
    yield
    _C.set_cpu_level(level)
    _C.set_num_threads(threads)
    _C.set_winograd(mode)


def bound(mode, source, weight, channel_axis):
    """The error that may be: as many roundings as a value goes through, of the largest sum there can be."""
    axes = tuple(a for a in range(4) if a != channel_axis)
    largest = np.abs(source.astype(float)).max(axis=(0, 2, 3)) * np.abs(weight.astype(float)).max(axis=axes)
    return (largest.size + 24) * 2.0**-24 * WORST[mode] * largest.sum() + 1e-37


def bound_of_weight(mode, x, g):
    """The same, of the weight gradient, whose sums run over tiles."""
    side = 2 if mode == "tiles of 2" else 4
    tiles = x.shape[0] * np.prod([-(-n // side) for n in g.shape[2:]])
    return (tiles + 24) * 2.0**-24 * WORST[mode] * tiles * float(np.abs(x).max()) * float(np.abs(g).max()) + 1e-37


def wide(*arrays):
    return [None if a is None else a.astype(float) for a in arrays]


def check(mode, x, w, b, g, where):
    size = x.shape[2:]
    expected = reference.conv_forward(*wide(x, w, b), *where)
    gradient = reference.conv_grad_input(*wide(g, w), None, size, *where)
    taps = reference.conv_grad_weight(*wide(g, x), (3, 3), *where, False)[0]
    of_forward, of_gradient = bound(mode, x, w, 1), bound(mode, g, w, 0)
    _C.set_winograd(mode)
    results = {}
    for level, threads in SETTINGS:
        _C.set_cpu_level(level)
        _C.set_num_threads(threads)
        y, dx = conv.conv_forward(x, w, b, *where), conv.conv_grad_input(g, w, None, size, *where)
        dw, db = conv.conv_grad_weight(g, x, (3, 3), *where, True)
        np.testing.assert_allclose(db, g.sum((0, 2, 3), dtype=float), rtol=1e-5, atol=1e-4 * np.abs(g).max(initial=0))
        assert np.abs(dw - taps).max(initial=0) <= bound_of_weight(mode, x, g)
        assert y.shape == expected.shape and dx.shape == gradient.shape
        bias = 0 if b is None else 2.0**-22 * np.abs(b).max()
        assert np.abs(y - expected).max(initial=0) <= of_forward + bias
        assert np.abs(dx - gradient).max(initial=0) <= of_gradient
        one = results.setdefault(level, (y, dx, dw))  # the number of threads changes nothing
        np.testing.assert_array_equal(one[0], y)
        np.testing.assert_array_equal(one[1], dx)
        np.testing.assert_array_equal(one[2], dw)


@st.composite
def problems(draw):
    padding = [draw(st.integers(0, 3)), draw(st.integers(0, 3))]
    sides = st.sampled_from([1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 18, 33, 34, 63, 66, 67, 70, 131])
    size = [max(draw(sides), 3 - 2 * p) for p in padding]
    if size[0] > 20:
        size[1] = min(size[1], 40)
    channels = draw(st.sampled_from([1, 2, 3, 7, 8, 9, 16, 17, 33]))
    outs = draw(st.sampled_from([1, 2, 5, 6, 11, 12, 13, 24, 25, 49]))
    batch = draw(st.sampled_from([1, 1, 2, 3]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    x = rng.standard_normal((batch, channels, *size)).astype("float32")
    w = rng.standard_normal((outs, channels, 3, 3)).astype("float32")
    b = rng.standard_normal(outs).astype("float32") if draw(st.booleans()) else None
    out = [n + 2 * p - 2 for n, p in zip(size, padding, strict=True)]
    g = rng.standard_normal((batch, outs, *out)).astype("float32")
    return x, w, b, g, ([1, 1], padding, [1, 1], 1)


@pytest.mark.parametrize("mode", WORST)
@given(problem=problems())
def test_values(mode, problem):
    check(mode, *problem)


@pytest.mark.parametrize("mode", WORST)
@pytest.mark.parametrize(
    ("batch", "channels", "outs", "side"),
    [
        (3, 300, 40, 9),  # two passes over the depth; one block of tiles, shared by threads
        (16, 40, 30, 14),  # many blocks
        (2, 16, 50, 65),  # several segments in a row of tiles
    ],
)
def test_large_problems(mode, batch, channels, outs, side):
    rng = np.random.default_rng(3)
    x = rng.standard_normal((batch, channels, side, side)).astype("float32")
    w = rng.standard_normal((outs, channels, 3, 3)).astype("float32")
    g = rng.standard_normal((batch, outs, side, side)).astype("float32")
    check(mode, x, w, None, g, WHERE)


@pytest.mark.parametrize("mode", WORST)
def test_error_of_random_data(mode):
    """Root mean square error, relative to that of the results, of 128 channels of normal random numbers."""
    rng = np.random.default_rng(5)
    x = rng.standard_normal((2, 128, 20, 20)).astype("float32")
    w = rng.standard_normal((16, 128, 3, 3)).astype("float32")
    g = rng.standard_normal((2, 16, 20, 20)).astype("float32")
    expected = reference.conv_forward(*wide(x, w), None, *WHERE)
    taps = reference.conv_grad_weight(*wide(g, x), (3, 3), *WHERE, False)[0]
    for level in LEVELS:
        _C.set_cpu_level(level)
        _C.set_winograd(mode)
        most = {"tiles of 2": 1e-6, "tiles of 4": 4e-6}[mode]
        error = conv.conv_forward(x, w, None, *WHERE) - expected
        assert np.sqrt((error**2).mean() / (expected**2).mean()) < most
        error = conv.conv_grad_weight(g, x, (3, 3), *WHERE, False)[0] - taps
        assert np.sqrt((error**2).mean() / (taps**2).mean()) < most


@pytest.mark.parametrize("mode", WORST)
@pytest.mark.parametrize("row", range(4))
def test_error_of_data_that_cancel(mode, row):
    """Signs of inputs and taps such that the transforms add up magnitudes, and the results cancel."""
    signs = np.array([[1, 1, -1, 1, 1, 1], [1, -1, -1, 1, 1, 1], [1, 1, -1, -1, 1, 1], [1, -1, 1, 1, -1, -1]], float)[
        row
    ]
    rng = np.random.default_rng(row)
    tiles = np.tile(np.outer(signs, signs), (4, 4))[:21, :21]
    x = (tiles * rng.uniform(0.9, 1, (2, 30, 21, 21))).astype("float32")
    w = (np.outer([1, -1, 1], [1, 1, 1]) * rng.uniform(0.9, 1, (13, 30, 3, 3))).astype("float32")
    w[:, 1::2] *= -1
    g = (tiles * rng.uniform(0.9, 1, (2, 13, 21, 21))).astype("float32")
    check(mode, x, w, None, g, WHERE)


@pytest.mark.parametrize("mode", WORST)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38, 1e30])
@pytest.mark.parametrize("where", ["input", "weight"])
def test_special_values_reach_what_they_should(mode, value, where):
    """Transforms would spread them over a tile: the direct road takes over."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 5, 12, 12)).astype("float32")
    w = (rng.standard_normal((7, 5, 3, 3)) * 1e-3).astype("float32")
    if where == "input":
        x[1, 2, 5, 6] = value
    else:
        w[4, 2, 1, 1] = value
    with np.errstate(all="ignore"):
        for level, threads in SETTINGS:
            _C.set_cpu_level(level)
            _C.set_num_threads(threads)
            _C.set_winograd("off")
            y, dx = (
                conv.conv_forward(x, w, None, *WHERE),
                conv.conv_grad_input(x[:, :, :9], w[:5], None, (9, 12), *WHERE),
            )
            dw = conv.conv_grad_weight(x[:, :, :9], x[:, :4, :9], (3, 3), *WHERE, False)[0]
            _C.set_winograd(mode)
            if where == "input" and level != "plain":
                actual = conv.conv_grad_weight(x[:, :, :9], x[:, :4, :9], (3, 3), *WHERE, False)[0]
                np.testing.assert_array_equal(actual, dw)
            np.testing.assert_array_equal(conv.conv_forward(x, w, None, *WHERE), y)
            np.testing.assert_array_equal(conv.conv_grad_input(x[:, :, :9], w[:5], None, (9, 12), *WHERE), dx)


@pytest.mark.parametrize("mode", WORST)
def test_strides(mode):
    """Rows that are not dense take the direct road; everything else may be strided."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((2, 12, 18, 20)).astype("float32")
    w = rng.standard_normal((6, 8, 3, 3)).astype("float32")
    for a in (
        x[:, ::2, 1:17:2, 3:19],
        x[::-1, :6, ::-1],
        x[:, :6, :, ::2],
        np.broadcast_to(x[:, :6, :1], (2, 6, 18, 20)),
    ):
        for v in (w[:, 1:7], w[::-1, ::-1][:, :6], w[:, :6, ::-1], w.transpose(0, 1, 3, 2)[:, :6]):
            g = np.ones((2, 6, *a.shape[2:]), "float32")[::-1]
            check(mode, a, v, None, g, WHERE)


def test_switch():
    assert cpu.winograd_enabled() == (os.environ.get("PYTENSOR_WINOGRAD") != "0")
    rng = np.random.default_rng(1)
    x = rng.standard_normal((4, 64, 28, 28)).astype("float32")
    w = rng.standard_normal((64, 64, 3, 3)).astype("float32")
    cpu.set_winograd(False)
    assert not cpu.winograd_enabled()
    direct = conv.conv_forward(x, w, None, *WHERE)
    cpu.set_winograd(True)
    fast = conv.conv_forward(x, w, None, *WHERE)
    if _C.cpu_level() != "plain":
        assert (fast != direct).any()
    np.testing.assert_allclose(fast, direct, atol=1e-3)
    code = "import pytensor; print(pytensor.cpu.winograd_enabled())"
    for value, expected in (("0", "False"), ("1", "True")):
        env = {**os.environ, "PYTENSOR_WINOGRAD": value}
        run = subprocess.run([sys.executable, "-P", "-c", code], env=env, capture_output=True, text=True, check=True)
        assert run.stdout.strip() == expected
    with pytest.raises(ValueError, match="set_winograd"):
        _C.set_winograd("perhaps")
