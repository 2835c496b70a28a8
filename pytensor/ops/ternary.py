"""Arithmetic of three tensors: interpolation, and products and quotients added to a tensor."""

from __future__ import annotations

from typing import Any

from pytensor import _C
from pytensor.autograd.node import Node, record
from pytensor.backend import backend_of
from pytensor.dtypes import INTEGER
from pytensor.ops.checks import check_tensor
from pytensor.ops.out import write_out
from pytensor.ops.pointwise_core import _raw, apply_pointwise, make_op, result_type
from pytensor.ops.pointwise_rules import conj, not_implemented_for
from pytensor.ops.registry import op
from pytensor.tensor import Tensor

__all__ = ["addcdiv", "addcmul", "lerp"]


class LerpBackward0(Node):
    """The weight is a number (ctx)."""

    def backward(self, grad):
        weight = self.ctx
        return grad * (1 - weight), grad * weight


class LerpBackward1(Node):
    saves = (("input", "third"), ("other", "third"), "third")

    def backward(self, grad):
        input, end, weight = self.saved
        by_weight = grad * (end - input) if self.needs_input_grad[2] else None
        return grad * (1 - weight), grad * weight, by_weight


def _lerp(input: Tensor, end: Tensor, weight: Tensor | float, *, out: Tensor | None = None) -> Tensor:
    """``input + weight * (end - input)``: a point on the line from ``input`` to ``end``.

    Raises:
        RuntimeError: for tensors of different dtypes.
        NotImplementedError: for integers.

    >>> import pytensor as torch
    >>> torch.lerp(torch.tensor([0.0, 10.0]), torch.tensor([1.0, 20.0]), 0.5)
    tensor([ 0.5000, 15.0000])
    """
    check_tensor(input, "lerp", "input", 1)
    check_tensor(end, "lerp", "end", 2)
    for name, value in (("end", end), ("weight", weight)):
        if isinstance(value, _C.TensorBase) and value.dtype is not input.dtype:
            raise RuntimeError(f"expected dtype {_c_name(input)} for `{name}` but got dtype {_c_name(value)}")
    if input.dtype.category <= INTEGER:
        raise not_implemented_for("lerp_kernel_scalar", input)
    if not isinstance(weight, _C.TensorBase):
        if isinstance(weight, complex) or input.dtype.is_complex:
            array = backend_of(input._array).pointwise(
                "lerp", tuple(_raw(v, input.dtype, input._array) for v in (input, end, weight))
            )
            return write_out(record(LerpBackward0, (input, end), array, ctx=weight), out, "lerp")
        return apply_pointwise(
            "lerp_number", LerpBackward0, (input, end), params=(weight,), saved=(), ctx=weight, out=out
        )
    saved = (input if weight._requires_grad else None, end if weight._requires_grad else None, weight)
    return apply_pointwise("lerp", LerpBackward1, (input, end, weight), saved=saved, out=out)


_lerp.__name__ = _lerp.__qualname__ = "lerp"
_lerp_number = make_op(
    "binary", _lerp, kernel="lerp_number", node=LerpBackward0, params=(0.0,), arguments=("weight",), required=1
)
lerp = op(inplace=True)(make_op("ternary", _lerp, kernel="lerp", node=LerpBackward1, alternate=_lerp_number))

_C_NAMES = {"float32": "float", "float64": "double", "int64": "long int", "int32": "int", "float16": "c10::Half"}


def _c_name(tensor: Any) -> str:
    return _C_NAMES.get(tensor.dtype.name, tensor.dtype.name)


class AddcmulBackward0(Node):
    saves = (("other", "third"), ("third", "other"))

    def backward(self, grad):
        first, second = self.saved
        value = self.ctx
        wanted = self.needs_input_grad
        scaled = grad * value
        return (
            grad,
            scaled * conj(second) if wanted[1] else None,
            scaled * conj(first) if wanted[2] else None,
        )


def _addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1, out: Tensor | None = None) -> Tensor:
    """``input + value * tensor1 * tensor2``, broadcast.

    >>> import pytensor as torch
    >>> torch.addcmul(torch.tensor([1.0]), torch.tensor([2.0]), torch.tensor([3.0]), value=0.5)
    tensor([4.])
    """
    wanted = tensor1._requires_grad or tensor2._requires_grad
    saved = (tensor1, tensor2) if wanted else (None, None)
    operands = (input, tensor1, tensor2)
    if result_type(*operands).category <= INTEGER and isinstance(value, float):
        raise RuntimeError("For integral input tensors, argument alpha must not be a floating point number.")
    return apply_pointwise("addcmul", AddcmulBackward0, operands, params=(value,), saved=saved, ctx=value, out=out)


_addcmul.__name__ = _addcmul.__qualname__ = "addcmul"
addcmul = op(inplace=True)(
    make_op(
        "ternary",
        _addcmul,
        kernel="addcmul",
        node=AddcmulBackward0,
        params=(1.0,),
        arguments=("value",),
        floats_only=True,
    )
)


class AddcdivBackward0(Node):
    saves = (("other", "third"), "third")

    def backward(self, grad):
        first, second = self.saved
        value = self.ctx
        wanted = self.needs_input_grad
        scaled = grad * value / conj(second)
        return grad, scaled if wanted[1] else None, -scaled * conj(first / second) if wanted[2] else None


def _addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1, out: Tensor | None = None) -> Tensor:
    """``input + value * tensor1 / tensor2``, broadcast.

    Raises:
        RuntimeError: for integers.

    >>> import pytensor as torch
    >>> torch.addcdiv(torch.tensor([1.0]), torch.tensor([6.0]), torch.tensor([3.0]), value=0.5)
    tensor([2.])
    """
    if result_type(tensor1, tensor2).category <= INTEGER:
        raise RuntimeError(
            "Integer division with addcdiv is no longer supported, and in a future  release addcdiv will perform a "
            "true division of tensor1 and tensor2. The historic addcdiv behavior can be implemented as (input + value "
            "* torch.trunc(tensor1 / tensor2)).to(input.dtype) for integer inputs and as (input + value * tensor1 / "
            "tensor2) for float inputs. The future addcdiv behavior is just the latter implementation: (input + value "
            "* tensor1 / tensor2), for all dtypes."
        )
    operands = (input, tensor1, tensor2)
    return apply_pointwise(
        "addcdiv", AddcdivBackward0, operands, params=(value,), saved=(tensor1, tensor2), ctx=value, out=out
    )


_addcdiv.__name__ = _addcdiv.__qualname__ = "addcdiv"
addcdiv = op(inplace=True)(
    make_op(
        "ternary",
        _addcdiv,
        kernel="addcdiv",
        node=AddcdivBackward0,
        params=(1.0,),
        arguments=("value",),
        floats_only=True,
    )
)
