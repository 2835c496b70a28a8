"""Counting kernels against plain NumPy, with one thread and two."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytensor.backend import cpu, reference
from pytensor.testing.strategies import arrays, lay_out, shapes

DTYPES = ("float32", "float64", "bool", "uint8", "int8", "int16", "int32", "int64", "float16")
COUNTED = ("uint8", "int8", "int16", "int32", "int64")


@st.composite
def repeated(draw):
    """Arrays of any layout in which few values come often, next to each other or not."""
    x = draw(st.sampled_from(DTYPES).flatmap(lambda d: arrays(d, shapes(0, 3), "any")))
    if x.size and draw(st.booleans()):
        x = x.reshape(-1)[np.random.default_rng(draw(st.integers(0, 99))).integers(0, min(x.size, 3), x.shape)]
    layout = draw(st.sampled_from(["contiguous", "reversed", "transposed", "stepped", "broadcast"]))
    return np.asarray(lay_out(x, layout, draw))


def assert_same(got, want):
    for g, w in zip(got, want, strict=True):
        if g is not None:
            assert g.dtype == w.dtype
            np.testing.assert_array_equal(g, w)


@given(repeated(), st.booleans())
def check_unique(x, want_inverse):
    for ours, plain in ((cpu.unique, reference.unique), (cpu.unique_runs, reference.unique_runs)):
        assert_same(ours(x, None, want_inverse), plain(x, None, True))
        assert want_inverse is False or ours(x, None, True)[1] is not None
        if x.ndim and x.size:
            assert_same(ours(x, x.ndim - 1), plain(x, x.ndim - 1))


@given(st.sampled_from(COUNTED), st.integers(0, 60), st.integers(0, 9), st.booleans(), st.integers(0, 999))
def check_bins(dtype, n, minlength, reverse, seed):
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 12, n).astype(dtype)[:: -1 if reverse else 1]
    np.testing.assert_array_equal(cpu.bin_counts(x, None, minlength), reference.bin_counts(x, None, minlength))
    for weights in ("float32", "float64", "int32"):
        w = (rng.standard_normal(n) * 100).astype(weights)
        got, want = cpu.bin_counts(x, w, minlength), reference.bin_counts(x, w, minlength)
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(got, want)
    if n and dtype != "uint8":
        x = np.concatenate([x, np.array([-1], dtype)])
        assert cpu.bin_counts(x, None, 0) is None and reference.bin_counts(x, None, 0) is None
        assert cpu.bin_counts(x, np.ones(n + 1), 0) is None


@given(
    st.sampled_from(["float32", "float64"]),
    st.lists(st.floats(-4, 4, width=32), max_size=40),
    st.integers(1, 30),
    st.sampled_from(["equal", "unequal", "tiny", "far", "infinite", "repeated"]),
)
def check_histogram(dtype, values, bins, kind):
    edges = np.linspace(-3, 3, bins + 1)
    if kind == "unequal":
        edges = np.sort(np.sinh(edges * 3))
    elif kind == "tiny":
        edges *= 1e-30
    elif kind == "far":
        edges += 1e6
    elif kind == "infinite":
        edges[0], edges[-1] = -np.inf, np.inf
    elif kind == "repeated":
        edges = np.floor(edges)
    edges = edges.astype(dtype)
    x = np.concatenate([np.array(values, dtype), edges, np.nextafter(edges, np.inf), np.nextafter(edges, -np.inf)])
    x = np.append(x, [np.nan, np.inf, -np.inf]).astype(dtype)
    np.testing.assert_array_equal(cpu.histogram_counts(x, edges), reference.histogram_counts(x, edges))


@pytest.mark.parametrize("check", [check_unique, check_bins, check_histogram])
def test_against_numpy(threads, check):
    check()


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "float32", "float64"])
@pytest.mark.parametrize("top", [3, 250, 100_000, 2**31])
def test_many_elements(threads, dtype, top):
    """Tables for each thread, tables too large for that, and sorting."""
    if top > np.iinfo(np.int64 if dtype[0] == "f" else dtype).max:
        return
    rng = np.random.default_rng(top)
    x = rng.integers(0, top, 150_000).astype(dtype)
    assert_same(cpu.unique(x), reference.unique(x))
    assert_same(cpu.unique(x, None, False)[::2], reference.unique(x)[::2])
    assert_same(cpu.unique_runs(np.sort(x)), reference.unique(np.sort(x)))
    if dtype[0] != "f" and top < 2**31:
        np.testing.assert_array_equal(cpu.bin_counts(x, None, 0), np.bincount(x))
    elif dtype[0] == "f":
        edges = np.linspace(0, top, 101).astype(dtype)
        np.testing.assert_array_equal(cpu.histogram_counts(x, edges), reference.histogram_counts(x, edges))


def test_the_whole_range_of_int64():
    x = np.array([2**63 - 1, -(2**63), 0, 2**63 - 1, -1])
    assert_same(cpu.unique(x), reference.unique(x))
    assert_same(cpu.unique(x, None, False)[::2], reference.unique(x)[::2])
