"""Casts, flips, padding, sorting, masks, one-hot rows, cross-entropy and sums with a factor: C's quick road against
the Python functions behind it, which define them."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pytensor as torch

F = torch.nn.functional
axis = st.integers(-4, 3)
flags = st.booleans()
DTYPES = [torch.bool, torch.uint8, torch.int32, torch.int64, torch.float16, torch.float32, torch.float64]
widths = st.lists(st.integers(-2, 3), max_size=6)
numbers = st.sampled_from([0, 1, -2, 2.5, True, float("-inf"), float("nan"), 1e300, 1 << 140])
masks = st.lists(st.sampled_from([1, 2, 3]), max_size=3).map(
    lambda s: torch.tensor(np.random.default_rng(len(s)).random(tuple(s)) > 0.5)
)

METHODS = {
    "to": st.sampled_from([torch.float64, torch.int64, torch.bool, "cpu", torch.device("cpu"), "cuda:7", 3.5]).map(
        lambda t: ((t,), {})
    )
    | st.sampled_from(DTYPES).map(lambda d: ((), {"dtype": d}))
    | st.just(((), {"device": "cpu"}))
    | st.just(((torch.float32,), {"copy": True})),
    "float": st.just(((), {})),
    "long": st.just(((), {})),
    "cpu": st.just(((), {})),
    "flip": st.lists(axis, max_size=3).map(lambda a: (tuple(a), {}))
    | st.lists(axis, max_size=2).map(lambda a: ((a,), {})),
    "sort": st.just(((), {}))
    | st.tuples(axis, flags).map(lambda a: (a, {}))
    | flags.map(lambda f: ((), {"stable": f})),
    "topk": st.tuples(st.integers(-1, 4), axis, flags).map(lambda a: (a, {})) | axis.map(lambda a: ((1,), {"dim": a})),
    "nonzero": st.just(((), {})) | st.just(((), {"as_tuple": True})),
    "masked_fill": st.tuples(masks, numbers).map(lambda a: (a, {})),
    "add": st.tuples(st.sampled_from([2, 1.5, torch.tensor([1.0]), torch.tensor([2])]), numbers).map(
        lambda a: ((a[0],), {"alpha": a[1]})
    ),
}


@st.composite
def tensors(draw):
    shape = tuple(draw(st.lists(st.sampled_from([0, 1, 2, 3]), max_size=3)))
    x = torch.tensor(np.random.default_rng(draw(st.integers(0, 99))).normal(size=shape) * 3).abs()
    x = x.to(draw(st.sampled_from(DTYPES)))
    return x.transpose(0, 1) if x.ndim > 1 and draw(flags) else x


def outcome(function, *args, **kwargs):
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return function(*args, **kwargs)
    except (
        IndexError,
        ValueError,
        TypeError,
        RuntimeError,
        NotImplementedError,
        AssertionError,
        OverflowError,
    ) as error:
        return f"{type(error).__name__}: {error}"


def check_same(ours, expected):
    if isinstance(ours, str) or isinstance(expected, str):
        assert ours == expected
        return False
    assert type(ours) is type(expected)
    for a, b in zip(ours, expected, strict=True) if isinstance(ours, tuple) else [(ours, expected)]:
        assert a.dtype is b.dtype
        assert a.shape == b.shape
        assert a.stride() == b.stride() or a.numel() == 0
        assert type(a.grad_fn) is type(b.grad_fn)
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())
    return True


def both(ours, python, x, args, kwargs):
    """The same call on both roads, and its gradient when there is one."""
    results = []
    for function in (ours, python):
        leaf = x.detach().requires_grad_(x.dtype.is_floating_point)
        results.append((leaf, outcome(function, leaf, *args, **kwargs)))
    (a, ours), (b, expected) = results
    if not check_same(ours, expected):
        return
    assert (ours is a) == (expected is b)
    grads = []
    for leaf, y in results:
        y = y[0] if isinstance(y, tuple) and y else y
        if isinstance(y, torch.Tensor) and y.requires_grad:
            grads.append(torch.autograd.grad((y * y).sum(), leaf)[0].numpy())
    if grads:
        np.testing.assert_array_equal(*grads)


@pytest.mark.parametrize("name", METHODS)
@settings(max_examples=150, deadline=None)
@given(x=tensors(), data=st.data())
def test_methods(name, x, data):
    args, kwargs = data.draw(METHODS[name])
    op = getattr(torch.Tensor, name)
    both(op, op.__wrapped__, x, args, kwargs)


@settings(max_examples=200, deadline=None)
@given(x=tensors(), pad=widths, value=st.none() | numbers, mode=st.sampled_from(["constant", "reflect", "none"]))
def test_pad(x, pad, value, mode):
    both(F.pad, F.pad.__wrapped__, x, (pad,), {"value": value, "mode": mode})
    both(F.pad, F.pad.__wrapped__, x, (tuple(pad),), {})
    both(torch.constant_pad_nd, torch.constant_pad_nd.__wrapped__, x, (pad, value or 0), {})


@settings(max_examples=150, deadline=None)
@given(x=tensors(), mask=masks, value=numbers)
def test_masked_fill_in_place(x, mask, value):
    results = []
    for function in (torch.Tensor.masked_fill_, torch.Tensor.masked_fill_.__wrapped__):
        y = x.clone()
        results.append((outcome(function, y, mask, value), y._version))
        if isinstance(results[-1][0], torch.Tensor):
            assert results[-1][0] is y
    assert results[0][1] == results[1][1]
    check_same(results[0][0], results[1][0])


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(-1, 4), max_size=6),
    st.sampled_from([(), (-1,), (5,), (2,), (0,)]),
    st.sampled_from([torch.int64, torch.int32]),
)
def test_one_hot(classes, args, dtype):
    x = torch.tensor(classes, dtype=dtype)
    check_same(outcome(F.one_hot, x, *args), outcome(F.one_hot.__wrapped__, x, *args))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.1}, {"ignore_index": 2}, {"weight": True}])
@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 5), (3,)])
def test_cross_entropy(shape, options, reduction, dtype):
    torch.manual_seed(0)
    x = torch.randn(*shape, dtype=dtype)
    target = torch.randint(0, 3, shape[:1] + shape[2:]) if len(shape) > 1 else torch.tensor(1)
    options = {**options, "reduction": reduction}
    if "weight" in options:
        options["weight"] = torch.tensor([1.0, 0.5, 2.0], dtype=dtype)
    results = []
    for function in (F.cross_entropy, F.cross_entropy.__wrapped__):
        leaf = x.detach().requires_grad_()
        y = function(leaf, target, **options)
        (first,) = torch.autograd.grad(y.sum(), leaf, create_graph=True)
        (second,) = torch.autograd.grad((first * first).sum(), leaf)
        results.append((y, first, second, y.grad_fn.name()))
    assert results[0][3] == results[1][3]
    for ours, expected in zip(results[0][:3], results[1][:3], strict=True):
        np.testing.assert_array_equal(ours.detach().numpy(), expected.detach().numpy())


@pytest.mark.parametrize("target", [torch.tensor([0, 3]), torch.tensor([0, -1]), torch.tensor([0]), torch.ones(2, 3)])
def test_cross_entropy_errors_and_probabilities(target):
    x = torch.tensor([[0.5, 1.0, 2.0], [1.0, 0.0, -1.0]])
    check_same(outcome(F.cross_entropy, x, target), outcome(F.cross_entropy.__wrapped__, x, target))


def test_add_with_a_factor_in_place():
    x, y = torch.ones(3), torch.tensor([1.0, 2.0, 3.0])
    assert x.add_(y, alpha=-0.5) is x
    assert x.tolist() == [0.5, 0, -0.5]
    assert x._version == 1
    with pytest.raises(RuntimeError, match="must not be a floating point number"):
        torch.ones(2, dtype=torch.int64).add_(1, alpha=0.5)


def test_adding_with_a_factor_is_recorded():
    x, y = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    torch.add(x, y, alpha=3).sum().backward()
    assert x.grad.tolist() == [1, 1]
    assert y.grad.tolist() == [3, 3]
