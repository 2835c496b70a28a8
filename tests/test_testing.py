"""The checks themselves: they accept what is right and find what is wrong."""

import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pytensor as torch
from pytensor.testing import FLOATS, REALS, OpSpec, Sample, at, check, gradients
from pytensor.testing.compare import assert_agree
from pytensor.testing.library import Library, pytensor_library
from pytensor.testing.source import samples
from pytensor.testing.strategies import arrays, broadcastable_shapes, shapes


def library_with(**functions):
    """pytensor with some functions of a test beside it."""
    ours = pytensor_library()
    module = types.SimpleNamespace(Tensor=torch.Tensor, autograd=torch.autograd, **functions)
    return Library(module, ours.to_tensor, ours.to_array)


def unary(name, reference, **fields):
    return OpSpec(name, lambda s: s.sample(s.array()), reference, **fields)


class WrongGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return 2.001 * x * grad


class WrongSecondGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return 2 * x.detach() * grad


def changes_its_input(x):
    if x.numel() and x._array.flags.writeable:
        x._array.flat[0] = 7
    return x + 0


def run_value(spec, library):
    # Which examples are drawn depends on the modules that are loaded: enough of them for every special value.
    @settings(max_examples=200)
    @given(samples(spec))
    def run(sample):
        check.check_value(spec, sample, library)

    run()


def run_gradient(spec, library, function):
    @given(samples(spec, gradient=True), st.integers(0, 1000))
    def run(sample, seed):
        function(spec, sample, library, gradients.differentiable_positions(spec, sample), seed)

    run()


def test_a_right_op_passes():
    spec = unary("exp", np.exp)
    run_value(spec, pytensor_library())
    run_gradient(spec, pytensor_library(), gradients.check_gradient)
    run_gradient(spec, pytensor_library(), gradients.check_second_gradient)


@pytest.mark.parametrize(
    "function, message",
    [
        (lambda x: x.exp() * (1 + 1e-5), "differ"),
        (lambda x: x.exp().double(), "dtype"),
        (lambda x: x.exp().reshape(-1), "shape"),
        (lambda x: (x.exp(), x), "results"),
        (lambda x: x.nan_to_num().exp(), "differ"),
    ],
    ids=["value", "dtype", "shape", "count", "NaN"],
)
def test_a_wrong_value_is_found(function, message):
    with pytest.raises(AssertionError, match=message):
        run_value(unary("wrong", np.exp, dtypes=("float32",)), library_with(wrong=function))


def test_a_changed_input_is_found():
    spec = unary("changes", lambda x: x, upcast=False)
    with pytest.raises(AssertionError, match="changed its inputs"):
        run_value(spec, library_with(changes=changes_its_input))


def test_a_wrong_gradient_is_found():
    spec = unary("wrong", np.square)
    with pytest.raises(AssertionError, match="gradient of wrong"):
        run_gradient(spec, library_with(wrong=WrongGradient.apply), gradients.check_gradient)


def test_a_wrong_second_gradient_is_found():
    spec = unary("wrong", np.square)
    library = library_with(wrong=WrongSecondGradient.apply)
    run_gradient(spec, library, gradients.check_gradient)
    with pytest.raises(AssertionError, match="second gradient of wrong"):
        run_gradient(spec, library, gradients.check_second_gradient)


def test_samples_are_redrawn_at_kinks():
    run_gradient(unary("relu", lambda x: np.maximum(x, 0), kinks=at(0.0)), pytensor_library(), gradients.check_gradient)


def test_agreement_of_special_values():
    nan, inf = np.nan, np.inf
    assert_agree(np.array([nan, inf, -inf, 0.0]), np.array([nan, inf, -inf, -0.0]), 0)
    for actual, expected in [([nan], [0.0]), ([inf], [-inf]), ([inf], [nan]), ([1.0], [inf]), ([0.0], [nan])]:
        with pytest.raises(AssertionError, match="differ"):
            assert_agree(np.array(actual), np.array(expected), 1e6)


def test_agreement_is_in_units_of_eps():
    one = np.ones(1, np.float32)
    step = np.nextafter(one, np.float32(2))
    assert_agree(step, one, 1)
    with pytest.raises(AssertionError):
        assert_agree(step, one, 0.5)
    assert_agree(step * 0, one * 1e-6, 1, scale=np.array([100.0]))  # cancellation: relative to what was added up


@given(arrays("float32", shapes(), values="any"))
def test_arrays_are_what_was_asked_for(array):
    assert array.dtype == np.float32 and array.ndim <= 4


@given(st.data(), st.sampled_from(REALS))
def test_intervals_are_kept(data, dtype):
    array = data.draw(arrays(dtype, shapes(), only=(1, 5)))
    assert ((array >= 1) & (array <= 5)).all()


@given(broadcastable_shapes(3))
def test_shapes_broadcast(drawn):
    np.broadcast_shapes(*drawn)


def test_every_layout_and_kind_of_value_is_drawn():
    seen = set()

    @settings(max_examples=150)
    @given(arrays("float64", shapes(1, 3, min_side=2)))
    def look(array):
        seen.add("read-only" if not array.flags.writeable else "writeable")
        seen.update("negative" if s < 0 else "zero" if s == 0 else "positive" for s in array.strides)
        if not array.flags.c_contiguous:
            seen.add("not contiguous")
        seen.update(n for n, f in (("nan", np.isnan), ("inf", np.isinf)) if f(array).any())
        if ((array != 0) & (np.abs(array) < np.finfo(float).tiny)).any():
            seen.add("denormal")

    look()
    assert seen >= {
        "read-only",
        "writeable",
        "negative",
        "zero",
        "positive",
        "not contiguous",
        "nan",
        "inf",
        "denormal",
    }


def test_samples_show_what_they_are():
    shown = repr(Sample(np.zeros((2, 2))[:, ::-1], 1, mode="mean"))
    assert "strides" in shown and "mode='mean'" in shown


def test_dtypes_are_drawn():
    seen = set()

    @given(samples(unary("exp", np.exp, dtypes=FLOATS)))
    def look(sample):
        seen.add(sample.args[0].dtype.name)

    look()
    assert seen == set(FLOATS)
