"""Slices along one axis by a vector of indices: index_select and the ops that write where it reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytensor.autograd.node import Node, record, wrap
from pytensor.backend import backend_of
from pytensor.ops.axes import is_tensor, zeros_beside
from pytensor.ops.checks import check_tensor, normalize_dim
from pytensor.ops.index import check_bounds, refuse_index, scatter_reduce
from pytensor.ops.out import write_out
from pytensor.ops.pointwise_core import quick
from pytensor.ops.registry import op
from pytensor.typename import scalar_type_name

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["index_add", "index_copy", "index_fill", "index_reduce", "index_select"]


class IndexSelectBackward0(Node):
    """saved: (index,); ctx: (shape of the input, dim)."""

    saves = ("other",)

    def backward(self, grad: Any) -> Any:
        (index,) = self.saved
        shape, dim = self.ctx
        if len(shape) == 0:
            return (grad.sum(),)
        return (spread_rows(grad, shape, dim, index),)


class SpreadRowsBackward(Node):
    """saved: (index,); ctx: dim."""

    def backward(self, grad: Any) -> Any:
        (index,) = self.saved
        return (index_select(grad, self.ctx, index),)

    def name(self) -> str:
        return "IndexAddBackward0"


def spread_rows(rows: Any, shape: Any, dim: int, index: Any) -> Any:
    """Zeros with the slices of ``rows`` added at a vector of indices: the adjoint of index_select."""
    zeros = zeros_beside(rows, shape)._array
    backend_of(zeros).add_rows(zeros, dim, index._array.reshape(-1), rows._array)
    return record(SpreadRowsBackward, (rows,), zeros, saved=(index,), ctx=dim)


@op()
@quick("take", IndexSelectBackward0)
def index_select(input: Tensor, dim: int, index: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The slices of ``input`` along ``dim`` at a vector of indices (int64 or int32), as a copy.

    Raises:
        IndexError: for an index out of range.

    >>> import pytensor as torch
    >>> torch.tensor([[1, 2], [3, 4]]).index_select(1, torch.tensor([1, 1, 0]))
    tensor([[2, 2, 1],
            [4, 4, 3]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.index_select.html
    """
    check_tensor(input, "index_select", "input", 1)
    check_tensor(index, "index_select", "index", 3)
    dim = normalize_dim(dim, input.ndim)
    if index.ndim > 1:
        raise IndexError("index_select(): Index is supposed to be a vector")
    if index.dtype.name not in ("int32", "int64"):
        raise RuntimeError("index_select(): Expected dtype int32 or int64 for index")
    if input.ndim == 0 and index.numel() != 1:
        raise RuntimeError(f"index_select(): Index to scalar can have only 1 value, got {index.numel()} value(s)")
    x, places = input._array, index._array.reshape(-1)
    array = backend_of(x).take_rows(x if x.ndim else x.reshape(1), dim, places)
    if array is None:
        raise IndexError("index out of range in self")
    if not x.ndim:
        array = array.reshape(())
    result = record(IndexSelectBackward0, (input,), array, saved=(index,), ctx=(input.shape, dim))
    return write_out(result, out, "index_select")


def _check_rows(name: str, input: Any, dim: int, index: Any) -> tuple[int, Any]:
    check_tensor(input, name, "input", 1)
    check_tensor(index, name, "index", 3)
    dim = normalize_dim(dim, input.ndim)
    if index.ndim > 1:
        error = IndexError if name == "index_copy" else RuntimeError
        raise error(f"{name}_(): Index should have dimension 1 or 0 (got {index.ndim})")
    if index.dtype.name not in ("int32", "int64"):
        raise RuntimeError(f"{name}_(): Expected dtype int32/int64 for index but got: {scalar_type_name(index.dtype)}")
    return dim, index._array.reshape(-1)


class IndexAddBackward0(Node):
    """saved: (index,); ctx: (dim, alpha, shape of the source)."""

    def backward(self, grad: Any) -> Any:
        (index,) = self.saved
        dim, alpha, shape = self.ctx
        if not self.needs_input_grad[1]:
            return grad, None
        part = index_select(grad, dim, index).reshape(tuple(shape))
        return grad, part if alpha == 1 else part * alpha


