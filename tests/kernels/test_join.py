"""Arrays joined along an axis against plain NumPy, at every level with one thread and two."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pytensor as torch
from pytensor import _C
from pytensor.backend import cpu, reference
from pytensor.testing.strategies import arrays, lay_out, shapes

MOVED = ("float32", "float64", "bool", "int16", "complex128")
LAYOUTS = st.sampled_from(["contiguous", "reversed", "transposed", "stepped", "broadcast"])


@given(st.sampled_from(MOVED).flatmap(lambda d: arrays(d, shapes(1, 4), "any")), st.data())
def check_join(x, data):
    axis = data.draw(st.integers(0, x.ndim - 1))
    parts = []
    for _ in range(data.draw(st.sampled_from([1, 2, 3, 20]))):
        shape = list(x.shape)
        shape[axis] = data.draw(st.integers(0, 3))
        part = np.resize(np.roll(x.reshape(-1), len(parts)), shape).astype(x.dtype)
        parts.append(lay_out(part, data.draw(LAYOUTS), data.draw))
    parts.append(x)
    np.testing.assert_array_equal(cpu.join(parts, axis), reference.join(parts, axis))


def test_join(machine):
    check_join()


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("cut", [0, 3])
def test_long_pieces(machine, axis, cut):
    """Pieces of some bytes and of many kilobytes, whole arrays and parts of larger ones, several pieces of work."""
    rng = np.random.default_rng(0)
    room = rng.standard_normal((7, 65, 513)).astype(np.float32)
    one = room[tuple(slice(cut if d == axis else 0, None) for d in range(3))]
    other = room[tuple(slice(0, 2 if d == axis else None) for d in range(3))]
    for parts in ((one, other, one), (other, one[::-1]), (room, room)):
        if parts[-1] is not room and axis == 0:
            parts = parts[:1] * 2
        np.testing.assert_array_equal(cpu.join(parts, axis), reference.join(parts, axis))


def test_what_the_kernel_refuses():
    x = np.ones((2, 3), np.float32)
    with pytest.raises(ValueError, match="no arrays"):
        _C.index_join([], 0)
    with pytest.raises(ValueError, match="axis"):
        _C.index_join([x], 2)
    with pytest.raises(ValueError, match="one dtype"):
        _C.index_join([x, x.astype(np.float64)], 0)
    with pytest.raises(ValueError, match="the same sizes"):
        _C.index_join([x, x[:, :2]], 0)


def test_calls_in_c_and_in_python_agree():
    """Plain calls are answered in C, keywords and the like in Python."""
    x = torch.arange(24.0).reshape(2, 3, 4).requires_grad_()
    y = (x * 2).detach()
    index = torch.tensor([[[0, 1, 1, 0]], [[1, 0, 1, 0]]])
    rows = torch.tensor([2, 0, 2])
    for quick, slow in (
        (torch.cat([x, y, x], -2), torch.cat(tensors=[x, y, x], dim=1)),
        (torch.cat((y, x), dim=2), torch.cat((i for i in (y, x)), dim=2)),
        (torch.stack([x, y], -1), torch.stack(tensors=[x, y], dim=3)),
        (torch.stack((y, x)), torch.stack(tensors=[y, x])),
        (x.gather(1, index), x.gather(dim=1, index=index)),
        (x.index_select(-2, rows), x.index_select(dim=1, index=rows)),
    ):
        assert torch.equal(quick, slow)
        assert type(quick.grad_fn) is type(slow.grad_fn)
        grad = torch.rand(quick.shape)
        (a,), (b,) = torch.autograd.grad(quick, x, grad), torch.autograd.grad(slow, x, grad)
        assert torch.equal(a, b)
    with torch.no_grad():
        assert not torch.cat([x, y]).requires_grad
    many = [x[0, 0, :1]] * 100
    assert torch.cat(many).shape == (100,)
    assert torch.stack(many).shape == (100, 1)
    with pytest.raises(RuntimeError, match="out of bounds"):
        x.gather(1, index + 2)
    with pytest.raises(IndexError, match="out of range"):
        x.index_select(1, rows + 1)


def test_an_index_that_was_saved_may_not_change():
    x, index = torch.ones(3, requires_grad=True), torch.tensor([1])
    for y in (x.gather(0, index), x.index_select(0, index)):
        index.add_(1)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            y.sum().backward()
