"""Layer norm and NLL on the quick road give what their Python definitions give: results, gradients, errors."""

from __future__ import annotations

import numpy as np
import pytest

import pytensor as torch
from pytensor import _C

F = torch.nn.functional


def values(*shape, seed=0, dtype=torch.float32):
    array = np.random.default_rng(seed).standard_normal(shape)
    return torch.tensor(array).to(dtype).requires_grad_(dtype.is_floating_point)


def labels(high, *shape):
    return torch.tensor(np.random.default_rng(1).integers(0, high, shape))


def outcome(call, leaves):
    """The result, its node's name and the leaves' first and second gradients, or the error."""
    try:
        y = call()
    except Exception as error:
        return type(error), str(error)
    result = [y.detach()]
    if y.grad_fn is None:
        return result
    wanted = [leaf for leaf in leaves if leaf.requires_grad]
    first = torch.autograd.grad(y, wanted, torch.ones_like(y), create_graph=True, allow_unused=True)
    total = sum((g * g).sum() for g in first if g is not None)
    result += [g for g in first if g is not None]
    if total.requires_grad:
        result += [g for g in torch.autograd.grad(total, wanted, allow_unused=True, retain_graph=True) if g is not None]
    return [y.grad_fn.name(), y.grad_fn.ctx, *result]


def check_same(function, leaves, *args, **kwargs):
    assert isinstance(function, _C.Op)
    quick = outcome(lambda: function(*args, **kwargs), leaves)
    slow = outcome(lambda: function.__wrapped__(*args, **kwargs), leaves)
    assert len(quick) == len(slow)
    for a, b in zip(quick, slow, strict=True):
        if isinstance(a, torch.Tensor):
            assert a.dtype is b.dtype
            assert a.shape == b.shape
            np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())
        else:
            np.testing.assert_equal(a, b)


NLL = {
    "plain": ((), {}),
    "sum": ((), {"reduction": "sum"}),
    "none": ((), {"reduction": "none"}),
    "wrong reduction": ((), {"reduction": "other"}),
    "ignored": ((), {"ignore_index": 1}),
    "all positions": ((None, None, 2, None, "sum"), {}),
    "deprecated": ((None, False), {}),
    "unknown keyword": ((), {"weights": None}),
}


@pytest.mark.filterwarnings("ignore:size_average")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.int64])
@pytest.mark.parametrize("shape", [(5, 3), (2, 3, 4), (2, 3, 2, 5), (3,), (0, 3)])
@pytest.mark.parametrize("form", NLL)
def test_nll_loss(form, shape, dtype):
    x, target = values(*shape, dtype=dtype), labels(3, *(shape[:1] if len(shape) > 1 else ()), *shape[2:])
    args, kwargs = NLL[form]
    check_same(F.nll_loss, [x], x, target, *args, **kwargs)


@pytest.mark.parametrize("reduction", ["none", "sum", "mean"])
def test_nll_loss_weights(reduction):
    x, target = values(6, 4), labels(4, 6)
    for weight in (values(4, seed=2), values(4, seed=2).double(), values(3, seed=2), values(8, seed=2)[::2]):
        check_same(F.nll_loss, [x], x, target, weight.detach(), reduction=reduction)
        check_same(F.nll_loss, [x], x, target, weight=weight.detach(), reduction=reduction, ignore_index=0)


@pytest.mark.parametrize("wrong", [4, -1, 2**40])
def test_nll_loss_refuses_targets(wrong):
    target = labels(4, 6)
    target[3] = wrong
    check_same(F.nll_loss, [], values(6, 4), target)


def test_nll_loss_all_ignored():
    x = values(2, 3)
    check_same(F.nll_loss, [x], x, torch.tensor([1, 1]), ignore_index=1)


def test_nll_loss_other_layouts():
    x = values(4, 6)
    check_same(F.nll_loss, [x], x.t(), labels(4, 6))
    check_same(F.nll_loss, [x], x, labels(6, 8)[::2])
    check_same(F.nll_loss, [x], x, labels(6, 4).int())
    check_same(F.nll_loss, [x], x, labels(6, 5))


def test_many_samples_on_any_number_of_threads():
    x, target = values(3, 5, 7000), labels(5, 3, 7000)
    want = -np.take_along_axis(x.detach().numpy(), target.numpy()[:, None], axis=1).astype(np.float64).mean()
    before = torch.get_num_threads()
    try:
        results = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            results.append(F.nll_loss(x, target).item())
    finally:
        torch.set_num_threads(before)
    assert results[0] == results[1]
    np.testing.assert_allclose(results[0], want, rtol=1e-6)


NORM = {
    "plain": lambda w, b: ((), {}),
    "weight": lambda w, b: ((w,), {}),
    "both": lambda w, b: ((w, b), {}),
    "keywords": lambda w, b: ((), {"weight": w, "bias": b, "eps": 1e-3}),
    "positions": lambda w, b: ((None, b, 0.1), {}),
    "whole eps": lambda w, b: ((w, b, 1), {}),
    "wrong weight": lambda w, b: ((w[:-1], b), {}),
    "other type": lambda w, b: ((w.double(), b.double()), {}),
    "cudnn": lambda w, b: ((w, b, 1e-5, False), {}),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.int64])
@pytest.mark.parametrize("axes", [(6,), (5, 6), [6], (4,), (), (5.0, 6), (3, 5, 6, 1)])
@pytest.mark.parametrize("form", NORM)
def test_layer_norm(form, axes, dtype):
    x = values(3, 5, 6, dtype=dtype)
    shape = axes if all(isinstance(n, int) for n in axes) else (6,)
    kind = dtype if dtype.is_floating_point else torch.float32
    w, b = values(*shape, seed=1, dtype=kind), values(*shape, seed=2, dtype=kind)
    args, kwargs = NORM[form](w, b) if shape else ((), {})
    check_same(F.layer_norm, [x, w, b], x, axes, *args, **kwargs)


def test_layer_norm_other_layouts():
    x = values(6, 4)
    check_same(F.layer_norm, [x], x.t(), (6,))
    check_same(F.layer_norm, [x], x[:0], (4,))
    with torch.no_grad():
        check_same(F.layer_norm, [], x, (4,), x[0], x[1])
    check_same(F.layer_norm, [], x.detach(), (4,))


def test_statistics_are_not_part_of_the_graph():
    x = values(3, 4)
    y = F.layer_norm(x, (4,))
    x.data.mul_(2)
    assert y.grad_fn.name() == "NativeLayerNormBackward0"
    with torch.no_grad():
        x.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
