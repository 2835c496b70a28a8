"""Powers, roots and reciprocals."""

from __future__ import annotations

import math
from typing import Any

from pytensor import _C
from pytensor.autograd.node import OUTPUT, Node
from pytensor.dtypes import BOOL, FLOATING, INTEGER, bfloat16, complex128, float16, float64
from pytensor.ops.arithmetic import mul
from pytensor.ops.checks import check_representable
from pytensor.ops.pointwise_core import apply_pointwise, as_operand, make_op, operator, result_type, unary
from pytensor.ops.pointwise_rules import conj, in_place_operators, number_or_tensor, zeros_where
from pytensor.ops.registry import op
from pytensor.tensor import Tensor

__all__ = ["float_power", "pow", "reciprocal", "rsqrt", "sqrt", "square"]


class ReciprocalBackward0(Node):
    saves = ("result",)

    def backward(self, grad):
        (result,) = self.saved
        return (-grad * conj(result * result),)


class SqrtBackward0(Node):
    saves = ("result",)

    def backward(self, grad):
        (result,) = self.saved
        return (grad / (conj(result) * 2),)


class RsqrtBackward0(Node):
    saves = ("result",)

    def backward(self, grad):
        (result,) = self.saved
        return (grad * -0.5 * conj(result * result * result),)


