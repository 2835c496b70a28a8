"""Products added to something: ``beta * input + alpha * (a @ b)`` in its five forms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytensor.autograd.node import Node, record
from pytensor.backend import backend_of
from pytensor.backend.reference.array_module import array_module
from pytensor.dtypes import FLOATING, bfloat16, float16
from pytensor.ops.checks import check_same_device, check_tensor
from pytensor.ops.matmul import adjoint_of, check_product_dtype, conjugate_of, matmul, mv, outer
from pytensor.ops.out import write_out
from pytensor.ops.pointwise_core import result_type
from pytensor.ops.registry import op
from pytensor.typename import c_type_name, scalar_type_name

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["addbmm", "addmm", "addmv", "addr", "baddbmm", "check_addmm"]

Number = bool | int | float | complex


def _scaled(x: Tensor, factor: Number) -> Tensor:
    return x if factor == 1 else x * (factor.conjugate() if isinstance(factor, complex) else factor)


class AddedProductBackward(Node):
    """ctx: (beta, alpha). Subclasses give the gradients of the product's operands."""

    def backward(self, grad: Tensor) -> Any:
        beta, alpha = self.ctx
        needs_input, needs_a, needs_b = self.needs_input_grad
        grad_input = _scaled(grad, beta) if needs_input else None
        grad_a = _scaled(self.grad_a(grad), alpha) if needs_a else None
        grad_b = _scaled(self.grad_b(grad), alpha) if needs_b else None
        return grad_input, grad_a, grad_b

    def grad_a(self, grad: Tensor) -> Tensor:
        return matmul(grad, adjoint_of(self.saved[1]))

    def grad_b(self, grad: Tensor) -> Tensor:
        return matmul(adjoint_of(self.saved[0]), grad)


class AddmmBackward0(AddedProductBackward):
    pass


class BaddbmmBackward0(AddedProductBackward):
    pass


class AddbmmBackward0(AddedProductBackward):
    pass


class AddmvBackward0(AddedProductBackward):
    def grad_a(self, grad: Tensor) -> Tensor:
        return outer(grad, conjugate_of(self.saved[1]))

    def grad_b(self, grad: Tensor) -> Tensor:
        return mv(adjoint_of(self.saved[0]), grad)


class AddrBackward0(AddedProductBackward):
    def grad_a(self, grad: Tensor) -> Tensor:
        return mv(grad, conjugate_of(self.saved[1]))

    def grad_b(self, grad: Tensor) -> Tensor:
        return mv(grad.t(), conjugate_of(self.saved[0]))


def _check_expands(input: Tensor, target: tuple[int, ...]) -> None:
    shape = tuple(input.shape)
    missing = len(target) - len(shape)
    if missing < 0:
        raise RuntimeError(
            f"expand({input.type()}{{{list(shape)}}}, size={list(target)}): the number of sizes provided "
            f"({len(target)}) must be greater or equal to the number of dimensions in the tensor ({len(shape)})"
        )
    for i in reversed(range(len(shape))):
        if shape[i] not in (1, target[i + missing]):
            raise RuntimeError(
                f"The expanded size of the tensor ({target[i + missing]}) must match the existing size ({shape[i]}) at "
                f"non-singleton dimension {i + missing}.  Target sizes: {list(target)}.  Tensor sizes: {list(shape)}"
            )


def _factor(value: Number, input: Tensor) -> Number:
    """beta or alpha as a number of the operands' kind."""
    return int(value) if input.dtype.category < FLOATING else value


def _added(node: type[Node], input: Tensor, a: Tensor, b: Tensor, product: Any, beta: Number, alpha: Number) -> Tensor:
    """beta * input + alpha * product, recorded. ``product(a, b, bias)`` takes arrays; matrices get a bias of their rows."""
    beta, alpha = _factor(beta, input), _factor(alpha, input)
    operands = (input._array, a._array, b._array)
    rows = beta == 1 and alpha == 1 and input.ndim == 1 and b.ndim > 1 and input.dtype.category >= FLOATING
    if rows and len(input) > 1:
        source, left, right = operands
        array = product(left, right, source)
    elif input.dtype in (float16, bfloat16):  # rounded once
        with np.errstate(over="ignore", invalid="ignore"):
            wide = (x.astype("float32") for x in operands)
            array = _combined(*wide, product, beta, alpha).astype(input.dtype.numpy)
    else:
        array = _combined(*operands, product, beta, alpha)
    saved = (a if b._requires_grad else None, b if a._requires_grad else None)
    return record(node, (input, a, b), array, saved=saved, ctx=(beta, alpha))


