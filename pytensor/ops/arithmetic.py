"""Sums, products, quotients, powers and their operators."""

from __future__ import annotations

from typing import Any

from pytensor import _C
from pytensor.autograd.node import Node
from pytensor.dtypes import BOOL, INTEGER
from pytensor.ops.pointwise_core import apply_binary, apply_pointwise, make_op, operator, result_type
from pytensor.ops.pointwise_rules import NoDerivative, conj, in_place_operators, number_or_tensor
from pytensor.ops.registry import op
from pytensor.tensor import Tensor

__all__ = ["add", "div", "floor_divide", "fmod", "mul", "neg", "positive", "remainder", "rsub", "sub", "true_divide"]


class AddBackward0(Node):
    quick = (("grad",), ("grad",))

    def backward(self, grad):
        alpha = self.ctx
        return grad, grad if alpha is None else grad * alpha


class SubBackward0(Node):
    quick = (("grad",), ("neg", "grad"))

    def backward(self, grad):
        alpha = self.ctx
        wanted = self.needs_input_grad
        return grad, (-grad if alpha is None else grad * -alpha) if wanted[1] else None


class RsubBackward0(Node):
    """other - alpha * input, in the order of the operands of the subtraction: (other, input)."""

    def backward(self, grad):
        alpha = self.ctx
        return grad, -grad if alpha is None else grad * -alpha


class RsubBackward1(RsubBackward0):
    pass


class MulBackward0(Node):
    saves = (("other", "input"), ("input", "other"))
    quick = (("mul", "grad", 0), ("mul", "grad", 1))

    def backward(self, grad):
        other, input = self.saved
        wanted = self.needs_input_grad
        return grad * conj(other) if wanted[0] else None, grad * conj(input) if wanted[1] else None


class DivBackward0(Node):
    saves = (("input", "other"), "other")
    quick = (("div", "grad", 1), None)

    def backward(self, grad):
        input, other = self.saved
        wanted = self.needs_input_grad
        by_other = grad / conj(other)
        return by_other, -by_other * conj(input / other) if wanted[1] else None


class DivBackward1(Node):
    """A quotient that was rounded: constant almost everywhere."""

    def backward(self, grad):
        return tuple(grad * 0 if wanted else None for wanted in self.needs_input_grad)


class DivBackward2(DivBackward1):
    pass


class DivBackward3(DivBackward1):
    pass


class NegBackward0(Node):
    quick = (("neg", "grad"),)

    def backward(self, grad):
        return (-grad,)


def _check_alpha(alpha: Any, input: Any, other: Any) -> None:
    category = result_type(input, other).category
    if isinstance(alpha, bool) and category != BOOL:
        raise RuntimeError("Boolean alpha only supported for Boolean results.")
    if category <= INTEGER and isinstance(alpha, (float, complex)):
        raise RuntimeError("For integral input tensors, argument alpha must not be a floating point number.")


def _add(input: Tensor, other: Tensor | float, *, alpha: float = 1, out: Tensor | None = None) -> Tensor:
    """``input + alpha * other``, broadcast.

    Args:
        alpha: a number; whole for integer tensors.

    Raises:
        RuntimeError: for shapes that do not broadcast, or an ``alpha`` of a higher category than the tensors.

    >>> import pytensor as torch
    >>> torch.add(torch.tensor([1.0, 2.0]), 1, alpha=10)
    tensor([11., 12.])
    """
    if type(alpha) is int and alpha == 1:
        return apply_binary("add", "add", AddBackward0, input, other, out=out)
    input, other = number_or_tensor("add", input, other)
    _check_alpha(alpha, input, other)
    return apply_pointwise("add_scaled", AddBackward0, (input, other), params=(alpha,), ctx=alpha, out=out)


_add.__name__ = _add.__qualname__ = "add"
_add_scaled = make_op(
    "binary", _add, kernel="add_scaled", node=AddBackward0, params=(1.0,), arguments=("alpha",), floats_only=True
)
add = op(inplace=True)(make_op("binary", _add, kernel="add", node=AddBackward0, mixed=True, alternate=_add_scaled))


def _check_subtraction(input: Any, other: Any) -> None:
    booleans = sum(
        (v.dtype.category == BOOL if isinstance(v, _C.TensorBase) else v is True or v is False) for v in (input, other)
    )
    if booleans == 2:
        raise RuntimeError(
            "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` "
            "operator instead."
        )
    if booleans:
        raise RuntimeError(
            "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a mask, "
            "use the `~` or `logical_not()` operator instead."
        )


def _subtract(function: str, node: type[Node], input: Any, other: Any, alpha: Any, out: Any) -> Any:
    input, other = number_or_tensor(function, input, other)
    _check_subtraction(input, other)
    if type(alpha) is int and alpha == 1:
        return apply_pointwise("sub", node, (input, other), out=out)
    _check_alpha(alpha, input, other)
    return apply_pointwise("add_scaled", node, (input, other), params=(-alpha,), ctx=alpha, out=out)


