"""The memory layout of element-by-element results: PyTorch's rules."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pytensor as torch
from pytensor import _C
from pytensor.ops.strides import dense_strides


def strided(shape, strides):
    """An array with these strides, in elements."""
    extent = 1 + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    data = np.zeros(max(extent, 1), np.float32)
    return np.lib.stride_tricks.as_strided(data, shape, [4 * s for s in strides])


def result_strides(*inputs):
    result = _C.new_result(inputs, np.dtype(np.float64).num)
    return tuple(s // 8 for s in result.strides)


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [  # as PyTorch 2.13 has them
        ([((3, 4), (4, 1))], (4, 1)),
        ([((3, 4), (1, 3))], (1, 3)),
        ([((3, 4), (1, 3)), ((3, 4), (1, 3))], (1, 3)),
        ([((3, 4), (1, 3)), ((3, 4), (4, 1))], (1, 3)),
        ([((3, 4), (4, 1)), ((3, 4), (1, 3))], (4, 1)),
        ([((4,), (1,)), ((3, 4), (1, 3))], (1, 3)),
        ([((3, 1), (1, 1)), ((3, 4), (1, 3))], (1, 3)),
        ([((), ()), ((3, 4), (1, 3))], (1, 3)),
        ([((3, 4), (0, 0))], (4, 1)),
        ([((4, 4, 3), (3, 0, 1))], (12, 3, 1)),
        ([((2, 3, 2), (1, 2, 0))], (2, 4, 1)),
        ([((2, 3, 4, 5), (60, 1, 15, 3))], (60, 1, 15, 3)),
        ([((2, 3, 4, 5), (60, 1, 15, 3)), ((3, 1, 1), (1, 1, 1))], (60, 1, 15, 3)),
        ([((2, 3, 4), (48, 2, 12))], (12, 1, 3)),
        ([((0, 3), (1, 1))], (3, 1)),
    ],
)
def test_strides(inputs, expected):
    assert result_strides(*(strided(*i) for i in inputs)) == expected


@given(st.data())
def test_single_input(data):
    """One input: what ``empty_like`` of it has."""
    shape = tuple(data.draw(st.lists(st.integers(2, 4), max_size=5)))
    order = data.draw(st.permutations(range(len(shape))))
    strides, step = [0] * len(shape), 1
    for axis in order:
        strides[axis] = 0 if data.draw(st.integers(0, 5)) == 0 else step
        step *= shape[axis] * data.draw(st.sampled_from([1, 1, 2]))
    assert result_strides(strided(shape, strides)) == dense_strides(None, strides, shape)


@given(st.data())
def test_results_are_dense(data):
    """Whatever the inputs: every element has a place of its own, and there are no gaps."""
    shape = data.draw(st.lists(st.integers(1, 4), max_size=5))
    inputs = []
    for _ in range(data.draw(st.integers(1, 3))):
        own = [n if data.draw(st.booleans()) else 1 for n in shape]
        inputs.append(strided(own, [data.draw(st.integers(0, 9)) for _ in own]))
    result = _C.new_result(tuple(inputs), np.dtype(np.int64).num)
    offsets = sum(
        (
            np.arange(n).reshape((-1,) + (1,) * (result.ndim - 1 - i)) * s
            for i, (n, s) in enumerate(zip(result.shape, result.strides, strict=True))
        ),
        np.zeros((), int),
    )
    assert sorted(np.ravel(offsets)) == list(range(0, 8 * result.size, 8))


def test_roads_agree():
    """The quick road, the Python road and the dtypes without a kernel."""
    x = torch.ones(3, 4).t()
    assert (x + x).stride() == (1, 4)
    assert torch.add(x, x, alpha=2).stride() == (1, 4)
    assert (x + x.double()).stride() == (1, 4)
    assert (x.half() + x.half()).stride() == (1, 4)
    assert torch.where(x > 0, x, 0.0).stride() == (1, 4)
    assert x.clone().stride() == (1, 4)
    assert x.long().stride() == (1, 4)
    assert x.masked_fill(x > 0, 1).stride() == (3, 1)
    y = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(torch.tanh(y), y, torch.ones_like(y))
    assert gradient.stride() == (1, 4)
