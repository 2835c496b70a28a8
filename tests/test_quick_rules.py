"""The rules that the engine runs without Python (Node.quick) against the Python rules, which define them.

``create_graph=True`` takes the Python road for every node.
"""

from __future__ import annotations

import numpy as np
import pytest

import pytensor as torch

F = torch.nn.functional

# Functions of two tensors that broadcast, both of shape (3, 4) or smaller.
POINTWISE = {
    "add": lambda a, b: a + b,
    "add with alpha": lambda a, b: torch.add(a, b, alpha=3),
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "mul by a number": lambda a, b: a * 2.5 + 3 * b,
    "div": lambda a, b: a / (b * b + 1),
    "div by a number": lambda a, b: (a - b) / 4,
    "neg": lambda a, b: -a * -b,
    "exp": lambda a, b: (a * b).exp(),
    "log": lambda a, b: (a * a + b * b + 1).log(),
    "relu": lambda a, b: (a * b).relu(),
    "tanh": lambda a, b: (a + b).tanh(),
    "sigmoid": lambda a, b: torch.sigmoid(a) * b,
    "itself twice": lambda a, b: a * a + b - b,
    "mean": lambda a, b: (a * b).mean(),
    "sum and mean over axes": lambda a, b: (a * b).sum(0, keepdim=True) * (a + b).mean(-1, keepdim=True),
    "sum over an axis": lambda a, b: (a * b).sum(1) * (a + b).mean(dim=-1),
    "views": lambda a, b: (a * b).view(-1) * (a + b).t().reshape(-1),
    "product of views": lambda a, b: (a + b).t() @ (a * b),
}


def both_ways(function, *tensors):
    """The gradients of the summed squares of ``function``, from the quick rules and from the Python rules."""

    def gradients(create_graph):
        y = function(*tensors)
        return torch.autograd.grad((y * y).sum(), tensors, create_graph=create_graph)

    for quick, plain in zip(gradients(False), gradients(True), strict=True):
        assert not quick.requires_grad
        assert quick.dtype is plain.dtype
        assert quick.shape == plain.shape
        np.testing.assert_allclose(quick.numpy(), plain.detach().numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shapes", [((3, 4), (3, 4)), ((3, 4), (4,)), ((3, 1), (3, 4)), ((3, 4), (1, 1))])
@pytest.mark.parametrize("name", POINTWISE)
def test_pointwise_rules(name, shapes, dtype):
    torch.manual_seed(1)
    both_ways(POINTWISE[name], *(torch.randn(shape, dtype=dtype, requires_grad=True) for shape in shapes))


@pytest.mark.parametrize("layout", ["plain", "transposed", "stepped"])
def test_products(layout):
    def operand(rows, columns):
        if layout == "transposed":
            return torch.randn(columns, rows).t().requires_grad_()
        step = 2 if layout == "stepped" else 1
        return torch.randn(rows, columns * step)[:, ::step].requires_grad_()

    both_ways(lambda a, b: a @ b, operand(3, 5), operand(5, 4))
    both_ways(lambda a, b: torch.mm(a, b), operand(1, 5), operand(5, 1))
    both_ways(F.linear, operand(3, 5), operand(4, 5))
    both_ways(F.linear, operand(3, 5), operand(4, 5), torch.randn(4, requires_grad=True))
    both_ways(F.linear, torch.randn(2, 3, 5, requires_grad=True), operand(4, 5), torch.randn(4, requires_grad=True))


def test_empty_and_axisless_tensors():
    both_ways(lambda a, b: (a * b).sum(0), *(torch.randn(0, 3, requires_grad=True) for _ in range(2)))
    both_ways(lambda a, b: a @ b, torch.randn(2, 0, requires_grad=True), torch.randn(0, 3, requires_grad=True))
    both_ways(lambda a: (a * 2).sum(0) + a.mean(-1) + a.sum() + a.mean(), torch.randn((), requires_grad=True))


def test_only_what_is_wanted():
    a, b = torch.randn(3, 3, requires_grad=True), torch.randn(3, 3)
    both_ways(lambda a: (a @ b) * b - b, a)
    both_ways(lambda a: (b @ a) / b, a)


def test_leaves_get_gradients_of_their_own():
    a, b = torch.ones(3, requires_grad=True), torch.ones(3, requires_grad=True)
    (a + b).sum().backward()
    a.grad.add_(1)
    assert b.grad.tolist() == [1, 1, 1]
    (a * 2).sum().backward()
    assert a.grad.tolist() == [4, 4, 4]
    g = torch.ones(3)
    a.grad = None
    (a + 0).backward(g)
    a.grad.add_(1)
    assert g.tolist() == [1, 1, 1]
    assert a.grad.is_contiguous()


def test_saved_values_are_checked_and_freed():
    x = torch.ones(3, requires_grad=True)
    y = (x * 1).exp()
    z = (y * 2).sum()
    with torch.no_grad():
        y += 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.backward()
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [4, 4, 4]
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()


def test_hooks_are_called():
    seen = []
    x = torch.ones(2, requires_grad=True)
    h = x * 3
    h.register_hook(lambda g: seen.append(g.tolist()) or g * 2)
    x.register_hook(lambda g: seen.append(g.tolist()))
    h.tanh().sum().grad_fn.register_hook(lambda gin, gout: seen.append("node"))
    y = (h * 5).sum()
    y.grad_fn.register_hook(lambda gin, gout: seen.append("sum"))
    y.backward()
    assert seen == ["sum", [5, 5], [30, 30]]
    assert x.grad.tolist() == [30, 30]


def test_gradients_of_tensors_in_the_middle():
    x = torch.randn(3, requires_grad=True)
    h = x.tanh()
    y = h * h
    gh, gy = torch.autograd.grad((y * 3).sum(), (h, y))
    np.testing.assert_allclose(gh.numpy(), 6 * h.detach().numpy(), rtol=1e-6)
    assert gy.tolist() == [3, 3, 3]


def test_a_subclass_with_a_rule_of_its_own_is_asked():
    class Doubled(type((torch.ones(1, requires_grad=True) * 2).grad_fn)):
        def backward(self, grad):
            return (grad * 100,)

    from pytensor import _C

    x = torch.ones(2, requires_grad=True)
    y = _C.record(Doubled, (x,), np.ones(2, "float32"))
    y.sum().backward()
    assert x.grad.tolist() == [100, 100]