def _combined(source: Any, left: Any, right: Any, product: Any, beta: Number, alpha: Number) -> Any:
    array = product(left, right, None)
    if alpha != 1:
        array *= array.dtype.type(alpha)
    if beta == 1:
        array += source
    elif beta != 0:  # beta = 0 ignores input, NaN included
        array += source * source.dtype.type(beta)
    return array


def _check_tensors(function: str, **tensors: Any) -> None:
    for position, (name, value) in enumerate(tensors.items(), 1):
        check_tensor(value, function, name, position)
    check_same_device(*tensors.values())


def check_addmm(function: str, input: Tensor, mat1: Tensor, mat2: Tensor) -> None:
    """RuntimeError unless the shapes of ``input + mat1 @ mat2`` fit together and the dtypes are the same."""
    _check_tensors(function, input=input, mat1=mat1, mat2=mat2)
    for name, matrix in (("mat1", mat1), ("mat2", mat2)):
        if matrix.ndim != 2:
            raise RuntimeError(f"{name} must be a matrix, got {matrix.ndim}-D tensor")
    (m, k), (other, n) = mat1.shape, mat2.shape
    if k != other:
        raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({m}x{k} and {other}x{n})")
    _check_expands(input, (m, n))
    if input.dtype is not mat2.dtype:
        raise RuntimeError(
            "self and mat2 must have the same dtype, but got "
            f"{scalar_type_name(input.dtype)} and {scalar_type_name(mat2.dtype)}"
        )
    message = "mat1 and mat2 must have the same dtype, but got {Left} and {Right}"
    check_product_dtype(mat1, mat2, "addmm_impl_cpu_", message)


@op(inplace=True)
def addmm(
    input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Number = 1, alpha: Number = 1, out: Tensor | None = None
) -> Tensor:
    """``beta * input + alpha * (mat1 @ mat2)``.

    Args:
        input: broadcast to the result; not read when ``beta`` is 0.
        mat1: (m, k)
        mat2: (k, n)

    Raises:
        RuntimeError: when the shapes do not fit together or the dtypes differ.

    >>> import pytensor as torch
    >>> torch.addmm(torch.ones(2), torch.ones(2, 3), torch.ones(3, 2), alpha=2)
    tensor([[7., 7.],
            [7., 7.]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.addmm.html
    """
    check_addmm("addmm", input, mat1, mat2)
    product = backend_of(mat1._array).matmul
    return write_out(_added(AddmmBackward0, input, mat1, mat2, product, beta, alpha), out, "addmm")


def _check_batches(function: str, input: Tensor, batch1: Tensor, batch2: Tensor) -> None:
    if function == "baddbmm":  # PyTorch's asks for the result's sizes before it counts axes
        _check_expands(input, (batch1.size(0), batch1.size(1), batch2.size(2)))
    for position, batch in enumerate((batch1, batch2), 1):
        if batch.ndim != 3:
            raise RuntimeError(f"batch{position} must be a 3D tensor")
    (b, m, k), (other_b, other_k, n) = batch1.shape, batch2.shape
    if function == "addbmm":
        if b != other_b:
            raise RuntimeError(f"batch1 and batch2 must have same number of batches, got {b} and {other_b}")
        if k != other_k:
            raise RuntimeError(f"Incompatible matrix sizes for bmm ({m}x{k} and {other_k}x{n})")
    elif (b, k) != (other_b, other_k):
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{b}, {k}] but got: [{other_b}, {other_k}]."
        )
    if function == "addbmm":
        _check_expands(input, (m, n))
    if not input.dtype is batch1.dtype is batch2.dtype:
        raise RuntimeError(
            f"Input dtypes must be the same, got: input {c_type_name(input.dtype)}, batch1: "
            f"{c_type_name(batch1.dtype)}, batch2: {c_type_name(batch2.dtype)}"
        )
    check_product_dtype(batch1, batch2, "baddbmm" if function == "baddbmm" else "addbmm", "")


