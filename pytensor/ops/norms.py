"""Norms and distances, and the log of a sum of exponentials."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pytensor import _C
from pytensor.autograd.grad_mode import no_grad
from pytensor.autograd.node import OUTPUT, Node, record, wrap
from pytensor.backend import backend_of
from pytensor.dtypes import FLOATING, dtype, get_default_dtype
from pytensor.ops.axes import count, like_input, mask_of, numpy_names, reduced_axes, spread
from pytensor.ops.checks import check_tensor, normalize_dims
from pytensor.ops.out import write_out
from pytensor.ops.registry import op
from pytensor.typename import scalar_type_name

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["dist", "linalg_norm", "logsumexp", "matrix_norm", "norm", "renorm", "vector_norm"]

Dims = int | Sequence[int] | None


class LogsumexpBackward0(Node):
    """ctx: (shape, dim, keepdim)."""

    def backward(self, grad: Any) -> Any:
        input, result = self.saved
        largest = like_input(result, *self.ctx)
        return (spread(grad, *self.ctx) * (input - largest).exp(),)


@op()
@numpy_names
def logsumexp(input: Tensor, dim: int | Sequence[int], keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:
    """The logarithm of the sum of the exponentials over ``dim``, without overflow.

    >>> import pytensor as torch
    >>> torch.zeros(2, 3).logsumexp(1)
    tensor([1.0986, 1.0986])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.logsumexp.html
    """
    check_tensor(input, "logsumexp", "input", 1)
    if input.dtype.category < FLOATING:
        input = input.to(get_default_dtype())
    axes = reduced_axes(dim, input.ndim)
    with no_grad():
        if count(input.shape, axes) == 0:
            result = input.sum(axes, keepdim).log() if axes else input.clone()
        else:
            peak = input.real.amax(axes, True) if input.dtype.is_complex else input.amax(axes, True)
            peak = peak.masked_fill(peak.abs() == math.inf, 0)
            total = (input - peak).exp().sum(axes, True).log() + peak
            result = total if keepdim or not axes else total.squeeze(axes)
    node = record(LogsumexpBackward0, (input,), result._array, saved=(input, OUTPUT), ctx=(input.shape, dim, keepdim))
    return write_out(node, out, "logsumexp")


class LinalgVectorNormBackward0(Node):
    """ctx: (order, dim, keepdim)."""

    def backward(self, grad: Any) -> Any:
        x, norm = self.saved
        order, dim, keepdim = self.ctx
        grad = like_input(grad, x.shape, dim, keepdim)
        norm = like_input(norm, x.shape, dim, keepdim)
        if order == 0:
            return (x * 0,)
        if order == 1:
            return (x.sgn() * grad,)
        if order == 2:
            return ((x * (grad / norm)).masked_fill(norm == 0, 0),)
        if math.isinf(order):
            size = x.abs()
            chosen = ((size == norm) | ((size != size) & (norm != norm))).to(norm.dtype)
            ties = chosen.sum(reduced_axes(dim, x.ndim), True)
            return (x.sgn() * (chosen * (grad / ties)),)
        if order < 1:
            power = x.sgn() * x.abs().pow(order - 1).masked_fill(x == 0, 0)
            return (power * (grad * norm.pow(1 - order)).masked_fill(norm == 0, 0),)
        if order < 2:
            power = x.sgn() * x.abs().pow(order - 1)
            return (power * (grad / norm.pow(order - 1)).masked_fill(norm == 0, 0),)
        return (x * x.abs().pow(order - 2) * (grad / norm.pow(order - 1)).masked_fill(norm == 0, 0),)


def _norm_array(input: Any, order: float, axes: tuple[int, ...], keepdim: bool) -> Any:
    """The array of a vector norm."""
    array = input._array
    reduction = backend_of(array).reduction
    if order == 2:
        return reduction("norm2", array, axes, keepdim)
    if order == 0:
        return reduction("sum", mask_of(array, array != 0), axes, keepdim).astype(
            abs(array[:0]).dtype if array.ndim else array.real.dtype
        )
    size = np.abs(array) if isinstance(array, np.ndarray) else abs(array)
    size = np.asarray(size) if isinstance(array, np.ndarray) else size
    if math.isinf(order):
        return reduction("max" if order > 0 else "min", size, axes, keepdim)
    if order == 1:
        return reduction("sum", size, axes, keepdim)
    wide = mask_of(array, size).astype(np.float64)
    with np.errstate(all="ignore"):
        total = reduction("sum", mask_of(array, wide**order), axes, keepdim) ** (1.0 / order)
    return np.asarray(total).astype(size.dtype)


@op(namespace="linalg")
def vector_norm(
    x: Tensor,
    ord: float = 2,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: dtype | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """The ``ord``-norm of all elements or over the axes ``dim``, matrices taken as vectors.

    Args:
        ord: any number; ``inf`` and ``-inf`` give the greatest and the least magnitude, 0 counts nonzero elements.

    >>> import pytensor as torch
    >>> torch.linalg.vector_norm(torch.tensor([3.0, 4.0]))
    tensor(5.)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.vector_norm.html
    """
    check_tensor(x, "linalg_vector_norm", "self", 1)
    if x.dtype.category < FLOATING:
        raise RuntimeError(
            f"linalg.vector_norm: Expected a floating point or complex tensor as input. Got {scalar_type_name(x.dtype)}"
        )
    if dtype is not None and x.dtype is not dtype:
        x = x.to(dtype)
    axes = reduced_axes(dim, x.ndim)
    if ord < 0 or ord == math.inf:
        _check_identity(x, ord, dim, axes)
    array = _norm_array(x, float(ord), axes, keepdim)
    ctx = (float(ord), dim, keepdim)
    return write_out(
        record(LinalgVectorNormBackward0, (x,), array, saved=(x, OUTPUT), ctx=ctx), out, "linalg_vector_norm"
    )


def _check_identity(x: Any, order: float, dim: Dims, axes: tuple[int, ...]) -> None:
    if dim is None and x.numel() == 0:
        raise RuntimeError(
            f"linalg.vector_norm cannot compute the {order:g} norm on an empty tensor because the operation does not have "
            "an identity"
        )
    for axis in axes:
        if x.shape[axis] == 0:
            raise RuntimeError(
                f"linalg.vector_norm cannot compute the {order:g} norm on the dimension {axis}because this dimension is "
                "empty and the operation does not have an identity"
            )


class SpectralNormBackward(Node):
    """Norms made of singular values. saved: (derivative with respect to the matrix,); ctx: (shape, dim)."""

    def name(self) -> str:
        return "LinalgMatrixNormBackward0"

    def backward(self, grad: Any) -> Any:
        if _C.is_grad_enabled():
            raise NotImplementedError("the second derivative of norms made of singular values is not there yet")
        (slope,) = self.saved
        return (grad.unsqueeze(-1).unsqueeze(-1) * wrap(slope),)


def _singular_norm(matrix: Any, order: Any) -> Any:
    """2, -2 and nuc of the last two axes."""
    u, s, vh = np.linalg.svd(matrix._array, full_matrices=False)
    if order == "nuc":
        value, slope = s.sum(-1), u @ vh
    else:
        value = s[..., 0 if order == 2 else -1]
        ties = s == value[..., None]  # equal singular values share evenly
        share = (ties / ties.sum(-1, keepdims=True)).astype(s.dtype)
        slope = (u * share[..., None, :]) @ vh
    return record(SpectralNormBackward, (matrix,), np.asarray(value), saved=(slope,))


@op(namespace="linalg")
def matrix_norm(
    A: Tensor,
    ord: Any = "fro",
    dim: Sequence[int] = (-2, -1),
    keepdim: bool = False,
    *,
    dtype: dtype | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """A norm of matrices: "fro", "nuc", 2 and -2 (singular values), 1, -1, inf and -inf (sums of columns and rows).

    >>> import pytensor as torch
    >>> torch.linalg.matrix_norm(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), 1)
    tensor(6.)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.matrix_norm.html
    """
    check_tensor(A, "linalg_matrix_norm", "self", 1)
    if A.dtype.category < FLOATING:
        raise RuntimeError(
            f"linalg.matrix_norm: Expected a floating point or complex tensor as input. Got {scalar_type_name(A.dtype)}"
        )
    if A.ndim < 2:
        raise RuntimeError("linalg.matrix_norm: The input tensor A must have at least 2 dimensions.")
    if len(dim) != 2:
        raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {' '.join(str(d) for d in dim)}")
    if ord not in ("fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf):
        raise RuntimeError(f"linalg.matrix_norm: Order {ord} not supported.")
    if dtype is not None and A.dtype is not dtype:
        A = A.to(dtype)
    row, column = normalize_dims(dim, A.ndim)
    if ord == "fro":
        result = vector_norm(A, 2, (row, column), keepdim)
    elif ord in ("nuc", 2, -2):
        result = _singular_norm(A.movedim((row, column), (-2, -1)), ord)
        if keepdim:
            result = result.reshape([1 if i in (row, column) else n for i, n in enumerate(A.shape)])
    else:
        summed, over = (row, column) if abs(ord) == 1 else (column, row)
        sums = vector_norm(A, 1, summed, True)
        if ord > 0 and sums.shape[over] == 0:  # the norm of no columns is zero
            sums = sums.sum(over, True)
        result = sums.amax(over, True) if ord > 0 else sums.amin(over, True)
        result = result if keepdim else result.squeeze((row, column))
    return write_out(result, out, "linalg_matrix_norm")


@op(name="norm", namespace="linalg")
def linalg_norm(
    A: Tensor,
    ord: Any = None,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: dtype | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """A norm of vectors (one axis) or matrices (two axes); of all elements without ``ord`` and ``dim``.

    >>> import pytensor as torch
    >>> torch.linalg.norm(torch.tensor([[3.0, 0.0], [0.0, 4.0]]))
    tensor(5.)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.linalg.norm.html
    """
    check_tensor(A, "linalg_norm", "self", 1)
    axes = None if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
    if ord is None:
        return write_out(vector_norm(A, 2, axes, keepdim, dtype=dtype), out, "linalg_norm")
    matrices = isinstance(ord, str) or (len(axes) == 2 if axes is not None else A.ndim == 2)
    if axes is None and A.ndim not in (1, 2):
        raise RuntimeError(
            f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {A.ndim}D."
        )
    if matrices:
        result = matrix_norm(A, ord, axes or (-2, -1), keepdim, dtype=dtype)
    else:
        result = vector_norm(A, ord, axes, keepdim, dtype=dtype)
    return write_out(result, out, "linalg_norm")


@op()
@numpy_names
def norm(
    input: Tensor,
    p: Any = "fro",
    dim: Dims = None,
    keepdim: bool = False,
    out: Tensor | None = None,
    dtype: dtype | None = None,
) -> Tensor:
    """The ``p``-norm of all elements, or over the axes ``dim``. "fro" is 2; "nuc" sums singular values.

    >>> import pytensor as torch
    >>> torch.tensor([3.0, 4.0]).norm()
    tensor(5.)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.norm.html
    """
    check_tensor(input, "norm", "input", 1)
    if p is None or p == "fro":
        return write_out(vector_norm(input, 2, dim, keepdim, dtype=dtype), out, "norm")
    if isinstance(p, str):
        if p != "nuc":
            raise RuntimeError(f"linalg.matrix_norm: Order {p} not supported.")
        axes = (-2, -1) if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
        return write_out(matrix_norm(input, "nuc", axes, keepdim, dtype=dtype), out, "norm")
    return write_out(vector_norm(input, p, dim, keepdim, dtype=dtype), out, "norm")


@op()
def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The ``p``-norm of ``input - other``.

    >>> import pytensor as torch
    >>> torch.dist(torch.tensor([1.0, 2.0]), torch.tensor([4.0, 6.0]))
    tensor(5.)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.dist.html
    """
    check_tensor(input, "dist", "input", 1)
    check_tensor(other, "dist", "other", 2)
    return vector_norm(input - other, p)


@op(inplace=True)
def renorm(input: Tensor, p: float, dim: int, maxnorm: float, *, out: Tensor | None = None) -> Tensor:
    """``input`` with the slices along ``dim`` scaled down to a ``p``-norm of at most ``maxnorm``.

    >>> import pytensor as torch
    >>> torch.tensor([[3.0, 4.0], [0.3, 0.4]]).renorm(2, 0, 1.0)
    tensor([[0.6000, 0.8000],
            [0.3000, 0.4000]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.renorm.html
    """
    check_tensor(input, "renorm", "input", 1)
    if p <= 0:
        raise RuntimeError("renorm: non-positive-norm not supported")
    if maxnorm < 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm}")
    if input.ndim < 2:
        raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {input.ndim} dimensions")
    (dim,) = normalize_dims(dim, input.ndim)
    norms = vector_norm(input, p, [i for i in range(input.ndim) if i != dim], True)
    kept = norms * 0 + 1
    factor = (maxnorm / (norms + 1e-7)) * (norms > maxnorm).to(norms.dtype) + kept * (norms <= maxnorm).to(norms.dtype)
    return write_out(input * factor, out, "renorm")
