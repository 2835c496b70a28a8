"""Reduction and scan kernels against plain NumPy, at every instruction set level and number of threads."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytensor import _C
from pytensor.backend import cpu, reference
from pytensor.testing.strategies import arrays, shapes

FLOATS = ("float32", "float64")
TYPES = (*FLOATS, "bool", "uint8", "int32", "int64", "int16", "float16")
SUMS = ("sum", "mean", "sum_squares", "norm2", "var", "std")
ORDERED = ("max", "min", "argmax", "argmin", "any", "all")


def axes_of(mask, x):
    return tuple(i for i in range(x.ndim) if mask >> i & 1)


def count(x, axes):
    return int(np.prod([x.shape[i] for i in axes]))


def assert_sum(name, x, axes, keepdim):
    """Within a few ulp of the sum of the magnitudes."""
    got = cpu.reduction(name, x, axes, keepdim, 1.0)
    want = reference.reduction(name, x, axes, keepdim, 1.0)
    assert got.dtype == want.dtype and got.shape == want.shape
    eps = np.finfo(x.dtype).eps
    wide = np.abs(x.astype(np.float64))
    size = {"sum": wide, "mean": wide / max(count(x, axes), 1)}.get(name)
    if size is not None:
        bound = 4 * eps * size.sum(axis=axes, keepdims=keepdim)
    else:
        bound = 8 * eps * np.abs(want.astype(np.float64))
        if name in ("var", "std"):  # what rounding the mean to the input's type costs
            bound = bound + 8 * eps**2 * (wide**2).max(axis=axes, keepdims=keepdim, initial=0)
    finite = np.isfinite(want)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))
    np.testing.assert_array_equal(got[~finite & ~np.isnan(want)], want[~finite & ~np.isnan(want)])
    assert (np.abs(got.astype(np.float64) - want)[finite] <= bound[finite] + np.finfo(x.dtype).tiny).all()


@given(
    x=st.sampled_from(FLOATS).flatmap(lambda d: arrays(d, values="finite")), mask=st.integers(0, 15), keep=st.booleans()
)
def check_sums(x, mask, keep):
    for name in SUMS:
        assert_sum(name, x, axes_of(mask, x), keep)


def test_sums(machine):
    check_sums()


@given(x=st.sampled_from(FLOATS).flatmap(arrays), mask=st.integers(0, 15))
def check_sums_of_special_values(x, mask):
    """NaN and infinities come through; sums that overflow on the way are left out."""
    if x.size and np.abs(np.where(np.isfinite(x), x, 0)).max() > 1e30:
        return
    got, want = (b.reduction("sum", x, axes_of(mask, x)) for b in (cpu, reference))
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-4)


def test_sums_of_special_values(machine):
    check_sums_of_special_values()


@given(x=st.sampled_from((*FLOATS, "float16")).flatmap(arrays), mask=st.integers(0, 15), every=st.integers(1, 4))
def check_nansum(x, mask, every):
    """The sum with zeros instead of NaN, to the bit."""
    x = x.copy()
    x.reshape(-1)[::every] = np.nan
    got = cpu.reduction("nansum", x, axes_of(mask, x))
    want = cpu.reduction("sum", np.asarray(np.where(np.isnan(x), 0, x), x.dtype), axes_of(mask, x))
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(
        np.isfinite(got), np.isfinite(reference.reduction("nansum", x, axes_of(mask, x)).astype(x.dtype))
    )


def test_sums_without_nan(machine):
    check_nansum()


@given(x=st.sampled_from(TYPES).flatmap(arrays), mask=st.integers(0, 15), keep=st.booleans())
def check_ordered(x, mask, keep):
    axes = axes_of(mask, x)
    for name in ORDERED:
        if count(x, axes) == 0 and name not in ("any", "all"):
            continue
        got, want = (b.reduction(name, x, axes, keep) for b in (cpu, reference))
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(got, want)


def test_order_statistics_and_truth(machine):
    check_ordered()


@given(x=st.sampled_from(TYPES).flatmap(lambda d: arrays(d, shapes(1, 4, min_side=1))), axis=st.integers(0, 3))
def check_indices(x, axis):
    for name in ("max", "min"):
        got, want = (b.extreme_with_indices(name, x, axis % x.ndim) for b in (cpu, reference))
        np.testing.assert_array_equal(got[0], want[0])
        np.testing.assert_array_equal(got[1], want[1])


def test_extremes_with_indices(machine):
    check_indices()


@given(x=st.sampled_from(("bool", "uint8", "int32", "int64", "int16")).flatmap(arrays), mask=st.integers(0, 15))
def check_integers(x, mask):
    with np.errstate(all="ignore"):
        for name in ("sum", "prod"):
            got, want = (b.reduction(name, x, axes_of(mask, x)) for b in (cpu, reference))
            assert got.dtype == want.dtype == np.int64
            np.testing.assert_array_equal(got, want)


def test_integers(machine):
    check_integers()


@given(seed=st.integers(0, 99), shape=shapes(0, 3), mask=st.integers(0, 7), dtype=st.sampled_from(FLOATS))
def check_products(seed, shape, mask, dtype):
    x = np.asarray(np.random.default_rng(seed).uniform(0.8, 1.25, shape)).astype(dtype)
    got, want = (b.reduction("prod", np.asarray(x), axes_of(mask, np.asarray(x))) for b in (cpu, reference))
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(got, want, rtol=eps * (8 + max([*shape, 1]) ** 0.5 * 4))


def test_products(machine):
    check_products()


LARGE = [(70_001,), (300_000, 2), (2, 300_000), (20, 6_600), (6_600, 20), (16, 3, 1030), (40_000, 1, 3), (129, 1031)]


@pytest.mark.parametrize("shape", LARGE, ids=str)
@pytest.mark.parametrize("dtype", FLOATS)
def test_large_inputs_do_not_depend_on_threads(shape, dtype):
    """Long enough to be cut into blocks: the same bits from one thread and two, and NumPy's values."""
    x = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    x[tuple(n // 2 for n in shape)] = 7
    threads = _C.get_num_threads()
    try:
        for layout in (x, x[::-1], x.T):
            for axes in {(0,), (layout.ndim - 1,), tuple(range(layout.ndim))}:
                for name in (*SUMS, *ORDERED, "prod"):
                    _C.set_num_threads(1)
                    one = cpu.reduction(name, layout, axes, False, 1.0)
                    _C.set_num_threads(2)
                    np.testing.assert_array_equal(cpu.reduction(name, layout, axes, False, 1.0), one)
                    if name in ORDERED:
                        np.testing.assert_array_equal(one, reference.reduction(name, layout, axes))
                    elif name != "prod":
                        assert_sum(name, layout, axes, False)
    finally:
        _C.set_num_threads(threads)


def test_mean_far_from_zero_leaves_the_variance_alone(machine):
    x = (np.random.default_rng(0).standard_normal((257, 300)) + 1e4).astype(np.float32)
    for axes in ((0,), (1,), (0, 1)):
        want = reference.reduction("var", x, axes, False, 1.0)
        np.testing.assert_allclose(cpu.reduction("var", x, axes, False, 1.0), want, rtol=2e-6)


def test_sum_is_as_exact_as_its_result(machine):
    x = np.full(1 << 20, 0.1, dtype=np.float32)
    exact = float(np.float32(0.1)) * x.size
    assert abs(float(cpu.reduction("sum", x, (0,))) - exact) <= 3 * np.finfo(np.float32).eps * exact
    x = np.concatenate([np.full(50_000, 1e16), np.full(50_000, 1.0), np.full(50_000, -1e16)])
    assert abs(cpu.reduction("sum", x, (0,)) - 50_000) <= np.finfo(np.float64).eps * np.abs(x).sum()


def test_no_elements():
    empty = np.zeros((3, 0), dtype=np.float32)
    assert cpu.reduction("sum", empty, (1,)).tolist() == [0, 0, 0]
    assert cpu.reduction("prod", empty, (0, 1)) == 1
    assert cpu.reduction("all", empty, (1,)).all() and not cpu.reduction("any", empty, (1,)).any()
    assert np.isnan(cpu.reduction("mean", empty, (1,))).all()
    assert cpu.reduction("max", empty, (0,)).shape == (0,)
    with pytest.raises(ValueError, match="no identity"):
        cpu.reduction("max", empty, (1,))


@example(x=np.ones((1, 1), dtype=np.float32), axis=0, reverse=True)
@given(
    x=st.sampled_from(FLOATS).flatmap(lambda d: arrays(d, shapes(1, 4), values="finite")),
    axis=st.integers(0, 3),
    reverse=st.booleans(),
)
def check_scans(x, axis, reverse):
    axis %= x.ndim
    for name in ("cumsum", "cumprod"):
        got, want = (b.cumulative(name, x, axis, reverse) for b in (cpu, reference))
        assert got.dtype == want.dtype
        np.testing.assert_allclose(got, want, rtol=2 * np.finfo(x.dtype).eps, atol=np.finfo(x.dtype).tiny)


def test_scans(machine):
    check_scans()


@given(
    x=st.sampled_from(["float32", "float64", "bool", "uint8", "int32", "int64"]).flatmap(
        lambda d: arrays(d, shapes(1, 3), values="any")
    ),
    axis=st.integers(0, 2),
)
def check_scans_of_extremes(x, axis):
    axis %= x.ndim
    for name in ("cummax", "cummin"):
        for layout in (x, x[::-1], x.T):
            at = axis if layout is not x.T else axis % layout.ndim
            for got, want in zip(*(b.cumulative_extreme(name, layout, at) for b in (cpu, reference)), strict=True):
                assert got.dtype == want.dtype
                np.testing.assert_array_equal(got, want)


def test_scans_of_extremes(machine):
    check_scans_of_extremes()


@given(
    x=st.sampled_from(FLOATS).flatmap(lambda d: arrays(d, shapes(1, 3), values="any")),
    axis=st.integers(0, 2),
)
def test_scans_of_exponentials(x, axis):
    axis %= x.ndim
    got, want = (b.logcumsumexp(x, axis) for b in (cpu, reference))
    assert got.dtype == want.dtype
    np.testing.assert_allclose(got, want, rtol=1e-5 if x.dtype == np.float32 else 1e-12, atol=1e-12)


def test_what_has_no_kernel_is_refused():
    with pytest.raises(ValueError, match="unknown reduction"):
        _C.reduce_run("median", np.ones(3), 1, False)
    with pytest.raises(ValueError, match="no kernel"):
        _C.reduce_run("mean", np.ones(3, dtype=np.int64), 1, False)
    with pytest.raises(TypeError, match=r"numpy\.ndarray"):
        _C.reduce_run("sum", [1.0], 1, False)


@pytest.mark.parametrize("shape", [(64, 100), (33, 2000), (5, 64), (257, 17)], ids=str)
@pytest.mark.parametrize("special", [None, np.nan, np.inf, -np.inf])
def test_batches_of_short_rows(machine, shape, special):
    """Rows that are reduced a vector of them at a time, with and without what the quick comparison cannot see."""
    for dtype in FLOATS:
        x = np.random.default_rng(0).uniform(0.9, 1.1, shape).astype(dtype)
        if special is not None:
            x[shape[0] // 2, shape[1] // 2] = special
        for layout in (x, x[::-1], x[::2]):
            for name in ("sum", "mean", "norm2", "max", "min", "prod"):
                got, want = (b.reduction(name, layout, (1,)) for b in (cpu, reference))
                roundings = 8 + 4 * shape[1] ** 0.5 if name == "prod" else 4  # as in check_products()
                np.testing.assert_allclose(got, want, rtol=np.finfo(dtype).eps * roundings)


def test_batches_of_short_rows_of_integers(machine):
    x = np.random.default_rng(0).integers(-(2**62), 2**62, (37, 1000))
    for layout in (x, x[::-1], x[:, :130], x[:, :5]):
        for name in ("sum", "prod", "sum_squares", "max", "min"):
            got, want = (b.reduction(name, layout, (1,)) for b in (cpu, reference))
            np.testing.assert_array_equal(got, want)


def error_of_sum(x, total):
    """Distance from the exact sum, in units of what rounding the result itself may cost plus the condition's share."""
    exact = math.fsum(x.ravel().tolist())
    return abs(float(total) - exact) / np.abs(x.astype(np.float64)).sum()


@pytest.mark.parametrize("dtype", FLOATS)
def test_sums_of_ill_conditioned_data(machine, dtype):
    """Terms of many magnitudes that nearly cancel: the error stays that of a few additions, whatever the length."""
    rng = np.random.default_rng(0)
    half = (rng.standard_normal((64, 5000)) * 10.0 ** rng.uniform(-6, 6, (64, 5000))).astype(dtype)
    x = np.concatenate([half, -half[::-1]])
    x = np.ascontiguousarray(rng.permuted(x.reshape(-1)).reshape(128, -1))
    eps = np.finfo(dtype).eps
    assert error_of_sum(x, cpu.reduction("sum", x, (0, 1))) < 2 * eps
    for i, total in enumerate(cpu.reduction("sum", x, (1,))):
        assert error_of_sum(x[i], total) < 2 * eps
    for j, total in enumerate(cpu.reduction("sum", x, (0,))[:200]):
        assert error_of_sum(x[:, j], total) < 2 * eps


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "int32", "int64"])
def test_running_extremes_of_long_lines(machine, dtype):
    """Vectors in which nothing wins, in which everything does, ties, zeros of both signs, infinities, and NaN in the
    middle of one."""
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((8, 333)) * 4 + 20).astype(dtype)
    x[5].sort()
    x[6, ::2] = 0
    if dtype[0] == "f":
        x[1, 200] = x[2, 0] = x[3, 332] = np.nan
        x[6, 1::4] = -0.0
        x[7, :40] = -np.inf
        x[7, 300:] = np.inf
    for name in ("cummax", "cummin"):
        for axis, layout in ((1, x), (1, x[:, ::-1].copy()), (0, x), (0, x.T), (1, x[:, ::2])):
            for got, want in zip(*(b.cumulative_extreme(name, layout, axis) for b in (cpu, reference)), strict=True):
                np.testing.assert_array_equal(got, want)
                np.testing.assert_array_equal(np.signbit(got), np.signbit(want))


@pytest.mark.parametrize("dtype", ["int64", "int32", "bool"])
def test_scans_of_integers(machine, dtype):
    info = np.iinfo("int64" if dtype == "bool" else dtype)
    x = np.random.default_rng(0).integers(info.min, info.max, (5, 7, 130), dtype=info.dtype).astype(dtype)
    for name in ("cumsum", "cumprod"):
        for axis in range(3):
            for layout in (x, x[:, ::-1], x[:1, 3:4], x.T):
                for reverse in (False, True):
                    got, want = (b.cumulative(name, layout, axis, reverse) for b in (cpu, reference))
                    assert got.dtype == want.dtype
                    np.testing.assert_array_equal(got, want)


def test_scans_of_long_lines(machine):
    x = np.random.default_rng(0).standard_normal((3, 1001)).astype("float32") * 0.1 + 1
    x[1, 500], x[2, 700] = np.nan, np.inf
    for name in ("cumsum", "cumprod"):
        for reverse in (False, True):
            got, want = (b.cumulative(name, x, 1, reverse) for b in (cpu, reference))
            np.testing.assert_allclose(got, want, rtol=2e-7)
