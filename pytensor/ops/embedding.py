"""Rows of a table by number: embedding and embedding_bag."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytensor.autograd.node import Node, record, wrap
from pytensor.backend import backend_of
from pytensor.ops.axes import zeros_beside
from pytensor.ops.checks import check_tensor
from pytensor.ops.index_rows import spread_rows
from pytensor.ops.registry import op
from pytensor.typename import type_string

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["embedding", "embedding_bag"]


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


def _check_indices(indices: Any, function: str) -> None:
    if indices.dtype.name not in ("int64", "int32"):
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got "
            f"{type_string(indices.dtype)} instead (while checking arguments for {function})"
        )


def _refuse_outside(array: Any, size: int) -> None:
    if not backend_of(array).in_bounds(array, size):
        raise IndexError("index out of range in self")


def _renormalise(weight: Any, indices: Any, max_norm: float, norm_type: float) -> None:
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
    padding = _padding_row(padding_idx, weight)
    if weight.ndim != 2:
        raise RuntimeError("'weight' must be 2-D")
    _check_indices(input, "embedding")
    if max_norm is not None:
        _refuse_outside(input._array, weight.shape[0])
        _renormalise(weight, input, max_norm, norm_type)
    array = backend_of(weight._array).take_rows(weight._array, 0, input._array)
    if array is None:
        raise IndexError("index out of range in self")
    ctx = (weight.shape, padding, scale_grad_by_freq)
    return record(EmbeddingBackward0, (weight,), array, saved=(input,), ctx=ctx)


def _padding_row(padding_idx: int | None, weight: Any) -> int:
    if padding_idx is None:
        return -1
    rows = weight.shape[0]
    if padding_idx >= rows or padding_idx < -rows:
        raise AssertionError("Padding_idx must be within num_embeddings")
    return padding_idx % rows


def _bags(input: Any, offsets: Any, include_last_offset: bool) -> tuple[Any, Any]:
    """(flat numbers, where each bag begins and the end)."""
    if input.ndim == 2:
        if offsets is not None:
            raise ValueError(
                "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed length "
                f"sequences. However, found offsets of type {type(offsets)}"
            )
        return input.reshape(-1), np.arange(input.shape[0] + 1) * input.shape[1]
    if input.ndim != 1:
        raise ValueError(f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.ndim}")
    if offsets is None:
        raise ValueError("offsets has to be a 1D Tensor but got None")
    if offsets.ndim != 1:
        raise ValueError("offsets has to be a 1D Tensor")
    bounds = offsets._array
    if bounds.size and bounds[0] != 0:
        raise RuntimeError(
            "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from position 0. However, "
            f"got {int(bounds[0])}"
        )
    if bounds.size and bounds[-1] > input.numel():
        raise RuntimeError(
            f"offsets[-1] can not be greater than input's length({input.numel()}) but got offsets[-1] of "
            f"{int(bounds[-1])}"
        )
    return input, bounds if include_last_offset else np.append(bounds, input.numel())


@op(namespace="nn.functional")
def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """Sums, means or maxima of bags of rows of ``weight``: shape (bags, columns).

    Args:
        input: row numbers: (bags, size) of equal bags, or one vector cut at ``offsets``.
        mode: "sum", "mean" or "max". Empty bags give zeros.
        per_sample_weights: a factor for each number, for "sum".
        include_last_offset: ``offsets`` ends with the end of the last bag.
        padding_idx: this row does not count.

    >>> import pytensor as torch
    >>> table = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> torch.nn.functional.embedding_bag(torch.tensor([0, 1, 1]), table, torch.tensor([0, 2]), mode="sum")
    tensor([[4., 6.],
            [3., 4.]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.embedding_bag.html
    """
    check_tensor(input, "embedding_bag", "input", 1)
    check_tensor(weight, "embedding_bag", "weight", 2)
    if per_sample_weights is not None and input.shape != per_sample_weights.shape:
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({per_sample_weights.shape}) is not None, then it must have the same "
            f"shape as the input ({input.shape})"
        )
    if weight.ndim != 2:
        raise ValueError(f"weight has to be a 2D Tensor, but got Tensor of dimension {weight.ndim}")
    numbers, bounds = _bags(input, offsets, include_last_offset)
    _check_mode(mode, scale_grad_by_freq, sparse, per_sample_weights)
    padding = _padding_row(padding_idx, weight)
    rows = embedding(numbers, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.reshape(-1, 1)
    # The bag that each number is in; numbers of the padding row are in none.
    member = np.repeat(np.arange(bounds.size - 1), np.diff(bounds))
    used = numbers._array[: member.size] != padding
    chosen = np.flatnonzero(used)
    rows, member = rows.index_select(0, wrap(chosen)), wrap(member[chosen])
    empty = zeros_beside(weight, (bounds.size - 1, weight.shape[1]))
    if mode == "max":
        return empty.index_reduce(0, member, rows, "amax", include_self=False)
    total = empty.index_add(0, member, rows)
    if mode == "sum":
        return total
    sizes = np.maximum(np.bincount(member._array, minlength=bounds.size - 1), 1)
    return total / wrap(sizes.reshape(-1, 1).astype(weight._array.dtype))


def _check_mode(mode: str, by_frequency: bool, sparse: bool, per_sample_weights: Any) -> None:
    if mode not in ("sum", "mean", "max"):
        raise ValueError("mode has to be one of sum, mean or max")
    if mode == "max" and by_frequency:
        raise ValueError("max mode does not support scaling the gradient by the frequency")
    if sparse:
        raise NotImplementedError("embedding_bag: sparse gradients are not supported")
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for mode='sum' "
            f"(got mode='{mode}'). Please open a feature request on GitHub."
        )
