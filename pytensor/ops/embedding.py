"""Rows of a table by number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytensor.autograd.node import Node, record, wrap
from pytensor.backend import backend_of
from pytensor.ops.checks import check_tensor
from pytensor.ops.index_rows import spread_rows
from pytensor.ops.registry import op
from pytensor.typename import type_string

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["embedding"]


class EmbeddingBackward0(Node):
    """saved: (indices,); ctx: (shape of the table, padding row or -1, scale_grad_by_freq)."""

    def backward(self, grad: Any) -> Any:
        (indices,) = self.saved
        return (embedding_gradient(grad, indices, *self.ctx),)


def embedding_gradient(grad: Any, indices: Any, shape: Any, padding: int, by_frequency: bool) -> Any:
    """Rows of the gradient added up by number; none for the padding row."""
    numbers = indices._array.reshape(-1)
    rows = grad.reshape(numbers.size, shape[1])
    if by_frequency:
        counts = np.bincount(numbers, minlength=shape[0])[numbers]
        rows = rows / wrap(counts.reshape(-1, 1).astype(rows._array.dtype))
    if padding >= 0:
        kept = (numbers != padding).nonzero()[0]
        rows, numbers = rows.index_select(0, wrap(kept)), numbers[kept]
    return spread_rows(rows, shape, 0, wrap(numbers))


def check_indices(indices: Any, function: str, argument: str = "indices") -> None:
    if indices.dtype.name not in ("int64", "int32"):
        raise RuntimeError(
            f"Expected tensor for argument #1 '{argument}' to have one of the following scalar types: Long, Int; but got "
            f"{type_string(indices.dtype)} instead (while checking arguments for {function})"
        )


def _refuse_outside(array: Any, size: int) -> None:
    if not backend_of(array).in_bounds(array, size):
        raise IndexError("index out of range in self")


def renormalise(weight: Any, indices: Any, max_norm: float, norm_type: float) -> None:
    """Scales the rows that are looked up down to ``max_norm``, in place and outside the graph."""
    table = weight._array
    rows = np.unique(indices._array)
    norms = np.linalg.norm(table[rows].astype(np.float64), ord=norm_type, axis=1)
    long = norms > max_norm
    if long.any():
        table[rows[long]] *= (max_norm / (norms[long] + 1e-7)).astype(table.dtype)[:, None]
        weight._bump_version()


@op(namespace="nn.functional")
def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Rows of ``weight`` at the numbers in ``input``: shape ``(*input.shape, columns)``.

    Args:
        input: int64 or int32 of any shape.
        weight: the table, (rows, columns).
        padding_idx: this row gets no gradient.
        max_norm: rows longer than this are first scaled down, in place.
        norm_type: the p of that norm.
        scale_grad_by_freq: divides gradients by how often their row comes in ``input``.
        sparse: not supported.

    Raises:
        IndexError: for a number out of range.

    >>> import pytensor as torch
    >>> table = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> torch.nn.functional.embedding(torch.tensor([1, 0]), table)
    tensor([[3., 4.],
            [1., 2.]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.embedding.html
    """
    check_tensor(input, "embedding", "indices", 2)
    check_tensor(weight, "embedding", "weight", 1)
    if sparse:
        raise NotImplementedError("embedding: sparse gradients are not supported")
    padding = padding_row(padding_idx, weight)
    if weight.ndim != 2:
        raise RuntimeError("'weight' must be 2-D")
    check_indices(input, "embedding")
    if max_norm is not None:
        _refuse_outside(input._array, weight.shape[0])
        renormalise(weight, input, max_norm, norm_type)
    array = backend_of(weight._array).take_rows(weight._array, 0, input._array)
    if array is None:
        raise IndexError("index out of range in self")
    ctx = (weight.shape, padding, scale_grad_by_freq)
    return record(EmbeddingBackward0, (weight,), array, saved=(input,), ctx=ctx)


def padding_row(padding_idx: int | None, weight: Any) -> int:
    if padding_idx is None:
        return -1
    rows = weight.shape[0]
    if padding_idx >= rows or padding_idx < -rows:
        raise AssertionError("Padding_idx must be within num_embeddings")
    return padding_idx % rows
