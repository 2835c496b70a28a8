"""Choosing between elements: where, clamp, the larger and the smaller."""

from __future__ import annotations

from typing import Any

from pytensor import _C
from pytensor.autograd.node import Node, record
from pytensor.backend import backend_of
from pytensor.dtypes import BOOL, COMPLEX, FLOATING, INTEGER, uint8
from pytensor.ops.checks import broadcast_shapes_of, check_tensor
from pytensor.ops.out import write_out
from pytensor.ops.pointwise_core import _raw, apply_pointwise, as_operand, make_op, quick, result_type
from pytensor.ops.pointwise_rules import zeros_where
from pytensor.ops.registry import op
from pytensor.tensor import Tensor
from pytensor.typename import scalar_type_name

__all__ = [
    "clamp",
    "clamp_max",
    "clamp_min",
    "fmax",
    "fmin",
    "maximum",
    "minimum",
    "nan_to_num",
    "where",
]


class WhereBackward0(Node):
    """Inputs: (input, other)."""

    saves = ("third",)  # in C the condition comes after the inputs

    def backward(self, grad):
        (condition,) = self.saved
        wanted = self.needs_input_grad
        return where(condition, grad, 0) if wanted[0] else None, where(condition, 0, grad) if wanted[1] else None


def _where(condition: Tensor, input: Any = None, other: Any = None, *, out: Tensor | None = None) -> Any:
    """``input`` where the condition holds, else ``other``; all three broadcast.

    Without ``input`` and ``other``: the indices where the condition holds, ``condition.nonzero(as_tuple=True)``.

    Raises:
        RuntimeError: when the condition is not boolean.

    >>> import pytensor as torch
    >>> torch.where(torch.tensor([True, False]), torch.tensor([1.0, 2.0]), 0)
    tensor([1., 0.])
    """
    check_tensor(condition, "where", "condition", 1)
    if input is None and other is None:
        return condition.nonzero(as_tuple=True)
    input = as_operand(input, "where", "input", 2)
    other = as_operand(other, "where", "other", 3)
    if condition.dtype.category != BOOL and condition.dtype is not uint8:
        raise RuntimeError(
            "where expected condition to be a boolean tensor, but got a tensor with dtype "
            f"{scalar_type_name(condition.dtype)}"
        )
    tensors = [t for t in (condition, input, other) if isinstance(t, _C.TensorBase)]
    broadcast_shapes_of(*[t.shape for t in tensors])
    d = result_type(input, other)
    like = next((t._array for t in tensors if t.ndim > 0), condition._array)
    mask = condition._array if condition.dtype.category == BOOL else condition._array != 0
    array = backend_of(like).pointwise("where", (mask, _raw(input, d, like), _raw(other, d, like)))
    return write_out(record(WhereBackward0, (input, other), array, saved=(condition,)), out, "where")


_where.__name__ = _where.__qualname__ = "where"
where = op(method=False)(make_op("where", _where, kernel="where", node=WhereBackward0, mixed=True))


@op(name="where", function=False)
def where_method(self: Tensor, condition: Tensor, other: Any) -> Tensor:
    """This tensor where the condition holds, else ``other``.

    >>> import pytensor as torch
    >>> torch.tensor([1.0, 2.0]).where(torch.tensor([True, False]), 0)
    tensor([1., 0.])
    """
    return where(condition, self, other)


class ClampBackward1(Node):
    """Bounds that are numbers (ctx)."""

    saves = ("input",)

    def backward(self, grad):
        (input,) = self.saved
        low, high = self.ctx
        inside = input >= low if low is not None else None
        if high is not None:
            inside = input <= high if inside is None else inside & (input <= high)
        return (where(inside, grad, 0),)


class ClampMinBackward0(ClampBackward1):
    pass


class ClampMaxBackward0(ClampBackward1):
    pass


class ClampBackward0(Node):
    """Bounds that are tensors: (input, low, high)."""

    def backward(self, grad):
        input, low, high = self.saved
        below = input < low if low is not None else None
        above = input > high if high is not None else None
        if below is None:
            return zeros_where(above, grad), None, where(above, grad, 0)
        if above is None:
            return zeros_where(below, grad), where(below, grad, 0), None
        by_input = zeros_where(below | above, grad)
        return by_input, where((low < high) & below, grad, 0), where((high < low) | above, grad, 0)


