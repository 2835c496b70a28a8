"""Ops with a quick road in C give what their Python definition gives: results, dtypes, gradients, errors."""

from __future__ import annotations

import numpy as np
import pytest

import pytensor as torch
from pytensor import _C

F = torch.nn.functional
X = [[-2.5, -0.5, 0.0], [0.25, 1.5, 30.0]]


def x(dtype=None, graph=False):
    return torch.tensor(X, dtype=dtype or torch.float32).requires_grad_(graph)


UNARY = {
    "clamp": (torch.clamp, [((-1, 1), {}), ((), {"min": -1}), ((), {"max": 0.5}), ((None, 1), {}), ((1, -1), {})]),
    "leaky_relu": (F.leaky_relu, [((), {}), ((0.2,), {}), ((), {"negative_slope": 0.3}), ((0.2, False), {})]),
    "elu": (F.elu, [((), {}), ((2,), {}), ((), {"alpha": 0.3, "inplace": False}), ((0.2, False), {})]),
    "selu": (F.selu, [((), {}), ((False,), {}), ((), {"inplace": False})]),
    "celu": (F.celu, [((), {}), ((2.0,), {}), ((0.0,), {}), ((), {"inplace": False})]),
    "softplus": (F.softplus, [((), {}), ((2.0,), {}), ((2.0, 3.0), {}), ((), {"threshold": 1})]),
    "hardtanh": (F.hardtanh, [((), {}), ((-2, 0.5), {}), ((1, -1), {}), ((), {"max_val": 2.0})]),
    "relu6": (F.relu6, [((), {}), ((False,), {})]),
    "threshold": (F.threshold, [((0.1, 7), {}), ((), {"threshold": 0.1, "value": 2}), ((0.1,), {})]),
    "hardshrink": (F.hardshrink, [((), {}), ((0.3,), {}), ((), {"lambd": 1})]),
    "softshrink": (F.softshrink, [((), {}), ((0.3,), {}), ((-1,), {})]),
    "gelu": (F.gelu, [((), {}), (("none",), {}), (("tanh",), {}), ((), {"approximate": "tanh"}), (("other",), {})]),
    "silu": (F.silu, [((), {}), ((False,), {})]),
    "mish": (F.mish, [((), {}), ((), {"inplace": False})]),
    "hardswish": (F.hardswish, [((), {}), ((False,), {})]),
    "hardsigmoid": (F.hardsigmoid, [((), {}), ((False,), {})]),
    "logsigmoid": (F.logsigmoid, [((), {})]),
    "pow": (torch.pow, [((n,), {}) for n in (0, 1, 2, 3, -1, 0.5, -0.5, 1.7, 2.0)] + [((), {"exponent": 3})]),
}


def outcome(call):
    """The result with its gradients, or the error."""
    try:
        y = call()
    except Exception as error:
        return type(error), str(error)
    return y


def same(a, b):
    if not isinstance(a, torch.Tensor):
        assert a == b
        return
    assert a.dtype is b.dtype
    assert a.shape == b.shape
    assert a.stride() == b.stride()
    assert torch.equal(torch.nan_to_num(a, 123), torch.nan_to_num(b, 123))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64, torch.float16, torch.bool])
@pytest.mark.parametrize("name", UNARY)
def test_forms(name, dtype):
    function, calls = UNARY[name]
    assert isinstance(function, _C.Op)
    for args, kwargs in calls:
        same(
            outcome(lambda a=args, k=kwargs: function(x(dtype), *a, **k)),
            outcome(lambda a=args, k=kwargs: function.__wrapped__(x(dtype), *a, **k)),
        )


