"""x[key] and x[key] = value: C's quick road against the Python functions behind it, which define them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pytensor as torch

GET, SET = torch.Tensor.__getitem__, torch.Tensor.__setitem__


def slices(n):
    bound = st.none() | st.integers(-n - 1, n + 1)
    return st.builds(slice, bound, bound, st.none() | st.integers(1, 3))


@st.composite
def keys(draw, shape):
    """A key that nearly always fits the shape: every kind of part, one for each axis or fewer."""
    parts, axis = [], 0
    index_shape = draw(st.sampled_from([(2,), (3,), (1,), (2, 2), (0,)]))
    while axis < len(shape):
        n = shape[axis]
        kind = draw(st.sampled_from("int slice full none ellipsis index negative list mask wide scalar stop".split()))
        if kind == "stop":
            break
        if kind == "int":
            parts.append(draw(st.integers(-n - 1, n)))
        elif kind == "slice":
            parts.append(draw(slices(n)))
        elif kind == "full":
            parts.append(slice(None))
        elif kind == "none":
            parts.append(None)
            continue
        elif kind == "ellipsis":
            if Ellipsis not in [p for p in parts if p is Ellipsis]:
                parts.append(Ellipsis)
            continue
        elif kind in ("index", "negative"):
            low = -n if kind == "negative" else 0
            count = int(np.prod(index_shape))
            values = draw(st.lists(st.integers(low, max(n - 1, low)), min_size=count, max_size=count))
            parts.append(torch.tensor(values, dtype=torch.int64).reshape(index_shape))
        elif kind == "list":
            parts.append(draw(st.lists(st.integers(-n, n - 1) if n else st.just(0), min_size=1, max_size=3)))
        elif kind == "scalar":
            parts.append(torch.tensor(draw(st.integers(-n, max(n - 1, 0)))))
        else:
            axes = 1 if kind == "mask" else min(2, len(shape) - axis)
            own = shape[axis : axis + axes]
            bits = draw(st.lists(st.booleans(), min_size=int(np.prod(own)), max_size=int(np.prod(own))))
            parts.append(torch.tensor(bits, dtype=torch.bool).reshape(own))
            axis += axes - 1
        axis += 1
    if len(parts) == 1 and draw(st.booleans()):
        return parts[0]
    return tuple(parts)


@st.composite
def cases(draw):
    shape = tuple(draw(st.lists(st.integers(0, 4), max_size=3)))
    x = torch.arange(float(np.prod(shape, dtype=int))).reshape(shape)
    if draw(st.booleans()) and len(shape) > 1:
        x = x.transpose(0, 1)
    return x, draw(keys(tuple(x.shape)))


def outcome(function, *args):
    """What a call gives: a tensor, or the error."""
    try:
        return function(*args)
    except (IndexError, ValueError, TypeError, RuntimeError) as error:
        return type(error), str(error)


def same(ours, expected):
    if isinstance(expected, tuple) or isinstance(ours, tuple):
        assert ours == expected
        return False
    assert ours.dtype is expected.dtype
    assert ours.shape == expected.shape
    np.testing.assert_array_equal(ours.detach().numpy(), expected.detach().numpy())
    return True


@settings(max_examples=400, deadline=None)
@given(cases())
def test_reading(case):
    x, key = case
    ours, expected = outcome(GET, x, key), outcome(GET.__wrapped__, x, key)
    if same(ours, expected):
        assert (ours._base is None) == (expected._base is None)
        assert ours.stride() == expected.stride() or ours.numel() == 0


@settings(max_examples=300, deadline=None)
@given(cases())
def test_gradients(case):
    x, key = case
    grads = []
    for function in (GET, GET.__wrapped__):
        leaf = x.clone().requires_grad_()
        y = outcome(function, leaf * 1, key)
        if isinstance(y, tuple):
            return
        first = torch.autograd.grad((y**3).sum(), leaf, create_graph=True)[0]
        second = torch.autograd.grad(first.sum(), leaf)[0] if first.requires_grad else first
        grads.append((type(y.grad_fn).__name__, first.detach().numpy(), second.numpy()))
    assert grads[0][0] == grads[1][0]
    np.testing.assert_array_equal(grads[0][1], grads[1][1])
    np.testing.assert_array_equal(grads[0][2], grads[1][2])


@settings(max_examples=400, deadline=None)
@given(cases(), st.data())
def test_writing(case, data):
    x, key = case
    target = outcome(GET.__wrapped__, x, key)
    shape = () if isinstance(target, tuple) else tuple(target.shape)
    kind = data.draw(st.sampled_from("number bool int tensor row leading double whole wrong".split()))
    values = {
        "number": 2.5,
        "bool": True,
        "int": -3,
        "tensor": torch.full(shape, 9.0) + torch.rand(shape),
        "row": torch.rand(shape[-1:]),
        "leading": torch.rand((1, 1, *shape)),
        "double": torch.tensor(7.5, dtype=torch.float64),
        "whole": torch.ones(shape, dtype=torch.int64),
        "wrong": torch.ones((*shape, 5)),
    }
    results = []
    for function in (SET, SET.__wrapped__):
        written = x.clone()
        done = outcome(function, written, key, values[kind])
        results.append((written, written._version, done))
    (ours, version, done), (expected, expected_version, expected_done) = results
    assert done == expected_done
    assert version == expected_version
    same(ours, expected)


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int32, torch.int64, torch.float16, torch.float64])
@pytest.mark.parametrize("value", [1, 0, True, 2.75, 300, -1, float("nan")])
@pytest.mark.parametrize("key", [0, slice(1, 3), [0, 2]])
def test_numbers_are_cast_as_before(dtype, value, key):
    results = []
    for function in (SET, SET.__wrapped__):
        x = torch.zeros(4, dtype=dtype)
        with np.errstate(all="ignore"):
            results.append((outcome(function, x, key, value), x.numpy()))
    assert results[0][0] == results[1][0]
    np.testing.assert_array_equal(results[0][1], results[1][1])


def test_writing_into_views_counts_on_the_base():
    base = torch.zeros(4, 4)
    view = base[1:3]
    view[0] = 1.0
    base[torch.tensor([0]), torch.tensor([1])] = 2.0
    assert base._version == view._version == 2


def test_a_leaf_is_refused_and_left_alone():
    x = torch.zeros(3, requires_grad=True)
    for key in (0, slice(None), [0, 1]):
        with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
            x[key] = 1.0
    with torch.no_grad():
        x[0] = 1.0
    assert x._version == 1
    assert x.detach().tolist() == [1, 0, 0]


def test_a_write_into_a_graph_is_recorded():
    x = torch.arange(4.0, requires_grad=True)
    y = x * 2
    y[1] = 5.0
    y[[2]] = x[:1] * 3
    y.sum().backward()
    assert x.grad.tolist() == [5, 0, 0, 2]


def test_a_value_in_a_graph_is_recorded():
    x = torch.ones(2, requires_grad=True)
    y = torch.zeros(2, 2)
    y[0] = x
    y[1, torch.tensor([0])] = x[1:] * 4
    y.sum().backward()
    assert x.grad.tolist() == [1, 5]


def test_overlapping_values():
    x = torch.arange(5.0)
    x[1:] = x[:-1]
    assert x.tolist() == [0, 0, 1, 2, 3]
    x[torch.tensor([0, 1, 2])] = x[2:]
    assert x.tolist() == [1, 2, 3, 2, 3]
    x[1] = x[1]
    assert x.tolist() == [1, 2, 3, 2, 3]


def test_overwritten_index_is_seen():
    x = torch.ones(3, requires_grad=True)
    index = torch.tensor([0, 1])
    y = x[index].sum()
    index[0] = 2
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64, torch.float16, torch.float32, torch.float64])
def test_fill(dtype):
    x = torch.zeros(2, 3, dtype=dtype).t()
    for value in [3, 2.5, True] + [1e300, float("inf"), float("nan")] * dtype.is_floating_point:
        ours = outcome(torch.Tensor.fill_, x, value)
        same(ours, outcome(torch.full_like if isinstance(ours, tuple) else torch.fill, x, value))


def test_copy_and_zero():
    x = torch.zeros(2, 3)
    assert x.copy_(torch.arange(3)) is x
    assert x.tolist() == [[0, 1, 2], [0, 1, 2]]
    assert x.t().zero_()._version == 2
    with pytest.raises(RuntimeError, match="must match"):
        x.copy_(torch.ones(4))
    with pytest.raises(TypeError, match="must be Tensor"):
        x.copy_(1.0)
    with pytest.raises(RuntimeError, match="single memory location"):
        torch.zeros(1).expand(3).zero_()
