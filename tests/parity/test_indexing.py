"""x[key] and x[key] = value give what PyTorch gives: values, shapes, aliasing, node names, exception types."""

import numpy as np
import pytest

import pytensor

torch = pytest.importorskip("torch")


def keys(lib):
    """Every form of key, for a tensor of shape (4, 3, 5)."""
    t = lib.tensor
    return [
        0,
        -1,
        slice(1, 3),
        slice(None, None, 2),
        slice(10, 20),
        None,
        Ellipsis,
        (0, 1),
        (0, 1, 2),
        (slice(None), 1),
        (Ellipsis, 0),
        (0, Ellipsis, 1),
        (None, 0, None, slice(None)),
        (slice(1, 2), slice(None), slice(3)),
        t([0, 2]),
        t([[0, 1], [3, 2]]),
        t(2),
        t([-1, 1]),
        (t([0, 1]), t([1, 2])),
        (t([0, 1]), slice(None), t([1, 2])),
        (0, slice(None), t([1, 2])),
        (slice(None), 0, t([1, 2])),
        (t([1, 2]), 0),
        (t([1, 2]), Ellipsis, 0),
        (t([[0], [1]]), t([1, 2])),
        (slice(1, 3), t([0, 2]), None),
        (None, t([0, 2]), 1),
        [0, 2],
        ([0, 1], [1, 2]),
        (slice(None), [0, 2]),
        t([True, False, True, False]),
        (slice(None), t([True, False, True])),
        (t([True, False, True, False]), 1),
        [True, False, False, True],
        t([], dtype=lib.int64),
        True,
        False,
        (True, 1),
        t([1, 0], dtype=lib.int32),
        np.array([1, 2]),
        range(2),
    ]


def pair():
    array = np.arange(60, dtype=np.float32).reshape(4, 3, 5)
    return pytensor.from_numpy(array.copy()), torch.from_numpy(array.copy())


KEYS = range(len(keys(pytensor)))


@pytest.mark.parametrize("k", KEYS)
def test_getitem(k):
    ours, theirs = pair()
    a, b = ours[keys(pytensor)[k]], theirs[keys(torch)[k]]
    assert tuple(a.shape) == tuple(b.shape)
    assert np.array_equal(a.numpy(), b.numpy())
    assert (a.data_ptr() == ours.data_ptr()) == (b.data_ptr() == theirs.data_ptr())
    assert (a._base is not None) == (b._base is not None)


@pytest.mark.parametrize("k", KEYS)
def test_gradient_of_getitem(k):
    ours, theirs = pair()
    ours.requires_grad_(), theirs.requires_grad_()
    a, b = ours[keys(pytensor)[k]], theirs[keys(torch)[k]]
    assert a.grad_fn.name() == b.grad_fn.name()
    (a * a).sum().backward()
    (b * b).sum().backward()
    assert np.array_equal(ours.grad.numpy(), theirs.grad.numpy())


@pytest.mark.parametrize("value", ["number", "broadcast", "full"])
@pytest.mark.parametrize("k", KEYS)
def test_setitem(k, value):
    ours, theirs = pair()
    region = theirs[keys(torch)[k]]
    array = np.asarray({"number": 7.0, "broadcast": [3.5], "full": np.ones(region.shape) * 2}[value], dtype=np.float32)
    if value == "number":
        ours[keys(pytensor)[k]] = 7.0
        theirs[keys(torch)[k]] = 7.0
    else:
        ours[keys(pytensor)[k]] = pytensor.from_numpy(array)
        theirs[keys(torch)[k]] = torch.from_numpy(array)
    assert np.array_equal(ours.numpy(), theirs.numpy())


@pytest.mark.parametrize("k", KEYS)
def test_gradient_of_setitem(k):
    ours, theirs = pair()
    grads = []
    for lib, x, key in ((pytensor, ours, keys(pytensor)[k]), (torch, theirs, keys(torch)[k])):
        x.requires_grad_()
        w = lib.tensor([2.0], requires_grad=True)
        h = x * 1
        h[key] = w
        (h * h).sum().backward()
        grads.append((x.grad.numpy(), 0.0 if w.grad is None else w.grad.numpy()))
    assert np.array_equal(grads[0][0], grads[1][0])
    assert np.allclose(grads[0][1], grads[1][1])


BAD = [
    lambda x, t: x[4],
    lambda x, t: x[-5],
    lambda x, t: x[0, 0, 0, 0],
    lambda x, t: x[::-1],
    lambda x, t: x[t([7])],
    lambda x, t: x[t([0.5])],
    lambda x, t: x[t([True, False])],
    lambda x, t: x["a"],
    lambda x, t: x[1.5],
    lambda x, t: x[t([0, 1]), t([0, 1, 2])],
    lambda x, t: x.__setitem__(0, t([1.0, 2.0])),
    lambda x, t: x.__setitem__(t([0, 1]), t([1.0, 2.0])),
    lambda x, t: x.__setitem__(0, "a"),
    lambda x, t: x[0, 0, 0][0],
]


@pytest.mark.parametrize("k", range(len(BAD)))
def test_errors_have_the_same_type(k):
    ours, theirs = pair()
    with pytest.raises(Exception) as expected:
        BAD[k](theirs, torch.tensor)
    with pytest.raises(expected.type):
        BAD[k](ours, pytensor.tensor)