def _sub(input: Tensor, other: Tensor | float, *, alpha: float = 1, out: Tensor | None = None) -> Tensor:
    """``input - alpha * other``, broadcast.

    Raises:
        RuntimeError: for boolean tensors, and as :func:`add` does.

    >>> import pytensor as torch
    >>> torch.tensor([1, 2]) - torch.tensor([[1], [2]])
    tensor([[ 0,  1],
            [-1,  0]])
    """
    return _subtract("sub", SubBackward0, input, other, alpha, out)


_sub.__name__ = _sub.__qualname__ = "sub"
sub = op(inplace=True, aliases=("subtract",))(make_op("binary", _sub, kernel="sub", node=SubBackward0))


@op()
def rsub(input: Tensor, other: Tensor | float, *, alpha: float = 1) -> Tensor:
    """``other - alpha * input``.

    >>> import pytensor as torch
    >>> torch.rsub(torch.tensor([1.0, 2.0]), 10)
    tensor([9., 8.])
    """
    node = RsubBackward0 if isinstance(other, _C.TensorBase) else RsubBackward1
    return _subtract("rsub", node, other, input, alpha, None)


def _mul(input: Tensor, other: Tensor | float, *, out: Tensor | None = None) -> Tensor:
    """The product of the elements, broadcast.

    >>> import pytensor as torch
    >>> torch.mul(torch.tensor([1, 2]), 1.5)
    tensor([1.5000, 3.0000])
    """
    return apply_binary("mul", "mul", MulBackward0, input, other, out=out)


_mul.__name__ = _mul.__qualname__ = "mul"
mul = op(inplace=True, aliases=("multiply",))(make_op("binary", _mul, kernel="mul", node=MulBackward0, mixed=True))


def _div(
    input: Tensor, other: Tensor | float, *, rounding_mode: str | None = None, out: Tensor | None = None
) -> Tensor:
    """The quotient of the elements, broadcast. Integers give floats unless a rounding mode is given.

    Args:
        rounding_mode: None, "trunc" (towards zero, C's division of integers) or "floor" (Python's ``//``).

    Raises:
        RuntimeError: for other rounding modes, and for integers divided by zero with one.

    >>> import pytensor as torch
    >>> torch.div(torch.tensor([7, -7]), 2), torch.div(torch.tensor([7, -7]), 2, rounding_mode="floor")
    (tensor([ 3.5000, -3.5000]), tensor([ 3, -4]))
    """
    if rounding_mode is None:
        return apply_binary("div", "div", DivBackward0, input, other, promotes="float", out=out)
    if rounding_mode not in ("trunc", "floor"):
        raise RuntimeError(
            f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{rounding_mode}'"
        )
    node = DivBackward3 if isinstance(other, _C.TensorBase) else DivBackward2
    return _divide_rounded("div", f"{rounding_mode}_divide", node, input, other, out)


_div.__name__ = _div.__qualname__ = "div"
div = op(inplace=True, aliases=("divide",))(
    make_op("binary", _div, kernel="div", node=DivBackward0, floats_only=True, mixed=True)
)


def _divide_rounded(function: str, kernel: str, node: Any, input: Any, other: Any, out: Any) -> Any:
    input, other = number_or_tensor(function, input, other)
    d = result_type(input, other)
    if d.category == BOOL:
        label = {"floor_divide": "div_floor", "trunc_divide": "div_trunc"}.get(kernel, kernel)
        raise NotImplementedError(f"\"{label}_cpu\" not implemented for 'Bool'")
    if d.category <= INTEGER:
        zero = bool((other._array == 0).any()) if isinstance(other, _C.TensorBase) else other == 0
        if zero:
            raise RuntimeError("ZeroDivisionError")
    return apply_pointwise(kernel, node, (input, other), saved=(input, other), ctx=function, out=out)


@op(inplace=True)
def true_divide(input: Tensor, other: Tensor | float, *, out: Tensor | None = None) -> Tensor:
    """The same as :func:`div` without a rounding mode.

    >>> import pytensor as torch
    >>> torch.true_divide(torch.tensor([1, 2]), 2)
    tensor([0.5000, 1.0000])
    """
    return div(input, other) if out is None else div(input, other, out=out)


class FloorDivideBackward0(NoDerivative):
    function = "floor_divide"


def _floor_divide(input: Tensor, other: Tensor | float, *, out: Tensor | None = None) -> Tensor:
    """The quotient rounded down, as Python's ``//``. It has no gradient.

    >>> import pytensor as torch
    >>> torch.tensor([7, -7]) // 2
    tensor([ 3, -4])
    """
    return _divide_rounded("floor_divide", "floor_divide", FloorDivideBackward0, input, other, out)


_floor_divide.__name__ = _floor_divide.__qualname__ = "floor_divide"
_DIVIDES = {"kernel": "floor_divide", "node": FloorDivideBackward0, "mixed": True}
floor_divide = op(inplace=True)(make_op("binary", _floor_divide, floats_only=True, **_DIVIDES))


