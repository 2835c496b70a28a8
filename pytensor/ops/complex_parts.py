"""Complex numbers and their parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytensor import dtypes
from pytensor.autograd.node import Node, record, view
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


class ViewAsRealBackward0(Node):
    def backward(self, grad: Tensor) -> Any:
        return (view_as_complex(grad.contiguous()),)


class ViewAsComplexBackward0(Node):
    def backward(self, grad: Tensor) -> Any:
        return (view_as_real(grad),)


@op(method=False)
def view_as_real(input: Tensor) -> Tensor:
    """Complex numbers as pairs of real and imaginary part on a new last axis: a view.

    Raises:
        RuntimeError: for a tensor that is not complex.

    >>> import pytensor as torch
    >>> torch.view_as_real(torch.tensor([1 + 2j]))
    tensor([[1., 2.]])
    """
    check_tensor(input, "view_as_real", "input", 1)
    if not input.dtype.is_complex:
        raise RuntimeError("view_as_real is only supported for complex tensors")
    array, part = input._array, input.dtype.to_real()
    xp = module_of(input.device)
    pairs = xp.lib.stride_tricks.as_strided(array.real, (*array.shape, 2), (*array.strides, part.itemsize))
    return view(input, pairs, ViewAsRealBackward0, None)


@op(method=False)
def view_as_complex(input: Tensor) -> Tensor:
    """Pairs on the last axis as complex numbers: a view.

    Raises:
        RuntimeError: for a last axis of another size, or whose pairs do not lie together.

    >>> import pytensor as torch
    >>> torch.view_as_complex(torch.tensor([[1.0, 2.0]]))
    tensor([1.+2.j])
    """
    check_tensor(input, "view_as_complex", "input", 1)
    if input.dtype not in (dtypes.float32, dtypes.float64):
        raise RuntimeError(
            "view_as_complex is only supported for half, float and double tensors, but got a tensor of scalar type: "
            f"{scalar_type_name(input.dtype)}"
        )
    if input.dim() == 0:
        raise RuntimeError("Input tensor must have one or more dimensions")
    array = input._array
    if array.shape[-1] != 2:
        raise RuntimeError("Tensor must have a last dimension of size 2")
    if array.strides[-1] != array.itemsize:
        raise RuntimeError("Tensor must have a last dimension with stride 1")
    if any(s % (2 * array.itemsize) for s in array.strides[:-1]):
        raise RuntimeError("Tensor must have a stride divisible by 2 for all but last dimension")
    return view(input, array.view(input.dtype.to_complex().numpy)[..., 0], ViewAsComplexBackward0, None)


@op(method=False)
def real(input: Tensor) -> Tensor:
    """The real parts: a view of a complex tensor, a real tensor itself.

    >>> import pytensor as torch
    >>> torch.real(torch.tensor([1 + 2j]))
    tensor([1.])
    """
    check_tensor(input, "real", "input", 1)
    return view_as_real(input).select(-1, 0) if input.dtype.is_complex else input


@op(method=False)
def imag(input: Tensor) -> Tensor:
    """The imaginary parts of a complex tensor: a view.

    Raises:
        RuntimeError: for a tensor that is not complex.

    >>> import pytensor as torch
    >>> torch.imag(torch.tensor([1 + 2j]))
    tensor([2.])
    """
    check_tensor(input, "imag", "input", 1)
    if not input.dtype.is_complex:
        raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")
    return view_as_real(input).select(-1, 1)
