"""Functions of two tensors that are neither arithmetic nor comparison."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from pytensor import _C
from pytensor.autograd.node import OUTPUT, Node, record, wrap
from pytensor.backend.reference.array_module import array_module
from pytensor.dtypes import COMPLEX, FLOATING, INTEGER
from pytensor.ops.checks import check_tensor
from pytensor.ops.out import write_out
from pytensor.ops.pointwise_core import apply_pointwise, binary, make_op, result_type
from pytensor.ops.pointwise_rules import (
    NoDerivative,
    number_or_tensor,
    zeros_like_array,
    zeros_where,
)
from pytensor.ops.registry import op
from pytensor.ops.select import where
from pytensor.tensor import Tensor
from pytensor.typename import scalar_type_name

__all__ = [
    "angle",
    "atan2",
    "copysign",
    "frexp",
    "gcd",
    "heaviside",
    "hypot",
    "lcm",
    "ldexp",
    "logaddexp",
    "logaddexp2",
    "nextafter",
    "xlogy",
]


class Atan2Backward0(Node):
    saves = ("input", "other")

    def backward(self, grad):
        input, other = self.saved
        scaled = grad / (input * input + other * other)
        wanted = self.needs_input_grad
        return scaled * other if wanted[0] else None, scaled * -input if wanted[1] else None


@binary(Atan2Backward0, promotes="float", inplace=True, aliases=("arctan2",))
def atan2(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The angle of the point (other, input), in (-pi, pi].

    >>> import pytensor as torch
    >>> torch.atan2(torch.tensor([1.0, -1.0]), torch.tensor([1.0, -1.0]))
    tensor([ 0.7854, -2.3562])
    """


def _check_floats(label: str, input: Any, other: Any) -> None:
    d = result_type(input, other)
    if d.category != FLOATING:
        raise NotImplementedError(f"\"{label}\" not implemented for '{scalar_type_name(d)}'")


def _quick(node: type[Node], alternate: Any = None) -> Callable[[Callable[..., Any]], Any]:
    """Puts C in front of a function of two tensors whose kernel has its name."""

    def decorate(fn: Callable[..., Any]) -> Any:
        name = fn.__name__
        behind = make_op("binary", fn, kernel=name, node=alternate, floats_only=True) if alternate else None
        return make_op(
            "binary", fn, kernel=name, node=node, floats_only=True, tensors_only=True, mixed=True, alternate=behind
        )

    return decorate


class HypotBackward0(Node):
    saves = ("input", "other", "result")

    def backward(self, grad):
        input, other, result = self.saved
        return grad * (input / result), grad * (other / result)


