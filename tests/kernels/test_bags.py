"""Bags of rows against plain NumPy, on every instruction set level with one thread and two."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytensor import _C
from pytensor.backend import cpu, reference

COLUMNS = st.sampled_from([0, 1, 3, 4, 7, 16, 17, 31, 64, 130, 300])


@st.composite
def bags(draw):
    """(table, numbers, bounds, padding): equal bags or cut at bounds, numbers in either integer type and layout."""
    rng = np.random.default_rng(draw(st.integers(0, 9999)))
    rows, count = draw(st.integers(1, 9)), draw(st.integers(0, 6))
    table = rng.standard_normal((rows, draw(COLUMNS))).astype(draw(st.sampled_from(["float32", "float64"])))
    if draw(st.booleans()):
        table = np.asfortranarray(table)
    kind, padding = draw(st.sampled_from(["int64", "int32"])), draw(st.integers(-1, rows - 1))
    if draw(st.booleans()):
        size = draw(st.integers(0, 20))
        return table, rng.integers(0, rows, (count, size), dtype=kind), size, padding
    numbers = rng.integers(0, rows, draw(st.integers(0, 40)), dtype=kind)[:: draw(st.sampled_from([1, -1, 2]))]
    bounds = np.sort(np.append(rng.integers(0, numbers.size + 1, count), 0))
    return table, numbers, bounds.astype(kind), padding


def close(ours, wanted):
    assert ours.dtype == wanted.dtype and ours.shape == wanted.shape
    tolerance = 1e-5 if ours.dtype == np.float32 else 1e-13
    np.testing.assert_allclose(ours, wanted, tolerance, 40 * tolerance)


@given(bags(), st.booleans(), st.booleans(), st.data())
def check(case, mean, weighted, data):
    table, numbers, bounds, padding = case
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    weights = rng.standard_normal(numbers.shape).astype(table.dtype) if weighted else None
    sums = reference.bag_sum(*case, weights, mean)
    close(cpu.bag_sum(*case, weights, mean), sums)
    for with_places in (True, False):
        for ours, wanted in zip(cpu.bag_max(*case, with_places), reference.bag_max(*case, with_places), strict=True):
            np.testing.assert_array_equal(ours, wanted)
    grad, rest = rng.standard_normal(sums.shape).astype(table.dtype), (numbers, bounds, padding)
    spread = (grad, *rest, weights, mean, len(table))
    close(cpu.bag_spread(*spread), reference.bag_spread(*spread))
    close(cpu.bag_dot(grad, table, *rest), reference.bag_dot(grad, table, *rest))


def test_against_numpy(machine):
    check()


def test_many_bags(machine):
    """Several pieces of work."""
    rng = np.random.default_rng(0)
    table, numbers = rng.standard_normal((500, 100)), rng.integers(0, 500, (300, 7))
    close(cpu.bag_sum(table, numbers, 7, 3, None, True), reference.bag_sum(table, numbers, 7, 3, None, True))
    maxima, places = cpu.bag_max(table, numbers, 7, 3, True)
    np.testing.assert_array_equal(table[places, np.arange(100)], maxima)
    spread = (maxima, numbers, 7, 3, None, False, 500)
    close(cpu.bag_spread(*spread), reference.bag_spread(*spread))


def test_nan_and_infinity(machine):
    table = np.array([[np.nan, 1, -np.inf], [2, np.nan, np.inf]], np.float32)
    for numbers in ([[0, 1]], [[1, 0]], [[1, 1]]):
        case = (table, np.array(numbers), 2, -1)
        np.testing.assert_array_equal(cpu.bag_max(*case, True)[0], reference.bag_max(*case, True)[0])
        np.testing.assert_array_equal(cpu.bag_sum(*case, None, False), reference.bag_sum(*case, None, False))


@pytest.mark.parametrize("backend", [cpu, reference])
def test_what_does_not_fit_is_answered_with_none(backend):
    table, numbers = np.ones((3, 4), np.float32), np.array([0, 1, 2])
    for wrong in (3, -1, 1 << 40):
        bad = np.array([0, wrong])
        assert backend.bag_sum(table, bad, np.array([0, 2]), -1, None, False) is None
        assert backend.bag_max(table, bad, np.array([0, 2]), -1, True) is None
    for bounds in ([0, 2, 1], [0, 4], [-1, 2]):
        assert backend.bag_sum(table, numbers, np.array(bounds), -1, None, False) is None


def test_what_the_kernels_refuse():
    table, numbers = np.ones((3, 4), np.float32), np.array([0, 1])
    with pytest.raises(ValueError, match="int64"):
        _C.bag_sum(table, numbers.astype(np.int32), numbers, -1, None, False)
    with pytest.raises(ValueError, match="weights"):
        _C.bag_sum(table, numbers, numbers, -1, np.ones(3, np.float32), False)
    with pytest.raises(ValueError, match="fit grad"):
        _C.bag_spread(table, numbers, numbers, -1, None, False, 3)
