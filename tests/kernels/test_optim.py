"""The fused optimizer steps against plain NumPy, at every instruction set level and number of threads."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytensor import _C
from pytensor.backend.cpu import optim as cpu
from pytensor.backend.reference import optim as reference

GUARD = 1234.5


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


# (algorithm, which of its states may be missing, numbers of states that are never negative, number of scalars)
ALGORITHMS = {
    "sgd": ((0,), (), 1, 0),
    "adam": ((2,), (1, 2), 3, 1),
    "rmsprop": ((1, 2), (0,), 3, 1),
    "adagrad": ((), (0,), 1, 1),
    "adadelta": ((), (0, 1), 2, 1),
    "adamax": ((), (1,), 2, 1),
    "nadam": ((), (1,), 2, 2),
    "radam": ((), (1,), 2, 1),
    "rprop": ((), (1,), 2, 1),
    "asgd": ((), (), 1, 3),
}

rules = st.fixed_dictionaries(
    {
        "lr": st.floats(0, 0.5),
        "weight_decay": st.sampled_from([0.0, 0.1]),
        "eps": st.sampled_from([1e-8, 1e-3]),
        "beta1": st.sampled_from([0.9, 0.0, 0.5]),
        "beta2": st.sampled_from([0.999, 0.5, 0.9]),
        "momentum": st.sampled_from([0.5, 0.9]),
        "dampening": st.sampled_from([0.0, 0.3]),
        "lr_decay": st.sampled_from([0.0, 0.1]),
        "momentum_decay": st.just(4e-3),
        "lambd": st.just(1e-4),
        "alpha": st.just(0.75),
        "t0": st.sampled_from([1e6, 0.0]),
        "eta_minus": st.just(0.5),
        "eta_plus": st.just(1.2),
        "step_min": st.just(0.1),
        "step_max": st.just(1.5),
        "maximize": st.booleans(),
        "decoupled": st.booleans(),
        "nesterov": st.booleans(),
    }
)


def scalars_of(algorithm, step, dtypes):
    """Step counts, and what else is kept in arrays of one element."""
    starts = {"nadam": [0.7], "asgd": [0.1, 1.0 if step % 2 else 0.3]}.get(algorithm, [])
    values = [step, *starts][: ALGORITHMS[algorithm][3]]
    return tuple([np.array(value, dtype) for dtype in dtypes] for value in values)


def check_step(algorithm):
    optional, positive, states, _ = ALGORITHMS[algorithm]

    @settings(max_examples=15, deadline=None)
    @given(
        shapes=shapes,
        seed=st.integers(0, 2**32 - 1),
        double=st.integers(0, 15),
        missing=st.sets(st.sampled_from(optional)) if optional else st.just(set()),
        rule=rules,
        step=st.integers(0, 1000),
    )
    def check(shapes, seed, double, missing, rule, step):
        rng = np.random.default_rng(seed)
        dtypes = [np.float64 if double >> i & 1 else np.float32 for i in range(len(shapes))]
        groups = [arrays_of(rng, shapes, dtypes) for _ in range(2)]
        groups += [
            [a + 0.01 for a in arrays_of(rng, shapes, dtypes, True)]
            if k in positive
            else arrays_of(rng, shapes, dtypes)
            for k in range(states)
        ]
        if algorithm == "rmsprop":
            for average in groups[4]:  # the square of an average must stay below the average of squares
                average[...] = 0
        guarded = Guarded([array for group in groups for array in group])
        n = len(shapes)
        ours = [guarded.views[i * n : (i + 1) * n] for i in range(len(groups))]
        kept = tuple([] if k in missing else ours[2 + k] for k in range(states))
        scalars = scalars_of(algorithm, step, dtypes)
        assert _C.optim_step(algorithm, ours[0], ours[1], kept, scalars, rule)
        wide = [[np.array(a, np.float64) for a in group] for group in groups]
        expected_scalars = scalars_of(algorithm, step, dtypes)
        reference.optimizer_step(
            algorithm,
            wide[0],
            wide[1],
            tuple([] if k in missing else wide[2 + k] for k in range(states)),
            expected_scalars,
            rule,
        )
        guarded.check()
        for mine, theirs in zip(scalars, expected_scalars, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-6)
        expected = [array for group in wide for array in group]
        assert_equal_states(guarded.views, expected, dtypes * len(groups))

    check()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_steps(machine, algorithm):
    check_step(algorithm)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_special_values_stay_where_they_are(machine, algorithm):
    """Each element goes its own way, whatever is beside it; NaN and infinities come out as in NumPy."""
    values = np.array([np.nan, np.inf, -np.inf, 1e-42, 0.0, -0.0, 1.0] * 5, np.float32)
    _, positive, states, _ = ALGORITHMS[algorithm]
    rule = {"lr": 0.1, "weight_decay": 0.1, "eps": 1e-8, "beta1": 0.9, "beta2": 0.999, "momentum": 0.9}
    rule |= {"dampening": 0.0, "nesterov": False, "lr_decay": 0.0, "momentum_decay": 4e-3, "lambd": 1e-4}
    rule |= {"alpha": 0.75, "t0": 1e6, "eta_minus": 0.5, "eta_plus": 1.2, "step_min": 1e-6, "step_max": 50.0}
    for place in range(2 + states):
        arrays = [np.full(35, 0.5, np.float32) for _ in range(2 + states)]
        arrays[place] = np.abs(values) if place - 2 in positive else values.copy()
        wide = [a.copy() for a in arrays]
        for own, function in ((arrays, _C.optim_step), (wide, reference.optimizer_step)):
            kept = tuple([a] for a in own[2:])
            with np.errstate(all="ignore"):
                function(algorithm, own[:1], own[1:2], kept, scalars_of(algorithm, 3, [np.float32]), rule)
        for a, b in zip(arrays, wide, strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_results_do_not_depend_on_the_number_of_threads(algorithm):
    shapes = [(70001,), (3,), (50000,)]
    _, positive, states, _ = ALGORITHMS[algorithm]
    rule = {"lr": 0.1, "weight_decay": 0.1, "eps": 1e-8, "beta1": 0.9, "beta2": 0.999, "eta_plus": 1.2, "step_max": 9.0}
    results = []
    for threads in (1, 2):
        rng = np.random.default_rng(0)
        _C.set_num_threads(threads)
        groups = [arrays_of(rng, shapes, [np.float32] * 3, positive=i - 2 in positive) for i in range(2 + states)]
        scalars = scalars_of(algorithm, 3, [np.float32] * 3)
        assert _C.optim_step(algorithm, *groups[:2], tuple(groups[2:]), scalars, rule)
        results.append(groups)
    for a, b in zip(*results, strict=True):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_array_equal(x, y)


SGD = {"lr": 0.1, "weight_decay": 0.1}
ADAM = {"lr": 0.1, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.1}


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
        assert not _C.optim_step("sgd", params, grads, ([],), (), SGD)
        assert not _C.optim_scale(grads + params, 2.0) and not _C.optim_clamp(params + grads, 0.5)
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
        cpu.optimizer_step("sgd", [param], own, ([],), (), SGD)
        reference.optimizer_step("sgd", [expected], [own[0].astype(np.float64)], ([],), (), SGD)
        np.testing.assert_allclose(param, expected, rtol=4 * np.finfo(dtype).eps, atol=4 * np.finfo(dtype).eps)


def test_complex_parameters_are_pairs_of_real_ones():
    rng = np.random.default_rng(0)
    arrays = [(rng.standard_normal(7) + 1j * rng.standard_normal(7)) for _ in range(3)]
    arrays.append(np.abs(arrays[2].real) + 1j * np.abs(arrays[2].imag))
    real = [a.view(np.float64).copy() for a in arrays]
    for own, module in ((arrays, cpu), (real, reference)):
        module.optimizer_step("adam", own[:1], own[1:2], ([own[2]], [own[3]], []), ([np.zeros(())],), ADAM)
    for a, b in zip(arrays, real, strict=True):
        np.testing.assert_allclose(a.view(np.float64), b, rtol=1e-14)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("sgd", 1, 2, ([],), (), {}), "grads: expected 1 arrays, got 2"),
        (("sgd", 1, 1, (), (), {}), "states: expected 1 lists, got 0"),
        (("sgd", 1, 1, ([],), ([],), {}), "scalars: expected 0 lists, got 1"),
        (("adagrad", 1, 1, (2,), (1,), {}), "states: expected 1 arrays, got 2"),
        (("sgd", 1, 1, ([],), (), {"speed": 1}), "no hyperparameter speed"),
        (("newton", 1, 1, ([],), (), {}), "no algorithm newton"),
    ],
)
def test_calls_that_do_not_fit_are_refused(arguments, text):
    def lists(value):
        if isinstance(value, tuple):
            return tuple(map(lists, value))
        return [np.ones(3, np.float32)] * value if isinstance(value, int) else value

    with pytest.raises(ValueError, match=text):
        _C.optim_step(*map(lists, arguments))


def test_step_counts_are_needed():
    arrays = [np.ones(3, np.float32)]
    assert not _C.optim_step("adagrad", arrays, arrays, (arrays,), ([],), ADAM)
    assert (arrays[0] == 1).all()


@pytest.mark.parametrize("name", ["scale", "clamp"])
def test_changes_of_all_arrays(machine, name):
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(n).astype(t) for n in (0, 1, 15, 17, 64, 40000) for t in (np.float32, np.float64)]
    arrays[-1][:3] = np.nan, np.inf, -np.inf
    guarded = Guarded(arrays)
    expected = [a.copy() for a in arrays]
    assert getattr(_C, f"optim_{name}")(guarded.views, 0.3)
    getattr(reference, f"{name}_arrays")(expected, 0.3)
    guarded.check()
    for a, b in zip(guarded.views, expected, strict=True):
        np.testing.assert_array_equal(a, b)
    turned = [rng.standard_normal((3, 4)).T, rng.standard_normal(5).astype(np.float16)]
    expected = [a.copy() for a in turned]
    getattr(cpu, f"{name}_arrays")(turned, 0.3)
    getattr(reference, f"{name}_arrays")(expected, 0.3)
    for a, b in zip(turned, expected, strict=True):
        np.testing.assert_array_equal(a, b)


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
