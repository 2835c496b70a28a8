"""The error and gamma functions and their like. Those without a kernel need SciPy."""

from __future__ import annotations

import math
from typing import Any

from pytensor.autograd.node import OUTPUT, Node, record
from pytensor.backend.reference.special import special_function
from pytensor.dtypes import FLOATING, get_default_dtype
from pytensor.ops.checks import check_tensor
from pytensor.ops.out import write_out
from pytensor.ops.pointwise_core import apply_pointwise, unary
from pytensor.ops.pointwise_rules import zeros_where
from pytensor.ops.registry import op
from pytensor.ops.select import clamp, where
from pytensor.tensor import Tensor

__all__ = ["digamma", "erf", "erfc", "erfinv", "i0", "lgamma", "logit", "polygamma", "sinc"]


class ErfBackward0(Node):
    saves = ("input",)

    def backward(self, grad):
        (input,) = self.saved
        return (grad * ((input * -input).exp() * (2 / math.sqrt(math.pi))),)


@unary(ErfBackward0, promotes="float", inplace=True, inplace_function=True)
def erf(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The error function.

    >>> import pytensor as torch
    >>> torch.erf(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.8427])
    """


class ErfcBackward0(Node):
    saves = ("input",)

    def backward(self, grad):
        (input,) = self.saved
        return (grad * ((input * -input).exp() * (-2 / math.sqrt(math.pi))),)


@unary(ErfcBackward0, promotes="float", inplace=True, inplace_function=True)
def erfc(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``1 - erf(input)``, exact in the tail.

    >>> import pytensor as torch
    >>> torch.erfc(torch.tensor([0.0, 1.0]))
    tensor([1.0000, 0.1573])
    """


class ErfinvBackward0(Node):
    saves = ("result",)

    def backward(self, grad):
        (result,) = self.saved
        return (grad * ((result * result).exp() * (math.sqrt(math.pi) / 2)),)


@unary(ErfinvBackward0, promotes="float", inplace=True)
def erfinv(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The number whose error function is given; NaN outside [-1, 1].

    >>> import pytensor as torch
    >>> torch.erfinv(torch.tensor([0.0, 0.5]))
    tensor([0.0000, 0.4769])
    """


class LgammaBackward0(Node):
    saves = ("input",)

    def backward(self, grad):
        (input,) = self.saved
        return (grad * digamma(input),)


@unary(LgammaBackward0, promotes="float", inplace=True)
def lgamma(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The logarithm of the absolute value of the gamma function.

    >>> import pytensor as torch
    >>> torch.lgamma(torch.tensor([1.0, 5.0]))
    tensor([0.0000, 3.1781])
    """


class DigammaBackward0(Node):
    saves = ("input",)

    def backward(self, grad):
        (input,) = self.saved
        return (grad * polygamma(1, input),)


@unary(DigammaBackward0, promotes="float", inplace=True)
def digamma(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The derivative of :func:`lgamma`. Its own gradient needs SciPy.

    >>> import pytensor as torch
    >>> torch.digamma(torch.tensor([1.0, 2.0]))
    tensor([-0.5772,  0.4228])
    """


class PolygammaBackward0(Node):
    def backward(self, grad):
        (input,) = self.saved
        return (grad * polygamma(self.ctx + 1, input),)


@op(method=False)
def polygamma(n: int, input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The n-th derivative of :func:`digamma`.

    Raises:
        RuntimeError: for negative ``n``.
        ImportError: without SciPy.

    >>> import pytensor as torch
    >>> torch.polygamma(1, torch.tensor([1.0, 2.0]))
    tensor([1.6449, 0.6449])
    """
    if n < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")
    if n == 0:
        return digamma(input) if out is None else digamma(input, out=out)
    array = _floating(input)
    result = special_function("polygamma", n, array).astype(array.dtype)
    return write_out(record(PolygammaBackward0, (input,), result, saved=(input,), ctx=n), out, "polygamma")


def _polygamma_method(self: Tensor, n: int) -> Tensor:
    """:func:`polygamma` as a method.

    >>> import pytensor as torch
    >>> torch.tensor([1.0, 2.0]).polygamma(1)
    tensor([1.6449, 0.6449])
    """
    return polygamma(n, self)


op(name="polygamma", function=False)(_polygamma_method)


def _floating(input: Any) -> Any:
    d = input.dtype if input.dtype.category >= FLOATING else get_default_dtype()
    return input._array.astype(d.numpy, copy=False)


class I0Backward0(Node):
    def backward(self, grad):
        (input,) = self.saved
        array = special_function("i1", input._array).astype(input._array.dtype)
        return (grad * record(I1Backward, (input,), array, saved=(input, OUTPUT)),)


class I1Backward(Node):
    def backward(self, grad):
        input, result = self.saved
        quotient = where(input == 0, 0.5, result / where(input == 0, 1, input))
        return (grad * (i0(input) - quotient),)


@op(inplace=True, inplace_function=True)
def i0(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The modified Bessel function of the first kind of order 0. Its gradient needs SciPy.

    >>> import pytensor as torch
    >>> torch.i0(torch.tensor([0.0, 1.0]))
    tensor([1.0000, 1.2661])
    """
    check_tensor(input, "i0", "input", 1)
    return apply_pointwise("i0", I0Backward0, (input,), promotes="float", saved=(input,), out=out)


class SincBackward0(Node):
    def backward(self, grad):
        (input,) = self.saved
        angle = input * math.pi
        safe = where(input == 0, 1, angle)
        rule = math.pi * (safe * safe.cos() - safe.sin()) / (safe * safe)
        return (grad * zeros_where(input == 0, rule),)


@op(inplace=True, inplace_function=True)
def sinc(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``sin(pi x) / (pi x)``, and 1 at 0.

    >>> import pytensor as torch
    >>> torch.sinc(torch.tensor([0.0, 0.5]))
    tensor([1.0000, 0.6366])
    """
    check_tensor(input, "sinc", "input", 1)
    return apply_pointwise("sinc", SincBackward0, (input,), promotes="float", saved=(input,), out=out)


class LogitBackward0(Node):
    def backward(self, grad):
        (input,) = self.saved
        eps = self.ctx
        ends = (input == 0) | (input == 1)
        rule = where(ends, grad * math.inf, grad / (input * (1 - input)))
        if eps is None:
            outside = (input < 0) | (input > 1)
            return (where(outside, math.nan, rule),)
        return (zeros_where((input < eps) | (input > 1 - eps), rule),)


@op(inplace=True, inplace_function=True)
def logit(input: Tensor, eps: float | None = None, *, out: Tensor | None = None) -> Tensor:
    """``log(input / (1 - input))``: the inverse of :func:`sigmoid`.

    Args:
        eps: clamps the input to ``[eps, 1 - eps]`` first.

    >>> import pytensor as torch
    >>> torch.logit(torch.tensor([0.5, 0.9]))
    tensor([0.0000, 2.1972])
    """
    check_tensor(input, "logit", "input", 1)
    x = input.detach()
    if x.dtype.category < FLOATING:
        x = x.to(get_default_dtype())
    if eps is not None:
        x = clamp(x, eps, 1 - eps)
    result = (x / (1 - x)).log()
    return write_out(record(LogitBackward0, (input,), result._array, saved=(input,), ctx=eps), out, "logit")
