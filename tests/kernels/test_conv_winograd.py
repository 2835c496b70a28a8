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
# By how much, along one axis, |A'| (|G| |g| * |B'| |d|) exceeds the largest |g| times the largest |d|: the worst case
# of the transforms; and the same of |G'| (|A| |y| * |B'| |d|), for the weight gradient. F(3, 4) has the mode of 3.
WORST = {"tiles of 2": 8, "tiles of 3": 28.4, "tiles of 4": 23.75}
WORST_OF_WEIGHT = {"tiles of 2": 6, "tiles of 3": 23.75, "tiles of 4": 28.4}
WORST_OF_PHASES = 11.75  # of F(4, 2), which a stride of 2 takes
TAPS = {"tiles of 2": 3, "tiles of 3": 4, "tiles of 4": 3}
MODES = ["tiles of 2", "tiles of 4"]  # of kernels that span both axes
SIGNS = np.array([[1, 1, -1, 1, 1, 1], [1, -1, -1, 1, 1, 1], [1, 1, -1, -1, 1, 1], [1, -1, 1, 1, -1, -1]], float)


@pytest.fixture(autouse=True)
def restore_settings():
    level, threads, mode = _C.cpu_level(), _C.get_num_threads(), _C.winograd()
    yield
    _C.set_cpu_level(level)
    _C.set_num_threads(threads)
    _C.set_winograd(mode)


