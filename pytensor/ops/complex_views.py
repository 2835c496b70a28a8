"""Parts of complex tensors: real, imag, conj, and complex tensors seen as pairs of reals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytensor.autograd.node import Node, record, view
from pytensor.backend.reference.array_module import array_module
from pytensor.ops.registry import op
from pytensor.typename import scalar_type_name

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["conj", "imag", "real", "view_as_complex", "view_as_real"]


def real(input: Tensor) -> Tensor:
    """A view of the real parts; the tensor itself when it is real.

    >>> import pytensor as torch
    >>> torch.real(torch.tensor([1 + 2j]))
    tensor([1.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.real.html
    """
    if not input.dtype.is_complex:
        return input
    return view_as_real(input).select(-1, 0)


def imag(input: Tensor) -> Tensor:
    """A view of the imaginary parts.

    Raises:
        RuntimeError: for a real tensor.

    >>> import pytensor as torch
    >>> torch.imag(torch.tensor([1 + 2j]))
    tensor([2.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.imag.html
    """
    if not input.dtype.is_complex:
        raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")
    return view_as_real(input).select(-1, 1)


op(method=False)(real)
op(method=False)(imag)


@op(name="real", function=False)
@property
def _real_attribute(self: Tensor) -> Tensor:
    """The real parts, as a view. See :func:`real`.

    >>> import pytensor as torch
    >>> torch.tensor([1 + 2j]).real
    tensor([1.])
    """
    return real(self)


@op(name="imag", function=False)
@property
def _imag_attribute(self: Tensor) -> Tensor:
    """The imaginary parts, as a view. See :func:`imag`.

    >>> import pytensor as torch
    >>> torch.tensor([1 + 2j]).imag
    tensor([2.])
    """
    return imag(self)


class ConjBackward0(Node):
    def backward(self, grad: Tensor) -> Any:
        return (conj(grad),)


@op()
def conj(input: Tensor) -> Tensor:
    """Complex conjugates: a copy (PyTorch's is a lazy view); the tensor itself when it is real.

    >>> import pytensor as torch
    >>> torch.conj(torch.tensor([1 + 2j]))
    tensor([1.-2.j])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.conj.html
    """
    if not input.dtype.is_complex:
        return input
    xp = array_module(input._array)
    return record(ConjBackward0, (input,), xp.asarray(xp.conjugate(input._array)))  # 0-d: NumPy gives a number


@op(inplace=True, inplace_function=True)
def conj_physical(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Complex conjugates, as a copy.

    >>> import pytensor as torch
    >>> torch.conj_physical(torch.tensor([1 + 2j]))
    tensor([1.-2.j])
    """
    from pytensor.ops.out import write_out

    return write_out(conj(input) if input.dtype.is_complex else input.clone(), out, "conj_physical")


class ViewAsRealBackward0(Node):
    def backward(self, grad: Tensor) -> Any:
        return (view_as_complex(grad.contiguous()),)


class ViewAsComplexBackward0(Node):
    def backward(self, grad: Tensor) -> Any:
        return (view_as_real(grad),)


@op(method=False)
def view_as_real(input: Tensor) -> Tensor:
    """A view with a last axis of size 2 for the real and the imaginary part.

    >>> import pytensor as torch
    >>> torch.view_as_real(torch.tensor([1 + 2j]))
    tensor([[1., 2.]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.view_as_real.html
    """
    if not input.dtype.is_complex:
        raise RuntimeError("view_as_real is only supported for complex tensors")
    array = input._array
    pairs = array_module(array).lib.stride_tricks.as_strided(
        array.real, (*array.shape, 2), (*array.strides, array.dtype.itemsize // 2)
    )
    return view(input, pairs, ViewAsRealBackward0)


@op(method=False)
def view_as_complex(input: Tensor) -> Tensor:
    """A view of pairs along a last axis of size 2 as complex numbers.

    Raises:
        RuntimeError: for other dtypes, sizes or strides.

    >>> import pytensor as torch
    >>> torch.view_as_complex(torch.tensor([[1.0, 2.0]]))
    tensor([1.+2.j])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.view_as_complex.html
    """
    array = input._array
    if input.dtype.name not in ("float32", "float64"):
        raise RuntimeError(
            "view_as_complex is only supported for half, float and double tensors, but got a tensor of scalar type: "
            f"{scalar_type_name(input.dtype)}"
        )
    if array.ndim == 0:
        raise RuntimeError("Input tensor must have one or more dimensions")
    if array.shape[-1] != 2:
        raise RuntimeError("Tensor must have a last dimension of size 2")
    size = array.dtype.itemsize
    if array.strides[-1] != size:
        raise RuntimeError("Tensor must have a last dimension with stride 1")
    if any(s % (2 * size) for s in array.strides[:-1]):
        raise RuntimeError("Tensor must have a stride divisible by 2 for all but last dimension")
    pairs = array.view(input.dtype.to_complex().numpy)
    return view(input, pairs[..., 0], ViewAsComplexBackward0)
