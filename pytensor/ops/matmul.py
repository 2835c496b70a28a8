"""Products of matrices and vectors: matmul, mm, bmm, mv, dot, vdot, inner, outer, linear."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pytensor import _C
from pytensor.autograd.node import Node, record
from pytensor.backend import backend_of
from pytensor.dtypes import BOOL
from pytensor.ops.checks import broadcast_shapes_of, check_same_device, check_tensor
from pytensor.ops.out import write_out
from pytensor.ops.pointwise_core import make_op, quick
from pytensor.ops.registry import op
from pytensor.typename import c_type_name, scalar_type_name

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["adjoint_of", "bmm", "check_product_dtype", "dot", "inner", "matmul", "mm", "mv", "outer", "rows_of", "vdot"]


def adjoint_of(x: Tensor) -> Tensor:
    """The conjugate transpose of matrices: what a gradient of a product is multiplied by."""
    return x.mH if x.dtype.is_complex else x.transpose(-2, -1)


def conjugate_of(x: Tensor) -> Tensor:
    return x.conj() if x.dtype.is_complex else x


def rows_of(x: Tensor) -> Tensor:
    """All axes but the last as one."""
    return x if x.ndim == 2 else x.reshape((math.prod(x.shape[:-1]), x.shape[-1]))


class ProductBackward(Node):
    """The gradient of ``a @ b`` for matrices, batched or not."""

    saves = (("input", "other"), ("other", "input"))

    def backward(self, grad: Tensor) -> Any:
        a, b = self.saved
        needs_a, needs_b = self.needs_input_grad
        grad_a = matmul(grad, adjoint_of(b)) if needs_a else None
        grad_b = matmul(adjoint_of(a), grad) if needs_b else None
        return grad_a, grad_b


class MmBackward0(ProductBackward):
    quick = (("@", "grad", "1.T"), ("@", "0.T", "grad"))


class BmmBackward0(ProductBackward):
    pass


class UnsafeViewBackward0(Node):
    """The gradient of ``a @ b`` for many matrices a and one b: one tall product each."""

    def backward(self, grad: Tensor) -> Any:
        a, b = self.saved
        needs_a, needs_b = self.needs_input_grad
        grad_a = matmul(grad, adjoint_of(b)) if needs_a else None
        grad_b = mm(adjoint_of(rows_of(a)), rows_of(grad)) if needs_b else None
        return grad_a, grad_b


class MvBackward0(Node):
    def backward(self, grad: Tensor) -> Any:
        matrix, vector = self.saved
        needs_matrix, needs_vector = self.needs_input_grad
        grad_matrix = outer(grad, conjugate_of(vector)) if needs_matrix else None
        grad_vector = mv(adjoint_of(matrix), grad) if needs_vector else None
        return grad_matrix, grad_vector


class DotBackward0(Node):
    def backward(self, grad: Tensor) -> Any:
        a, b = self.saved
        needs_a, needs_b = self.needs_input_grad
        return (grad * conjugate_of(b) if needs_a else None), (grad * conjugate_of(a) if needs_b else None)


class VdotBackward0(Node):
    def backward(self, grad: Tensor) -> Any:
        a, b = self.saved
        needs_a, needs_b = self.needs_input_grad
        return (conjugate_of(grad) * b if needs_a else None), (grad * a if needs_b else None)


def _recorded(node: type[Node], a: Tensor, b: Tensor, array: Any) -> Tensor:
    saved = (a if b._requires_grad else None, b if a._requires_grad else None)
    return record(node, (a, b), array, saved=saved)


def check_product_dtype(a: Tensor, b: Tensor, kernel: str, message: str) -> None:
    """RuntimeError for operands of two types, NotImplementedError for bool (products of nothing have no
    kernel to miss), as PyTorch words them."""
    if a.dtype is not b.dtype:
        names = {
            "left": c_type_name(a.dtype),
            "right": c_type_name(b.dtype),
            "Left": scalar_type_name(a.dtype),
            "Right": scalar_type_name(b.dtype),
        }
        raise RuntimeError(message.format(**names))
    if a.dtype.category == BOOL and (kernel in ("dot", "vdot") or (a.numel() > 0 and b.numel() > 0)):
        raise NotImplementedError(f"\"{kernel}\" not implemented for 'Bool'")
    check_same_device(a, b)


def _check_matrices(a: Tensor, b: Tensor) -> None:
    if a.shape[-1] != b.shape[0]:
        rows = math.prod(a.shape[:-1])
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({rows}x{a.shape[-1]} and {b.shape[0]}x{b.shape[1]})"
        )
    check_product_dtype(
        a, b, "addmm_impl_cpu_", "expected m1 and m2 to have the same dtype, but got: {left} != {right}"
    )


def _check_batches(a: Tensor, b: Tensor) -> None:
    check_product_dtype(a, b, "bmm", "expected scalar type {Left} but found {Right}")
    if a.shape[-1] != b.shape[-2]:
        count = math.prod(broadcast_shapes_of(a.shape[:-2], b.shape[:-2]))
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{count}, {a.shape[-1]}] but got: "
            f"[{count}, {b.shape[-2]}]."
        )


def _matmul(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The matrix product, by the number of axes: dot product of two vectors, matrix times vector, matrix times matrix,
    and products of batches of matrices, whose leading axes broadcast.

    Args:
        input: (..., m, k) or (k,)
        other: (..., k, n) or (k,), of the same dtype

    Returns:
        (..., m, n), without the axes that a vector lacks.

    Raises:
        RuntimeError: when the shapes do not fit together, the dtypes differ, or an operand is 0-d.

    >>> import pytensor as torch
    >>> a = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> torch.matmul(a, a)
    tensor([[ 7., 10.],
            [15., 22.]])
    >>> a @ torch.tensor([1.0, 1.0])
    tensor([3., 7.])
    >>> (torch.ones(5, 1, 2, 3) @ torch.ones(4, 3, 6)).shape
    torch.Size([5, 4, 2, 6])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.matmul.html
    """
    check_tensor(input, "matmul", "input", 1)
    check_tensor(other, "matmul", "other", 2)
    if input.ndim == 0 or other.ndim == 0:
        raise RuntimeError(
            f"both arguments to matmul need to be at least 1D, but they are {input.ndim}D and {other.ndim}D"
        )
    return write_out(_product(input, other), out, "matmul")


