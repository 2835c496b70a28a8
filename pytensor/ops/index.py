"""Gathering and scattering along one axis by a tensor of indices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytensor.autograd.node import OUTPUT, Node, record, wrap
from pytensor.backend import backend_of
from pytensor.ops.axes import is_tensor, zeros_beside
from pytensor.ops.checks import broadcast_shapes_of, check_tensor, normalize_dim
from pytensor.ops.out import write_out
from pytensor.ops.pointwise_core import quick
from pytensor.ops.registry import op
from pytensor.typename import scalar_type_name

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["check_bounds", "gather", "scatter", "scatter_add", "scatter_reduce", "take_along_dim"]


def check_bounds(array: Any, size: int, dim: int, error: type[Exception] = RuntimeError, name: str = "") -> None:
    """The index array must lie in [0, size)."""
    if array.size == 0 or backend_of(array).in_bounds(array, size):
        return
    wrong = array[(array < 0) | (array >= size)].reshape(-1)[0]
    raise error(f"{name}index {int(wrong)} is out of bounds for dimension {dim} with size {size}")


def _check_index(name: str, input: Any, dim: int, index: Any, what: str) -> tuple[int, Any]:
    """(dim, index array) after the checks that gather and the scatters share; that indices are inside of the axis is
    seen to when they are used."""
    check_tensor(input, name, "input", 1)
    check_tensor(index, name, "index", 3)
    places, ndim = index._array, input._array.ndim
    dim = normalize_dim(dim, ndim)
    if places.size == 0:
        return dim, places
    if places.dtype != np.int64 and places.dtype != np.int32:
        raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index")
    if max(places.ndim, 1) != max(ndim, 1):
        raise RuntimeError(f"Index tensor must have the same number of dimensions as {what} tensor")
    return dim, places


def refuse_index(input: Any, dim: int, places: Any) -> None:
    """The error for an index that is outside of the axis, if one is."""
    check_bounds(places, input.shape[dim] if input.ndim else 1, dim)


class GatherBackward0(Node):
    """saved: (index,); ctx: (shape of the input, dim)."""

    saves = ("other",)

    def backward(self, grad: Any) -> Any:
        (index,) = self.saved
        shape, dim = self.ctx
        return (spread_elements(grad, shape, dim, index),)


class SpreadElementsBackward(Node):
    """saved: (index,); ctx: dim."""

    def backward(self, grad: Any) -> Any:
        (index,) = self.saved
        return (gather(grad, self.ctx, index),)

    def name(self) -> str:
        return "ScatterAddBackward0"


def spread_elements(elements: Any, shape: Any, dim: int, index: Any) -> Any:
    """Zeros with ``elements`` added at ``index`` along ``dim``: the adjoint of gather."""
    zeros = zeros_beside(elements, shape)._array
    if index.numel():
        backend_of(zeros).scatter("sum", zeros, dim, index._array, elements._array)
    return record(SpreadElementsBackward, (elements,), zeros, saved=(index,), ctx=dim)


@op()
@quick("gather", GatherBackward0)
def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False, out: Tensor | None = None) -> Tensor:
    """Elements of ``input`` at ``index`` along ``dim``: ``out[i][j] = input[index[i][j]][j]`` for dim 0.

    Args:
        index: int64 or int32, as many axes as ``input``, in the other axes no larger. The result has its shape.

    Raises:
        RuntimeError: for an index out of bounds, or shapes that do not fit.

    >>> import pytensor as torch
    >>> torch.gather(torch.tensor([[1, 2], [3, 4]]), 1, torch.tensor([[0, 0], [1, 0]]))
    tensor([[1, 1],
            [4, 3]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.gather.html
    """
    dim, places = _check_index("gather", input, dim, index, "input")
    if places.size:
        x = input._array
        for d, (wanted, size) in enumerate(zip(places.shape, x.shape, strict=False)):
            if wanted > size and d != dim:
                raise RuntimeError(
                    f"Size does not match at dimension {d} expected index {list(index.shape)} to be no larger than self "
                    f"{list(input.shape)} apart from dimension {dim}"
                )
        array = backend_of(x).gather(x, dim, places)
        if array is None:
            refuse_index(input, dim, places)
    else:
        array = zeros_beside(input, index.shape)._array
    return write_out(record(GatherBackward0, (input,), array, saved=(index,), ctx=(input.shape, dim)), out, "gather")


@op()
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None, *, out: Tensor | None = None) -> Tensor:
    """:func:`gather` with broadcasting of the other axes; of the flattened tensor without ``dim``.

    >>> import pytensor as torch
    >>> x = torch.tensor([[10, 30, 20], [60, 40, 50]])
    >>> torch.take_along_dim(x, x.argsort(dim=1), dim=1)
    tensor([[10, 20, 30],
            [40, 50, 60]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.take_along_dim.html
    """
    check_tensor(input, "take_along_dim", "input", 1)
    check_tensor(indices, "take_along_dim", "indices", 2)
    if indices.dtype.name != "int64":
        raise RuntimeError(
            f"torch.take_along_dim(): dtype of indices should be Long but got {scalar_type_name(indices.dtype)}"
        )
    if dim is None:
        return write_out(gather(input.reshape(-1), 0, indices.reshape(-1)), out, "take_along_dim")
    if indices.ndim != input.ndim:
        raise RuntimeError(
            "torch.take_along_dim(): input and indices should have the same number of dimensions, but got "
            f"{input.ndim} dimensions for input, and {indices.ndim} dimensions for indices"
        )
    dim = normalize_dim(dim, input.ndim)
    wanted, given = list(input.shape), list(indices.shape)
    size, wanted[dim] = given[dim], input.shape[dim]
    if (indices._array < 0).any():
        indices = wrap(np.where(indices._array < 0, indices._array + input.shape[dim], indices._array))
    others = broadcast_shapes_of([*wanted[:dim], 1, *wanted[dim + 1 :]], [*given[:dim], 1, *given[dim + 1 :]])
    full = [*others[:dim], wanted[dim], *others[dim + 1 :]]
    places = [*others[:dim], size, *others[dim + 1 :]]
    result = gather(input.broadcast_to(full), dim, indices.broadcast_to(places))
    return write_out(result, out, "take_along_dim")


def _check_source(name: str, input: Any, dim: int, index: Any, source: Any) -> None:
    if index.numel() == 0:
        return
    if input.dtype is not source.dtype:
        raise RuntimeError("scatter(): Expected self.dtype to be equal to src.dtype")
    if max(source.ndim, 1) != max(input.ndim, 1):
        raise RuntimeError("Index tensor must have the same number of dimensions as src tensor")
    for d in range(min(index.ndim, source.ndim, input.ndim)):
        if index.shape[d] > source.shape[d] or (d != dim and index.shape[d] > input.shape[d]):
            raise RuntimeError(
                f"Expected index {list(index.shape)} to be no larger than self {list(input.shape)} apart from dimension "
                f"{dim} and to be no larger size than src {list(source.shape)}"
            )


def _part_of(grad: Any, source_shape: Any, index: Any) -> Any:
    """Zeros of the source's shape with the gathered gradient where index reached."""
    if tuple(grad.shape) == tuple(source_shape):
        return grad
    if not source_shape or not grad.ndim:  # one element, with an axis or without
        return grad.reshape(tuple(source_shape))
    key = tuple(slice(0, n) for n in index.shape)
    from pytensor.ops.indexing import place

    return place(grad, source_shape, key)


def _scattered(name: str, input: Any, dim: int, index: Any, values: Any, include_self: bool = True) -> Any:
    """A copy of the input's array with ``values`` scattered into it."""
    array = backend_of(input._array).scattered(name, input._array, dim, index._array, values, include_self)
    if array is None:
        refuse_index(input, dim, index._array)
    return array


class ScatterBackward0(Node):
    """What was overwritten has no part in the result. saved: (index,); ctx: (shape of src, dim)."""

    def backward(self, grad: Any) -> Any:
        (index,) = self.saved
        shape, dim = self.ctx
        if index.numel() == 0:
            return grad, None if shape is None else zeros_beside(grad, shape)
        own = scatter(grad, dim, index, 0.0) if self.needs_input_grad[0] else None
        if shape is None or not self.needs_input_grad[1]:
            return own, None
        return own, _part_of(gather(grad, dim, index), shape, index)


class ScatterAddBackward0(Node):
    """saved: (index,); ctx: (shape of src, dim)."""

    def backward(self, grad: Any) -> Any:
        (index,) = self.saved
        shape, dim = self.ctx
        if not self.needs_input_grad[1]:
            return grad, None
        if index.numel() == 0:
            return grad, zeros_beside(grad, shape)
        return grad, _part_of(gather(grad, dim, index), shape, index)


@op(inplace=True)
def scatter(
    input: Tensor,
    dim: int,
    index: Tensor,
    src: Any = None,
    *,
    value: Any = None,
    reduce: str | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """``input`` with the elements of ``src`` (or one number) stored at ``index`` along ``dim``.

    ``out[index[i][j]][j] = src[i][j]`` for dim 0. Where several meet, the last one in row-major order stays.

    Args:
        reduce: "add" or "multiply" combines with what is there instead of replacing it.

    >>> import pytensor as torch
    >>> torch.zeros(3).scatter(0, torch.tensor([2, 0]), torch.tensor([1.0, 2.0]))
    tensor([2., 0., 1.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.scatter_.html
    """
    source = value if src is None else src
    if reduce is not None and reduce not in ("add", "multiply"):
        raise RuntimeError("reduce argument must be either add or multiply.")
    dim, _ = _check_index("scatter", input, dim, index, "self")
    if is_tensor(source):
        _check_source("scatter", input, dim, index, source)
    if reduce is not None:
        if not is_tensor(source):
            source = zeros_beside(input, index.shape).fill(source)
        kind = "sum" if reduce == "add" else "prod"
        return write_out(_combine(kind, input, dim, index, source), out, "scatter")
    if is_tensor(source):
        inputs, values, shape = (input, source), source._array, source.shape
    else:
        inputs, values, shape = (input, None), input._array.dtype.type(source), None
    array = _scattered("store", input, dim, index, values)
    return write_out(record(ScatterBackward0, inputs, array, saved=(index,), ctx=(shape, dim)), out, "scatter")


@op(inplace=True)
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``input`` with the elements of ``src`` added at ``index`` along ``dim``; repeated indices add up.

    >>> import pytensor as torch
    >>> torch.zeros(3).scatter_add(0, torch.tensor([2, 0, 2]), torch.tensor([1.0, 2.0, 3.0]))
    tensor([2., 0., 4.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.scatter_add_.html
    """
    dim, _ = _check_index("scatter", input, dim, index, "self")
    check_tensor(src, "scatter_add", "src", 4)
    _check_source("scatter", input, dim, index, src)
    array = _scattered("sum", input, dim, index, src._array)
    result = record(ScatterAddBackward0, (input, src), array, saved=(index,), ctx=(src.shape, dim))
    return write_out(result, out, "scatter_add")


class ScatterReduceBackward0(Node):
    """prod, amax and amin. saved: (input, index, src, result); ctx: (reduction, dim, include_self)."""

    def backward(self, grad: Any) -> Any:
        input, index, src, result = self.saved
        reduction, dim, include_self = self.ctx
        part = _leading(src, index)
        if reduction == "prod":
            own, other = _product_gradients(grad, input, dim, index, part, result, include_self)
        else:
            own, other = _extreme_gradients(grad, input, dim, index, part, result, include_self)
        if not include_self:
            own = own * wrap(_untouched(input, dim, index)).to(own.dtype)
        return own, _part_of(other, src.shape, index)


def _leading(src: Any, index: Any) -> Any:
    return src if src.shape == index.shape else src[tuple(slice(0, n) for n in index.shape)]


def _untouched(input: Any, dim: int, index: Any) -> Any:
    """Mask of the places that no index names."""
    ones = zeros_beside(input, input.shape).fill(1)
    return scatter(ones, dim, index, 0)._array != 0


def _product_gradients(
    grad: Any, input: Any, dim: int, index: Any, part: Any, result: Any, include_self: bool
) -> tuple[Any, Any]:
    """An element's gradient is the product of the others: the result over the element, or where it is the only zero
    the result without it."""
    zero = input == 0
    mine = input.masked_fill(zero, 1)
    own = grad * scatter_reduce(mine, dim, index, part, "prod", include_self=include_self) / mine
    zero = part == 0
    zeros = scatter_add(zeros_beside(grad, input.shape), dim, index, zero.to(grad.dtype))
    alone = zero.logical_and(gather(zeros, dim, index) == 1)
    others = scatter_reduce(input, dim, index, part.masked_fill(alone, 1), "prod", include_self=include_self)
    without = gather(grad * others, dim, index).masked_fill(alone.logical_not(), 0)
    divided = gather(grad * result, dim, index) / part.masked_fill(zero, 1)
    return own, without + divided.masked_fill(alone, 0)


def _extreme_gradients(
    grad: Any, input: Any, dim: int, index: Any, part: Any, result: Any, include_self: bool
) -> tuple[Any, Any]:
    """Shared evenly among all that equal the result."""
    mine = (input == result).to(grad.dtype)
    if not include_self:
        mine = mine * wrap(_untouched(input, dim, index)).to(grad.dtype)
    theirs = (part == gather(result, dim, index)).to(grad.dtype)
    ties = scatter_add(mine, dim, index, theirs)
    shared = grad / ties.clamp(min=1)
    return shared * mine, gather(shared, dim, index) * theirs


def _combine(reduction: str, input: Any, dim: int, index: Any, src: Any, include_self: bool = True) -> Any:
    """scatter_reduce after its checks."""
    if index.numel() == 0:
        return input.clone()
    if 0 in (input.ndim, index.ndim, src.ndim):
        lines = _combine(reduction, input.reshape(-1), 0, index.reshape(-1), src.reshape(-1), include_self)
        return lines.reshape(tuple(input.shape))
    if reduction in ("sum", "mean"):
        base = input if include_self else _without(input, dim, index)
        total = scatter_add(base, dim, index, src)
        if reduction == "sum":
            return total
        counts = _counts(input, dim, index, include_self)
        if input.dtype.is_floating_point or input.dtype.is_complex:
            return total / counts
        return total.div(counts, rounding_mode="floor")
    array = _scattered(reduction, input, dim, index, src._array, include_self)
    saved = (input, index, src, OUTPUT)
    return record(ScatterReduceBackward0, (input, src), array, saved=saved, ctx=(reduction, dim, include_self))


def _rows(shape: Any, dim: int, index: Any) -> Any:
    """The vector that ``index`` repeats for every line of an array of a shape, as index_reduce has it; or None."""
    places = index._array
    for d, (n, stride) in enumerate(zip(places.shape, places.strides, strict=True)):
        if d != dim and (n != shape[d] or (n > 1 and stride != 0)):
            return None
    return places[tuple(slice(None) if d == dim else 0 for d in range(places.ndim))]


def _without(input: Any, dim: int, index: Any) -> Any:
    """``input`` with zeros at all places that ``index`` names."""
    array = _scattered("store", input, dim, index, 0)
    return record(ScatterBackward0, (input, None), array, saved=(index,), ctx=(None, dim))


def _counts(input: Any, dim: int, index: Any, include_self: bool) -> Any:
    """How many elements a mean at each place is of, at least one; broadcasts with ``input``."""
    shape = list(input.shape)
    if _rows(shape, dim, index) is not None:  # the same for every line
        shape = [n if d == dim else 1 for d, n in enumerate(shape)]
        index = index[tuple(slice(None) if d == dim else slice(0, 1) for d in range(index.ndim))]
    start = zeros_beside(input, shape).fill(1 if include_self else 0)
    one = zeros_beside(input, ()).fill(1).expand(tuple(index.shape))
    counts = scatter_add(start, dim, index, one)
    return counts if include_self else counts.clamp(min=1)


@op(inplace=True)
def scatter_reduce(
    input: Tensor,
    dim: int,
    index: Tensor,
    src: Tensor,
    reduce: str,
    *,
    include_self: bool = True,
    out: Tensor | None = None,
) -> Tensor:
    """``input`` with the elements of ``src`` combined into it at ``index`` along ``dim``.

    Args:
        reduce: "sum", "prod", "mean", "amax" or "amin".
        include_self: whether the elements of ``input`` take part.

    >>> import pytensor as torch
    >>> index, src = torch.tensor([0, 0, 1]), torch.tensor([1.0, 5.0, 2.0])
    >>> torch.zeros(2).scatter_reduce(0, index, src, "amax")
    tensor([5., 2.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.scatter_reduce_.html
    """
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise RuntimeError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}")
    dim, _ = _check_index("scatter", input, dim, index, "self")
    check_tensor(src, "scatter_reduce", "src", 4)
    _check_source("scatter", input, dim, index, src)
    return write_out(_combine(reduce, input, dim, index, src, include_self), out, "scatter_reduce")
