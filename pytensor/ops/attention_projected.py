"""Attention between the projections of a multi-head layer, as they come from its products: nothing is split, turned or
put together in memory. The heads of query, key and value are strided views of the projections, their gradients are
written to strided views of the projections' gradients.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from pytensor import _C
from pytensor.autograd.grad_mode import is_grad_enabled
from pytensor.autograd.node import OUTPUT, Node, record, wrap
from pytensor.backend import backend_of
from pytensor.ops.attention import attention_gradients, draw_dropout
from pytensor.ops.join import cat

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["heads_of", "joined", "projected_attention"]


def heads_of(array: Any, size: int, count: int, batch_first: bool) -> list[Any]:
    """Views (batch, heads, length, size) of the parts of (batch, length, parts * heads * size), or of (length, batch,
    ...). For arrays and for tensors."""
    split = array.reshape((*array.shape[:2], -1, count, size))
    order = (0, 2, 1, 3) if batch_first else (1, 2, 0, 3)
    turn = "transpose" if isinstance(array, np.ndarray) else "permute"
    return [getattr(split[:, :, i], turn)(order) for i in range(split.shape[2])]


def joined(heads: Any, batch_first: bool) -> Any:
    """(batch, heads, length, size) as (batch, length, heads * size), or (length, batch, ...)."""
    order = (0, 2, 1, 3) if batch_first else (2, 0, 1, 3)
    turned = heads.transpose(order) if isinstance(heads, np.ndarray) else heads.permute(order)
    return turned.reshape((*turned.shape[:2], -1))


class ProjectedAttentionBackward0(Node):
    """ctx: size and number of heads, whether the batch comes first in projections and in the result, and the options
    of the kernels."""

    def backward(self, grad: Tensor) -> Any:
        *projections, mask, dropout, out, logsumexp = self.saved
        layout, out_layout, options = self.ctx
        with_mask = mask is not None and self.needs_input_grad[-1]
        if is_grad_enabled():
            return self._differentiable(grad, projections, mask, dropout, out, logsumexp, with_mask)
        arrays = [p._array for p in projections]
        gradients = [_C.new_array(a.shape, a.dtype.num) for a in arrays]
        into = tuple(h for g in gradients for h in heads_of(g, *layout))
        heads = [h for a in arrays for h in heads_of(a, *layout)]
        (grad_heads,), (out_heads,) = heads_of(grad._array, *out_layout), heads_of(out._array, *out_layout)
        backend = backend_of(arrays[0])
        *_, grad_mask = backend.attention_backward(
            grad_heads,
            *heads,
            None if mask is None else mask._array,
            dropout,
            *options,
            out_heads,
            logsumexp,
            False,
            with_mask,
            into,
        )
        wrapped = [wrap(g) for g in gradients]
        return (*wrapped, None if grad_mask is None else wrap(grad_mask))

    def _differentiable(
        self, grad: Tensor, projections: Any, mask: Any, dropout: Any, out: Tensor, logsumexp: Any, with_mask: bool
    ) -> Any:
        layout, out_layout, options = self.ctx
        batch_first = layout[-1]
        heads = [h for p in projections for h in heads_of(p, *layout)]
        (grad_heads,), (out_heads,) = heads_of(grad, *out_layout), heads_of(out, *out_layout)
        *found, grad_mask = attention_gradients(
            grad_heads, *heads, mask, dropout, *options, out_heads, logsumexp, with_mask
        )
        parts = iter(joined(g, batch_first) for g in found)
        gradients = [cat([next(parts) for _ in range(p.shape[-1] // grad.shape[-1])], -1) for p in projections]
        return (*gradients, grad_mask)


def projected_attention(
    projections: tuple[Tensor, ...],
    heads: int,
    mask: Tensor | None,
    dropout_p: float,
    causal: bool,
    batch_first: bool,
    result_batch_first: bool,
) -> Tensor:
    """Attention over heads.

    Args:
        projections: (length, batch, features), or (batch, length, features) if ``batch_first``; along the features
            they hold, one after the other, those of query, key and value, E for each.
        mask: broadcasts to (batch, heads, queries, keys), with four axes; boolean or of the projections' type.

    Returns:
        (queries, batch, E), or (batch, queries, E) if ``result_batch_first``.
    """
    arrays = [p._array for p in projections]
    size = sum(a.shape[-1] for a in arrays) // 3 // heads
    layout = (size, heads, batch_first)
    query, key, value = [h for a in arrays for h in heads_of(a, *layout)]
    scores = (*query.shape[:-1], key.shape[-2])
    array = mask
    if mask is not None:
        if mask.shape[-2:] != scores[-2:]:
            mask = mask.expand(*mask.shape[:-2], *scores[-2:])
        array = mask._array
    dropout, keep_scale = draw_dropout(scores, dropout_p)
    options = (keep_scale, 1 / math.sqrt(size), causal)
    batch, _, queries, _ = query.shape
    lead = (batch, queries) if result_batch_first else (queries, batch)
    result = _C.new_array((*lead, heads * size), query.dtype.num)
    out_layout = (size, heads, result_batch_first)
    (into,) = heads_of(result, *out_layout)
    _, logsumexp = backend_of(query).attention_forward(query, key, value, array, dropout, *options, into)
    return record(
        ProjectedAttentionBackward0,
        (*projections, mask),
        result,
        saved=(*projections, mask, dropout, OUTPUT, logsumexp),
        ctx=(layout, out_layout, options),
    )