def _product(a: Tensor, b: Tensor) -> Tensor:
    if a.ndim == 2 and b.ndim == 2:
        return mm(a, b)
    if b.ndim == 1:
        if a.ndim == 1:
            return dot(a, b)
        if a.ndim == 2:
            return mv(a, b)
        return mv(rows_of(a), b).reshape(a.shape[:-1])
    if a.ndim == 1:
        return _product(a.unsqueeze(0), b).squeeze(-2)
    if b.ndim == 2:
        _check_matrices(a, b)
        return _recorded(UnsafeViewBackward0, a, b, backend_of(a._array).matmul(a._array, b._array))
    broadcast_shapes_of(a.shape[:-2], b.shape[:-2])
    _check_batches(a, b)
    return _recorded(BmmBackward0, a, b, backend_of(a._array).matmul(a._array, b._array))


_matmul.__name__ = _matmul.__qualname__ = "matmul"
matmul = op()(make_op("matmul", _matmul, node=MmBackward0))


def _operator(self: Tensor, other: Any) -> Any:
    """``self @ other``"""
    return _matmul(self, other) if isinstance(other, _C.TensorBase) else NotImplemented


def _reflected_operator(self: Tensor, other: Any) -> Any:
    """``other @ self``"""
    return _matmul(other, self) if isinstance(other, _C.TensorBase) else NotImplemented


op(name="__matmul__", function=False)(make_op("matmul", _operator, node=MmBackward0))
op(name="__rmatmul__", function=False)(_reflected_operator)