@op(inplace=True)
def index_add(
    input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: float = 1, out: Tensor | None = None
) -> Tensor:
    """``input`` with ``alpha`` times the slices of ``source`` added at a vector of indices along ``dim``.

    >>> import pytensor as torch
    >>> torch.zeros(3).index_add(0, torch.tensor([2, 0, 2]), torch.tensor([1.0, 2.0, 3.0]))
    tensor([2., 0., 4.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.index_add_.html
    """
    dim, places = _check_rows("index_add", input, dim, index)
    check_tensor(source, "index_add", "source", 4)
    if input.dtype is not source.dtype:
        raise RuntimeError(
            f"index_add_(): self ({scalar_type_name(input.dtype)}) and source ({scalar_type_name(source.dtype)}) must "
            "have the same scalar type"
        )
    _check_slices("index_add", input, dim, places, source)
    values = source._array if alpha == 1 else source._array * source._array.dtype.type(alpha)
    whole = input._array.reshape(-1) if input.ndim == 0 else input._array
    array = backend_of(whole).plus_rows(whole, dim, places, values.reshape(-1) if input.ndim == 0 else values)
    if array is None:
        _check_inside(input, places) if input.ndim <= 1 else refuse_index(input, dim, places)
    ctx = (dim, alpha, source.shape)
    result = record(IndexAddBackward0, (input, source), array.reshape(input.shape), saved=(index,), ctx=ctx)
    return write_out(result, out, "index_add")


def _check_inside(input: Any, places: Any, dim: int = 0) -> None:
    if not backend_of(places).in_bounds(places, input.shape[dim] if input.ndim else 1):
        raise IndexError("index out of range in self")


def _check_slices(name: str, input: Any, dim: int, places: Any, source: Any) -> None:
    """A slice of ``source`` for each index, of the shape of the input's."""
    size = source.shape[dim] if source.ndim else 1
    if size != places.size:
        raise RuntimeError(
            f"{name}_(): Number of indices ({places.size}) should be equal to source.size(dim): ({size}), for dim: {dim}"
        )
    if input.ndim != source.ndim or _others(input, dim) != _others(source, dim):
        raise RuntimeError(
            "source tensor shape must match self tensor shape, excluding the specified dimension. Got self.shape = "
            f"{list(input.shape)} source.shape = {list(source.shape)}"
        )


def _others(tensor: Any, dim: int) -> tuple[int, ...]:
    shape = tuple(tensor.shape)
    return shape[:dim] + shape[dim + 1 :]


class IndexCopyBackward0(Node):
    """saved: (index,); ctx: (dim, shape of the source)."""

    def backward(self, grad: Any) -> Any:
        (index,) = self.saved
        dim, shape = self.ctx
        own = index_fill(grad, dim, index, 0) if self.needs_input_grad[0] else None
        if not self.needs_input_grad[1]:
            return own, None
        return own, index_select(grad, dim, index).reshape(tuple(shape))