@pytest.mark.parametrize("name", UNARY)
def test_gradients(name):
    function, calls = UNARY[name]
    for args, kwargs in calls:
        a, b = x(torch.float64, True), x(torch.float64, True)
        try:
            y = function(a, *args, **kwargs)
        except (RuntimeError, ValueError, TypeError):
            continue
        z = function.__wrapped__(b, *args, **kwargs)
        assert y.grad_fn.name() == z.grad_fn.name()
        (first,) = torch.autograd.grad(y, a, torch.ones_like(y), create_graph=True)
        (second,) = torch.autograd.grad(z, b, torch.ones_like(z), create_graph=True)
        same(first.detach(), second.detach())
        (kernel,) = torch.autograd.grad(y, a, torch.ones_like(y))
        np.testing.assert_allclose(kernel.numpy(), first.detach().numpy(), rtol=1e-12, atol=1e-14)


OTHERS = {
    "where": lambda f, a, b: f(a > 0, a, b),
    "where number": lambda f, a, b: f(a > 0, a, 0.0),
    "where numbers first": lambda f, a, b: f(a > 0, 1.5, b),
    "where uint8": lambda f, a, b: f((a > 0).byte(), a, b),
    "where not bool": lambda f, a, b: f(a, a, b),
    "lerp": lambda f, a, b: f(a, b, a),
    "lerp number": lambda f, a, b: f(a, b, 0.3),
    "lerp keyword": lambda f, a, b: f(a, b, weight=0.7),
    "addcmul": lambda f, a, b: f(a, a, b),
    "addcmul value": lambda f, a, b: f(a, a, b, value=0.5),
    "addcdiv value": lambda f, a, b: f(a, a, b, value=2),
    "maximum": lambda f, a, b: f(a, b),
    "minimum": lambda f, a, b: f(a, b[0]),
    "maximum number": lambda f, a, b: f(a, 1),
    "addcmul number": lambda f, a, b: f(a, 1.0, b),
    "wrong shapes": lambda f, a, b: f(a, b, a[:, :2]),
}


@pytest.mark.parametrize(
    "dtypes",
    [
        ("float32", "float32"),
        ("float64", "float32"),
        ("int64", "float32"),
        ("int32", "uint8"),
        ("bool", "int8"),
        ("float16", "bfloat16"),
    ],
)
@pytest.mark.parametrize("name", OTHERS)
def test_operands(name, dtypes):
    function = getattr(torch, name.split()[0] if name != "wrong shapes" else "addcmul")
    a, b = (x(getattr(torch, d)) for d in dtypes)
    call = OTHERS[name]
    same(outcome(lambda: call(function, a, b)), outcome(lambda: call(function.__wrapped__, a, b)))


@pytest.mark.parametrize(
    "name",
    [n for n in OTHERS if n.split()[-1] in ("where", "lerp", "addcmul", "addcdiv", "value", "number", "keyword")],
)
def test_gradients_of_operands(name):
    function = getattr(torch, name.split()[0])
    call = OTHERS[name]
    grads = []
    for f in (function, function.__wrapped__):
        for wanted in ((True, True), (True, False), (False, True)):
            a, b = (x(torch.float64, w) for w in wanted)
            try:
                y = call(f, a, b.detach() + 1 if not b.requires_grad else b)
            except (TypeError, AttributeError):
                return
            if y.requires_grad:
                y.nan_to_num(0, 0, 0).sum().backward()
            grads.append([None if t.grad is None else t.grad.nan_to_num(7).tolist() for t in (a, b)])
    assert grads[:3] == grads[3:]


DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64"]


@pytest.mark.parametrize("first", DTYPES)
@pytest.mark.parametrize("second", DTYPES)
def test_promotion(first, second):
    """Tensors with axes, without axes, in both orders."""
    for function in (torch.add, torch.mul, torch.div, torch.eq, torch.maximum):
        for shapes in (((3,), (3,)), ((3,), ()), ((), (3,)), ((), ())):
            a = torch.ones(shapes[0], dtype=getattr(torch, first))
            b = torch.ones(shapes[1], dtype=getattr(torch, second))
            same(function(a, b), function.__wrapped__(a, b))
            expected = torch.bool if function is torch.eq else torch.result_type(a, b)
            if function is torch.div and not expected.is_floating_point:
                expected = torch.float32
            assert function(a, b).dtype is expected
