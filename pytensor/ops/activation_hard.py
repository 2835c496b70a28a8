"""Activation functions made of straight lines."""

from __future__ import annotations

import math

from pytensor import _C
from pytensor.dtypes import BOOL, FLOATING, finfo
from pytensor.ops.activation import FusedNode, activation
from pytensor.ops.inplace import inplace as store_inplace
from pytensor.ops.pointwise_rules import number_like
from pytensor.ops.registry import op
from pytensor.ops.select import clamp, where
from pytensor.tensor import Tensor
from pytensor.typename import scalar_type_name

__all__ = ["hardshrink", "hardsigmoid", "hardswish", "hardtanh", "relu6", "softshrink"]


class HardtanhBackward0(FusedNode):
    kernel = "hardtanh_backward"
    defaults = (-1.0, 1.0)

    def backward(self, grad):
        if not _C.is_grad_enabled():
            return super().backward(grad)
        (input,) = self.saved
        low, high = self.ctx or self.defaults
        return (where((input > low) & (input < high), grad, 0),)


_hardtanh, _quick_hardtanh = activation("hardtanh", HardtanhBackward0, "hardtanh_cpu")


@op(namespace="nn.functional", inplace=True, inplace_function=True)
@_quick_hardtanh("min_val", "max_val", "inplace", check="ordered")
def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """``input`` cut off at both ends.

    Raises:
        ValueError: when ``min_val`` is greater than ``max_val``.

    >>> import pytensor as torch
    >>> torch.nn.functional.hardtanh(torch.tensor([-3.0, 0.5]))
    tensor([-1.0000,  0.5000])
    """
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    if input.dtype.category < FLOATING:
        if input.dtype.category == BOOL:
            raise RuntimeError("Bool inputs not supported for hardtanh")
        return (
            store_inplace(clamp, input, min_val, max_val) if inplace else clamp(input, min_val, max_val).to(input.dtype)
        )
    return _hardtanh(input, (min_val, max_val), inplace)


@op(namespace="nn.functional")
@_quick_hardtanh("inplace", params=(0.0, 6.0))
def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """``min(max(input, 0), 6)``.

    >>> import pytensor as torch
    >>> torch.nn.functional.relu6(torch.tensor([-1.0, 2.0, 8.0]))
    tensor([0., 2., 6.])
    """
    return hardtanh(input, 0.0, 6.0, inplace)


class HardsigmoidBackward0(FusedNode):
    kernel = "hardsigmoid_backward"

    def derivative(self, saved):
        return where((saved > -3) & (saved < 3), number_like(1 / 6, saved), 0)


_hardsigmoid, _quick_hardsigmoid = activation("hardsigmoid", HardsigmoidBackward0, "hardsigmoid_cpu")


@op(namespace="nn.functional")
@_quick_hardsigmoid("inplace")
def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """``relu6(input + 3) / 6``.

    >>> import pytensor as torch
    >>> torch.nn.functional.hardsigmoid(torch.tensor([-4.0, 0.0, 1.5]))
    tensor([0.0000, 0.5000, 0.7500])
    """
    return _hardsigmoid(input, (), inplace)


class HardswishBackward0(FusedNode):
    kernel = "hardswish_backward"

    def derivative(self, saved):
        return where(saved <= -3, 0.0, where(saved < 3, saved / 3 + 0.5, 1.0))


_hardswish, _quick_hardswish = activation("hardswish", HardswishBackward0, "hardswish_cpu")


@op(namespace="nn.functional")
@_quick_hardswish("inplace")
def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """``input * relu6(input + 3) / 6``.

    `Searching for MobileNetV3 <https://arxiv.org/abs/1905.02244>`_

    >>> import pytensor as torch
    >>> torch.nn.functional.hardswish(torch.tensor([-4.0, 1.0, 4.0]))
    tensor([-0.0000, 0.6667, 4.0000])
    """
    return _hardswish(input, (), inplace)


class HardshrinkBackward0(FusedNode):
    kernel = "hardshrink_backward"
    defaults = (0.5,)

    def derivative(self, saved, lambd):
        return where((saved < -lambd) | (saved > lambd), number_like(1, saved), 0)


class SoftshrinkBackward0(HardshrinkBackward0):
    pass


_hardshrink, _quick_hardshrink = activation("hardshrink", HardshrinkBackward0, "hardshrink_cpu")
_softshrink, _quick_softshrink = activation("softshrink", SoftshrinkBackward0, "softshrink_cpu")


def _hardshrink_public(input: Tensor, lambd: float = 0.5) -> Tensor:
    """``input``, but 0 where it lies in ``[-lambd, lambd]``.

    >>> import pytensor as torch
    >>> torch.nn.functional.hardshrink(torch.tensor([-1.0, 0.3]))
    tensor([-1.,  0.])
    """
    return _hardshrink(input, (lambd,))


_hardshrink_public.__name__ = _hardshrink_public.__qualname__ = "hardshrink"
hardshrink = op()(_quick_hardshrink("lambd")(_hardshrink_public))
op(namespace="nn.functional")(hardshrink)


@op(namespace="nn.functional")
@_quick_softshrink("lambd", check="not negative")
def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """``input`` moved towards 0 by ``lambd``, and 0 where it was nearer.

    Raises:
        RuntimeError: for a ``lambd`` that is negative or not finite.

    >>> import pytensor as torch
    >>> torch.nn.functional.softshrink(torch.tensor([-1.0, 0.3]))
    tensor([-0.5000,  0.0000])
    """
    if not 0 <= lambd < math.inf:
        raise RuntimeError(
            f"lambda must be in range [0, {finfo(input.dtype).max:g}] for input dtype {scalar_type_name(input.dtype)}, "
            f"but found {lambd:g}"
        )
    return _softshrink(input, (lambd,))
