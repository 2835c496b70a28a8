"""Elements by their place in the flattened tensor, and by tuples of index tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytensor.autograd.node import Node, record
from pytensor.backend import backend_of
from pytensor.ops.axes import fresh_copy, zeros_beside
from pytensor.ops.checks import check_tensor
from pytensor.ops.indexing import place_in
from pytensor.ops.out import write_out
from pytensor.ops.pick import put_at, put_at_
from pytensor.ops.registry import op
from pytensor.typename import scalar_type_name

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["index_put", "index_put_", "put", "take"]


def _places(input: Any, index: Any) -> Any:
    """The index array with negative places counted from the end."""
    n = input.numel()
    places = index._array
    if backend_of(places).in_bounds(places, n):
        return places
    wrong = (places < -n) | (places >= n)
    if wrong.any():
        raise IndexError(f"out of range: tried to access index {int(places[wrong][0])} on a tensor of {n} elements.")
    return places % n if places.size else places


class TakeBackward0(Node):
    """saved: (index,); ctx: shape of the input."""

    def backward(self, grad: Any) -> Any:
        (index,) = self.saved
        return (put(zeros_beside(grad, self.ctx), index, grad, True),)


@op()
def take(input: Tensor, index: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Elements at places of the flattened tensor; the result has the shape of ``index``.

    >>> import pytensor as torch
    >>> torch.tensor([[4, 3, 5], [6, 7, 8]]).take(torch.tensor([0, 2, 5]))
    tensor([4, 5, 8])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.take.html
    """
    check_tensor(input, "take", "input", 1)
    check_tensor(index, "take", "index", 2)
    if index.dtype.name != "int64":
        raise RuntimeError(f"take(): Expected a long tensor for index, but got {scalar_type_name(index.dtype)}")
    if input.numel() == 0 and index.numel():
        raise IndexError("take(): tried to take from an empty tensor")
    flat = input._array.reshape(-1)
    array = backend_of(flat).take_rows(flat, 0, _places(input, index))
    return write_out(record(TakeBackward0, (input,), array, saved=(index,), ctx=input.shape), out, "take")


class PutBackward0(Node):
    """saved: (index,); ctx: (accumulate, shape of the source)."""

    def backward(self, grad: Any) -> Any:
        (index,) = self.saved
        accumulate, shape = self.ctx
        source = take(grad, index).reshape(tuple(shape)) if self.needs_input_grad[1] else None
        if accumulate or not self.needs_input_grad[0]:
            return grad, source
        return put(grad, index, zeros_beside(grad, index.shape)), source


@op(method=True, inplace=True)
def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """``input`` with the elements of ``source`` at places of the flattened tensor, stored or (``accumulate``) added.

    >>> import pytensor as torch
    >>> torch.tensor([[4, 3], [6, 7]]).put(torch.tensor([1, 3]), torch.tensor([9, 10]))
    tensor([[ 4,  9],
            [ 6, 10]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.put_.html
    """
    check_tensor(input, "put", "input", 1)
    check_tensor(index, "put", "index", 2)
    check_tensor(source, "put", "source", 3)
    if index.dtype.name != "int64":
        raise RuntimeError(f"put_(): Expected a long tensor for index, but got {scalar_type_name(index.dtype)}")
    if input.dtype is not source.dtype:
        raise RuntimeError(
            "put_(): self and source expected to have the same dtype, but got self.dtype = "
            f"{scalar_type_name(input.dtype)} and source.dtype = {scalar_type_name(source.dtype)}"
        )
    if source.numel() != index.numel():
        raise IndexError(
            "put_(): Expected source and index to have the same number of elements, but got source.numel() = "
            f"{source.numel()}, index.numel() = {index.numel()}"
        )
    if input.numel() == 0 and index.numel():
        raise IndexError("put_(): trying to put elements into an empty tensor")
    places = _places(input, index).reshape(-1)
    array, values = fresh_copy(input._array).reshape(-1), source._array.reshape(-1)
    backend_of(array).scatter("sum" if accumulate else "store", array, 0, places, values)
    ctx = (accumulate, source.shape)
    return record(PutBackward0, (input, source), array.reshape(input.shape), saved=(index,), ctx=ctx)


@op()
def index_put(input: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """``input`` after ``input[indices] = values``, or with ``accumulate`` after adding, repeated indices included.

    Args:
        indices: a tuple of index tensors, integers or masks.
        values: of the input's dtype; broadcast to the indexed elements.

    >>> import pytensor as torch
    >>> torch.zeros(3).index_put((torch.tensor([1, 1]),), torch.tensor([2.0, 3.0]), accumulate=True)
    tensor([0., 5., 0.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.index_put_.html
    """
    check_tensor(input, "index_put", "input", 1)
    check_tensor(values, "index_put", "values", 3)
    for i, index in enumerate(indices):
        check_element(index, i)
    _check_dtypes(input, values)
    target, place = place_in(input, indices)
    if target is not input:
        return index_put_(input.clone(), indices, values, accumulate)
    return put_at(input, place, values, accumulate)


def _check_dtypes(input: Any, values: Any) -> None:
    if input.dtype is not values.dtype:
        raise RuntimeError(
            f"Index put requires the source and destination dtypes match, got {scalar_type_name(input.dtype)} for the "
            f"destination and {scalar_type_name(values.dtype)} for the source."
        )


def check_element(index: Any, position: int) -> None:
    """The entries of ``indices`` are tensors."""
    if not hasattr(index, "_array"):
        raise TypeError(f"expected Tensor as element {position} in argument 0, but got {type(index).__name__}")


@op(name="index_put_")
def index_put_(input: Tensor, indices: Any, values: Tensor, accumulate: bool = False) -> Tensor:
    """In-place form of :func:`index_put`.

    >>> import pytensor as torch
    >>> torch.zeros(3).index_put_((torch.tensor([1]),), torch.tensor(2.0))
    tensor([0., 2., 0.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.index_put_.html
    """
    check_tensor(input, "index_put_", "input", 1)
    check_tensor(values, "index_put_", "values", 3)
    for i, index in enumerate(indices):
        check_element(index, i)
    _check_dtypes(input, values)
    put_at_(*place_in(input, indices), values, accumulate)
    return input
