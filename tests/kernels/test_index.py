"""Gathering and scattering kernels against plain NumPy, with one thread and two."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytensor import _C
from pytensor.backend import cpu, reference
from pytensor.testing.strategies import arrays, lay_out, shapes

MOVED = ("float32", "float64", "bool", "uint8", "int16", "int32", "int64", "complex64", "complex128")
ADDED = ("float32", "float64", "int32", "int64")
GUARD = 77


@st.composite
def cases(draw, dtypes, values="finite"):
    """(array, axis, index, source), the index int64 or int32 in any layout."""
    x = draw(st.sampled_from(dtypes).flatmap(lambda d: arrays(d, shapes(1, 3, min_side=1), values)))
    axis = draw(st.integers(0, x.ndim - 1))
    shape = [draw(st.integers(1, n)) for n in x.shape]
    shape[axis] = draw(st.sampled_from([1, 2, 5, 17]))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    index = rng.integers(0, x.shape[axis], shape, dtype=draw(st.sampled_from(["int64", "int32"])))
    index = lay_out(index, draw(st.sampled_from(["contiguous", "reversed", "transposed", "stepped"])), draw)
    source = draw(arrays(x.dtype, tuple(n + draw(st.integers(0, 1)) for n in shape), values))
    return x, axis, index, source


def guarded(x):
    """A writable copy with guard elements on both sides, and what tells whether they are still there."""
    room = np.full(x.size + 32, GUARD, dtype=x.dtype)
    copy = room[16 : 16 + x.size].reshape(x.shape)
    copy[...] = x
    return copy, lambda: (room[:16] == x.dtype.type(GUARD)).all() and (room[-16:] == x.dtype.type(GUARD)).all()


@given(cases(MOVED, "any"))
def check_gather(case):
    x, axis, index, _ = case
    np.testing.assert_array_equal(cpu.gather(x, axis, index), reference.gather(x, axis, index.astype(np.int64)))


@given(cases(MOVED, "any"))
def check_scatter(case):
    x, axis, index, source = case
    ours, intact = guarded(x)
    wanted = x.copy()
    assert cpu.scatter("store", ours, axis, index, source)
    assert reference.scatter("store", wanted, axis, index, source)
    np.testing.assert_array_equal(ours, wanted)
    assert intact()


@given(cases((*ADDED, "bool", "uint8", "int8", "int16", "float16", "complex64"), "any"), st.booleans())
def check_combined(case, repeated):
    x, axis, index, source = case
    if repeated and index.shape[:axis] + index.shape[axis + 1 :] == x.shape[:axis] + x.shape[axis + 1 :]:
        first = tuple(slice(None) if d == axis else slice(0, 1) for d in range(x.ndim))
        index = np.broadcast_to(index[first].astype(np.int64), index.shape)
    outside = np.where(index == index.max(), x.shape[axis], index)
    for name in ("store", "sum", "prod", "amax", "amin")[: 3 if x.dtype.kind == "c" else 5]:
        ours, intact = guarded(x)
        wanted = x.copy()
        with np.errstate(all="ignore"):
            assert cpu.scatter(name, ours, axis, index, source)
            assert reference.scatter(name, wanted, axis, index, source)
        np.testing.assert_array_equal(ours, wanted)
        assert intact()
        assert not cpu.scatter(name, x.copy(), axis, outside, source)
        for include_self in (True, False)[: 1 if name == "store" else 2]:
            ours = cpu.scattered(name, x, axis, index, source, include_self)
            np.testing.assert_array_equal(ours, reference.scattered(name, x, axis, index, source, include_self))
            assert cpu.scattered(name, x, axis, outside, source, include_self) is None


@given(cases(ADDED))
def check_rows(case):
    x, axis, index, _ = case
    rows = index.reshape(-1)
    taken = cpu.take_rows(x, axis, rows)
    np.testing.assert_array_equal(taken, reference.take_rows(x, axis, rows))
    ours, intact = guarded(x)
    wanted = np.ascontiguousarray(x).copy()
    cpu.add_rows(ours, axis, rows, taken)
    reference.add_rows(wanted, axis, rows, taken)
    np.testing.assert_array_equal(ours, wanted)
    assert intact()
    np.testing.assert_array_equal(cpu.plus_rows(x, axis, rows, taken), wanted)


@st.composite
def places(draw, dtypes):
    """(array, axes, index arrays that broadcast, negative ones among them, source for what they address)"""
    x = draw(st.sampled_from(dtypes).flatmap(lambda d: arrays(d, shapes(1, 4, min_side=1), "finite")))
    axes = tuple(sorted(draw(st.sets(st.integers(0, x.ndim - 1), min_size=1))))
    full = [draw(st.sampled_from([0, 1, 2, 5])) for _ in range(draw(st.integers(0, 3)))]
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    indices = []
    for axis in axes:
        shape = [n if draw(st.booleans()) else 1 for n in full[draw(st.integers(0, len(full))) :]]
        dtype = draw(st.sampled_from(["int64", "int32"]))
        index = rng.integers(-x.shape[axis], x.shape[axis], shape, dtype=dtype)
        indices.append(np.asarray(lay_out(index, draw(st.sampled_from(["contiguous", "reversed", "stepped"])), draw)))
    addressed = reference.pick(x, axes, tuple(indices)).shape
    shape = [n if draw(st.booleans()) else 1 for n in addressed[draw(st.integers(0, len(addressed))) :]]
    source = (rng.standard_normal(shape) * 9).astype(x.dtype)
    return x, axes, tuple(indices), np.asarray(lay_out(source, draw(st.sampled_from(["contiguous", "reversed"])), draw))


@given(places((*MOVED, "float16")), st.sampled_from(["contiguous", "reversed", "transposed", "stepped"]), st.data())
def check_pick(case, layout, data):
    x, axes, indices, _ = case
    x = lay_out(x, layout, data.draw)
    got, want = cpu.pick(x, axes, indices), reference.pick(x, axes, indices)
    np.testing.assert_array_equal(got, want)
    assert got.dtype == want.dtype and got.shape == want.shape


@given(places((*MOVED, "float16")), st.booleans())
def check_put(case, accumulate):
    x, axes, indices, source = case
    ours, intact = guarded(x)
    wanted = x.copy()
    assert cpu.put(ours, axes, indices, source, accumulate)
    assert reference.put(wanted, axes, indices, source, accumulate)
    np.testing.assert_array_equal(ours, wanted)
    assert intact()
    room = np.zeros((*x.shape, 2), x.dtype)
    room[..., 0] = x
    cpu.put(room[..., 0], axes, indices, source, accumulate)
    np.testing.assert_array_equal(room[..., 0], wanted)
    assert not room[..., 1].any()


@given(places(MOVED), st.data())
def check_outside(case, data):
    """One index outside: nothing is written."""
    x, axes, indices, source = case
    k = data.draw(st.integers(0, len(axes) - 1))
    if any(index.size == 0 for index in indices):
        return
    wrong = indices[k].copy()
    wrong.reshape(-1)[-1] = data.draw(st.sampled_from([x.shape[axes[k]], -x.shape[axes[k]] - 1]))
    indices = (*indices[:k], wrong, *indices[k + 1 :])
    assert cpu.pick(x, axes, indices) is None and reference.pick(x, axes, indices) is None
    ours = x.copy()
    assert not cpu.put(ours, axes, indices, source, False)
    np.testing.assert_array_equal(ours, x)


@given(
    st.sampled_from((*MOVED, "float16")).flatmap(lambda d: arrays(d, shapes(0, 3), "any")),
    st.sampled_from(["contiguous", "reversed", "transposed"]),
    st.data(),
)
def check_expand(x, layout, data):
    rng = np.random.default_rng(x.size)
    mask = np.asarray(lay_out(np.asarray(rng.random(x.shape) < 0.5), layout, data.draw))
    assert cpu.count_set(mask) == reference.count_set(mask)
    for count in (int(mask.sum()), 1):
        source = (rng.standard_normal(count) * 9).astype(x.dtype)
        ours, intact = guarded(x)
        wanted = x.copy()
        assert cpu.expand(ours, mask, source) and reference.expand(wanted, mask, source)
        np.testing.assert_array_equal(ours, wanted)
        assert intact()
    assert not cpu.expand(x.copy(), mask, np.zeros(mask.size + 2, x.dtype))


CHECKS = [
    check_gather,
    check_scatter,
    check_combined,
    check_rows,
    check_pick,
    check_put,
    check_outside,
    check_expand,
]


@pytest.mark.parametrize("check", CHECKS)
def test_against_numpy(threads, check):
    check()


@pytest.mark.parametrize("shape", [(400, 600), (50, 9, 601), (1, 700, 400)])
def test_arrays_that_are_walked_in_strips(threads, shape):
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape).astype(np.float32)
    for axis in range(len(shape) - 1):
        index = rng.integers(0, shape[axis], shape)
        np.testing.assert_array_equal(cpu.gather(x, axis, index), reference.gather(x, axis, index))
        for name in ("store", "sum", "amin"):
            out, intact = guarded(x)
            wanted = x.copy()
            assert cpu.scatter(name, out, axis, index, x) and reference.scatter(name, wanted, axis, index, x)
            np.testing.assert_array_equal(out, wanted)
            np.testing.assert_array_equal(cpu.scattered(name, x, axis, index, x), wanted)
            assert intact()
        index[-1, ..., -1] = shape[axis]
        assert cpu.gather(x, axis, index) is None and cpu.scattered("sum", x, axis, index, x) is None


def test_many_elements_do_not_depend_on_threads():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((400, 600)).astype(np.float32)
    before = _C.get_num_threads()
    try:
        for axis in (0, 1):
            index = rng.integers(0, x.shape[axis], x.shape)
            rows = rng.integers(0, x.shape[axis], 500)
            results = []
            for threads in (1, 2):
                _C.set_num_threads(threads)
                rng2 = np.random.default_rng(1)
                added, by_rows = x.copy(), x.copy()
                cpu.scatter("sum", added, axis, index, x)
                taken = cpu.take_rows(x, axis, rows)
                cpu.add_rows(by_rows, axis, rows, taken)
                repeated = np.broadcast_to(index[:, :1] if axis == 0 else index[:1], index.shape)
                combined = [
                    cpu.scattered(name, x, axis, places, x, include_self)
                    for name in ("store", "sum", "prod", "amax", "amin")
                    for places in (index, repeated)
                    for include_self in (True, False)
                ]
                both = (rng2.integers(-400, 400, 5000), rng2.integers(-600, 600, 5000))
                put = x.copy()
                for accumulate in (False, True):
                    cpu.put(put, (0, 1), both, x.reshape(-1)[:5000], accumulate)
                    cpu.put(put, (axis,), (rows,), taken, accumulate)
                mask = x > 0
                cpu.expand(put, mask, x[~mask][: int(mask.sum())] if mask.sum() <= (~mask).sum() else x[mask])
                results.append(
                    (cpu.gather(x, axis, index), added, taken, by_rows, cpu.pick(x, (0, 1), both), put, *combined)
                )
            for one, two in zip(*results, strict=True):
                np.testing.assert_array_equal(one, two)
    finally:
        _C.set_num_threads(before)


@pytest.mark.parametrize("dtype", ADDED)
def test_rows_added_to_a_copy(machine, dtype):
    """Long rows, some named often and some never, and lines along the axis in fours and what is left of them."""
    rng = np.random.default_rng(0)
    for shape, axis, n in (((60, 517), 0, 130), ((60, 517), 0, 7), ((7, 300), 1, 400), ((3, 40, 6), 1, 90)):
        x = (10 * rng.standard_normal(shape)).astype(dtype)
        index = rng.integers(0, shape[axis] // 2, n)
        source = (10 * rng.standard_normal((*shape[:axis], n, *shape[axis + 1 :]))).astype(dtype)
        ours = cpu.plus_rows(x, axis, index, source)
        np.testing.assert_array_equal(ours, reference.plus_rows(x, axis, index, source))
        np.testing.assert_array_equal(cpu.take_rows(x, axis, index), x.take(index, axis))
        assert cpu.plus_rows(x, axis, index - shape[axis], source) is None


LAYOUTS = st.sampled_from(["contiguous", "reversed", "transposed", "stepped", "broadcast"])


@given(st.sampled_from(MOVED).flatmap(lambda d: arrays(d, shapes(0, 4), "any")), LAYOUTS, st.data())
def check_copies(x, layout, data):
    x = lay_out(x, layout, data.draw)
    np.testing.assert_array_equal(cpu.copied(x), x)
    room = np.full((*x.shape, 3), 77).astype(x.dtype)
    cpu.store(room[..., 1], x)
    np.testing.assert_array_equal(room[..., 1], x)
    assert (room[..., 0] == room[..., 2]).all()
    mask = np.asarray(np.random.default_rng(x.size).random(x.shape) < 0.5)
    np.testing.assert_array_equal(cpu.compress(x, mask), reference.compress(x, mask))
    np.testing.assert_array_equal(cpu.places(mask), reference.places(mask))
    if x.ndim >= 2:
        for diagonal in (-2, 0, 1):
            for upper in (False, True):
                np.testing.assert_array_equal(cpu.triangle(x, upper, diagonal), reference.triangle(x, upper, diagonal))


def test_copies(machine):
    check_copies()


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16"])
def test_large_copies(machine, dtype):
    """Whole and broken blocks of transposition and of masks, several pieces of work."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((130, 3, 257)).astype(dtype)
    for order in ((2, 1, 0), (1, 2, 0), (0, 2, 1), (2, 0, 1)):
        np.testing.assert_array_equal(cpu.copied(x.transpose(order)), x.transpose(order))
    np.testing.assert_array_equal(cpu.copied(x[:, ::-1, ::-1]), x[:, ::-1, ::-1])
    for share in (0.0, 0.1, 1.0):
        mask = rng.random(x.shape) < share
        np.testing.assert_array_equal(cpu.compress(x, mask), x[mask])
        np.testing.assert_array_equal(cpu.places(mask), reference.places(mask))