@op()
@quick("matmul", MmBackward0)
def mm(input: Tensor, mat2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The product of two matrices (m, k) and (k, n).

    Raises:
        RuntimeError: for operands that are no matrices, do not fit together, or have two dtypes.

    >>> import pytensor as torch
    >>> torch.mm(torch.ones(2, 3), torch.ones(3, 1))
    tensor([[3.],
            [3.]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.mm.html
    """
    check_tensor(input, "mm", "input", 1)
    check_tensor(mat2, "mm", "mat2", 2)
    if input.ndim != 2:
        raise RuntimeError("self must be a matrix")
    if mat2.ndim != 2:
        raise RuntimeError("mat2 must be a matrix")
    _check_matrices(input, mat2)
    result = _recorded(MmBackward0, input, mat2, backend_of(input._array).matmul(input._array, mat2._array))
    return write_out(result, out, "mm")


@op()
def bmm(input: Tensor, mat2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Products of pairs of matrices: (b, m, k) and (b, k, n) give (b, m, n).

    Raises:
        RuntimeError: for operands that are not 3-d, do not fit together, or have two dtypes.

    >>> import pytensor as torch
    >>> torch.bmm(torch.ones(2, 1, 3), torch.ones(2, 3, 1)).flatten()
    tensor([3., 3.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.bmm.html
    """
    check_tensor(input, "bmm", "input", 1)
    check_tensor(mat2, "bmm", "mat2", 2)
    for position, operand in enumerate((input, mat2), 1):
        if operand.ndim != 3:
            raise RuntimeError(f"batch{position} must be a 3D tensor")
    if input.shape[0] != mat2.shape[0] or input.shape[2] != mat2.shape[1]:
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{input.shape[0]}, {input.shape[2]}] but "
            f"got: [{mat2.shape[0]}, {mat2.shape[1]}]."
        )
    _check_batches(input, mat2)
    result = _recorded(BmmBackward0, input, mat2, backend_of(input._array).matmul(input._array, mat2._array))
    return write_out(result, out, "bmm")


@op()
def mv(input: Tensor, vec: Tensor, *, out: Tensor | None = None) -> Tensor:
    """A matrix (m, k) times a vector (k,).

    Raises:
        RuntimeError: when the operands are not that, do not fit together, or have two dtypes.

    >>> import pytensor as torch
    >>> torch.mv(torch.eye(2), torch.tensor([1.0, 2.0]))
    tensor([1., 2.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.mv.html
    """
    check_tensor(input, "mv", "input", 1)
    check_tensor(vec, "mv", "vec", 2)
    if input.ndim != 2 or vec.ndim != 1:
        raise RuntimeError(f"vector + matrix @ vector expected, got 1, {input.ndim}, {vec.ndim}")
    rows, columns = input.shape
    if columns != vec.shape[0]:
        raise RuntimeError(f"size mismatch, got input ({rows}), mat ({rows}x{columns}), vec ({vec.shape[0]})")
    message = "addmv input tensors must have the same dtype, but got {Right}, {Left}, and {Right}"
    check_product_dtype(input, vec, "addmv_impl_cpu", message)
    array = backend_of(input._array).matmul(input._array, vec._array[:, None])[:, 0]
    return write_out(_recorded(MvBackward0, input, vec, array), out, "mv")


def _check_vectors(a: Tensor, b: Tensor, function: str, argument: str) -> None:
    check_tensor(a, function, "input", 1)
    check_tensor(b, function, argument, 2)
    if a.ndim != 1 or b.ndim != 1:
        raise RuntimeError(f"1D tensors expected, but got {a.ndim}D and {b.ndim}D tensors")
    check_product_dtype(a, b, function, "dot : expected both vectors to have same dtype, but found {Left} and {Right}")
    if a.shape != b.shape:
        n, m = a.shape[0], b.shape[0]
        raise RuntimeError(
            f"inconsistent tensor size, expected tensor [{n}] and src [{m}] to have the same number of elements, but "
            f"got {n} and {m} elements respectively"
        )


def _dot(a: Any, b: Any) -> Any:
    return backend_of(a).matmul(a[None, :], b[:, None])[0, 0, ...]


@op()
def dot(input: Tensor, tensor: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The sum of the products of two vectors' elements (not conjugated).

    Raises:
        RuntimeError: for other than two vectors of one size and dtype.

    >>> import pytensor as torch
    >>> torch.dot(torch.tensor([1, 2]), torch.tensor([3, 4]))
    tensor(11)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.dot.html
    """
    _check_vectors(input, tensor, "dot", "tensor")
    return write_out(_recorded(DotBackward0, input, tensor, _dot(input._array, tensor._array)), out, "dot")


@op()
def vdot(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The sum of the products of two vectors' elements, the first's conjugated.

    >>> import pytensor as torch
    >>> torch.vdot(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]))
    tensor(11.)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.vdot.html
    """
    _check_vectors(input, other, "vdot", "other")
    left = input._array.conj() if input.dtype.is_complex else input._array
    return write_out(_recorded(VdotBackward0, input, other, _dot(left, other._array)), out, "vdot")


@op()
def inner(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Sums of products over the last axes: (..., k) and (***, k) give (..., ***). A 0-d operand scales.

    Raises:
        RuntimeError: when the last axes or the dtypes differ.

    >>> import pytensor as torch
    >>> torch.inner(torch.ones(2, 3), torch.ones(4, 3)).shape
    torch.Size([2, 4])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.inner.html
    """
    check_tensor(input, "inner", "input", 1)
    check_tensor(other, "inner", "other", 2)
    if input.dtype is not other.dtype:
        raise RuntimeError("both inputs should have same dtype")
    if input.ndim == 0 or other.ndim == 0:
        return write_out(input * other, out, "inner")
    if input.shape[-1] != other.shape[-1]:
        raise RuntimeError(
            "inner() the last dimension must match on both input tensors but got shapes "
            f"{list(input.shape)} and {list(other.shape)}"
        )
    if input.ndim == 1 and other.ndim == 1:
        return dot(input, other, out=out)
    result = mm(rows_of(input.unsqueeze(0)), rows_of(other.unsqueeze(0)).t())
    return write_out(result.reshape((*input.shape[:-1], *other.shape[:-1])), out, "inner")


@op(aliases=("ger",))
def outer(input: Tensor, vec2: Tensor, *, out: Tensor | None = None) -> Tensor:
    """All products of the elements of two vectors (n,) and (m,): an (n, m) matrix.

    Raises:
        RuntimeError: for operands that are no vectors.

    >>> import pytensor as torch
    >>> torch.outer(torch.tensor([1, 2]), torch.tensor([3, 4]))
    tensor([[3, 4],
            [6, 8]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.outer.html
    """
    check_tensor(input, "outer", "input", 1)
    check_tensor(vec2, "outer", "vec2", 2)
    for name, operand in (("self", input), ("vec2", vec2)):
        if operand.ndim != 1:
            raise RuntimeError(f"outer: Expected 1-D argument {name}, but got {operand.ndim}-D")
    return write_out(input.unsqueeze(1) * vec2, out, "outer")
