"""Ops that give views: C's quick road against the Python functions behind it, which define them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pytensor as torch

axes = st.integers(-4, 4)
sizes = st.lists(st.sampled_from([-1, 0, 1, 2, 3, 4, 6, 12]), max_size=4).map(tuple)

# name: the arguments after the tensor
CALLS = {
    "permute": st.permutations(range(3)).map(lambda p: ((tuple(p),), {}))
    | st.lists(axes, max_size=3).map(lambda p: (tuple(p), {})),
    "transpose": st.tuples(axes, axes).map(lambda p: (p, {})) | axes.map(lambda a: ((), {"dim0": a, "dim1": 0})),
    "swapaxes": st.tuples(axes, axes).map(lambda p: (p, {})),
    "t": st.just(((), {})),
    "movedim": st.tuples(axes, axes).map(lambda p: (p, {})) | st.just((((0, 1), (1, 0)), {})),
    "unsqueeze": axes.map(lambda a: ((a,), {})) | axes.map(lambda a: ((), {"dim": a})),
    "squeeze": st.just(((), {})) | axes.map(lambda a: ((a,), {})) | axes.map(lambda a: ((), {"dim": (a,)})),
    "expand": sizes.map(lambda s: (s, {})) | sizes.map(lambda s: ((s,), {})),
    "broadcast_to": sizes.map(lambda s: ((s,), {})),
    "expand_as": sizes.filter(lambda s: -1 not in s).map(lambda s: ((torch.zeros(s),), {})),
    "reshape": sizes.map(lambda s: (s, {})) | sizes.map(lambda s: ((list(s),), {})),
    "view": sizes.map(lambda s: (s, {})) | sizes.map(lambda s: ((s,), {})),
    "flatten": st.tuples(axes, axes).map(lambda p: (p, {})) | axes.map(lambda a: ((), {"end_dim": a})),
    "unflatten": st.tuples(axes, sizes).map(lambda p: (p, {})),
    "diagonal": st.tuples(st.integers(-3, 3), axes, axes).map(lambda p: (p, {})) | axes.map(lambda a: ((a,), {})),
    "split": st.tuples(st.integers(-1, 5), axes).map(lambda p: (p, {}))
    | st.lists(st.integers(-1, 4), max_size=3).map(lambda s: ((s,), {"dim": 0})),
    "chunk": st.tuples(st.integers(-1, 5), axes).map(lambda p: (p, {})),
    "unbind": axes.map(lambda a: ((a,), {})) | st.just(((), {})),
}


def outcome(function, *args, **kwargs):
    try:
        return function(*args, **kwargs)
    except (IndexError, ValueError, TypeError, RuntimeError) as error:
        return f"{type(error).__name__}: {error}"


@st.composite
def tensors(draw):
    x = torch.arange(float(np.prod(shape := draw(st.lists(st.sampled_from([0, 1, 2, 3, 4]), max_size=3)), dtype=int)))
    x = x.reshape(tuple(shape))
    if x.ndim > 1 and draw(st.booleans()):
        x = x.transpose(0, 1)
    return x


@pytest.mark.parametrize("name", CALLS)
@settings(max_examples=120, deadline=None)
@given(x=tensors(), data=st.data(), wanted=st.booleans())
def test_quick_and_python_agree(name, x, data, wanted):
    args, kwargs = data.draw(CALLS[name])
    op = getattr(torch.Tensor, name)
    ours, expected = (outcome(f, x.detach().requires_grad_(wanted), *args, **kwargs) for f in (op, op.__wrapped__))
    if isinstance(expected, str) or isinstance(ours, str):
        assert ours == expected
        return
    assert type(ours) is type(expected)
    parts = list(zip(ours, expected, strict=True)) if isinstance(ours, tuple) else [(ours, expected)]
    for a, b in parts:
        assert a.shape == b.shape
        assert a.stride() == b.stride() or a.numel() == 0
        # NumPy's as_strided(), by which Python makes diagonals, forgets where its memory begins.
        assert a.storage_offset() == b.storage_offset() or a.numel() == 0 or name == "diagonal"
        assert a._view_kind == b._view_kind
        assert a.requires_grad == b.requires_grad
        assert type(a.grad_fn) is type(b.grad_fn)
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())


@pytest.mark.parametrize("name", CALLS)
@settings(max_examples=40, deadline=None)
@given(x=tensors(), data=st.data())
def test_gradients_agree(name, x, data):
    args, kwargs = data.draw(CALLS[name])
    op = getattr(torch.Tensor, name)
    grads = []
    for function in (op, op.__wrapped__):
        leaf = x.clone().requires_grad_()
        y = outcome(function, leaf, *args, **kwargs)
        if isinstance(y, str) or (isinstance(y, tuple) and not y):
            return
        y = y[0] if isinstance(y, tuple) else y
        grads.append(torch.autograd.grad((y * y).sum(), leaf)[0].numpy())
    np.testing.assert_array_equal(*grads)


def test_views_share_memory_and_versions():
    x = torch.zeros(2, 3)
    for y in (x.T, x.unsqueeze(0), x.flatten(), x.diagonal(), x.movedim(0, 1), x.split(1)[0], x.expand(2, 2, 3)):
        before = x._version
        x.add_(1)
        assert y._version == before + 1
        assert y._base is x


def test_writes_through_views_reach_the_history():
    x = torch.ones(2, 3, requires_grad=True)
    y = x * 2
    y.T[0] = 5.0
    y.flatten()[5:].mul_(3)
    y.sum().backward()
    assert x.grad.tolist() == [[0, 2, 2], [0, 2, 6]]


def test_several_views_may_not_be_written():
    x = torch.ones(2, 3, requires_grad=True) * 1
    for part in (x.unbind()[0], x.chunk(2)[1], x.split([1, 1])[0]):
        with pytest.raises(RuntimeError, match="is a view and is being modified inplace"):
            part.add_(1)


def test_flatten_of_one_axis_is_the_tensor_itself():
    x = torch.ones(3)
    assert x.flatten() is x


def test_where_a_diagonal_begins():
    assert torch.zeros(3, 3).diagonal(-1).storage_offset() == 3