class RemainderBackward1(Node):
    """input - other * floor(input / other): the quotient is a constant."""

    saves = (("input", "other"), ("other", "other"))
    rounding = "floor"

    def backward(self, grad):
        if not self.needs_input_grad[1]:
            return grad, None
        input, other = self.saved
        return grad, -grad * div(input, other, rounding_mode=self.rounding)


class RemainderBackward0(RemainderBackward1):
    saves = ()


class FmodBackward1(RemainderBackward1):
    rounding = "trunc"


class FmodBackward0(FmodBackward1):
    saves = ()


def _remainder(input: Tensor, other: Tensor | float, *, out: Tensor | None = None) -> Tensor:
    """Python's ``%``: what is left of the division rounded down, with the sign of ``other``.

    Raises:
        RuntimeError: for integers and a zero in ``other``.

    >>> import pytensor as torch
    >>> torch.remainder(torch.tensor([-3.0, 3.0]), 2)
    tensor([1., 1.])
    """
    node = RemainderBackward1 if isinstance(other, _C.TensorBase) else RemainderBackward0
    return _divide_rounded("remainder", "remainder", node, input, other, out)


def _make_rest(slow: Any, by_tensor: type[Node], by_number: type[Node]) -> Any:
    """The C callable of ``slow``, with one that divides by a number behind it."""
    name = slow.__name__ = slow.__qualname__ = slow.__name__.lstrip("_")
    by_number = make_op("binary", slow, kernel=name, node=by_number, floats_only=True, mixed=True)
    return make_op("binary", slow, kernel=name, node=by_tensor, floats_only=True, mixed=True, alternate=by_number)


remainder = op(inplace=True)(_make_rest(_remainder, RemainderBackward1, RemainderBackward0))


def _fmod(input: Tensor, other: Tensor | float, *, out: Tensor | None = None) -> Tensor:
    """C's ``fmod``: what is left of the division rounded towards zero, with the sign of ``input``.

    >>> import pytensor as torch
    >>> torch.fmod(torch.tensor([-3.0, 3.0]), 2)
    tensor([-1.,  1.])
    """
    node = FmodBackward1 if isinstance(other, _C.TensorBase) else FmodBackward0
    return _divide_rounded("fmod", "fmod", node, input, other, out)


fmod = op(inplace=True)(_make_rest(_fmod, FmodBackward1, FmodBackward0))


def _neg(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The negative of every element.

    Raises:
        RuntimeError: for boolean tensors.

    >>> import pytensor as torch
    >>> -torch.tensor([1, -2])
    tensor([-1,  2])
    """
    if isinstance(input, _C.TensorBase) and input.dtype.category == BOOL:
        raise RuntimeError(
            "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use "
            "the `~` or `logical_not()` operator instead."
        )
    return apply_pointwise("neg", NegBackward0, (input,), out=out)


_neg.__name__ = _neg.__qualname__ = "neg"
neg = op(inplace=True, inplace_function=True, aliases=("negative",))(
    make_op("unary", _neg, kernel="neg", node=NegBackward0)
)


@op()
def positive(input: Tensor) -> Tensor:
    """``+input``: the tensor itself.

    Raises:
        RuntimeError: for boolean tensors.

    >>> import pytensor as torch
    >>> +torch.tensor([1, -2])
    tensor([ 1, -2])
    """
    if input.dtype.category == BOOL:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


def _method(name: str, quick: Any) -> None:
    op(name=name, function=False)(quick)


_method("__add__", operator(add, kernel="add", node=AddBackward0, mixed=True))
_method("__radd__", operator(add, kernel="add", node=AddBackward0, mixed=True))
_method("__sub__", operator(sub, kernel="sub", node=SubBackward0))
_method("__rsub__", operator(lambda a, b: rsub(b, a), kernel="sub", node=RsubBackward1, reflected=True))
_method("__mul__", operator(mul, kernel="mul", node=MulBackward0, mixed=True))
_method("__rmul__", operator(mul, kernel="mul", node=MulBackward0, mixed=True))
_method("__truediv__", operator(div, kernel="div", node=DivBackward0, promotes="float", mixed=True))
_method("__floordiv__", operator(floor_divide, promotes="float", **_DIVIDES))
_method("__rfloordiv__", operator(floor_divide, promotes="float", reflected=True, **_DIVIDES))
_REST = {"kernel": "remainder", "promotes": "float", "mixed": True}
_method("__mod__", operator(remainder, node=RemainderBackward1, by_number=RemainderBackward0, **_REST))
_method("__rmod__", operator(remainder, node=RemainderBackward1, reflected=True, **_REST))
_method("__neg__", neg)
_method("__pos__", positive)


in_place_operators(
    {
        "+=": ("__iadd__", add),
        "-=": ("__isub__", sub),
        "*=": ("__imul__", mul),
        "/=": ("__itruediv__", div),
        "//=": ("__ifloordiv__", floor_divide),
        "%=": ("__imod__", remainder),
    }
)