@op(inplace=True)
def baddbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Number = 1, alpha: Number = 1, out: Tensor | None = None
) -> Tensor:
    """``beta * input + alpha * bmm(batch1, batch2)``.

    >>> import pytensor as torch
    >>> torch.baddbmm(torch.ones(1, 2, 2), torch.ones(3, 2, 4), torch.ones(3, 4, 2)).shape
    torch.Size([3, 2, 2])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.baddbmm.html
    """
    _check_tensors("baddbmm", input=input, batch1=batch1, batch2=batch2)
    _check_batches("baddbmm", input, batch1, batch2)
    product = backend_of(batch1._array).matmul
    return write_out(_added(BaddbmmBackward0, input, batch1, batch2, product, beta, alpha), out, "baddbmm")


@op(inplace=True)
def addbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Number = 1, alpha: Number = 1, out: Tensor | None = None
) -> Tensor:
    """``beta * input + alpha * bmm(batch1, batch2).sum(0)``.

    >>> import pytensor as torch
    >>> torch.addbmm(torch.zeros(2, 2), torch.ones(3, 2, 4), torch.ones(3, 4, 2))
    tensor([[12., 12.],
            [12., 12.]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.addbmm.html
    """
    _check_tensors("addbmm", input=input, batch1=batch1, batch2=batch2)
    _check_batches("addbmm", input, batch1, batch2)
    (b, m, k), n = batch1.shape, batch2.shape[2]
    kernel = backend_of(batch1._array).matmul

    def product(left: Any, right: Any, bias: Any) -> Any:  # the sum over the batch is part of the sum over k
        return kernel(left.transpose(1, 0, 2).reshape(m, b * k), right.reshape(b * k, n), bias)

    return write_out(_added(AddbmmBackward0, input, batch1, batch2, product, beta, alpha), out, "addbmm")


@op(inplace=True)
def addmv(
    input: Tensor, mat: Tensor, vec: Tensor, *, beta: Number = 1, alpha: Number = 1, out: Tensor | None = None
) -> Tensor:
    """``beta * input + alpha * (mat @ vec)``.

    >>> import pytensor as torch
    >>> torch.addmv(torch.ones(2), torch.ones(2, 3), torch.ones(3))
    tensor([4., 4.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.addmv.html
    """
    _check_tensors("addmv", input=input, mat=mat, vec=vec)
    if mat.ndim != 2 or vec.ndim != 1 or input.ndim > 1:
        raise RuntimeError(f"vector + matrix @ vector expected, got {input.ndim}, {mat.ndim}, {vec.ndim}")
    m, k = mat.shape
    size = input.shape[0] if input.ndim else 1
    if k != vec.shape[0] or size not in (1, m):
        raise RuntimeError(f"size mismatch, got input ({size}), mat ({m}x{k}), vec ({vec.shape[0]})")
    if not input.dtype is mat.dtype is vec.dtype:
        names = [scalar_type_name(x.dtype) for x in (input, mat, vec)]
        raise RuntimeError(
            f"addmv input tensors must have the same dtype, but got {names[0]}, {names[1]}, and {names[2]}"
        )
    check_product_dtype(mat, vec, "addmv_impl_cpu", "")
    kernel = backend_of(mat._array).matmul

    def product(left: Any, right: Any, _bias: None) -> Any:
        return kernel(left, right[:, None])[:, 0]

    return write_out(_added(AddmvBackward0, input, mat, vec, product, beta, alpha), out, "addmv")


@op(inplace=True)
def addr(
    input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: Number = 1, alpha: Number = 1, out: Tensor | None = None
) -> Tensor:
    """``beta * input + alpha * outer(vec1, vec2)``.

    >>> import pytensor as torch
    >>> torch.addr(torch.zeros(2, 2), torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]))
    tensor([[3., 4.],
            [6., 8.]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.addr.html
    """
    _check_tensors("addr", input=input, vec1=vec1, vec2=vec2)
    for name, vector in (("vec1", vec1), ("vec2", vec2)):
        if vector.ndim != 1:
            raise RuntimeError(f"addr: Expected 1-D argument {name}, but got {vector.ndim}-D")
    _check_expands(input, (vec1.shape[0], vec2.shape[0]))
    common = result_type(input, vec1, vec2)
    input, vec1, vec2 = (x if x.dtype is common else x.to(common) for x in (input, vec1, vec2))
    xp = array_module(vec1._array)

    def product(left: Any, right: Any, _bias: None) -> Any:
        return xp.multiply(left[:, None], right)

    return write_out(_added(AddrBackward0, input, vec1, vec2, product, beta, alpha), out, "addr")
