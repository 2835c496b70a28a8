"""Copies of a tensor with one part replaced: the writing twins of the view ops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pytensor.autograd.node import Node, record
from pytensor.ops.checks import check_tensor, normalize_dim
from pytensor.ops.registry import op

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["diagonal_scatter", "select_scatter", "slice_scatter"]


def _check_part(src: Any, expected: Sequence[int]) -> None:
    if tuple(src.shape) != tuple(expected):
        raise RuntimeError(
            f"expected src to have a size equal to the slice of self. src size = {list(src.shape)}, slice size = "
            f"{list(expected)}"
        )


class SelectScatterBackward0(Node):
    """ctx: (dim, index)."""

    def backward(self, grad: Any) -> Any:
        dim, index = self.ctx
        part = grad.select(dim, index)
        return select_scatter(grad, part * 0, dim, index), part


@op()
def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """A copy of ``input`` with ``src`` where ``input.select(dim, index)`` is.

    >>> import pytensor as torch
    >>> torch.zeros(2, 2).select_scatter(torch.ones(2), 0, 0)
    tensor([[1., 1.],
            [0., 0.]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.select_scatter.html
    """
    check_tensor(input, "select_scatter", "input", 1)
    check_tensor(src, "select_scatter", "src", 2)
    dim = normalize_dim(dim, input.ndim)
    _check_part(src, input.detach().select(dim, index).shape)
    array = input._array.copy()
    array[(slice(None),) * dim + (index,)] = src._array
    return record(SelectScatterBackward0, (input, src), array, ctx=(dim, index))


class SliceScatterBackward0(Node):
    """ctx: the key of the slice."""

    def backward(self, grad: Any) -> Any:
        part = grad[self.ctx]
        return _with_slice(grad, part * 0, self.ctx), part


def _with_slice(input: Any, src: Any, key: tuple[Any, ...]) -> Any:
    array = input._array.copy()
    array[key] = src._array
    return record(SliceScatterBackward0, (input, src), array, ctx=key)


@op()
def slice_scatter(
    input: Tensor, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    """A copy of ``input`` with ``src`` in the slice ``start:end:step`` of ``dim``.

    >>> import pytensor as torch
    >>> torch.zeros(4).slice_scatter(torch.ones(2), 0, 1, 3)
    tensor([0., 1., 1., 0.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.slice_scatter.html
    """
    check_tensor(input, "slice_scatter", "input", 1)
    check_tensor(src, "slice_scatter", "src", 2)
    dim = normalize_dim(dim, input.ndim)
    key = (slice(None),) * dim + (slice(start, end, step),)
    _check_part(src, input._array[key].shape)
    return _with_slice(input, src, key)


class DiagonalScatterBackward0(Node):
    """ctx: (offset, dim1, dim2)."""

    def backward(self, grad: Any) -> Any:
        part = grad.diagonal(*self.ctx)
        return diagonal_scatter(grad, part * 0, *self.ctx), part


@op()
def diagonal_scatter(input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """A copy of ``input`` with ``src`` on a diagonal.

    >>> import pytensor as torch
    >>> torch.zeros(2, 2).diagonal_scatter(torch.ones(2))
    tensor([[1., 0.],
            [0., 1.]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.diagonal_scatter.html
    """
    check_tensor(input, "diagonal_scatter", "input", 1)
    check_tensor(src, "diagonal_scatter", "src", 2)
    copy = input.detach().clone()
    diagonal = copy.diagonal(offset, dim1, dim2)
    _check_part(src, diagonal.shape)
    diagonal.copy_(src.detach())
    return record(DiagonalScatterBackward0, (input, src), copy._array, ctx=(offset, dim1, dim2))