@op(inplace=True)
@_quick(HypotBackward0)
def hypot(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``sqrt(input^2 + other^2)`` without overflow on the way.

    Raises:
        NotImplementedError: for integers.

    >>> import pytensor as torch
    >>> torch.hypot(torch.tensor([3.0]), torch.tensor([4.0]))
    tensor([5.])
    """
    _check_floats("hypot_cpu", input, other)
    return apply_pointwise("hypot", HypotBackward0, (input, other), saved=(input, other, OUTPUT), out=out)


class CopysignBackward0(Node):
    def backward(self, grad):
        input, result = self.saved
        wanted = self.needs_input_grad
        by_input = grad * zeros_where(input == 0, result / input) if wanted[0] else None
        return by_input, zeros_like_array(grad) if wanted[1] else None


class CopysignBackward1(CopysignBackward0):
    pass


@op(inplace=True)
def copysign(input: Tensor, other: Tensor | float, *, out: Tensor | None = None) -> Tensor:
    """The magnitude of ``input`` with the sign of ``other``.

    >>> import pytensor as torch
    >>> torch.copysign(torch.tensor([1.0, -2.0]), -0.0)
    tensor([-1., -2.])
    """
    input, other = number_or_tensor("copysign", input, other)
    node = CopysignBackward0 if isinstance(other, _C.TensorBase) else CopysignBackward1
    return apply_pointwise("copysign", node, (input, other), promotes="float", saved=(input, OUTPUT), out=out)


class NextafterBackward0(NoDerivative):
    pass


@op(inplace=True)
def nextafter(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The next representable number after ``input`` on the way to ``other``. It has no gradient.

    >>> import pytensor as torch
    >>> torch.nextafter(torch.tensor([1.0]), torch.tensor([2.0])) > 1
    tensor([True])
    """
    _check_floats("nextafter_cpu", input, other)
    return apply_pointwise("nextafter", NextafterBackward0, (input, other), saved=(), ctx="nextafter", out=out)


class LogaddexpBackward0(Node):
    saves = ("input", "other")
    base = 1.0

    def backward(self, grad):
        input, other = self.saved
        difference = (other - input) * self.base
        return grad / (1 + difference.exp()), grad / (1 + (-difference).exp())


class Logaddexp2Backward0(LogaddexpBackward0):
    base = math.log(2)


@op()
@_quick(LogaddexpBackward0)
def logaddexp(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``log(exp(input) + exp(other))`` without overflow.

    >>> import pytensor as torch
    >>> torch.logaddexp(torch.tensor([-1000.0]), torch.tensor([-1000.0]))
    tensor([-999.3068])
    """
    _check_floats("logaddexp_cpu", input, other)
    return apply_pointwise("logaddexp", LogaddexpBackward0, (input, other), saved=(input, other), out=out)


@op()
@_quick(Logaddexp2Backward0)
def logaddexp2(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``log2(2^input + 2^other)`` without overflow.

    >>> import pytensor as torch
    >>> torch.logaddexp2(torch.tensor([1.0]), torch.tensor([1.0]))
    tensor([2.])
    """
    _check_floats("logaddexp2_cpu", input, other)
    return apply_pointwise("logaddexp2", Logaddexp2Backward0, (input, other), saved=(input, other), out=out)


class XlogyBackward0(Node):
    saves = ("input", "other")

    def backward(self, grad):
        input, other = self.saved
        wanted = self.needs_input_grad
        nothing = (input == 0) & (other <= 0) if wanted[0] else None
        logarithm = other.log() if isinstance(other, _C.TensorBase) else _log(other)
        return (
            zeros_where(nothing, grad * logarithm) if wanted[0] else None,
            grad * input / other if wanted[1] else None,
        )


class XlogyBackward1(XlogyBackward0):
    pass


class XlogyBackward2(XlogyBackward0):
    pass


def _log(number: float) -> float:
    return math.log(number) if number > 0 else -math.inf if number == 0 else math.nan


@op(inplace=True, inplace_function=True)
@_quick(XlogyBackward0, XlogyBackward2)
def xlogy(input: Tensor | float, other: Tensor | float, *, out: Tensor | None = None) -> Tensor:
    """``input * log(other)``, and 0 where ``input`` is 0 (unless ``other`` is NaN).

    >>> import pytensor as torch
    >>> torch.xlogy(torch.tensor([0.0, 2.0]), torch.tensor([0.0, 3.0]))
    tensor([0.0000, 2.1972])
    """
    input, other = number_or_tensor("xlogy", input, other)
    node = XlogyBackward0
    if not isinstance(other, _C.TensorBase):
        node = XlogyBackward2
    elif not isinstance(input, _C.TensorBase):
        node = XlogyBackward1
    return apply_pointwise("xlogy", node, (input, other), promotes="float", saved=(input, other), out=out)


class HeavisideBackward0(NoDerivative):
    function = "heaviside"


def _heaviside(input: Tensor, values: Tensor, *, out: Tensor | None = None) -> Tensor:
    """0 for negative, 1 for positive elements, and ``values`` for zeros. It has no gradient.

    Raises:
        RuntimeError: for tensors of different dtypes.

    >>> import pytensor as torch
    >>> torch.heaviside(torch.tensor([-1.0, 0.0, 2.0]), torch.tensor([0.5]))
    tensor([0.0000, 0.5000, 1.0000])
    """
    if input.dtype is not values.dtype:
        raise RuntimeError("heaviside is not yet implemented for tensors with different dtypes.")
    if input.dtype.category == COMPLEX:
        raise RuntimeError("heaviside is not yet implemented for complex tensors.")
    return apply_pointwise("heaviside", HeavisideBackward0, (input, values), saved=(), out=out)


_heaviside.__name__ = _heaviside.__qualname__ = "heaviside"
heaviside = op(inplace=True)(
    make_op("binary", _heaviside, kernel="heaviside", node=HeavisideBackward0, floats_only=True, tensors_only=True)
)


def _of_integers(name: str, input: Any, other: Any, out: Any) -> Any:
    check_tensor(input, name, "input", 1)
    check_tensor(other, name, "other", 2)
    d = result_type(input, other)
    if d.category != INTEGER:
        raise NotImplementedError(f"\"{name}_cpu\" not implemented for '{scalar_type_name(d)}'")
    return apply_pointwise(name, None, (input, other), out=out)


@op(inplace=True, inplace_function=True)
def gcd(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The greatest common divisor of integers.

    >>> import pytensor as torch
    >>> torch.gcd(torch.tensor([12, 7]), torch.tensor([18, 21]))
    tensor([6, 7])
    """
    return _of_integers("gcd", input, other, out)


@op(inplace=True, inplace_function=True)
def lcm(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The least common multiple of integers.

    >>> import pytensor as torch
    >>> torch.lcm(torch.tensor([4, 7]), torch.tensor([6, 21]))
    tensor([12, 21])
    """
    return _of_integers("lcm", input, other, out)


@op(inplace=True, inplace_function=True)
def ldexp(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``input * 2^other``.

    >>> import pytensor as torch
    >>> torch.ldexp(torch.tensor([1.5]), torch.tensor([3]))
    tensor([12.])
    """
    check_tensor(other, "ldexp", "other", 2)
    return write_out(input * 2.0**other, out, "ldexp")


class FrexpBackward0(Node):
    def backward(self, grad, exponent_grad=None):
        (exponent,) = self.saved
        return (grad / 2.0 ** exponent.to(grad.dtype),)


class frexp_result(NamedTuple):
    """What :func:`frexp` gives."""

    mantissa: Any
    exponent: Any


@op()
def frexp(input: Tensor, *, out: tuple[Tensor, Tensor] | None = None) -> Any:
    """Mantissa in (-1, -0.5] or [0.5, 1) and exponent: ``input = mantissa * 2^exponent``.

    Raises:
        RuntimeError: for integers.

    >>> import pytensor as torch
    >>> torch.frexp(torch.tensor([3.0])).exponent
    tensor([2], dtype=torch.int32)
    """
    if input.dtype.category != FLOATING:
        raise RuntimeError("torch.frexp() only supports floating-point dtypes")
    mantissa, exponent = array_module(input._array).frexp(input._array)
    powers = wrap(np.asarray(exponent, "int32"))
    result = frexp_result(record(FrexpBackward0, (input,), np.asarray(mantissa), saved=(powers,)), powers)
    return write_out(result, out, "frexp")


class AngleBackward0(Node):
    def backward(self, grad):
        (input,) = self.saved
        if not input.dtype.is_complex:
            return (zeros_like_array(grad),)
        modulus = input.abs()
        rule = where(modulus == 0, 0, input / modulus * 1j / modulus)
        return (grad * rule,)


@op()
def angle(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The angle of complex numbers; pi for negative and 0 for other real ones, NaN for NaN.

    >>> import pytensor as torch
    >>> torch.angle(torch.tensor([-1.0, 1.0]))
    tensor([3.1416, 0.0000])
    """
    array = input._array
    xp = array_module(array)
    if input.dtype.category <= INTEGER:
        from pytensor.dtypes import get_default_dtype

        array = array.astype(get_default_dtype().numpy)
    if input.dtype.category == COMPLEX:
        result = xp.asarray(xp.angle(array))
    else:
        result = xp.where(xp.isnan(array), array, xp.where(array < 0, math.pi, 0)).astype(array.dtype)
    return write_out(record(AngleBackward0, (input,), result, saved=(input,)), out, "angle")
