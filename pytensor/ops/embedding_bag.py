"""Sums, means and maxima of bags of rows of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytensor import _C
from pytensor.autograd.node import Node, record, wrap
from pytensor.backend import backend_of
from pytensor.backend.reference.array_module import array_module
from pytensor.ops.checks import check_tensor
from pytensor.ops.embedding import check_indices, padding_row, renormalise
from pytensor.ops.index import spread_elements
from pytensor.ops.registry import op
from pytensor.typename import type_string

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["embedding_bag"]

# Three linear maps are each other's gradients: the sum of bags, in the table its adjoint (spread), in the weights a dot
# product for each number. All take the same ctx: (numbers, bounds, padding), see backend/reference/bags.py.


class EmbeddingBagBackward0(Node):
    """(table, weights or None); saved: the same; ctx: (bags, mean, frequency of each number or None)."""

    def backward(self, grad: Any) -> Any:
        table, weights = self.saved
        bags, mean, frequency = self.ctx
        factors = weights
        if frequency is not None:
            factors = wrap(1 / frequency) if weights is None else weights / wrap(frequency)
        mine = theirs = None
        if self.needs_input_grad[0]:
            mine = _spread(grad, factors, bags, mean, table.shape[0])
        if weights is not None and self.needs_input_grad[1]:
            theirs = _dot(grad, table, bags).reshape(tuple(weights.shape))
        return mine, theirs


class BagSpreadBackward(Node):
    """(grad, weights or None); saved: the same; ctx: (bags, mean)."""

    def backward(self, outer: Any) -> Any:
        grad, weights = self.saved
        bags, mean = self.ctx
        own = _sum(outer, weights, bags, mean) if self.needs_input_grad[0] else None
        if weights is None or not self.needs_input_grad[1]:
            return own, None
        return own, _dot(grad, outer, bags).reshape(tuple(weights.shape))


class BagDotBackward(Node):
    """(grad, table); saved: the same; ctx: bags."""

    def backward(self, outer: Any) -> Any:
        grad, table = self.saved
        own = _sum(table, outer, self.ctx, False) if self.needs_input_grad[0] else None
        rows = table.shape[0]
        return own, _spread(grad, outer, self.ctx, False, rows) if self.needs_input_grad[1] else None


def _sum(table: Any, weights: Any, bags: Any, mean: bool, frequency: Any = None) -> Any:
    array = table._array
    factors = None if weights is None else weights._array
    out = backend_of(array).bag_sum(array, *bags, factors, mean)
    if out is None:
        _refuse(bags, array.shape[0])
    inputs = (table, weights)
    return record(EmbeddingBagBackward0, inputs, out, saved=inputs, ctx=(bags, mean, frequency))


def _spread(grad: Any, weights: Any, bags: Any, mean: bool, rows: int) -> Any:
    factors = None if weights is None else weights._array
    out = backend_of(grad._array).bag_spread(grad._array, *bags, factors, mean, rows)
    return record(BagSpreadBackward, (grad, weights), out, saved=(grad, weights), ctx=(bags, mean))


def _dot(grad: Any, table: Any, bags: Any) -> Any:
    out = backend_of(grad._array).bag_dot(grad._array, table._array, *bags)
    return record(BagDotBackward, (grad, table), out, saved=(grad, table), ctx=bags)


class BagMaximumBackward(Node):
    """saved: (rows of the maxima, mask of the bags with some or None); ctx: shape of the table."""

    def backward(self, grad: Any) -> Any:
        places, some = self.saved
        if some is not None:
            grad = grad * some.to(grad.dtype)
        return (spread_elements(grad, self.ctx, 0, places),)

    def name(self) -> str:
        return "EmbeddingBagBackward0"


def _maximum(table: Any, bags: Any) -> Any:
    array = table._array
    recorded = _C.is_grad_enabled() and table.requires_grad
    result = backend_of(array).bag_max(array, *bags, recorded)
    if result is None:
        _refuse(bags, array.shape[0])
    out, places = result
    if not recorded:
        return wrap(out)
    some = _not_empty(*bags)
    saved = (wrap(places), None if some.all() else wrap(some.reshape(-1, 1)))
    return record(BagMaximumBackward, (table,), out, saved=saved, ctx=table.shape)


def _not_empty(numbers: Any, bounds: Any, padding: int) -> Any:
    """For each bag whether a number in it counts."""
    if isinstance(bounds, int):
        return (numbers != padding).any(axis=1)
    xp = array_module(numbers)
    before = xp.concatenate((xp.zeros(1, np.int64), (numbers != padding).cumsum()))
    return before[bounds[1:]] > before[bounds[:-1]]


def _refuse(bags: Any, rows: int) -> None:
    """The error for a number that is no row, or for offsets that do not ascend."""
    numbers = bags[0].reshape(-1)
    outside = ((numbers < 0) | (numbers >= rows)).nonzero()[0]
    if outside.size:
        place = int(outside[0])
        raise RuntimeError(
            f"Index {place} of input takes value {int(numbers[place])} which is not in the valid range [0, {rows})"
        )
    raise RuntimeError(
        "Expected i < index_size to be true, but got false.  (Could this error message be improved?  If so, please "
        "report an enhancement request to PyTorch.)"
    )


def _bags(input: Any, offsets: Any, include_last_offset: bool) -> tuple[Any, Any]:
    """(numbers, where each bag begins and the end; of equal bags the size)."""
    if input.ndim == 2:
        if offsets is not None:
            raise ValueError(
                "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed length "
                f"sequences. However, found offsets of type {type(offsets)}"
            )
        return input._array, input.shape[1]
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
    if include_last_offset:
        if not bounds.size:
            raise RuntimeError("include_last_offset: number of offset should be at least 1")
        return input._array, bounds
    xp = array_module(bounds)
    return input._array, xp.concatenate((bounds, xp.asarray([input.numel()], dtype=bounds.dtype)))


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
    padding = padding_row(padding_idx, weight)
    check_indices(input, "embedding_bag")
    if offsets is not None:
        check_indices(offsets, "embedding_bag", "offsets")
    _check_types(weight, per_sample_weights)
    bags = (numbers, bounds, padding)
    if max_norm is not None:
        if not backend_of(numbers).in_bounds(numbers, weight.shape[0]):
            _refuse(bags, weight.shape[0])
        renormalise(weight, input, max_norm, norm_type)
    if mode == "max":
        return _maximum(weight, bags)
    frequency = None
    if scale_grad_by_freq:
        flat = numbers.reshape(-1)
        if not backend_of(flat).in_bounds(flat, weight.shape[0]):
            _refuse(bags, weight.shape[0])
        frequency = array_module(flat).bincount(flat)[numbers].astype(weight._array.dtype)
    return _sum(weight, per_sample_weights, bags, mode == "mean", frequency)


def _check_types(weight: Any, per_sample_weights: Any) -> None:
    if weight.dtype.name not in ("float16", "bfloat16", "float32", "float64"):
        raise RuntimeError(
            "Expected tensor for argument #1 'weight' to have one of the following scalar types: Half, BFloat16, Float, "
            f"Double; but got {type_string(weight.dtype)} instead (while checking arguments for embedding_bag)"
        )
    if per_sample_weights is not None and per_sample_weights.dtype is not weight.dtype:
        raise RuntimeError(
            "Expected tensor for argument #1 'weight' to have the same type as tensor for argument #1 "
            f"'per_sample_weights'; but type {type_string(weight.dtype)} does not equal "
            f"{type_string(per_sample_weights.dtype)} (while checking arguments for embedding_bag)"
        )


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
