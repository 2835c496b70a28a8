"""Cross-entropy of a linear layer's logits, some rows at a time: the logits never stand in memory as a whole."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from pytensor import _C, dtypes
from pytensor.autograd.grad_mode import no_grad
from pytensor.autograd.node import Node, record
from pytensor.ops.create import full, ones, zeros
from pytensor.ops.cross_entropy import cross_entropy
from pytensor.ops.join import cat
from pytensor.ops.linear import linear
from pytensor.ops.select import where
from pytensor.ops.softmax import softmax

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["LinearCrossEntropyOptions", "in_chunks"]

_POLICIES = ("auto", "accurate", "balanced", "compact")


@dataclasses.dataclass(slots=True, frozen=True)
class LinearCrossEntropyOptions:
    """How :func:`pytensor.nn.functional.linear_cross_entropy` goes through its rows.

    Attributes:
        allow_retain_graph: PyTorch's permission for a second backward pass; it is always possible here, because the
            backward pass forms the logits again.
        batch_chunk_size: the rows of a chunk; None: all, or what ``chunking_method`` gives.
        chunking_method: "auto", "aspect_ratio" (a chunk's logits take about the memory of the input), "aspect_ratio:N"
            (an N-th of that), or None.
        acc_policy: "auto", "accurate", "balanced" or "compact". All give the same: sums are in ``acc_dtype``.
        acc_dtype: the dtype of the sums; None: the input's, for half precision and "auto" float32.

    Raises:
        ValueError: for other values.

    >>> import pytensor as torch
    >>> options = torch.nn.LinearCrossEntropyOptions(batch_chunk_size=1)
    >>> x, weight = torch.eye(2), torch.tensor([[2., 0.], [0., 2.]])
    >>> torch.nn.functional.linear_cross_entropy(x, weight, torch.tensor([0, 0]), options=options)
    tensor(1.1269)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LinearCrossEntropyOptions.html
    """

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: str = "auto"
    acc_dtype: dtypes.dtype | None = None

    def __post_init__(self) -> None:
        if self.acc_policy not in _POLICIES:
            raise ValueError(f"invalid acc_policy: {self.acc_policy!r}")
        if self.chunking_method not in (None, "auto"):
            name, separator, factor = self.chunking_method.partition(":")
            factor = factor if separator else "1"
            if not (name == "aspect_ratio" and factor.isdigit() and int(factor) > 0):
                raise ValueError(f"invalid chunking_method: {self.chunking_method!r}")
        size = self.batch_chunk_size
        if not (size is None or (isinstance(size, int) and size > 0)):
            raise ValueError(f"batch_chunk_size must be positive int or None, got {size!r}")
        floating = (dtypes.float16, dtypes.bfloat16, dtypes.float32, dtypes.float64)
        if self.acc_dtype is not None and self.acc_dtype not in floating:
            raise ValueError(
                "acc_dtype must be one of {None, torch.float16, torch.bfloat16, torch.float32, torch.float64}, got "
                f"{self.acc_dtype!r}. Pass acc_dtype=None to let the op pick automatically."
            )

    def rows_of_chunk(self, batches: int, features: int, classes: int, half: bool) -> int:
        """The rows of a chunk.

        Raises:
            ValueError: when ``batch_chunk_size`` and ``chunking_method`` do not agree.
        """
        size, method = self.batch_chunk_size, self.chunking_method
        if method == "auto":
            method = None if size is not None else "aspect_ratio" if half else "aspect_ratio:2"
        rows = batches if size is None else min(size, batches)
        if method is not None:
            factor = int(method.partition(":")[2] or 1)
            wanted = -(-batches // -(-classes // features))
            rows = min((1 << (wanted - 1).bit_length()) // factor, batches)
            if size is not None and size != rows:
                raise ValueError(
                    f"batch_chunk_size (={size}) and chunking_method ('{method}') give different chunk sizes "
                    f"({size} vs {rows}); pass only one."
                )
        return max(1, rows)

    def sums_in(self, dtype: dtypes.dtype) -> dtypes.dtype:
        """The dtype of sums for an input of ``dtype``."""
        half = dtype in (dtypes.float16, dtypes.bfloat16)
        return self.acc_dtype or (dtypes.float32 if half and self.acc_policy == "auto" else dtype)


class LinearCrossEntropyChunkedBackward0(Node):
    """ctx: (reduction, ignore_index, rows, dtype of the sums). The logits are formed again, chunk by chunk."""

    def backward(self, grad):
        if _C.is_grad_enabled():
            raise NotImplementedError("linear_cross_entropy: options (logits in chunks) have no second gradient")
        input, matrix, bias, target, factors, total = self.saved
        reduction, _, rows, dtype = self.ctx
        wanted = self.needs_input_grad
        scale = grad.to(dtype) * factors if reduction != "mean" else grad.to(dtype) / total * factors
        wide, parts = matrix.to(dtype), []
        by_matrix = zeros(matrix.shape, dtype=dtype) if wanted[1] else None
        by_bias = zeros(bias.shape, dtype=dtype) if bias is not None and wanted[2] else None
        for begin in range(0, input.shape[0], rows):
            part = slice(begin, begin + rows)
            x = input[part].to(dtype)
            p = softmax(linear(x, wide, None if bias is None else bias.to(dtype)), 1)
            hit = target[part].unsqueeze(1)
            by_logits = p.scatter_add(1, hit, full(hit.shape, -1.0, dtype=dtype)) * scale[part].unsqueeze(1)
            if wanted[0]:
                parts.append(by_logits @ wide)
            if by_matrix is not None:
                by_matrix += by_logits.t() @ x
            if by_bias is not None:
                by_bias += by_logits.sum(0)
        return (
            cat(parts).to(input.dtype) if wanted[0] else None,
            None if by_matrix is None else by_matrix.to(matrix.dtype),
            None if by_bias is None else by_bias.to(bias.dtype),
        )


def in_chunks(
    input: Tensor,
    matrix: Tensor,
    bias: Tensor | None,
    target: Tensor,
    weight: Tensor | None,
    reduction: str,
    ignore_index: int,
    options: LinearCrossEntropyOptions,
) -> Any:
    """The loss of rows (batch, features) with class indices, the logits of a chunk of rows at a time.

    Args:
        reduction: "none", "sum" or "mean".
    """
    batches, features = input.shape
    dtype = options.sums_in(input.dtype)
    half = input.dtype in (dtypes.float16, dtypes.bfloat16)
    rows = options.rows_of_chunk(batches, features, matrix.shape[0], half)
    with no_grad():
        wide_bias = None if bias is None else bias.to(dtype)
        wide_weight = None if weight is None else weight.to(dtype)
        wide = matrix.to(dtype)
        losses = [
            cross_entropy(
                linear(input[begin : begin + rows].to(dtype), wide, wide_bias),
                target[begin : begin + rows],
                wide_weight,
                ignore_index=ignore_index,
                reduction="none",
            )
            for begin in range(0, batches, rows)
        ]
        loss = cat(losses) if losses else zeros((0,), dtype=dtype)
        ignored = target == ignore_index
        hit = where(ignored, 0, target)
        factors = ones((batches,), dtype=dtype) if wide_weight is None else wide_weight[hit]
        factors = where(ignored, 0.0, factors)
        total = factors.sum()
        if reduction != "none":
            loss = loss.sum() if reduction == "sum" else loss.sum() / total
        loss = loss.to(input.dtype)
    saved = (input, matrix, bias, hit, factors, total)
    ctx = (reduction, ignore_index, rows, dtype)
    return record(LinearCrossEntropyChunkedBackward0, (input, matrix, bias), loss._array, saved=saved, ctx=ctx)
