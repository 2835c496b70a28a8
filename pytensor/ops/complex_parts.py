"""Complex numbers made from parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytensor import dtypes
from pytensor.autograd.node import Node, record
from pytensor.ops.checks import check_tensor
from pytensor.ops.create import module_of
from pytensor.ops.out import write_out
from pytensor.ops.registry import op
from pytensor.typename import scalar_type_name

if TYPE_CHECKING:
    from pytensor.tensor import Tensor


class ComplexBackward0(Node):
    def backward(self, grad: Tensor) -> Any:
        return grad.real, grad.imag


def _check_parts(first: Tensor, second: Tensor) -> None:
    names = {dtypes.float16: "Half", dtypes.float32: "Float", dtypes.float64: "Double"}
    if first.dtype not in names or second.dtype not in names:
        raise RuntimeError(
            "Expected both inputs to be Half, Float or Double tensors but got "
            f"{scalar_type_name(first.dtype)} and {scalar_type_name(second.dtype)}"
        )
    if first.dtype is not second.dtype:
        raise RuntimeError(
            f"Expected object of scalar type {names[first.dtype]} but got scalar type {names[second.dtype]} for second "
            "argument"
        )
    if first.dtype is dtypes.float16:
        raise NotImplementedError("complex tensors of float16 parts (ComplexHalf) are not implemented")


@op(method=False)
def complex(real: Tensor, imag: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Complex numbers of real and imaginary parts, float32 or float64, which broadcast.

    >>> import pytensor as torch
    >>> torch.complex(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]))
    tensor([1.+3.j, 2.+4.j])
    """
    check_tensor(real, "complex", "real", 1)
    check_tensor(imag, "complex", "imag", 2)
    _check_parts(real, imag)
    xp = module_of(real.device)
    array = xp.empty(xp.broadcast_shapes(real._array.shape, imag._array.shape), real.dtype.to_complex().numpy)
    array.real = real._array
    array.imag = imag._array
    return write_out(record(ComplexBackward0, (real, imag), array), out, "complex")


@op(method=False)
def polar(abs: Tensor, angle: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Complex numbers of magnitudes and angles.

    >>> import pytensor as torch
    >>> torch.polar(torch.tensor([1.0]), torch.tensor([0.0]))
    tensor([1.+0.j])
    """
    check_tensor(abs, "polar", "abs", 1)
    check_tensor(angle, "polar", "angle", 2)
    _check_parts(abs, angle)
    return write_out(complex(abs * angle.cos(), abs * angle.sin()), out, "polar")
