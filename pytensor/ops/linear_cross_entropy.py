"""Cross-entropy of a linear layer's logits."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

from pytensor import dtypes
from pytensor.ops.checks import check_tensor
from pytensor.ops.cross_entropy import cross_entropy
from pytensor.ops.linear import linear
from pytensor.ops.linear_cross_entropy_chunks import LinearCrossEntropyOptions, in_chunks
from pytensor.ops.registry import op

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["linear_cross_entropy"]


def _check(input: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[int, ...]:
    """The shape of the logits, after PyTorch's checks."""
    if input.ndim < 1 or input.ndim > 2:
        raise RuntimeError(f"expected input with dimensionality 1 or 2, got {input.ndim}")
    if weight.ndim < 2:
        raise RuntimeError(f"expected linear_weight with dimensionality at least 2, got {weight.ndim}")
    batches, features = tuple(input.shape)[:-1], input.shape[-1]
    if features != weight.shape[-1]:
        raise RuntimeError(
            f"expected equal input and linear_weight last dimensions (in_features), got {features} and "
            f"{weight.shape[-1]}, respectively"
        )
    classes, *inner = tuple(weight.shape)[:-1]
    if bias is not None and tuple(bias.shape) != (classes, *inner):
        raise RuntimeError(f"expected linear_bias shape {(classes, *inner)}, got {tuple(bias.shape)}")
    if inner and not batches:
        raise RuntimeError(
            f"K-dimensional loss defined by linear_weight shape {tuple(weight.shape)} requires batched input, "
            f"(N, {features}), got unbatched input with shape {tuple(input.shape)}"
        )
    return (*batches, classes, *inner)


def _fits_chunks(matrix: Tensor, bias: Tensor | None, target: Tensor, reduction: str, label_smoothing: float) -> bool:
    """False, with PyTorch's warning, for what chunks do not serve."""
    inner = tuple(matrix.shape)[1:-1]
    if not inner and reduction in ("mean", "sum", "none") and label_smoothing == 0 and target.dtype is dtypes.int64:
        return True
    warnings.warn(
        "linear_cross_entropy: ``options`` ignored; chunked path needs reduction in {'mean','sum','none'}, "
        f"label_smoothing == 0, target.dtype == int64, out_features == (). Got reduction={reduction!r}, "
        f"label_smoothing={label_smoothing}, target.dtype={target.dtype}, out_features={inner}, tracing=False, "
        f"linear_bias.shape={tuple(bias.shape) if bias is not None else None}.",
        stacklevel=3,
    )
    return False


@op(namespace="nn.functional")
def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: LinearCrossEntropyOptions | None = None,
) -> Tensor:
    """:func:`cross_entropy` of ``linear(input, linear_weight, linear_bias)``.

    Args:
        input: (features) or (batch, features).
        linear_weight: (classes, features), or (classes, ..., features) for targets (batch, ...).
        linear_bias: the shape of ``linear_weight`` without its last axis.
        target, weight, reduction, ignore_index, label_smoothing: those of :func:`cross_entropy`.
        options: None: all logits at once; else how many rows at a time, for class indices, ``linear_weight`` with two axes
            and no label smoothing (others warn and take all at once). Chunks have no second gradient.

    Raises:
        RuntimeError: when shapes do not match.

    >>> import pytensor as torch
    >>> x, weight = torch.eye(2), torch.tensor([[2., 0.], [0., 2.]])
    >>> torch.nn.functional.linear_cross_entropy(x, weight, torch.tensor([0, 0]))
    tensor(1.1269)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.linear_cross_entropy.html
    """
    check_tensor(input, "linear_cross_entropy", "input", 1)
    shape = _check(input, linear_weight, linear_bias)
    if target.shape == shape and ignore_index is not None:
        raise RuntimeError("ignore_index cannot be specified when target contains probabilities")
    ignore_index = -100 if ignore_index is None else ignore_index
    if options is not None:
        if _fits_chunks(linear_weight, linear_bias, target, reduction, label_smoothing):
            one = input.ndim == 1
            rows, classes = (input.unsqueeze(0), target.unsqueeze(0)) if one else (input, target)
            loss = in_chunks(rows, linear_weight, linear_bias, classes, weight, reduction, ignore_index, options)
            return loss.squeeze(0) if one else loss
    rows = math.prod(tuple(linear_weight.shape)[:-1])
    bias = None if linear_bias is None else linear_bias.reshape(rows)
    logits = linear(input, linear_weight.reshape(rows, input.shape[-1]), bias).reshape(shape)
    return cross_entropy(
        logits,
        target,
        weight,
        ignore_index=ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )
