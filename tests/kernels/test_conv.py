"""The convolution kernels at every level and thread count against the NumPy reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytensor import _C
from pytensor.backend.cpu import conv as cpu
from pytensor.backend.reference import conv as reference
from pytensor.testing.levels import LEVELS, SETTINGS
from pytensor.testing.strategies import arrays


@st.composite
def problems(draw, values="finite"):
    """Arguments of a convolution with 1 to 3 spatial axes: (input, weight, bias, stride, padding, dilation, groups)."""
    spatial = draw(st.integers(1, 3))
    sides = st.integers(1, {1: 90, 2: 20, 3: 7}[spatial])

    def per_axis(low, high):
        return [draw(st.integers(low, high)) for _ in range(spatial)]

    kernel, stride, padding, dilation = per_axis(1, 4), per_axis(1, 3), per_axis(0, 2), per_axis(1, 2)
    if draw(st.integers(0, 4)) == 0:
        kernel, stride, padding = [1] * spatial, [1] * spatial, [0] * spatial
    size = [max(draw(sides), d * (k - 1) + 1 - 2 * p, 1) for k, p, d in zip(kernel, padding, dilation, strict=True)]
    groups = draw(st.sampled_from([1, 1, 1, 2, 3, 5]))
    channels = draw(st.sampled_from([1, 1, 2, 3, 4, 7, 9]))
    outs = draw(st.sampled_from([1, 2, 5, 6, 7, 8, 9, 13, 17, 33, 66]))
    batch = draw(st.sampled_from([0, 1, 1, 2, 3]))
    dtype = draw(st.sampled_from(["float32", "float64"]))
    x = draw(arrays(dtype, (batch, channels * groups, *size), values))
    w = draw(arrays(dtype, (outs * groups, channels, *kernel), "smooth"))
    b = draw(arrays(dtype, (outs * groups,), "smooth")) if draw(st.booleans()) else None
    return x, w, b, stride, padding, dilation, groups


def assert_close(actual, compute, *operands):
    """A result against `compute(*operands)` in double; the error is relative to the same sum of magnitudes."""
    wide = [None if a is None else a.astype(np.float64) for a in operands]
    expected = compute(*wide)
    scale = compute(*(None if a is None else np.abs(a) for a in wide))
    assert actual.dtype == operands[0].dtype
    assert actual.shape == expected.shape
    assert actual.flags.c_contiguous
    eps = np.finfo(actual.dtype).eps
    # A sum of n terms in 16 or more partial sums; n stays below some thousands here.
    allowed = 64 * eps * scale + np.finfo(actual.dtype).tiny
    assert (np.abs(actual - expected) <= allowed).all(), float(np.abs(actual - expected).max())


@given(problems())
def test_forward(problem):
    x, w, b, *where = problem
    for level, threads in SETTINGS:
        _C.set_cpu_level(level)
        _C.set_num_threads(threads)
        assert_close(
            cpu.conv_forward(x, w, b, *where), lambda x, w, b: reference.conv_forward(x, w, b, *where), x, w, b
        )


@given(problems(), st.data())
def test_grad_input(problem, data):
    x, w, _, *where = problem
    out = reference.conv_output_size(x.shape[2:], w.shape[2:], *where[:3])
    g = data.draw(arrays(x.dtype, (x.shape[0], w.shape[0], *out), "finite"))
    b = data.draw(st.none() | arrays(x.dtype, (x.shape[1],), "smooth"))
    size = x.shape[2:]
    for level, threads in SETTINGS:
        _C.set_cpu_level(level)
        _C.set_num_threads(threads)
        actual = cpu.conv_grad_input(g, w, b, size, *where)
        assert_close(actual, lambda g, w, b: reference.conv_grad_input(g, w, b, size, *where), g, w, b)


@given(problems(), st.data())
def test_grad_weight(problem, data):
    x, w, _, *where = problem
    kernel = w.shape[2:]
    out = reference.conv_output_size(x.shape[2:], kernel, *where[:3])
    g = data.draw(arrays(x.dtype, (x.shape[0], w.shape[0], *out), "finite"))
    for level, threads in SETTINGS:
        _C.set_cpu_level(level)
        _C.set_num_threads(threads)
        actual, bias = cpu.conv_grad_weight(g, x, kernel, *where, True)
        for i, result in enumerate((actual, bias)):
            assert_close(result, lambda g, x, i=i: reference.conv_grad_weight(g, x, kernel, *where, True)[i], g, x)
        without, none = cpu.conv_grad_weight(g, x, kernel, *where, False)
        assert none is None
        np.testing.assert_array_equal(without, actual)


@pytest.mark.parametrize(
    "shape, outs, kernel, padding, groups",
    [
        ((2, 24, 3, 4, 32), 16, (3, 3, 3), (1, 1, 1), 1),  # more taps than one pass of the packed product
        ((1, 48, 3, 31), 28, (3, 5), (1, 2), 2),  # rows that end within a vector
        ((2, 9, 11, 17), 33, (7, 1), (3, 0), 1),  # rows of positions that follow each other
        ((2, 5, 6, 7, 8), 40, (5, 1, 1), (2, 0, 0), 1),
        ((5, 16, 11, 9), 14, (5, 5), (2, 2), 1),  # outputs along the lanes: odd rows, several chunks of images
        ((3, 16, 9, 2), 16, (5, 1), (2, 0), 1),  # the array itself is read
        ((2, 48, 7, 6), 45, (3, 3), (1, 1), 3),  # units of one group, which stage it themselves
    ],
)
def test_few_rows_and_merged_rows(shape, outs, kernel, padding, groups):
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape).astype(np.float32)
    w = rng.standard_normal((outs, shape[1] // groups, *kernel)).astype(np.float32)
    b = rng.standard_normal(outs).astype(np.float32)
    ones = [1] * len(kernel)
    where = ones, list(padding), ones, groups
    g = rng.standard_normal((shape[0], outs, *shape[2:])).astype(np.float32)
    for level, threads in SETTINGS:
        _C.set_cpu_level(level)
        _C.set_num_threads(threads)
        forward = cpu.conv_forward(x, w, b, *where)
        assert_close(forward, lambda x, w, b: reference.conv_forward(x, w, b, *where), x, w, b)
        gradient = cpu.conv_grad_input(g, w, None, shape[2:], *where)
        assert_close(gradient, lambda g, w: reference.conv_grad_input(g, w, None, shape[2:], *where), g, w)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "shape, outs, kernel, padding, groups",
    [
        ((3, 24, 6, 14), 64, (3, 3), (1, 1), 8),  # units of one group, which stage it themselves
        ((2, 20, 5, 7), 30, (3, 3), (1, 1), 10),  # rows that end within a vector
        ((2, 16, 3, 6), 32, (1, 3), (0, 0), 8),  # read from the array itself
        ((2, 2, 1, 1100), 5, (1, 3), (0, 1), 1),  # a row longer than a block
        ((1, 3, 4, 5, 6), 13, (2, 2, 2), (1, 0, 1), 1),
    ],
)
def test_weight_gradient_of_few_outputs(shape, outs, kernel, padding, groups, dtype):
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape).astype(dtype)
    ones = [1] * len(kernel)
    where = ones, list(padding), ones, groups
    size = reference.conv_output_size(shape[2:], kernel, *where[:3])
    g = rng.standard_normal((shape[0], outs, *size)).astype(dtype)
    for level, threads in SETTINGS:
        _C.set_cpu_level(level)
        _C.set_num_threads(threads)
        actual, _ = cpu.conv_grad_weight(g, x, kernel, *where, False)
        assert_close(actual, lambda g, x: reference.conv_grad_weight(g, x, kernel, *where, False)[0], g, x)


@pytest.mark.parametrize("outs", [2, 3, 8, 16])
def test_weight_gradient_reads_no_element_beyond_its_columns(outs):
    """What lies behind the last column of a tap may be infinite: times a zero it would be NaN."""
    x = np.ones((2, 3, 4, 7), np.float32)
    x[..., 5:] = np.inf
    g = np.ones((2, outs, 4, 5), np.float32)
    for level, threads in SETTINGS:
        _C.set_cpu_level(level)
        _C.set_num_threads(threads)
        actual, _ = cpu.conv_grad_weight(g, x, [1, 3], [1, 1], [0, 0], [1, 1], 1, False)
        np.testing.assert_array_equal(actual[..., 0], np.float32(40))
        assert np.isposinf(actual[..., 1:]).all()


@pytest.mark.parametrize("groups", [1, 6])
def test_channels_last(groups):
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 6, 9, 8)), rng.standard_normal((12, 6 // groups, 3, 3))
    where = [1, 1], [1, 1], [1, 1], groups
    y = cpu.conv_forward(x, w, None, *where)

    def last(a):
        return np.ascontiguousarray(a.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)

    np.testing.assert_array_equal(cpu.conv_forward(last(x), w, None, *where), y)
    dx = cpu.conv_grad_input(y, w, None, [9, 8], *where)
    np.testing.assert_array_equal(cpu.conv_grad_input(last(y), w, None, [9, 8], *where), dx)
    actual = cpu.conv_grad_weight(last(y), last(x), [3, 3], *where, True)
    for a, b in zip(actual, cpu.conv_grad_weight(y, x, [3, 3], *where, True), strict=True):
        np.testing.assert_array_equal(a, b)


@given(problems("any"))
def test_forward_of_special_values(problem):
    """NaN and infinities reach the outputs whose windows hold them, and no others."""
    x, w, b, *where = problem
    with np.errstate(all="ignore"):
        bad = ~np.isfinite(x)
        reached = reference.conv_forward(bad.astype(x.dtype), np.ones_like(w), None, *where) > 0
        clean = np.where(bad | (np.abs(x) > 1e30), 0, x)
        expected = reference.conv_forward(clean, w, b, *where)
    large = reference.conv_forward((np.abs(np.nan_to_num(x)) > 1e30).astype(x.dtype), np.ones_like(w), None, *where) > 0
    for level, threads in SETTINGS:
        _C.set_cpu_level(level)
        _C.set_num_threads(threads)
        actual = cpu.conv_forward(x, w, b, *where)
        zero = (w == 0).any()
        assert zero or not np.isfinite(actual[reached]).any()
        quiet = ~reached & ~large
        assert np.isfinite(actual[quiet]).all()
        np.testing.assert_allclose(actual[quiet], expected[quiet], rtol=1e-3, atol=1e-2)


@given(problems())
def test_threads_do_not_change_results(problem):
    x, w, b, *where = problem
    size = x.shape[2:]
    for level in LEVELS:
        _C.set_cpu_level(level)
        results = []
        for threads in (1, 2):
            _C.set_num_threads(threads)
            y = cpu.conv_forward(x, w, b, *where)
            dw, db = cpu.conv_grad_weight(y, x, w.shape[2:], *where, True)
            results.append((y, cpu.conv_grad_input(y, w, None, size, *where), dw, db))
        for one, two in zip(*results, strict=True):
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_problems(level, threads, dtype):
    """More channels, columns and images than fit one panel, one pass over the depth or one stage."""
    _C.set_cpu_level(level)
    _C.set_num_threads(threads)
    rng = np.random.default_rng(7)
    for batch, channels, outs, side, kernel, stride, groups in [
        (3, 130, 70, 9, 3, 1, 1),
        (5, 600, 65, 5, 1, 1, 1),
        (2, 6, 4, 65, 5, 2, 2),
        (3, 4, 66, 40, 3, 2, 2),
        (2, 64, 64, 17, 3, 1, 64),
    ]:
        x = rng.normal(size=(batch, channels, side, side)).astype(dtype)
        w = rng.normal(size=(outs, channels // groups, kernel, kernel)).astype(dtype)
        where = [stride] * 2, [kernel // 2] * 2, [1, 1], groups
        y = cpu.conv_forward(x, w, None, *where)
        assert_close(y, lambda x, w, at=where: reference.conv_forward(x, w, None, *at), x, w)
        size, taps = x.shape[2:], w.shape[2:]
        actual = cpu.conv_grad_input(y, w, None, size, *where)
        assert_close(actual, lambda y, w, at=where, n=size: reference.conv_grad_input(y, w, None, n, *at), y, w)
        for i, actual in enumerate(cpu.conv_grad_weight(y, x, taps, *where, True)):
            assert_close(
                actual, lambda y, x, at=where, n=taps, i=i: reference.conv_grad_weight(y, x, n, *at, True)[i], y, x
            )


@given(problems("any"))
def test_im2col(problem):
    x, w, _, stride, padding, dilation, _ = problem
    for threads in (1, 2):
        _C.set_num_threads(threads)
        actual = cpu.im2col(x, w.shape[2:], stride, padding, dilation)
        np.testing.assert_array_equal(actual, reference.im2col(x, w.shape[2:], stride, padding, dilation))


@given(problems(), st.data())
def test_col2im(problem, data):
    x, w, _, stride, padding, dilation, _ = problem
    kernel, size = w.shape[2:], x.shape[2:]
    windows = np.prod(reference.conv_output_size(size, kernel, stride, padding, dilation))
    columns = data.draw(arrays(x.dtype, (x.shape[0], x.shape[1] * int(np.prod(kernel)), int(windows)), "finite"))
    for threads in (1, 2):
        _C.set_num_threads(threads)
        actual = cpu.col2im(columns, size, kernel, stride, padding, dilation)
        assert_close(actual, lambda c: reference.col2im(c, size, kernel, stride, padding, dilation), columns)


@pytest.mark.parametrize("dtype", ["int64", "int32", "float16", "complex64"])
def test_other_dtypes_run_in_numpy(dtype):
    x = np.arange(2 * 2 * 5).reshape(2, 2, 5).astype(dtype)
    w = np.ones((3, 2, 2), dtype)
    y = cpu.conv_forward(x, w, None, [1], [0], [1], 1)
    assert y.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(y[0, 0], (x[0, :, :-1] + x[0, :, 1:]).sum(0))


def test_bindings_refuse_what_does_not_fit():
    x, w = np.zeros((1, 3, 8, 8), "float32"), np.zeros((4, 3, 3, 3), "float32")
    ones, none = [1, 1], [0, 0]
    with pytest.raises(ValueError, match="groups"):
        _C.conv_forward(x, w, None, ones, none, ones, 2, [6, 6])
    with pytest.raises(ValueError, match="dtype"):
        _C.conv_forward(x, w.astype("float64"), None, ones, none, ones, 1, [6, 6])
    with pytest.raises(ValueError, match="bias"):
        _C.conv_forward(x, w, np.zeros(3, "float32"), ones, none, ones, 1, [6, 6])
    with pytest.raises(ValueError, match="positive"):
        _C.conv_forward(x, w, None, [0, 1], none, ones, 1, [6, 6])
