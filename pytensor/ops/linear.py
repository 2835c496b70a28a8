"""The affine maps of neural networks: linear and bilinear."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pytensor.autograd.node import Node, record
from pytensor.backend import backend_of
from pytensor.ops.checks import check_tensor
from pytensor.ops.matmul import check_product_dtype, conjugate_of, matmul, rows_of
from pytensor.ops.pointwise_core import make_op
from pytensor.ops.registry import op
from pytensor.typename import scalar_type_name

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["bilinear", "linear"]


class AddmmBackward0(Node):
    """The gradient of linear(input, weight, bias), under the name that PyTorch shows for it."""

    saves = (("input", "other"), ("other", "input"))
    quick = (("@", "grad", 1), ("@", "grad.T", 0), ("grad",))

    def backward(self, grad: Tensor) -> Any:
        input, weight = self.saved
        needs_input, needs_weight, needs_bias = self.needs_input_grad
        rows = rows_of(grad) if grad.ndim > 1 else grad.unsqueeze(0)
        grad_input = grad_weight = grad_bias = None
        if needs_input:
            grad_input = matmul(grad, conjugate_of(weight))
        if needs_weight:
            source = rows_of(input) if input.ndim > 1 else input.unsqueeze(0)
            grad_weight = matmul(rows.t(), conjugate_of(source))
        if needs_bias:
            grad_bias = rows.sum(0)
        return grad_input, grad_weight, grad_bias


def _check_bias(bias: Tensor, rows: int, weight: Tensor) -> None:
    features = weight.shape[0]
    if bias.ndim > 2 or any(n not in (1, m) for n, m in zip(bias.shape[::-1], (features, rows), strict=False)):
        axis = 1 if bias.shape[-1] not in (1, features) else 0
        raise RuntimeError(
            f"The expanded size of the tensor ({(rows, features)[axis]}) must match the existing size "
            f"({bias.shape[axis - 2 + bias.ndim if bias.ndim == 2 else -1]}) at non-singleton dimension {axis}.  "
            f"Target sizes: {[rows, features]}.  Tensor sizes: {list(bias.shape)}"
        )
    if bias.dtype is not weight.dtype:
        raise RuntimeError(
            "self and mat2 must have the same dtype, but got "
            f"{scalar_type_name(bias.dtype)} and {scalar_type_name(weight.dtype)}"
        )


def _linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``input @ weight.T + bias``, in one pass over the result.

    Args:
        input: (..., in_features) or (in_features,)
        weight: (out_features, in_features), or (in_features,) without a bias
        bias: (out_features,)

    Returns:
        (..., out_features), without that axis for a weight vector.

    Raises:
        RuntimeError: when the shapes do not fit together or the dtypes differ.

    >>> import pytensor as torch
    >>> weight = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    >>> torch.nn.functional.linear(torch.tensor([2.0, 3.0]), weight, torch.tensor([0.0, 10.0]))
    tensor([ 2., 15.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.linear.html
    """
    check_tensor(input, "linear", "input", 1)
    check_tensor(weight, "linear", "weight", 2)
    if bias is not None:
        check_tensor(bias, "linear", "bias", 3)
    if input.ndim == 0 or weight.ndim == 0:
        raise RuntimeError(
            f"both arguments to linear need to be at least 1D, but they are {input.ndim}D and {weight.ndim}D"
        )
    if weight.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {weight.ndim}D")
    if weight.ndim == 1:
        if bias is not None:
            raise RuntimeError("mat2 must be a matrix, got 1-D tensor")
        return matmul(input, weight)
    features = input.shape[-1]
    rows = math.prod(input.shape[:-1])
    if features != weight.shape[1]:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({rows}x{features} and {weight.shape[1]}x{weight.shape[0]})"
        )
    message = "expected m1 and m2 to have the same dtype, but got: {left} != {right}"
    check_product_dtype(input, weight, "addmm_impl_cpu_", message)
    if bias is not None:
        _check_bias(bias, rows, weight)
        if tuple(bias.shape) != (weight.shape[0],):
            return matmul(input, weight.t()) + bias
    x = input._array if input.ndim > 1 else input._array[None]
    array = backend_of(x).matmul(x, weight._array.T, None if bias is None else bias._array)
    saved = (input if weight._requires_grad else None, weight if input._requires_grad else None)
    return record(AddmmBackward0, (input, weight, bias), array if input.ndim > 1 else array[0], saved=saved)


_linear.__name__ = _linear.__qualname__ = "linear"
linear = op(namespace="nn.functional")(make_op("linear", _linear, node=AddmmBackward0))


def _check_bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    if input1.ndim != input2.ndim:
        raise RuntimeError(f"bilinear(): input dimensions do not match: got {input1.ndim} and {input2.ndim}")
    for i in range(input1.ndim - 1):
        if input1.shape[i] != input2.shape[i]:
            raise RuntimeError(
                f"bilinear(): input batch dimensions do not match at dim {i}: got {input1.shape[i]} and "
                f"{input2.shape[i]}"
            )
    for position, operand in enumerate((input1, input2), 1):
        if operand.shape[-1] != weight.shape[position]:
            raise RuntimeError(
                f"bilinear(): input{position} size does not match weight size: got {operand.shape[-1]} but expected "
                f"{weight.shape[position]}"
            )
    if bias is not None and bias.shape[0] != weight.shape[0]:
        raise RuntimeError(
            f"bilinear(): bias size does not match weight size: got {bias.shape[0]} but expected {weight.shape[0]}"
        )


@op(namespace="nn.functional")
def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``out[..., o] = sum over i, j of input1[..., i] * weight[o, i, j] * input2[..., j] + bias[o]``.

    Args:
        input1: (..., in1_features)
        input2: (..., in2_features)
        weight: (out_features, in1_features, in2_features)
        bias: (out_features,)

    Raises:
        RuntimeError: when the shapes do not fit together.

    >>> import pytensor as torch
    >>> torch.nn.functional.bilinear(torch.ones(5, 2), torch.ones(5, 3), torch.ones(4, 2, 3)).shape
    torch.Size([5, 4])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.bilinear.html
    """
    _check_bilinear(input1, input2, weight, bias)
    outs, ins1, ins2 = weight.shape
    batch = input1.shape[:-1]
    a, b = rows_of(input1.unsqueeze(0)), rows_of(input2.unsqueeze(0))
    # (rows, outs, ins2): all outputs' products with input1 in one matrix product
    partial = matmul(a, weight.transpose(0, 1).reshape((ins1, outs * ins2))).reshape((a.shape[0], outs, ins2))
    result = matmul(partial, b.unsqueeze(-1)).squeeze(-1).reshape((*batch, outs))
    return result if bias is None else result + bias
