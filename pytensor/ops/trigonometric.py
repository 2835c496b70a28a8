"""Trigonometric and hyperbolic functions and their inverses."""

from __future__ import annotations

import math

from pytensor.autograd.node import Node
from pytensor.ops.pointwise_core import unary
from pytensor.ops.pointwise_rules import conj
from pytensor.tensor import Tensor

__all__ = ["acos", "acosh", "asin", "asinh", "atan", "atanh", "cos", "cosh", "deg2rad", "rad2deg", "sin", "sinh", "tan"]


class SinBackward0(Node):
    saves = ("input",)

    def backward(self, grad):
        (input,) = self.saved
        return (grad * conj(cos(input)),)


@unary(SinBackward0, promotes="float", inplace=True, inplace_function=True)
def sin(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The sine of angles in radians.

    >>> import pytensor as torch
    >>> torch.sin(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.8415])
    """


class CosBackward0(Node):
    saves = ("input",)

    def backward(self, grad):
        (input,) = self.saved
        return (grad * -conj(sin(input)),)


@unary(CosBackward0, promotes="float", inplace=True, inplace_function=True)
def cos(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The cosine of angles in radians.

    >>> import pytensor as torch
    >>> torch.cos(torch.tensor([0.0, 1.0]))
    tensor([1.0000, 0.5403])
    """


class TanBackward0(Node):
    saves = ("result",)

    def backward(self, grad):
        (result,) = self.saved
        return (grad * conj(result * result + 1),)


@unary(TanBackward0, promotes="float", inplace=True, inplace_function=True)
def tan(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The tangent of angles in radians.

    >>> import pytensor as torch
    >>> torch.tan(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 1.5574])
    """


class AsinBackward0(Node):
    saves = ("input",)

    def backward(self, grad):
        (input,) = self.saved
        return (grad * conj((1 - input * input).rsqrt()),)


@unary(AsinBackward0, promotes="float", inplace=True, inplace_function=True, aliases=("arcsin",))
def asin(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The angle whose sine is given; NaN outside [-1, 1].

    >>> import pytensor as torch
    >>> torch.asin(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 1.5708])
    """


class AcosBackward0(Node):
    saves = ("input",)

    def backward(self, grad):
        (input,) = self.saved
        return (grad * -conj((1 - input * input).rsqrt()),)


@unary(AcosBackward0, promotes="float", inplace=True, inplace_function=True, aliases=("arccos",))
def acos(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The angle whose cosine is given; NaN outside [-1, 1].

    >>> import pytensor as torch
    >>> torch.acos(torch.tensor([0.0, 1.0]))
    tensor([1.5708, 0.0000])
    """


class AtanBackward0(Node):
    saves = ("input",)

    def backward(self, grad):
        (input,) = self.saved
        return (grad / conj(input * input + 1),)


@unary(AtanBackward0, promotes="float", inplace=True, inplace_function=True, aliases=("arctan",))
def atan(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The angle whose tangent is given.

    >>> import pytensor as torch
    >>> torch.atan(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.7854])
    """


class SinhBackward0(Node):
    saves = ("input",)

    def backward(self, grad):
        (input,) = self.saved
        return (grad * conj(cosh(input)),)


@unary(SinhBackward0, promotes="float", inplace=True, inplace_function=True)
def sinh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The hyperbolic sine.

    >>> import pytensor as torch
    >>> torch.sinh(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 1.1752])
    """


class CoshBackward0(Node):
    saves = ("input",)

    def backward(self, grad):
        (input,) = self.saved
        return (grad * conj(sinh(input)),)


@unary(CoshBackward0, promotes="float", inplace=True, inplace_function=True)
def cosh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The hyperbolic cosine.

    >>> import pytensor as torch
    >>> torch.cosh(torch.tensor([0.0, 1.0]))
    tensor([1.0000, 1.5431])
    """


class AsinhBackward0(Node):
    saves = ("input",)

    def backward(self, grad):
        (input,) = self.saved
        return (grad * conj((input * input + 1).rsqrt()),)


@unary(AsinhBackward0, promotes="float", inplace=True, inplace_function=True, aliases=("arcsinh",))
def asinh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The number whose hyperbolic sine is given.

    >>> import pytensor as torch
    >>> torch.asinh(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.8814])
    """


class AcoshBackward0(Node):
    saves = ("input",)

    def backward(self, grad):
        (input,) = self.saved
        return (grad * conj((input - 1).rsqrt() * (input + 1).rsqrt()),)


@unary(AcoshBackward0, promotes="float", inplace=True, inplace_function=True, aliases=("arccosh",))
def acosh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The number from 0 up whose hyperbolic cosine is given; NaN below 1.

    >>> import pytensor as torch
    >>> torch.acosh(torch.tensor([1.0, 2.0]))
    tensor([0.0000, 1.3170])
    """


class AtanhBackward0(Node):
    saves = ("input",)

    def backward(self, grad):
        (input,) = self.saved
        return (grad / conj(1 - input * input),)


@unary(AtanhBackward0, promotes="float", inplace=True, inplace_function=True, aliases=("arctanh",))
def atanh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The number whose hyperbolic tangent is given; NaN outside [-1, 1].

    >>> import pytensor as torch
    >>> torch.atanh(torch.tensor([0.0, 0.5]))
    tensor([0.0000, 0.5493])
    """


class Deg2RadBackward0(Node):
    def backward(self, grad):
        return (grad * (math.pi / 180),)


@unary(Deg2RadBackward0, promotes="float", inplace=True, inplace_function=True)
def deg2rad(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Degrees as radians.

    >>> import pytensor as torch
    >>> torch.deg2rad(torch.tensor([180.0, 90.0]))
    tensor([3.1416, 1.5708])
    """


class Rad2DegBackward0(Node):
    def backward(self, grad):
        return (grad * (180 / math.pi),)


@unary(Rad2DegBackward0, promotes="float", inplace=True, inplace_function=True)
def rad2deg(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Radians as degrees.

    >>> import pytensor as torch
    >>> torch.rad2deg(torch.tensor([0.0, 1.0]))
    tensor([ 0.0000, 57.2958])
    """