@unary(ReciprocalBackward0, promotes="float", inplace=True, inplace_function=True)
def reciprocal(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``1 / input``.

    >>> import pytensor as torch
    >>> torch.reciprocal(torch.tensor([2.0, -4.0]))
    tensor([ 0.5000, -0.2500])
    """


@unary(SqrtBackward0, promotes="float", inplace=True, inplace_function=True)
def sqrt(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The square root; NaN for negative numbers.

    >>> import pytensor as torch
    >>> torch.sqrt(torch.tensor([4.0, 2.0]))
    tensor([2.0000, 1.4142])
    """


@unary(RsqrtBackward0, promotes="float", inplace=True, inplace_function=True)
def rsqrt(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """One over the square root.

    >>> import pytensor as torch
    >>> torch.rsqrt(torch.tensor([4.0, 2.0]))
    tensor([0.5000, 0.7071])
    """


class PowBackward0(Node):
    """A tensor to the power of a number (ctx)."""

    saves = ("input",)

    def backward(self, grad):
        (input,) = self.saved
        exponent = self.ctx
        rule = grad * 0 if exponent == 0 else grad * conj(exponent * pow(input, exponent - 1))
        return (rule, None)[: len(self.needs_input_grad)]


class SquareBackward0(Node):
    """PyTorch calls it by the name of the power."""

    saves = ("input",)

    def backward(self, grad):
        (input,) = self.saved
        return (grad * (conj(input) * 2),)


SquareBackward0.__name__ = SquareBackward0.__qualname__ = "PowBackward0"


class PowBackward1(Node):
    """A tensor to the power of a tensor."""

    def backward(self, grad):
        input, exponent, result = self.saved
        by_input = by_exponent = None
        if self.needs_input_grad[0]:
            by_input = zeros_where(exponent == 0, grad * conj(exponent * pow(input, exponent - 1)))
        if self.needs_input_grad[1]:
            nothing = (input == 0) & (exponent >= 0)
            by_exponent = grad * conj(zeros_where(nothing, result * input.log()))
        return by_input, by_exponent


class PowBackward2(Node):
    """A number (ctx) to the power of a tensor."""

    def backward(self, grad):
        exponent, result = self.saved
        base = self.ctx
        if base == 0:
            return None, zeros_where(exponent >= 0, grad * result * -math.inf)
        logarithm = math.log(base) if not isinstance(base, complex) and base > 0 else math.nan
        return None, grad * conj(result * logarithm)


def _square(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``input * input``.

    >>> import pytensor as torch
    >>> torch.square(torch.tensor([2.0, -3.0]))
    tensor([4., 9.])
    """
    if isinstance(input, _C.TensorBase) and input.dtype.category == BOOL:
        input = input.to(result_type(input, 2))
    return apply_pointwise("square", SquareBackward0, (input,), out=out)


_square.__name__ = _square.__qualname__ = "square"
square = op(inplace=True, inplace_function=True)(make_op("unary", _square, kernel="square", node=SquareBackward0))

# Exponents that have kernels of their own, which PyTorch, too, computes so.
_POWER_KERNELS = {3: "cube", 0.5: "sqrt", -0.5: "rsqrt", -1: "reciprocal"}


def _power_by_number(input: Any, exponent: Any, out: Any) -> Any:
    d = result_type(input, exponent)
    if d.category <= INTEGER and exponent < 0:
        raise RuntimeError("Integers to negative integer powers are not allowed.")
    if d is float16 or d is bfloat16:
        check_representable(exponent, d)
    if exponent == 2 and d is input.dtype:
        return square(input) if out is None else square(input, out=out)
    kernel = _POWER_KERNELS.get(exponent) if d.category == FLOATING and d is input.dtype else None
    operands = (input, exponent) if kernel is None else (input,)
    return apply_pointwise(kernel or "pow", PowBackward0, operands, saved=(input,), ctx=exponent, out=out)


def _pow(input: Tensor | float, exponent: Tensor | float, *, out: Tensor | None = None) -> Tensor:
    """``input`` to the power of ``exponent``, broadcast; at least one of them a tensor.

    Raises:
        RuntimeError: for integers to negative integer powers.

    >>> import pytensor as torch
    >>> torch.pow(torch.tensor([1.0, 2.0, 3.0]), 2), 2 ** torch.tensor([1, 2])
    (tensor([1., 4., 9.]), tensor([2, 4]))
    """
    input = as_operand(input, "pow", "input", 1)
    exponent = as_operand(exponent, "pow", "exponent", 2)
    if not isinstance(exponent, _C.TensorBase):
        if not isinstance(input, _C.TensorBase):
            raise TypeError(f"pow(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
        return _power_by_number(input, exponent, out)
    if result_type(input, exponent).category == BOOL:
        raise NotImplementedError("\"pow\" not implemented for 'Bool'")
    negative = exponent.dtype.category == INTEGER and result_type(input, exponent).category <= INTEGER
    if negative and bool((exponent._array < 0).any()):
        raise RuntimeError("Integers to negative integer powers are not allowed.")
    if not isinstance(input, _C.TensorBase):
        saved, node = (exponent, OUTPUT), PowBackward2
    else:
        saved, node = (input, exponent, OUTPUT if exponent._requires_grad else None), PowBackward1
    return apply_pointwise(
        "pow", node, (input, exponent), saved=saved, ctx=input if saved[0] is exponent else None, out=out
    )


_pow.__name__ = _pow.__qualname__ = "pow"
pow = op(inplace=True)(make_op("power", _pow, kernel="pow", node=PowBackward0, alternate=square))


@op(inplace=True)
def float_power(input: Tensor | float, exponent: Tensor | float, *, out: Tensor | None = None) -> Tensor:
    """The power in double precision (complex for complex operands).

    >>> import pytensor as torch
    >>> torch.float_power(torch.tensor([1, 2, 3]), 2)
    tensor([1., 4., 9.], dtype=torch.float64)
    """
    input, exponent = number_or_tensor("float_power", input, exponent)
    d = complex128 if result_type(input, exponent).is_complex else float64
    kind = complex if d is complex128 else float
    raised = [v.to(d) if isinstance(v, _C.TensorBase) else kind(v) for v in (input, exponent)]
    return pow(*raised) if out is None else pow(*raised, out=out)


def _quotient_of_number(self: Tensor, other: float) -> Tensor:
    """``other / self``: PyTorch multiplies by the reciprocal."""
    return mul(reciprocal(self), other)


op(name="__rtruediv__", function=False)(operator(_quotient_of_number))
op(name="__pow__", function=False)(make_op("power", operator(pow), kernel="pow", node=PowBackward0, alternate=square))
op(name="__rpow__", function=False)(operator(pow, reflected=True))
in_place_operators({"**=": ("__ipow__", pow)})