def sums(mode, kernel):
    """How many transformed tiles are summed for a result: planes times chunks of the kernel."""
    count = kernel[0] if len(kernel) == 3 else 1
    for taps in kernel[-2:]:
        count *= -(-taps // TAPS[mode]) if taps > 1 else 1
    return count


def axes_of(kernel):
    return sum(taps > 1 for taps in kernel[-2:])


def bound(mode, source, weight, channel_axis, stride):
    """The error that may be: as many roundings as a value goes through, of the largest sum there can be."""
    kernel, spatial = weight.shape[2:], tuple(range(2, weight.ndim))
    largest = np.abs(source.astype(float)).max(axis=(0, *spatial))
    largest = largest * np.abs(weight.astype(float)).max(axis=(1 - channel_axis, *spatial))
    count, worst = sums(mode, kernel), WORST[mode] ** axes_of(kernel)
    if stride == 2:
        count, worst = 4 if channel_axis == 1 else 1, WORST_OF_PHASES**2
    return (largest.size * count + 24) * 2.0**-24 * worst * largest.sum() * count + 1e-37


def bound_of_weight(mode, x, g, kernel):
    """The same, of the weight gradient, whose sums run over tiles."""
    side, worst = int(mode[-1]), WORST_OF_WEIGHT[mode] ** axes_of(kernel)
    tiles = x.shape[0] * (g.shape[2] if len(kernel) == 3 else 1)
    for n, taps in zip(g.shape[-2:] if g.ndim > 3 else g.shape[2:], kernel[-2:], strict=True):
        tiles *= -(-n // side) if taps > 1 else n
    return (tiles + 24) * 2.0**-24 * worst * tiles * float(np.abs(x).max()) * float(np.abs(g).max()) + 1e-37


def wide(*arrays):
    return [None if a is None else a.astype(float) for a in arrays]


def check(mode, x, w, b, g, where):
    size, kernel = x.shape[2:], w.shape[2:]
    expected = reference.conv_forward(*wide(x, w, b), *where)
    gradient = reference.conv_grad_input(*wide(g, w), None, size, *where)
    taps = reference.conv_grad_weight(*wide(g, x), kernel, *where, False)[0]
    stride = where[0][-1]
    of_forward, of_gradient = bound(mode, x, w, 1, stride), bound(mode, g, w, 0, stride)
    of_weight, spatial = bound_of_weight(mode, x, g, kernel), tuple(range(2, x.ndim))
    _C.set_winograd(mode)
    results = {}
    for level, threads in SETTINGS:
        _C.set_cpu_level(level)
        _C.set_num_threads(threads)
        y, dx = conv.conv_forward(x, w, b, *where), conv.conv_grad_input(g, w, None, size, *where)
        dw, db = conv.conv_grad_weight(g, x, kernel, *where, True)
        of_bias = g.sum((0, *spatial), dtype=float)
        np.testing.assert_allclose(db, of_bias, rtol=1e-5, atol=1e-4 * np.abs(g).max(initial=0))
        assert np.abs(dw - taps).max(initial=0) <= of_weight
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


@st.composite
def chunked_problems(draw, straight):
    """Kernels of more planes and taps than one tile has."""
    sides, few = st.sampled_from([1, 2, 5, 8, 9, 17, 34, 49, 67]), st.sampled_from([1, 2, 3, 4, 7, 12])
    if straight:
        kernel = [1, draw(st.sampled_from([3, 4, 5, 7, 8, 9, 11]))]
        if draw(st.booleans()):
            kernel.reverse()
        elif draw(st.booleans()):
            kernel = kernel[1:]
    else:
        kernel = [draw(st.integers(3, 6)), draw(st.integers(3, 6))]
    if len(kernel) == 2 and draw(st.booleans()):
        kernel = [draw(st.integers(1, 3 if kernel[0] * kernel[1] < 20 else 1)), *kernel]
    padding = [draw(st.integers(0, k)) for k in kernel]
    size = [draw(few if len(kernel) > 1 and i < len(kernel) - 1 else sides) for i in range(len(kernel))]
    size = [max(n, k - 2 * p) for n, k, p in zip(size, kernel, padding, strict=True)]
    channels, outs, batch = draw(st.sampled_from([1, 3, 8, 17])), draw(st.sampled_from([1, 5, 13, 25])), draw(few)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    x = rng.standard_normal((min(batch, 3), channels, *size)).astype("float32")
    w = rng.standard_normal((outs, channels, *kernel)).astype("float32")
    b = rng.standard_normal(outs).astype("float32") if draw(st.booleans()) else None
    out = [n + 2 * p - k + 1 for n, p, k in zip(size, padding, kernel, strict=True)]
    g = rng.standard_normal((len(x), outs, *out)).astype("float32")
    ones = [1] * len(kernel)
    return x, w, b, g, (ones, padding, ones, 1)


@st.composite
def strided_problems(draw):
    kernel = [draw(st.sampled_from([3, 4])), draw(st.sampled_from([3, 4]))]
    padding = [draw(st.integers(0, k)) for k in kernel]
    size = [draw(st.sampled_from([1, 2, 7, 8, 15, 17, 29])), draw(st.sampled_from([1, 3, 8, 14, 31, 62, 131, 140]))]
    size = [max(n, k - 2 * p) for n, p, k in zip(size, padding, kernel, strict=True)]
    channels, outs = draw(st.sampled_from([1, 3, 17, 33])), draw(st.sampled_from([1, 5, 13, 49]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    x = rng.standard_normal((draw(st.integers(1, 3)), channels, *size)).astype("float32")
    w = rng.standard_normal((outs, channels, *kernel)).astype("float32")
    b = rng.standard_normal(outs).astype("float32") if draw(st.booleans()) else None
    out = [(n + 2 * p - k) // 2 + 1 for n, p, k in zip(size, padding, kernel, strict=True)]
    g = rng.standard_normal((len(x), outs, *out)).astype("float32")
    return x, w, b, g, ([2, 2], padding, [1, 1], 1)


@given(problem=strided_problems())
def test_stride_of_2(problem):
    check("tiles of 4", *problem)


@pytest.mark.parametrize(
    ("sizes", "outs", "kernel"),
    [
        ((3, 300, 16, 16), 40, (4, 4)),  # two passes over the depth; one block of tiles, shared by threads
        ((9, 24, 30, 31), 70, (3, 3)),  # many blocks, several parts of the results
    ],
)
def test_large_problems_with_stride_2(sizes, outs, kernel):
    rng = np.random.default_rng(3)
    x = rng.standard_normal(sizes).astype("float32")
    w = rng.standard_normal((outs, sizes[1], *kernel)).astype("float32")
    out = [(n + 2 - k) // 2 + 1 for n, k in zip(sizes[2:], kernel, strict=True)]
    g = rng.standard_normal((sizes[0], outs, *out)).astype("float32")
    check("tiles of 4", x, w, None, g, ([2, 2], [1, 1], [1, 1], 1))


def test_stride_of_2_of_a_transposed_convolution_with_bias():
    """The input gradient is its forward pass."""
    rng = np.random.default_rng(6)
    g = rng.standard_normal((2, 9, 8, 7)).astype("float32")
    w = rng.standard_normal((9, 14, 4, 4)).astype("float32")
    b = rng.standard_normal(14).astype("float32")
    where = [2, 2], [1, 1], [1, 1], 1
    expected = reference.conv_grad_input(*wide(g, w, b), (16, 15), *where)
    _C.set_winograd("tiles of 4")
    for level, threads in SETTINGS:
        _C.set_cpu_level(level)
        _C.set_num_threads(threads)
        actual = conv.conv_grad_input(g, w, b, (16, 15), *where)
        assert np.abs(actual - expected).max() <= bound("tiles of 4", g, w, 0, 2) + 2.0**-22 * np.abs(b).max()


@pytest.mark.parametrize("mode", MODES)
@given(problem=chunked_problems(straight=False))
def test_larger_kernels(mode, problem):
    check(mode, *problem)


@pytest.mark.parametrize("mode", ["tiles of 3", "tiles of 4"])
@given(problem=chunked_problems(straight=True))
def test_kernels_of_one_row_or_column(mode, problem):
    check(mode, *problem)


@pytest.mark.parametrize(
    ("mode", "sizes", "outs", "kernel"),
    [
        ("tiles of 3", (3, 90, 17, 17), 100, (1, 7)),  # two passes over the depth, two parts of the results
        ("tiles of 4", (3, 90, 17, 17), 100, (7, 1)),
        ("tiles of 4", (3, 40, 700), 70, (5,)),  # many blocks
        ("tiles of 4", (1, 20, 37, 8, 8), 26, (3, 3, 3)),  # several blocks along the planes
        ("tiles of 2", (1, 70, 5, 12, 12), 26, (3, 3, 3)),
    ],
)
def test_large_chunked_problems(mode, sizes, outs, kernel):
    rng = np.random.default_rng(4)
    x = rng.standard_normal(sizes).astype("float32")
    w = rng.standard_normal((outs, sizes[1], *kernel)).astype("float32")
    g = rng.standard_normal((sizes[0], outs, *sizes[2:])).astype("float32")
    ones = [1] * len(kernel)
    check(mode, x, w, None, g, (ones, [k // 2 for k in kernel], ones, 1))


@pytest.mark.parametrize("mode", MODES)
@given(problem=problems())
def test_values(mode, problem):
    check(mode, *problem)


@pytest.mark.parametrize("mode", MODES)
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


@pytest.mark.parametrize("mode", MODES)
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


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("row", range(4))
def test_error_of_data_that_cancel(mode, row):
    """Signs of inputs and taps such that the transforms add up magnitudes, and the results cancel."""
    signs = SIGNS[row]
    rng = np.random.default_rng(row)
    tiles = np.tile(np.outer(signs, signs), (4, 4))[:21, :21]
    x = (tiles * rng.uniform(0.9, 1, (2, 30, 21, 21))).astype("float32")
    w = (np.outer([1, -1, 1], [1, 1, 1]) * rng.uniform(0.9, 1, (13, 30, 3, 3))).astype("float32")
    w[:, 1::2] *= -1
    g = (tiles * rng.uniform(0.9, 1, (2, 13, 21, 21))).astype("float32")
    check(mode, x, w, None, g, WHERE)


@pytest.mark.parametrize("signs", [(-1, -1, 1, 1), (1, -1, -1, 1), (1, 1, -1, 1), (1, -1, -1, -1)])
def test_error_of_phases_that_cancel(signs):
    rng = np.random.default_rng(0)
    line = np.tile(signs, 7)
    tiles = np.outer(line, line)
    g = (tiles[:17, :21] * rng.uniform(0.9, 1, (2, 13, 17, 21))).astype("float32")
    x = (tiles.repeat(2, 0).repeat(2, 1)[:34, :42] * rng.uniform(0.9, 1, (2, 30, 34, 42))).astype("float32")
    w = (np.outer([1, 1, -1, 1], [1, -1, 1, 1]) * rng.uniform(0.9, 1, (13, 30, 4, 4))).astype("float32")
    w[:, 1::2] *= -1
    check("tiles of 4", x, w, None, g, ([2, 2], [1, 1], [1, 1], 1))


@pytest.mark.parametrize("mode", ["tiles of 3", "tiles of 4"])
@pytest.mark.parametrize("row", range(4))
def test_error_of_rows_that_cancel(mode, row):
    rng = np.random.default_rng(row)
    tiles = np.tile(SIGNS[row], 6)[:33]
    x = (tiles * rng.uniform(0.9, 1, (2, 30, 3, 33))).astype("float32")
    w = (np.array([1, -1, 1, 1, -1, 1, -1]) * rng.uniform(0.9, 1, (13, 30, 1, 7))).astype("float32")
    w[:, 1::2] *= -1
    g = (tiles * rng.uniform(0.9, 1, (2, 13, 3, 33))).astype("float32")
    ones = [1, 1]
    check(mode, x, w, None, g, (ones, [0, 3], ones, 1))
    turned = [np.ascontiguousarray(a.swapaxes(2, 3)) for a in (x, w, g)]
    check(mode, *turned[:2], None, turned[2], (ones, [3, 0], ones, 1))


@pytest.mark.parametrize("mode", MODES)
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


@pytest.mark.parametrize(
    ("mode", "kernel", "stride"),
    [
        ("tiles of 3", (1, 7), 1),
        ("tiles of 3", (8, 1), 1),
        ("tiles of 4", (5,), 1),
        ("tiles of 4", (3, 3, 3), 1),
        ("tiles of 4", (3, 4), 2),
    ],
)
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_special_values_of_other_kernels(mode, kernel, stride, value):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 5, *[9] * len(kernel))).astype("float32")
    w = rng.standard_normal((7, 5, *kernel)).astype("float32")
    g = rng.standard_normal((2, 7, *[9] * len(kernel))).astype("float32")
    ones = [1] * len(kernel)
    where = [stride] * len(kernel), [k // 2 for k in kernel], ones, 1
    where[1][0] += kernel[0] == 8 and -1
    g = conv.conv_forward(x, w, None, *where)
    last = (-1,) * len(kernel)
    x[(1, 2, *last)] = g[(0, 3, *last)] = value
    with np.errstate(all="ignore"):
        for level, threads in SETTINGS:
            _C.set_cpu_level(level)
            _C.set_num_threads(threads)
            results = []
            for setting in ("off", mode):
                _C.set_winograd(setting)
                y = conv.conv_forward(x, w, None, *where)
                dx = conv.conv_grad_input(g, w, None, x.shape[2:], *where)
                results.append((y, dx, conv.conv_grad_weight(g, x, kernel, *where, False)[0]))
            for direct, fast in zip(*results, strict=True):
                np.testing.assert_array_equal(fast, direct)


@pytest.mark.parametrize("mode", MODES)
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
