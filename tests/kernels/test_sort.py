"""Sorting, selection and search kernels against plain NumPy, with one thread and two."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytensor import _C
from pytensor.backend import cpu, reference
from pytensor.testing.strategies import arrays, lay_out, shapes

DTYPES = ("float32", "float64", "bool", "uint8", "int8", "int16", "int32", "int64", "float16")


def with_ties(x, draw):
    """The array, or one in which few values come often."""
    if x.size and draw(st.booleans()):
        return x.reshape(-1)[np.random.default_rng(draw(st.integers(0, 99))).integers(0, min(x.size, 5), x.shape)]
    return x


@st.composite
def lines(draw):
    """(array of any layout, axis)"""
    x = draw(st.sampled_from(DTYPES).flatmap(lambda d: arrays(d, shapes(1, 3, min_side=1), "any")))
    x = lay_out(with_ties(x, draw), draw(st.sampled_from(["contiguous", "reversed", "transposed", "stepped"])), draw)
    return x, draw(st.integers(0, x.ndim - 1))


def assert_same(got, want):
    for g, w in zip(got, want, strict=True):
        assert g.dtype == w.dtype
        np.testing.assert_array_equal(g, w)
    if got[0].dtype.kind == "f":
        np.testing.assert_array_equal(np.signbit(got[0]), np.signbit(want[0]))


@given(lines(), st.booleans())
def check_sort(case, descending):
    x, axis = case
    assert_same(cpu.sort(x, axis, descending), reference.sort(x, axis, descending))


@given(lines(), st.booleans(), st.data())
def check_top_k(case, largest, data):
    x, axis = case
    k = data.draw(st.integers(0, x.shape[axis]))
    assert_same(cpu.top_k(x, k, axis, largest), reference.top_k(x, k, axis, largest))


@given(lines(), st.data())
def check_rank(case, data):
    x, axis = case
    rank = data.draw(st.integers(0, x.shape[axis] - 1))
    assert_same(cpu.kth_smallest(x, rank, axis), reference.kth_smallest(x, rank, axis))
    shape = [1 if i == axis else n for i, n in enumerate(x.shape)]
    ranks = np.random.default_rng(rank).integers(0, x.shape[axis], shape)
    assert_same(cpu.kth_smallest(x, ranks, axis), reference.kth_smallest(x, ranks, axis))


@given(st.sampled_from(DTYPES), st.integers(0, 40), st.booleans(), st.integers(0, 999))
def check_search(dtype, n, right, seed):
    rng = np.random.default_rng(seed)
    edges = np.sort(rng.integers(0, 9, (3, n)).astype(dtype), axis=-1)
    values = rng.integers(0, 10, (3, 11)).astype(dtype)
    np.testing.assert_array_equal(
        cpu.search_sorted(edges, values, right), reference.search_sorted(edges, values, right)
    )
    row, some = edges[0], values[:, ::2]
    np.testing.assert_array_equal(cpu.search_sorted(row, some, right), reference.search_sorted(row, some, right))


@pytest.mark.parametrize("check", [check_sort, check_top_k, check_rank, check_search])
def test_against_numpy(threads, check):
    check()


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int16"])
@pytest.mark.parametrize("shape", [(3, 41), (2, 1000), (70_000,), (1000, 5)], ids=str)
def test_long_lines(threads, dtype, shape):
    """Every way to sort: by insertion, in narrow and in wide digits; every way to select."""
    rng = np.random.default_rng(0)
    for x in (rng.standard_normal(shape) * 1e4, rng.integers(-3, 3, shape), np.sort(rng.standard_normal(shape))):
        x = x.astype(dtype)
        n = x.shape[-1]
        for axis in {0, x.ndim - 1}:
            assert_same(cpu.sort(x, axis, True), reference.sort(x, axis, True))
            assert_same(cpu.sort(x, axis), reference.sort(x, axis))
        for k in {1, min(n, 10), n // 2, n}:
            for largest in (True, False):
                assert_same(cpu.top_k(x, k, x.ndim - 1, largest), reference.top_k(x, k, x.ndim - 1, largest))
            assert_same(cpu.kth_smallest(x, k - 1, x.ndim - 1), reference.kth_smallest(x, k - 1, x.ndim - 1))


def test_nan_is_greatest_and_zeros_are_equal(threads):
    x = np.array([0.0, np.nan, -np.inf, -0.0, -np.nan, np.inf, 0.0, -1.0], dtype=np.float32)
    values, places = cpu.sort(x, 0)
    assert places.tolist() == [2, 7, 0, 3, 6, 5, 1, 4]
    assert np.signbit(values[3])
    assert cpu.sort(x, 0, True)[1].tolist() == [1, 4, 5, 0, 3, 6, 7, 2]
    assert cpu.top_k(x, 3, 0)[1].tolist() == [1, 4, 5]


def test_what_the_kernels_refuse():
    x = np.ones((2, 3), np.float32)
    with pytest.raises(ValueError, match="no kernel"):
        _C.index_sort(x.astype(np.complex64), 0)
    with pytest.raises(ValueError, match="no such axis"):
        _C.index_sort(x, 2)
    with pytest.raises(ValueError, match="out of range"):
        _C.index_select_rank(x, 1, 3)
    with pytest.raises(ValueError, match="more than there are"):
        _C.index_top_k(x, 1, 4)
    with pytest.raises(ValueError, match="as many rows"):
        _C.index_search_sorted(x, np.ones((3, 3), np.float32))