class ClampMinBackward1(ClampBackward0):
    pass


class ClampMaxBackward1(ClampBackward0):
    pass


def _check_clamp(function: str, input: Any, *bounds: Any) -> None:
    check_tensor(input, function, "input", 1)
    if input.dtype.category == COMPLEX:
        raise RuntimeError("clamp is not supported for complex types")
    if all(bound is None for bound in bounds):
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")


def _clamp(function: str, nodes: tuple[type[Node], type[Node]], input: Any, low: Any, high: Any, out: Any) -> Any:
    _check_clamp(function, input, low, high)
    bounds = [b for b in (low, high) if b is not None]
    d = result_type(input, *bounds)
    if not any(isinstance(b, _C.TensorBase) for b in bounds):
        if d is not input.dtype:
            input = input.to(d)
        kernel = "clamp" if len(bounds) == 2 else "clamp_min" if high is None else "clamp_max"
        return apply_pointwise(
            kernel, nodes[0], (input,), params=tuple(bounds), saved=(input,), ctx=(low, high), out=out
        )
    tensors = [t for t in (input, *bounds) if isinstance(t, _C.TensorBase)]
    broadcast_shapes_of(*[t.shape for t in tensors])
    like = input._array
    array = _raw(input, d, like)
    if low is not None:
        array = backend_of(like).pointwise("maximum", (array, _raw(low, d, like)))
    if high is not None:
        array = backend_of(like).pointwise("minimum", (array, _raw(high, d, like)))
    inputs = (input, low, high)
    return write_out(record(nodes[1], inputs, array, saved=inputs), out, function)


def _clamp_public(input: Tensor, min: Any = None, max: Any = None, *, out: Tensor | None = None) -> Tensor:
    """Elements below ``min`` become ``min``, those above ``max`` become ``max``; NaN stays.

    Args:
        min, max: numbers or tensors that broadcast; one of them may be None.

    Raises:
        RuntimeError: when both are None.

    >>> import pytensor as torch
    >>> torch.clamp(torch.tensor([-2.0, 0.5, 2.0]), -1, 1)
    tensor([-1.0000,  0.5000,  1.0000])
    """
    return _clamp("clamp", (ClampBackward1, ClampBackward0), input, min, max, out)


_clamp_public.__name__ = _clamp_public.__qualname__ = "clamp"
clamp = op(inplace=True, inplace_function=True, aliases=("clip",))(
    make_op("clamp", _clamp_public, kernel="clamp", node=ClampBackward1, arguments=("min", "max"))
)


@op(inplace=True, inplace_function=True)
@quick("clamp", ClampMinBackward0, kernel="clamp_min", arguments=("min",))
def clamp_min(input: Tensor, min: Any, *, out: Tensor | None = None) -> Tensor:
    """``clamp(input, min=min)``.

    >>> import pytensor as torch
    >>> torch.clamp_min(torch.tensor([-2.0, 0.5]), 0)
    tensor([0.0000, 0.5000])
    """
    return _clamp("clamp_min", (ClampMinBackward0, ClampMinBackward1), input, min, None, out)


@op(inplace=True, inplace_function=True)
@quick("clamp", ClampMaxBackward0, kernel="clamp_max", arguments=("max",))
def clamp_max(input: Tensor, max: Any, *, out: Tensor | None = None) -> Tensor:
    """``clamp(input, max=max)``.

    >>> import pytensor as torch
    >>> torch.clamp_max(torch.tensor([-2.0, 0.5]), 0)
    tensor([-2.,  0.])
    """
    return _clamp("clamp_max", (ClampMaxBackward0, ClampMaxBackward1), input, None, max, out)


class MaximumBackward0(Node):
    """Equal elements share the gradient."""

    saves = ("input", "other")

    def backward(self, grad):
        input, other = self.saved
        shared = where(input == other, grad / 2, grad)
        return zeros_where(self.lost(input, other), shared), zeros_where(self.lost(other, input), shared)

    @staticmethod
    def lost(input, other):
        return input < other