def test_what_the_kernels_refuse():
    x, index = np.ones((2, 3), np.float32), np.zeros((2, 3), np.int64)
    with pytest.raises(ValueError, match="int64"):
        _C.index_gather(x, 0, index.astype(np.int32))
    with pytest.raises(ValueError, match="axis"):
        _C.index_gather(x, 2, index)
    with pytest.raises(ValueError, match="read-only"):
        _C.index_scatter(1, np.broadcast_to(x, x.shape), 0, index, x)
    with pytest.raises(ValueError, match="no kernel"):
        _C.index_scatter(1, x.astype(np.float16), 0, index, x.astype(np.float16))


def test_indices_outside_are_found_before_they_are_used(threads):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((40, 50)).astype(np.float32)
    for axis in (0, 1):
        for wrong in (-1, x.shape[axis], 1 << 40):
            index = rng.integers(0, x.shape[axis], x.shape)
            index[39, 49] = wrong
            for places in (index, np.asfortranarray(index)):
                assert cpu.gather(x, axis, places) is None and reference.gather(x, axis, places) is None
                for name, backend in itertools.product(("store", "sum", "prod"), (cpu, reference)):
                    out, intact = guarded(x)
                    assert not backend.scatter(name, out, axis, places, x)
                    assert intact()
            row = index[39, :40]
            row[3] = wrong
            assert cpu.take_rows(x, axis, row) is None and reference.take_rows(x, axis, row) is None
            rows = np.ones([40 if i == axis else n for i, n in enumerate(x.shape)], np.float32)
            out, intact = guarded(x)
            assert not cpu.add_rows(out, axis, row, rows) and not reference.add_rows(out, axis, row, rows)
            np.testing.assert_array_equal(out, x)
            assert intact()
