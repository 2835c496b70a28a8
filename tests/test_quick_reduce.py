"""Reductions and softmax: C's quick road against the Python functions behind it, which define them."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pytensor as torch

F = torch.nn.functional
axis = st.integers(-4, 3)
dims = st.none() | axis | st.lists(axis, max_size=3) | st.lists(axis, max_size=3).map(tuple)
flags = st.booleans()

CALLS = {
    **dict.fromkeys(["sum", "mean", "prod", "any", "all", "amax", "amin", "argmax", "argmin"], "plain"),
    **dict.fromkeys(["max", "min"], "extreme"),
    **dict.fromkeys(["var", "std"], "dispersion"),
    **dict.fromkeys(["softmax", "log_softmax"], "softmax"),
}


@st.composite
def calls(draw, form):
    if form == "softmax":
        return draw(st.sampled_from([((draw(axis),), {}), ((), {"dim": draw(axis)})]))
    dim = draw(axis if form == "extreme" else dims)
    if form == "dispersion":
        return draw(
            st.sampled_from(
                [
                    ((), {}),
                    ((dim,), {"unbiased": draw(flags)}),
                    ((dim, draw(flags), draw(flags)), {}),
                    ((), {"dim": dim, "keepdim": draw(flags), "correction": draw(st.integers(0, 2))}),
                    ((draw(flags),), {}),
                ]
            )
        )
    return draw(
        st.sampled_from(
            [
                ((), {}),
                ((dim,), {}),
                ((dim, draw(flags)), {}),
                ((), {"dim": dim}),
                ((dim,), {"keepdim": draw(flags)}),
                ((), {"axis": dim, "keepdim": True}),
            ]
        )
    )


@st.composite
def tensors(draw):
    shape = tuple(draw(st.lists(st.sampled_from([0, 1, 2, 3, 5]), max_size=3)))
    kind = draw(st.sampled_from("float32 float64 float16 int64 bool uint8 ties nan".split()))
    x = torch.tensor(np.random.default_rng(draw(st.integers(0, 99))).normal(size=shape) * 3)
    if kind == "ties":
        x = x.round()
    elif kind == "nan":
        x = torch.where(x > 2, float("nan"), x)
    else:
        x = x.abs().to(getattr(torch, kind)) if kind == "uint8" else x.to(getattr(torch, kind))
    return x.transpose(0, 1) if x.ndim > 1 and draw(flags) else x


def outcome(function, *args, **kwargs):
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            return function(*args, **kwargs), [str(w.message) for w in caught]
    except (IndexError, ValueError, TypeError, RuntimeError, NotImplementedError) as error:
        return f"{type(error).__name__}: {error}"


def check_same(ours, expected):
    assert type(ours) is type(expected)
    for a, b in zip(ours, expected, strict=True) if isinstance(ours, tuple) else [(ours, expected)]:
        assert a.dtype is b.dtype
        assert a.shape == b.shape
        assert a.requires_grad == b.requires_grad
        assert (a.grad_fn is None) == (b.grad_fn is None)
        assert a.grad_fn is None or a.grad_fn.name() == b.grad_fn.name()
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())


@pytest.mark.parametrize("name", CALLS)
@settings(max_examples=150, deadline=None)
@given(x=tensors(), data=st.data(), wanted=flags)
def test_quick_and_python_agree(name, x, data, wanted):
    args, kwargs = data.draw(calls(CALLS[name]))
    x = x.detach().requires_grad_(wanted and x.dtype.is_floating_point)
    op = getattr(torch.Tensor, name)
    ours, expected = (outcome(f, x, *args, **kwargs) for f in (op, op.__wrapped__))
    if isinstance(ours, str) or isinstance(expected, str):
        assert ours == expected
        return
    assert ours[1] == expected[1]
    check_same(ours[0], expected[0])


@pytest.mark.parametrize("name", [n for n in CALLS if n not in ("any", "all", "argmax", "argmin")])
@settings(max_examples=60, deadline=None)
@given(x=tensors(), data=st.data())
def test_gradients_agree(name, x, data):
    if not x.dtype.is_floating_point or x.dtype is torch.float16 or x.numel() == 0:
        return
    args, kwargs = data.draw(calls(CALLS[name]))
    op = getattr(torch.Tensor, name)
    grads = []
    for function in (op, op.__wrapped__):
        leaf = x.clone().requires_grad_()
        y = outcome(function, leaf, *args, **kwargs)
        if isinstance(y, str):
            return
        y = y[0][0] if isinstance(y[0], tuple) else y[0]
        grads.append(torch.autograd.grad((y * y).sum(), leaf)[0].numpy())
    np.testing.assert_array_equal(*grads)


def test_two_tensors():
    a, b = torch.tensor([1.0, 5.0]), torch.tensor([3.0, 2.0])
    assert torch.max(a, b).tolist() == [3, 5]
    assert a.min(b).tolist() == [1, 2]
    assert torch.max(a, other=b).tolist() == [3, 5]


@pytest.mark.parametrize("function", [F.softmax, F.log_softmax])
def test_functional_forms(function):
    x = torch.randn(2, 3, requires_grad=True)
    check_same(function(x, dim=1), function.__wrapped__(x, dim=1))
    check_same(function(x, -2), function.__wrapped__(x, -2))
    check_same(function(x, dim=0, dtype=torch.float64), function.__wrapped__(x, dim=0, dtype=torch.float64))
    with pytest.warns(UserWarning, match="Implicit dimension choice"):
        function(x)
    with pytest.raises(IndexError, match="Dimension out of range"):
        function(x, dim=2)


def test_results_have_names():
    result = torch.tensor([[1.0, 5.0], [4.0, 2.0]]).max(dim=1)
    assert isinstance(result, torch.return_types.max)
    assert result.values.tolist() == [5, 4]
    assert result.indices.tolist() == [1, 0]
