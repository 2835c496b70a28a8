"""Exponentials and logarithms."""

from __future__ import annotations

import math

from pytensor.autograd.node import Node
from pytensor.ops.pointwise_core import unary
from pytensor.ops.pointwise_rules import conj
from pytensor.tensor import Tensor

__all__ = ["exp", "exp2", "expm1", "log", "log1p", "log2", "log10"]


class ExpBackward0(Node):
    saves = ("result",)
    quick = (("mul", "grad", 0),)

    def backward(self, grad):
        (result,) = self.saved
        return (grad * conj(result),)


@unary(ExpBackward0, promotes="float", inplace=True, inplace_function=True)
def exp(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """e to the power of every element.

    >>> import pytensor as torch
    >>> torch.exp(torch.tensor([0.0, 1.0]))
    tensor([1.0000, 2.7183])
    """


class Exp2Backward0(Node):
    saves = ("result",)

    def backward(self, grad):
        (result,) = self.saved
        return (grad * conj(result) * math.log(2),)


@unary(Exp2Backward0, promotes="float", inplace=True, inplace_function=True)
def exp2(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """2 to the power of every element.

    >>> import pytensor as torch
    >>> torch.exp2(torch.tensor([0.0, 3.0]))
    tensor([1., 8.])
    """


class Expm1Backward0(Node):
    saves = ("result",)

    def backward(self, grad):
        (result,) = self.saved
        return (grad * conj(result + 1),)


@unary(Expm1Backward0, promotes="float", inplace=True, inplace_function=True)
def expm1(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``exp(input) - 1``, exact for small numbers too.

    >>> import pytensor as torch
    >>> torch.expm1(torch.tensor([0.0, 1e-8]))
    tensor([0.0000e+00, 1.0000e-08])
    """


class LogBackward0(Node):
    saves = ("input",)
    quick = (("div", "grad", 0),)

    def backward(self, grad):
        (input,) = self.saved
        return (grad / conj(input),)


@unary(LogBackward0, promotes="float", inplace=True, inplace_function=True)
def log(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The natural logarithm; -inf for zero, NaN for negative numbers.

    >>> import pytensor as torch
    >>> torch.log(torch.tensor([1.0, 10.0]))
    tensor([0.0000, 2.3026])
    """


class Log2Backward0(Node):
    saves = ("input",)

    def backward(self, grad):
        (input,) = self.saved
        return (grad / (conj(input) * math.log(2)),)


@unary(Log2Backward0, promotes="float", inplace=True, inplace_function=True)
def log2(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The logarithm to base 2.

    >>> import pytensor as torch
    >>> torch.log2(torch.tensor([1.0, 8.0]))
    tensor([0., 3.])
    """


class Log10Backward0(Node):
    saves = ("input",)

    def backward(self, grad):
        (input,) = self.saved
        return (grad / (conj(input) * math.log(10)),)


@unary(Log10Backward0, promotes="float", inplace=True, inplace_function=True)
def log10(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The logarithm to base 10.

    >>> import pytensor as torch
    >>> torch.log10(torch.tensor([1.0, 1000.0]))
    tensor([0., 3.])
    """


class Log1PBackward0(Node):
    saves = ("input",)

    def backward(self, grad):
        (input,) = self.saved
        return (grad / conj(input + 1),)


@unary(Log1PBackward0, promotes="float", inplace=True, inplace_function=True)
def log1p(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``log(1 + input)``, exact for small numbers too.

    >>> import pytensor as torch
    >>> torch.log1p(torch.tensor([0.0, 1e-8]))
    tensor([0.0000e+00, 1.0000e-08])
    """
