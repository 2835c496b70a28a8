"""``loss.backward()``, a pass in C, against ``autograd.backward()``, the engine in Python that defines it."""

from __future__ import annotations

import gc

import numpy as np
import pytest

import pytensor as torch


class Scaled(torch.autograd.Function):
    """A rule that only Python knows."""

    @staticmethod
    def forward(ctx, x, factor):
        ctx.factor = factor
        return x * factor

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.factor, None


def graph(a, b):
    """Nodes with quick and Python rules, with several outputs, that meet and that wait in any order."""
    late = a.exp()
    parts = (a @ b).chunk(2, 1)
    x = torch.cat([Scaled.apply(parts[1], 3.0), parts[0].tanh()]) * 0.5
    largest, _ = (x + x.sum()).max(1)
    return (largest * late.reshape(-1)[: largest.numel()]).sum() + b.cumsum(0).mean()


def leaves():
    torch.manual_seed(3)
    return torch.randn(4, 4, requires_grad=True), torch.randn(4, 4, requires_grad=True)


def gradients(backward, times=1, prepare=lambda a, b: None):
    a, b = leaves()
    prepare(a, b)
    for _ in range(times):
        backward(graph(a, b))
    return a.grad.numpy(), b.grad.numpy()


@pytest.mark.parametrize("times", [1, 2])
def test_the_two_passes_agree(times):
    quick = gradients(lambda loss: loss.backward(), times)
    python = gradients(torch.autograd.backward, times)
    for ours, expected in zip(quick, python, strict=True):
        np.testing.assert_array_equal(ours, expected)


def test_hooks_run_and_change_gradients():
    def prepare(a, b):
        a.register_hook(lambda grad: grad * 2)
        b.register_post_accumulate_grad_hook(lambda leaf: leaf.grad.mul_(3))

    plain = gradients(lambda loss: loss.backward())
    hooked = gradients(lambda loss: loss.backward(), prepare=prepare)
    np.testing.assert_allclose(hooked[0], plain[0] * 2, rtol=1e-6)
    np.testing.assert_allclose(hooked[1], plain[1] * 3, rtol=1e-6)


def test_hooks_on_the_way():
    a, b = leaves()
    seen = []
    x = (a * b).exp()
    x.register_hook(lambda grad: seen.append(grad.clone()))
    x.retain_grad()
    (x * 2).sum().backward()
    assert len(seen) == 1
    np.testing.assert_array_equal(x.grad.numpy(), np.full((4, 4), 2, np.float32))


def test_gradients_do_not_share_memory():
    a, b = leaves()
    (a + b).sum().backward()
    a.grad.zero_()
    assert (b.grad == 1).all()


def test_accumulation_is_in_place_and_counted():
    a, _ = leaves()
    a.sum().backward()
    held, version = a.grad, a.grad._version
    a.sum().backward()
    assert a.grad is held
    assert held._version == version + 1
    assert (held == 2).all()


def test_a_leaf_is_its_own_root():
    x = torch.tensor(3.0, requires_grad=True)
    x.backward()
    assert x.grad.item() == 1


def test_second_pass_needs_the_graph():
    a, b = leaves()
    loss = graph(a, b)
    loss.backward(retain_graph=True)
    loss.backward()
    with pytest.raises(RuntimeError, match="a second time"):
        loss.backward()
    assert torch.is_grad_enabled()


def test_errors_are_the_engines():
    with pytest.raises(RuntimeError, match="does not require grad"):
        torch.ones(()).backward()
    with pytest.raises(RuntimeError, match="only for scalar outputs"):
        (leaves()[0] * 2).backward()
    x = torch.ones(2, requires_grad=True)
    y = x.exp()
    z = y.sum()
    y.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z = (y * y).sum()
        y.add_(1)
        z.backward()


def test_an_error_in_a_rule_leaves_nothing_behind():
    class Fails(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, grad):
            raise ValueError("no")

    a, b = leaves()
    with pytest.raises(ValueError, match="no"):
        (Fails.apply(a) * b).sum().backward()
    assert torch.is_grad_enabled()
    assert a.grad is None


def test_many_leaves_and_many_waiting_nodes():
    parts = [torch.full((2,), float(i), requires_grad=True) for i in range(40)]
    squares = [p * p for p in parts]
    total = squares[0]
    for square in squares[::-1]:
        total = total + square
    total = total + sum(parts)
    total.sum().backward()
    for i, part in enumerate(parts):
        expected = 2 * i + 1 if i else 1
        assert (part.grad == expected).all()


def test_a_graph_is_freed():
    a, b = leaves()
    graph(a, b).backward()
    gc.collect()
    x = a * 2
    node = x.grad_fn
    x.exp().sum().backward()
    assert node._freed
