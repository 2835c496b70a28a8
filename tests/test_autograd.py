"""The graph and the engine: accumulation, higher orders, hooks, modes, errors, deep graphs."""

import gc
import weakref

import numpy as np
import pytest

import pytensor as torch


def leaf(*values, dtype=torch.float64):
    return torch.tensor(values, dtype=dtype, requires_grad=True)


def test_gradients_add_up_over_uses_and_passes():
    x = leaf(2.0, 3.0)
    y = x * x + x
    y.sum().backward()
    assert x.grad.tolist() == [5.0, 7.0]
    (x * 2).sum().backward()
    assert x.grad.tolist() == [7.0, 9.0]


def test_a_gradient_is_never_shared():
    x, y = leaf(1.0), leaf(2.0)
    seed = torch.ones(1, dtype=torch.float64)
    (x + y).backward(seed)
    x.grad.zero_()
    assert y.grad.tolist() == [1.0]
    assert seed.tolist() == [1.0]


def test_sums_in_place_are_seen_by_nobody():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    seen, ones = [], torch.ones(2)

    def keep(grad):
        seen.append(grad)

    y = x * 2
    y.register_hook(keep)
    y.retain_grad()
    a, b = y * 3, y.exp()  # their gradients meet at y, and those of y and of x * 5 at x
    a.register_hook(keep)
    torch.autograd.backward([a + b + a, x * 5], [ones, ones])
    dy = 6 + y.detach().exp()
    assert seen[0].tolist() == [2, 2]
    assert torch.allclose(seen[1], dy)
    assert torch.allclose(y.grad, dy)
    assert torch.allclose(x.grad, 2 * dy + 5)
    assert ones.tolist() == [1, 1]


def test_a_gradient_that_arrives_at_two_leaves_and_again_at_one():
    a, b = torch.zeros(3, requires_grad=True), torch.zeros(3, requires_grad=True)
    given = torch.ones(3)
    torch.autograd.backward([a + b, a * 1], [given, given])
    assert (a.grad.tolist(), b.grad.tolist(), given.tolist()) == ([2] * 3, [1] * 3, [1] * 3)
    a.grad.add_(1)
    assert b.grad.tolist() == [1] * 3


def test_second_order_where_gradients_meet():
    x = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
    (dx,) = torch.autograd.grad(x**3 + x * x + x.exp(), x, create_graph=True)
    (ddx,) = torch.autograd.grad(dx, x, create_graph=True)
    (dddx,) = torch.autograd.grad(ddx, x)
    e = x.exp().item()
    assert dx.item() == pytest.approx(3 * 1.5**2 + 3 + e)
    assert ddx.item() == pytest.approx(6 * 1.5 + 2 + e)
    assert dddx.item() == pytest.approx(6 + e)


def test_outputs_of_one_node_whose_gradients_meet():
    x = torch.arange(6.0, requires_grad=True)
    first, second = x.reshape(2, 3).unbind()
    (first * first + first * 2 + second + first).sum().backward()
    assert x.grad.tolist() == [3, 5, 7, 1, 1, 1]


def test_broadcasting_is_undone():
    x = torch.ones(3, 1, requires_grad=True)
    y = torch.ones(4, requires_grad=True)
    (x * y).sum().backward()
    assert x.grad.shape == (3, 1) and x.grad.tolist() == [[4.0]] * 3
    assert y.grad.tolist() == [3.0] * 4


def test_gradients_have_the_dtype_of_their_tensor():
    x = torch.ones(2, requires_grad=True)
    y = torch.ones(2, dtype=torch.float64, requires_grad=True)
    (x * y).sum().backward()
    assert x.grad.dtype is torch.float32 and y.grad.dtype is torch.float64


def test_higher_orders():
    x = leaf(2.0)
    y = x**4
    for factor in (32.0, 48.0, 48.0):
        (y,) = torch.autograd.grad(y.sum(), x, create_graph=True)
        assert y.tolist() == [factor]


def test_backward_with_create_graph_records_grad():
    x = leaf(3.0)
    (x * x).sum().backward(create_graph=True)
    assert x.grad.requires_grad
    (g,) = torch.autograd.grad(x.grad.sum(), x)
    assert g.tolist() == [2.0]


def test_grad_of_intermediate_and_unused():
    x, z = leaf(3.0), leaf(1.0)
    h = x * 2
    y = (h * h).sum()
    gh, gx = torch.autograd.grad(y, (h, x), retain_graph=True)
    assert gh.tolist() == [12.0] and gx.tolist() == [24.0]
    assert x.grad is None
    with pytest.raises(RuntimeError, match="appears to not have been used in the graph"):
        torch.autograd.grad(y, z, retain_graph=True)
    assert torch.autograd.grad(y, z, allow_unused=True, retain_graph=True) == (None,)
    (zeros,) = torch.autograd.grad(y, z, materialize_grads=True)
    assert zeros.tolist() == [0.0]