class MinimumBackward0(MaximumBackward0):
    @staticmethod
    def lost(input, other):
        return input > other


class FmaxBackward0(Node):
    saves = ("input", "other")

    def backward(self, grad):
        input, other = self.saved
        first = self.first(input, other) | other.isnan()
        return where(first, grad, 0), zeros_where(first, grad)

    @staticmethod
    def first(input, other):
        return input >= other


class FminBackward0(FmaxBackward0):
    @staticmethod
    def first(input, other):
        return input <= other


def _of_tensors(name: str, node: type[Node], input: Any, other: Any, out: Any) -> Any:
    check_tensor(input, name, "input", 1)
    check_tensor(other, name, "other", 2)
    if result_type(input, other).category == COMPLEX:
        raise RuntimeError(f"{name} not implemented for complex tensors.")
    kernel = (
        name
        if result_type(input, other).category == FLOATING
        else {"fmax": "maximum", "fmin": "minimum"}.get(name, name)
    )
    return apply_pointwise(kernel, node, (input, other), out=out)


def _maximum(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The larger of the elements, broadcast; NaN where one is NaN.

    >>> import pytensor as torch
    >>> torch.maximum(torch.tensor([1, 5]), torch.tensor([3, 2]))
    tensor([3, 5])
    """
    return _of_tensors("maximum", MaximumBackward0, input, other, out)


_maximum.__name__ = _maximum.__qualname__ = "maximum"
maximum = op()(make_op("binary", _maximum, kernel="maximum", node=MaximumBackward0, mixed=True, tensors_only=True))


def _minimum(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The smaller of the elements, broadcast; NaN where one is NaN.

    >>> import pytensor as torch
    >>> torch.minimum(torch.tensor([1, 5]), torch.tensor([3, 2]))
    tensor([1, 2])
    """
    return _of_tensors("minimum", MinimumBackward0, input, other, out)


_minimum.__name__ = _minimum.__qualname__ = "minimum"
minimum = op()(make_op("binary", _minimum, kernel="minimum", node=MinimumBackward0, mixed=True, tensors_only=True))


@op()
def fmax(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The larger of the elements, broadcast; NaN only where both are NaN.

    >>> import pytensor as torch
    >>> torch.fmax(torch.tensor([1.0, float("nan")]), torch.tensor([3.0, 2.0]))
    tensor([3., 2.])
    """
    return _of_tensors("fmax", FmaxBackward0, input, other, out)


@op()
def fmin(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The smaller of the elements, broadcast; NaN only where both are NaN.

    >>> import pytensor as torch
    >>> torch.fmin(torch.tensor([1.0, float("nan")]), torch.tensor([3.0, 2.0]))
    tensor([1., 2.])
    """
    return _of_tensors("fmin", FminBackward0, input, other, out)


class NanToNumBackward0(Node):
    def backward(self, grad):
        (input,) = self.saved
        return (zeros_where(~input.isfinite(), grad),)


@op(inplace=True, inplace_function=True)
def nan_to_num(
    input: Tensor,
    nan: float | None = None,
    posinf: float | None = None,
    neginf: float | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """NaN and infinities replaced by numbers.

    Args:
        nan: in place of NaN; default 0.
        posinf, neginf: in place of the infinities; default the largest and the lowest finite number.

    >>> import pytensor as torch
    >>> torch.nan_to_num(torch.tensor([float("nan"), float("inf"), 1.0]), posinf=9.0)
    tensor([0., 9., 1.])
    """
    if input.dtype.category <= INTEGER:
        return write_out(input.clone(), out, "nan_to_num")
    from pytensor.dtypes import finfo

    limits = finfo(input.dtype)
    values = (
        0.0 if nan is None else nan,
        limits.max if posinf is None else posinf,
        limits.min if neginf is None else neginf,
    )
    return apply_pointwise("nan_to_num", NanToNumBackward0, (input,), params=values, saved=(input,), out=out)
