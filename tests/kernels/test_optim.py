"""The fused optimizer steps against plain NumPy, at every instruction set level and number of threads."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytensor import _C
from pytensor.backend.cpu import optim as cpu
from pytensor.backend.reference import optim as reference
from pytensor.testing.levels import SETTINGS

GUARD = 1234.5


@pytest.fixture(params=SETTINGS, ids=str)
def machine(request):
    level, threads = _C.cpu_level(), _C.get_num_threads()
    _C.set_cpu_level(request.param[0])
    _C.set_num_threads(request.param[1])
    yield
    _C.set_cpu_level(level)
    _C.set_num_threads(threads)


class Guarded:
    """Arrays with guard values on both sides."""

    def __init__(self, arrays):
        self.buffers = []
        self.views = []
        for array in arrays:
            buffer = np.full(array.size + 32, GUARD, array.dtype)
            view = buffer[16 : 16 + array.size].reshape(array.shape)
            view[...] = array
            self.buffers.append(buffer)
            self.views.append(view)

    def check(self):
        for buffer in self.buffers:
            assert (buffer[:16] == GUARD).all() and (buffer[-16:] == GUARD).all()


def arrays_of(rng, shapes, dtypes, positive=False):
    result = [rng.standard_normal(shape).astype(dtype) for shape, dtype in zip(shapes, dtypes, strict=True)]
    return [np.array(np.abs(a) if positive else a) for a in result]


SHAPES = [(), (0,), (1,), (3, 0, 2), (15,), (16,), (17,), (2, 3, 5), (63,), (65,), (40000,), (33000, 1)]
shapes = st.lists(st.sampled_from(SHAPES), min_size=1, max_size=4)


def assert_equal_states(ours, expected, dtypes):
    for a, b, dtype in zip(ours, expected, dtypes, strict=True):
        eps = np.finfo(dtype).eps
        np.testing.assert_allclose(a, b, rtol=16 * eps, atol=8 * eps)


@settings(max_examples=15, deadline=None)
@given(
    shapes=shapes,
    seed=st.integers(0, 2**32 - 1),
    double=st.integers(0, 15),
    lr=st.floats(0, 0.5),
    momentum=st.sampled_from([0.0, 0.5, 0.9]),
    dampening=st.sampled_from([0.0, 0.3]),
    decay=st.sampled_from([0.0, 0.1]),
    nesterov=st.booleans(),
    maximize=st.booleans(),
)
def check_sgd(shapes, seed, double, lr, momentum, dampening, decay, nesterov, maximize):
    rng = np.random.default_rng(seed)
    dtypes = [np.float64 if double >> i & 1 else np.float32 for i in range(len(shapes))]
    params, grads = arrays_of(rng, shapes, dtypes), arrays_of(rng, shapes, dtypes)
    buffers = arrays_of(rng, shapes, dtypes) if momentum else []
    fresh = [bool(seed >> i & 1) for i in range(len(buffers))]
    guarded = Guarded([*params, *grads, *buffers])
    n = len(params)
    rule = (lr, momentum, dampening, decay, nesterov, maximize)
    assert _C.optim_sgd(guarded.views[:n], guarded.views[n : 2 * n], guarded.views[2 * n :], fresh, *rule)
    wide = [[np.array(a, np.float64) for a in group] for group in (params, grads, buffers)]
    reference.sgd_step(*wide, fresh, *rule)
    guarded.check()
    assert_equal_states(guarded.views, [*wide[0], *wide[1], *wide[2]], (dtypes * 3)[: len(guarded.views)])


def test_sgd(machine):
    check_sgd()


@settings(max_examples=15, deadline=None)
@given(
    shapes=shapes,
    seed=st.integers(0, 2**32 - 1),
    double=st.integers(0, 15),
    lr=st.floats(0, 0.5),
    betas=st.sampled_from([(0.9, 0.999), (0.0, 0.5), (0.5, 0.0)]),
    eps=st.sampled_from([1e-8, 1e-3]),
    decay=st.sampled_from([0.0, 0.1]),
    amsgrad=st.booleans(),
    maximize=st.booleans(),
    decoupled=st.booleans(),
    step=st.integers(0, 1000),
)
def check_adam(shapes, seed, double, lr, betas, eps, decay, amsgrad, maximize, decoupled, step):
    rng = np.random.default_rng(seed)
    dtypes = [np.float64 if double >> i & 1 else np.float32 for i in range(len(shapes))]
    groups = [arrays_of(rng, shapes, dtypes, positive=i > 2) for i in range(5 if amsgrad else 4)]
    guarded = Guarded([array for group in groups for array in group])
    n = len(shapes)
    ours = [guarded.views[i * n : (i + 1) * n] for i in range(len(groups))]
    ours += [[]] * (5 - len(ours))
    rule = (lr, *betas, eps, decay, maximize, decoupled)
    steps = [np.array(step, dtype) for dtype in dtypes]
    assert _C.optim_adam(*ours, steps, *rule)
    assert all(count == step + 1 for count in steps)
    wide = [[np.array(a, np.float64) for a in group] for group in groups]
    wide += [[]] * (5 - len(wide))
    reference.adam_step(*wide, [np.array(float(step)) for _ in steps], *rule)
    guarded.check()
    expected = [array for group in wide for array in group]
    assert_equal_states(guarded.views, expected, dtypes * len(groups))


def test_adam(machine):
    check_adam()


def test_special_values_stay_where_they_are(machine):
    values = np.array([np.nan, np.inf, -np.inf, 1e-42, 0.0, -0.0, 1.0] * 5, np.float32)
    for place in range(4):
        arrays = [np.full(35, 0.5, np.float32) for _ in range(5)]
        arrays[place] = values.copy() if place != 3 else np.abs(values)
        arrays[4] = np.abs(values[::-1].copy())
        wide = [a.copy() for a in arrays]
        rule = (0.1, 0.9, 0.999, 1e-8, 0.1, False, False)
        assert _C.optim_adam(*([a] for a in arrays), [np.zeros((), np.float32)], *rule)
        with np.errstate(invalid="ignore"):
            reference.adam_step(*([a] for a in wide), [np.zeros((), np.float32)], *rule)
        for a, b in zip(arrays, wide, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)


def test_results_do_not_depend_on_the_number_of_threads():
    rng = np.random.default_rng(0)
    shapes = [(70001,), (3,), (50000,)]
    results = []
    for threads in (1, 2):
        rng = np.random.default_rng(0)
        _C.set_num_threads(threads)
        groups = [arrays_of(rng, shapes, [np.float32] * 3, positive=i == 3) for i in range(4)]
        assert _C.optim_adam(*groups, [], [np.zeros((), np.float32)] * 3, 0.1, 0.9, 0.999, 1e-8, 0.1, False, True)
        results.append(groups)
    for a, b in zip(*results, strict=True):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda a: a.astype(np.float16),
        lambda a: a.astype(np.int32),
        lambda a: np.asfortranarray(a),
        lambda a: np.repeat(a, 2, axis=1)[:, ::2],
        lambda a: a[::-1],
        lambda a: a.astype(">f4"),
    ],
)
def test_arrays_that_kernels_do_not_take_are_left_alone(spoil):
    good = [np.ones((4, 5), np.float32), np.ones((4, 5), np.float32)]
    bad = spoil(np.ones((4, 5), np.float32))
    for params, grads in (([good[0], bad], good), (good, [good[0], bad])):
        before = [p.copy() for p in params]
        assert not _C.optim_sgd(params, grads, [], [], 0.1, 0, 0, 0, False, False)
        for p, b in zip(params, before, strict=True):
            np.testing.assert_array_equal(p, b)


def test_other_arrays_go_through_numpy():
    rng = np.random.default_rng(0)
    base = rng.standard_normal((6, 8)).astype(np.float32)
    grads = [np.asfortranarray(rng.standard_normal((3, 8)).astype(np.float32))]
    for param in (base[::2].copy(), base.copy()[::2], base[::2].astype(np.float16)):
        dtype = param.dtype
        expected = param.astype(np.float64)
        own = [g.astype(dtype) for g in grads]
        cpu.sgd_step([param], own, [], [], 0.1, 0.0, 0.0, 0.1, False, False)
        reference.sgd_step([expected], [own[0].astype(np.float64)], [], [], 0.1, 0.0, 0.0, 0.1, False, False)
        np.testing.assert_allclose(param, expected, rtol=4 * np.finfo(dtype).eps, atol=4 * np.finfo(dtype).eps)


def test_complex_parameters_are_pairs_of_real_ones():
    rng = np.random.default_rng(0)
    arrays = [(rng.standard_normal(7) + 1j * rng.standard_normal(7)) for _ in range(3)]
    arrays.append(np.abs(arrays[2].real) + 1j * np.abs(arrays[2].imag))
    real = [a.view(np.float64).copy() for a in arrays]
    rule = (0.1, 0.9, 0.999, 1e-8, 0.1, False, False)
    cpu.adam_step(*([a] for a in arrays), [], [np.zeros(())], *rule)
    reference.adam_step(*([a] for a in real), [], [np.zeros(())], *rule)
    for a, b in zip(arrays, real, strict=True):
        np.testing.assert_allclose(a.view(np.float64), b, rtol=1e-14)


def test_lists_of_different_lengths_are_refused():
    a = [np.ones(3, np.float32)]
    with pytest.raises(ValueError, match="grads: expected 1 arrays, got 2"):
        _C.optim_sgd(a, a * 2, [], [], 0.1, 0, 0, 0, False, False)
    with pytest.raises(ValueError, match="steps: expected 1 arrays, got 0"):
        _C.optim_adam(a, a, a, a, [], [], 0.1, 0.9, 0.999, 1e-8, 0, False, False)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_of_squares(machine, dtype):
    rng = np.random.default_rng(0)
    sizes = [0, 1, 15, 16, 17, 63, 64, 65, 127, 4095, 4096, 4097, 8193, 300001]
    arrays = [rng.standard_normal(n).astype(dtype) for n in sizes] + [np.array(3, dtype)]
    np.testing.assert_allclose(
        _C.optim_squares(arrays), reference.sums_of_squares(arrays), rtol=1e-6 if dtype is np.float32 else 1e-14
    )
    guarded = Guarded(arrays)
    assert _C.optim_squares(guarded.views) == _C.optim_squares(arrays)


def test_sums_of_squares_do_not_depend_on_the_number_of_threads():
    x = np.random.default_rng(0).standard_normal(700001).astype(np.float32)
    sums = set()
    for threads in (1, 2):
        _C.set_num_threads(threads)
        sums.update(_C.optim_squares([x]))
    assert len(sums) == 1


def test_sums_of_squares_of_other_arrays():
    x = np.arange(12.0).reshape(3, 4)
    assert cpu.sums_of_squares([x.T, x[::2], x.astype(np.float16), x * 1j, np.array([np.inf])]) == [
        506,
        380,
        506,
        506,
        np.inf,
    ]
    assert np.isnan(cpu.sums_of_squares([np.array([np.nan, 1.0], np.float32)])[0])