def test_backward_to_chosen_inputs_only():
    x, w = leaf(3.0), leaf(5.0)
    (x * w).sum().backward(inputs=[w])
    assert x.grad is None and w.grad.tolist() == [3.0]


def test_second_pass_through_a_freed_graph():
    x = leaf(2.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [8.0]
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        y.backward()


def test_backward_errors():
    with pytest.raises(RuntimeError, match="grad can be implicitly created only for scalar outputs"):
        (leaf(1.0, 2.0) * 2).backward()
    with pytest.raises(RuntimeError, match="element 0 of tensors does not require grad"):
        torch.ones(1).backward()
    with pytest.raises(RuntimeError, match="Mismatch in shape: grad_output"):
        (leaf(1.0, 2.0) * 2).backward(torch.ones(3))


def test_saved_tensors_are_checked():
    x = leaf(1.0, 2.0)
    h = x * 2
    y = (h * h).sum()
    h.add_(1)
    with pytest.raises(RuntimeError, match=r"modified by an inplace operation.*is at version 1; expected version 0"):
        y.backward()
    r = x.exp()
    z = r.sum()
    r.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.backward()


def test_a_write_to_what_was_not_saved_is_fine():
    x, w = leaf(2.0), torch.tensor([3.0], dtype=torch.float64)
    y = (x + w).sum()
    w.mul_(5)
    y.backward()
    assert x.grad.tolist() == [1.0]
    scale = torch.tensor([3.0], dtype=torch.float64)
    z = (x * scale).sum()
    x.data.add_(1)  # only `scale` was saved: its gradient is not wanted, x's is
    z.backward()
    assert x.grad.tolist() == [4.0]


def test_detach_shares_memory_and_version():
    x = leaf(1.0, 2.0)
    h = x * 1
    y = (h * h).sum()
    h.detach().add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


def test_in_place_on_leaf_is_refused():
    x = leaf(1.0)
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad is being used in an in-place operation"):
        x.add_(1)
    with pytest.raises(RuntimeError, match="a view of a leaf Variable that requires grad"):
        x[0].add_(1)
    with torch.no_grad():
        x.add_(1)
    assert x.tolist() == [2.0] and x._version == 1


def test_modes():
    x = leaf(1.0)
    with torch.no_grad():
        assert not (x * 2).requires_grad
        with torch.enable_grad():
            assert (x * 2).requires_grad
    with torch.set_grad_enabled(False):
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()

    @torch.no_grad()
    def f():
        return torch.is_grad_enabled()

    @torch.no_grad()
    def g():
        while True:
            yield torch.is_grad_enabled()

    assert f() is False
    values = g()
    assert next(values) is False and torch.is_grad_enabled() and next(values) is False
    with pytest.raises(ZeroDivisionError), torch.no_grad():
        raise ZeroDivisionError
    assert torch.is_grad_enabled()


def test_inference_mode():
    x = leaf(1.0)
    with torch.inference_mode():
        y = x * 2
        assert y.is_inference() and not y.requires_grad
        y.add_(1)
    with pytest.raises(RuntimeError, match="Inplace update to inference tensor outside InferenceMode"):
        y.add_(1)


def test_tensor_hooks():
    x = leaf(1.0, 2.0)
    seen = []
    h = x * 2
    h.register_hook(lambda g: seen.append(g.tolist()))
    h.register_hook(lambda g: g * 10)
    handle = x.register_hook(lambda g: g + 1)
    h.sum().backward()
    assert seen == [[1.0, 1.0]] and x.grad.tolist() == [21.0, 21.0]
    handle.remove()
    x.grad = None
    x.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]
    with pytest.raises(RuntimeError, match="cannot register a hook on a tensor that doesn't require gradient"):
        torch.ones(1).register_hook(print)


def test_retain_grad_and_post_accumulate_hook():
    x = leaf(3.0)
    h = x * 2
    h.retain_grad()
    assert h.retains_grad and not x.retains_grad
    seen = []
    x.register_post_accumulate_grad_hook(lambda p: seen.append(p.grad.tolist()))
    (h * h).sum().backward()
    assert h.grad.tolist() == [12.0] and seen == [[24.0]]


def test_node_hooks_and_next_functions():
    x = leaf(3.0)
    y = (x * 2).sum()
    node = y.grad_fn
    assert node.name() == "SumBackward0"
    (mul, nr), *_ = node.next_functions
    assert mul.name() == "MulBackward0" and nr == 0
    end = mul.next_functions[0][0]
    assert end.name() == "AccumulateGrad" and end.variable is x
    mul.register_hook(lambda gin, gout: (gin[0] * 100, *gin[1:]))
    mul.register_prehook(lambda gout: (gout[0] + 1,))
    y.backward()
    assert x.grad.tolist() == [400.0]


def test_deep_graph_has_no_recursion():
    x = torch.ones(1, requires_grad=True)
    y = x
    for _ in range(100_000):
        y = y + 1
    y.backward()
    assert x.grad.tolist() == [1.0]
    del y
    deep = x
    for _ in range(100_000):
        deep = deep * 1
    del deep  # freed without a pass


def test_graphs_are_freed_without_the_collector():
    gc.disable()
    try:
        x = leaf(1.0)
        h = (x * 2).exp()
        y = h.sum()
        reference = weakref.ref(y.grad_fn)
        del h, y
        assert reference() is None
    finally:
        gc.enable()


class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * 3 * x * x


def test_custom_function_and_its_second_order():
    x = leaf(2.0)
    y = Cube.apply(x)
    assert y.grad_fn.name() == "CubeBackward"
    (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    (gg,) = torch.autograd.grad(g.sum(), x)
    assert g.tolist() == [12.0] and gg.tolist() == [12.0]
    with pytest.raises(RuntimeError, match="should not be instantiated"):
        Cube()


def test_custom_function_with_several_outputs():
    class Split(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, scale):
            ctx.scale = scale
            ctx.mark_non_differentiable(mask := x > 0)
            return x * scale, mask, x + 1

        @staticmethod
        def backward(ctx, a, mask, b):
            assert b is not None and a is not None
            return a * ctx.scale + b, None

    x = leaf(2.0, -1.0)
    a, mask, b = Split.apply(x, 3.0)
    assert a.requires_grad and b.requires_grad and not mask.requires_grad
    a.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


def test_custom_function_in_place():
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            x.mul_(2)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, grad):
            return grad * 2

    x = leaf(3.0)
    h = x * 1
    y = Double.apply(h)
    assert y is h
    y.sum().backward()
    assert x.grad.tolist() == [2.0]


def test_once_differentiable():
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx, grad):
            (x,) = ctx.saved_tensors
            return 2 * x * grad

    x = leaf(3.0)
    y = Square.apply(x)
    (g,) = torch.autograd.grad((y * y).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="marked with @once_differentiable"):
        g.sum().backward()


def test_wrong_gradients_of_rules_are_reported():
    class Bad(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, grad):
            return torch.ones(7)

    with pytest.raises(RuntimeError, match=r"BadBackward returned an invalid gradient at index 0 - got \[7\]"):
        Bad.apply(leaf(1.0, 2.0)).sum().backward()


def test_anomaly_mode_names_the_node():
    x = torch.zeros(1, requires_grad=True)
    with pytest.warns(UserWarning, match="Traceback of forward call"), torch.autograd.detect_anomaly():
        y = (x.sqrt() * 0).sum()
        with pytest.raises(RuntimeError, match="Function 'SqrtBackward0' returned nan values in its 0th output"):
            y.backward()


def test_gradcheck_finds_a_wrong_rule():
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * x

        @staticmethod
        def backward(ctx, grad):
            return grad

    x = leaf(0.3, 0.7)
    with pytest.raises(RuntimeError, match="Jacobian mismatch for output 0 with respect to input 0"):
        torch.autograd.gradcheck(Wrong.apply, (x,))
    assert not torch.autograd.gradcheck(Wrong.apply, (x,), raise_exception=False)
    assert torch.autograd.gradcheck(Cube.apply, (x,))
    assert torch.autograd.gradgradcheck(Cube.apply, (x,))


def test_requires_grad_rules():
    with pytest.raises(RuntimeError, match="only Tensors of floating point and complex dtype can require gradients"):
        torch.ones(1, dtype=torch.int64).requires_grad_()
    y = leaf(1.0) * 2
    with pytest.raises(RuntimeError, match="you can only change requires_grad flags of leaf variables"):
        y.requires_grad = False
    assert y.is_leaf is False and y.detach().is_leaf


def test_assigned_grads_are_checked():
    x = torch.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="different size"):
        x.grad = torch.ones(3)
    with pytest.raises(TypeError, match="expected to be a Tensor or None"):
        x.grad = 1
    x.grad = torch.ones(2)
    x.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]


def test_numpy_of_a_tensor_in_a_graph():
    with pytest.raises(RuntimeError, match=r"Can't call numpy\(\) on Tensor that requires grad"):
        leaf(1.0).numpy()
    assert isinstance(leaf(1.0).detach().numpy(), np.ndarray)