@op(inplace=True)
def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``input`` with the slices of ``source`` stored at a vector of indices along ``dim``.

    >>> import pytensor as torch
    >>> torch.zeros(3).index_copy(0, torch.tensor([2, 0]), torch.tensor([1.0, 2.0]))
    tensor([2., 0., 1.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.index_copy_.html
    """
    dim, places = _check_rows("index_copy", input, dim, index)
    check_tensor(source, "index_copy", "source", 4)
    if input.dtype is not source.dtype:
        raise RuntimeError(
            f"index_copy_(): self and source expected to have the same dtype, but got (self) "
            f"{scalar_type_name(input.dtype)} and (source) {scalar_type_name(source.dtype)}"
        )
    if source.ndim and input.ndim and source.ndim != input.ndim:
        raise IndexError(
            "index_copy_(): When source and destination are not scalars, their dimensionality must match. Source "
            f"dimensionality ({source.ndim}), destination dimensionality ({input.ndim})"
        )
    size = source.shape[dim] if source.ndim else 1
    if size != places.size:
        raise IndexError(
            f"index_copy_(): Number of indices ({places.size}) should be equal to source.size(dim) ({size})"
        )
    if source.ndim and _others(input, dim) != _others(source, dim):
        raise RuntimeError(
            f"index_copy_(): Source/destination tensor must have same slice shapes. Destination slice shape: "
            f"{list(_others(input, dim))} at dimension {dim} and source slice shape: {list(_others(source, dim))} at "
            "dimension 0."
        )
    check_bounds(places, input.shape[dim] if input.ndim else 1, dim, IndexError, "index_copy_(): ")
    array = input._array.copy()
    if input.ndim == 0:
        array[...] = source._array.reshape(())
    else:
        array[(slice(None),) * dim + (places,)] = source._array
    result = record(IndexCopyBackward0, (input, source), array, saved=(index,), ctx=(dim, source.shape))
    return write_out(result, out, "index_copy")


class IndexFillBackward0(Node):
    """saved: (index,); ctx: dim."""

    def backward(self, grad: Any) -> Any:
        (index,) = self.saved
        own = index_fill(grad, self.ctx, index, 0) if self.needs_input_grad[0] else None
        if not self.needs_input_grad[1]:
            return own, None
        if grad.ndim == 0:
            return own, grad.sum()
        places = wrap(np.unique(index._array % grad.shape[self.ctx]))
        return own, index_select(grad, self.ctx, places).sum()


@op(inplace=True)
def index_fill(input: Tensor, dim: int, index: Tensor, value: Any, *, out: Tensor | None = None) -> Tensor:
    """``input`` with one value in the slices at a vector of indices along ``dim``. Negative indices count from the
    end.

    >>> import pytensor as torch
    >>> torch.zeros(3).index_fill(0, torch.tensor([2, 0]), 5)
    tensor([5., 0., 5.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.index_fill_.html
    """
    dim, places = _check_rows("index_fill", input, dim, index)
    if is_tensor(value) and value.ndim != 0:
        raise RuntimeError(
            f"index_fill_ only supports a 0-dimensional value tensor, but got tensor with {value.ndim} dimension(s)."
        )
    size = input.shape[dim] if input.ndim else 1
    for place in places[(places < -size) | (places >= size)][:1]:
        raise IndexError(f"index {int(place)} is out of bounds for dimension {dim} with size {size}")
    array = input._array.copy()
    number = value._array if is_tensor(value) else value
    array[(slice(None),) * dim + (places,) if input.ndim else ...] = number
    inputs = (input, value if is_tensor(value) else None)
    return write_out(record(IndexFillBackward0, inputs, array, saved=(index,), ctx=dim), out, "index_fill")


@op(inplace=True)
def index_reduce(
    input: Tensor,
    dim: int,
    index: Tensor,
    source: Tensor,
    reduce: str,
    *,
    include_self: bool = True,
    out: Tensor | None = None,
) -> Tensor:
    """``input`` with the slices of ``source`` combined into it at a vector of indices along ``dim``.

    Args:
        reduce: "prod", "mean", "amax" or "amin".
        include_self: whether the elements of ``input`` take part.

    >>> import pytensor as torch
    >>> torch.ones(2).index_reduce(0, torch.tensor([0, 0]), torch.tensor([2.0, 3.0]), "prod")
    tensor([6., 1.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.index_reduce_.html
    """
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(f"index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got {reduce}.")
    dim, places = _check_rows("index_reduce", input, dim, index)
    if input.dtype is not source.dtype:
        raise RuntimeError("index_reduce_(): self and source must have the same scalar type")
    _check_slices("index_reduce", input, dim, places, source)
    _check_inside(input, places, dim)
    if input.ndim == 0:
        return write_out(
            scatter_reduce(input, 0, index, source, reduce, include_self=include_self), out, "index_reduce"
        )
    shape = [places.size if i == dim else 1 for i in range(input.ndim)]
    full = index.reshape(shape).expand(tuple(source.shape))
    result = scatter_reduce(input, dim, full, source, reduce, include_self=include_self)
    return write_out(result, out, "index_reduce")
