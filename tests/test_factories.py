"""Factories answered in C give what their Python definition gives."""

from __future__ import annotations

import pytest

import pytensor as torch

T = torch.ones(3, 2).t()
CALLS = {
    "zeros": [((2, 3), {}), (((2, 3),), {}), (([2],), {}), ((0,), {}), (((),), {}), ((-1,), {}), ((2.0,), {}), ((), {}),
              ((2,), {"dtype": torch.int64}), ((2,), {"requires_grad": True}), ((2,), {"dtype": torch.bool}),
              ((2,), {"dtype": torch.int64, "requires_grad": True}), ((2,), {"dtype": torch.float16}),
              ((torch.Size([2, 2]),), {}), ((True,), {}), ((2,), {"dtype": None}), ((2,), {"dtype": torch.complex64})],
    "ones": [((2, 3), {}), ((2,), {"dtype": torch.uint8}), (((2, 1),), {"dtype": torch.float64})],
    "full": [(((2,), 1.5), {}), (((2,), 3), {}), (((2,), True), {}), (([2, 1], 3), {"dtype": torch.float64}),
             (((2,), 1.5), {"dtype": torch.int64}), (((2,), 2**70), {}), ((2, 1.0), {}), (((2,), 1e300), {}),
             (((2,), 1), {"dtype": torch.uint8})],
    "arange": [((5,), {}), ((2, 5), {}), ((5, 2), {}), ((5, 2, -1), {}), ((0, 10, 3), {}), ((10, 0, -4), {}), ((0,), {}),
               ((1, 2, 0), {}), ((2.5,), {}), ((5,), {"dtype": torch.float32}), ((5,), {"dtype": torch.float64}),
               ((3,), {"requires_grad": True}), ((3,), {"dtype": torch.float32, "requires_grad": True}), ((3, 3, -1), {})],
    "tensor": [((1.5,), {}), ((1,), {}), ((True,), {}), (([],), {}), (([[]],), {}), (([1, 2.5],), {}), (([1, True],), {}),
               (([True, False],), {}), (([[1, 2], [3, 4]],), {}), ((((1, 2), [3, 4]),), {}), (([[1], [2, 3]],), {}),
               (([1, [2]],), {}), (([[1], 2],), {}), (([2**63],), {}), (([2**70, 1.0],), {}), (([1e300],), {}),
               (([1.5],), {"dtype": torch.int64}), (([1],), {"dtype": torch.bool}), (([1],), {"requires_grad": True}),
               (([1.0],), {"requires_grad": True}), (([1, 2],), {"dtype": torch.float64}), ((["a"],), {}), ((1j,), {}),
               (([10**400],), {"dtype": torch.float32}), (([1.5],), {"dtype": torch.float16}), (("a",), {})],
    "zeros_like": [((T,), {}), ((T,), {"dtype": torch.int64}), ((T,), {"requires_grad": True}), ((1,), {}), ((T[:0],), {}),
                   ((T, 1), {}), ((T.to(torch.complex64),), {})],
    "ones_like": [((T,), {}), ((T[:, ::2],), {}), ((T.half(),), {})],
}  # fmt: skip


def outcome(function, args, kwargs):
    try:
        return function(*args, **kwargs)
    except Exception as error:
        return type(error), str(error)


@pytest.mark.parametrize("default", [torch.float32, torch.float64, torch.float16])
@pytest.mark.parametrize("name", CALLS)
def test_forms(name, default):
    torch.set_default_dtype(default)
    try:
        for args, kwargs in CALLS[name]:
            ours = outcome(getattr(torch, name), args, kwargs)
            defined = outcome(getattr(torch, name).__wrapped__, args, kwargs)
            if not isinstance(defined, torch.Tensor):
                assert ours == defined
                continue
            assert ours.dtype is defined.dtype
            assert ours.shape == defined.shape
            assert ours.stride() == defined.stride()
            assert ours.requires_grad == defined.requires_grad
            assert ours.is_leaf
            assert ours.tolist() == defined.tolist()
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("name", ["rand", "randn"])
def test_random(name):
    function = getattr(torch, name)
    for args, kwargs in [
        ((3,), {}),
        ((2, 9), {}),
        (((4, 5),), {"dtype": torch.float64}),
        ((3,), {"requires_grad": True}),
    ]:
        torch.manual_seed(5)
        ours = function(*args, **kwargs)
        torch.manual_seed(5)
        defined = function.__wrapped__(*args, **kwargs)
        assert ours.tolist() == defined.tolist()
        assert ours.requires_grad == defined.requires_grad


def test_default_device():
    with torch.device("meta"), pytest.raises(NotImplementedError):
        torch.zeros(2)
    assert torch.zeros(2).device.type == "cpu"
