"""Multi-head attention: projections, attention between heads, and the projection of the result.

Source: A. Vaswani et al., Attention is all you need, https://arxiv.org/abs/1706.03762
"""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

from pytensor.dtypes import BOOL
from pytensor.ops.attention import scaled_dot_product_attention
from pytensor.ops.attention_projected import heads_of, joined, projected_attention
from pytensor.ops.create import zeros
from pytensor.ops.dropout import functional_dropout
from pytensor.ops.join import cat
from pytensor.ops.like import zeros_like
from pytensor.ops.linear import linear
from pytensor.ops.matmul import matmul
from pytensor.ops.multihead_checks import (
    check_attention_mask,
    check_extra_keys,
    check_features,
    check_padding_mask,
    check_projections,
    check_shapes,
)
from pytensor.ops.padding import pad
from pytensor.ops.registry import op
from pytensor.ops.softmax import softmax

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["additive_mask", "multi_head_attention", "multi_head_attention_forward"]


def additive_mask(
    mask: Tensor | None, name: str, target_type: Any, other: Tensor | None = None, other_name: str = ""
) -> Tensor | None:
    """A boolean mask as one that is added to the scores: -inf where it is True. A float mask as it is.

    Raises:
        AssertionError: for a mask of another type.
    """
    if mask is None:
        return None
    check_mask(mask, name, other, other_name)
    if mask.dtype.is_floating_point:
        return mask
    return zeros_like(mask, dtype=target_type).masked_fill_(mask, -math.inf)


def check_mask(mask: Tensor, name: str, other: Tensor | None = None, other_name: str = "") -> None:
    """AssertionError unless the mask is boolean or of a floating type; a warning when the other one is of another."""
    if mask.dtype.category != BOOL and not mask.dtype.is_floating_point:
        raise AssertionError(f"only bool and floating types of {name} are supported")
    if other is not None and mask.dtype is not other.dtype:
        warnings.warn(
            f"Support for mismatched {name} and {other_name} is deprecated. Use same type for both instead.",
            stacklevel=3,
        )


def _with_four_axes(mask: Tensor, batch: int, heads: int) -> Tensor:
    """A mask (queries, keys) or (batch * heads, queries, keys), for scores (batch, heads, queries, keys)."""
    return mask.view(1, 1, *mask.shape) if mask.ndim == 2 else mask.view(batch, heads, *mask.shape[1:])


def _merged_mask(attn_mask: Tensor | None, padding: Tensor | None, batch: int, heads: int, dtype: Any) -> Any:
    """One mask from both, with four axes: True where a query attends, or added to the scores."""
    masks = []
    if attn_mask is not None:
        masks.append(_with_four_axes(attn_mask, batch, heads))
    if padding is not None:
        masks.append(padding.view(batch, 1, 1, padding.shape[-1]))
    if not masks:
        return None
    if all(m.dtype.category == BOOL for m in masks):
        return ~masks[0] if len(masks) == 1 else ~(masks[0] | masks[1])
    additive = [additive_mask(m, "mask", dtype) for m in masks]
    return additive[0] if len(additive) == 1 else additive[0] + additive[1]


def _project(
    query: Tensor, key: Tensor, value: Tensor, weight: Any, bias: Any, separate: tuple[Any, Any, Any] | None
) -> tuple[Tensor, ...]:
    """Projections of query, key and value, in one product for those that are the same tensor."""
    features = query.shape[-1]
    if separate is not None:
        biases = (None, None, None) if bias is None else bias.chunk(3)
        check_projections(query, key, value, separate, biases)
        return tuple(linear(x, w, b) for x, w, b in zip((query, key, value), separate, biases, strict=True))
    if query is key and key is value:
        return (linear(query, weight, bias),)
    sizes = [features, 2 * features] if key is value else [features] * 3
    weights = weight.split(sizes)
    biases = [None] * 3 if bias is None else bias.split(sizes)
    return tuple(linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases, strict=False))


def _weighted(query: Tensor, key: Tensor, value: Tensor, mask: Any, dropout_p: float) -> tuple[Tensor, Tensor]:
    """Attention that shows its weights."""
    scores = matmul(query * math.sqrt(1.0 / query.shape[-1]), key.mT)
    weights = softmax(scores if mask is None else mask + scores, -1)
    if dropout_p > 0.0:
        weights = functional_dropout(weights, dropout_p)
    return matmul(weights, value), weights


def _one_more_key(mask: Tensor | None) -> Tensor | None:
    return None if mask is None else pad(mask, (0, 1))


def multi_head_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    key_padding_mask: Tensor | None,
    need_weights: bool,
    attn_mask: Tensor | None,
    separate: tuple[Any, Any, Any] | None,
    static_k: Tensor | None,
    static_v: Tensor | None,
    average_attn_weights: bool,
    is_causal: bool,
    batch_first: bool,
    training: bool,
) -> tuple[Tensor, Tensor | None]:
    """:func:`multi_head_attention_forward`, of (batch, length, features) if ``batch_first``.

    ``separate``: the weights of query, key and value, in place of ``in_proj_weight``. In training the result lies in
    memory as (length, batch, features), as PyTorch's does: dropout draws in the order of memory.
    """
    batched = check_shapes(query, key, value, key_padding_mask, attn_mask, num_heads)
    if not batched:
        batch_first = False
        same = query is key, key is value
        query = query.unsqueeze(1)
        key = query if same[0] else key.unsqueeze(1)
        value = key if same[1] else value.unsqueeze(1)
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    batch, queries = query.shape[:2] if batch_first else query.shape[1::-1]
    keys = key.shape[1] if batch_first else key.shape[0]
    if key_padding_mask is not None:
        check_mask(key_padding_mask, "key_padding_mask", attn_mask, "attn_mask")
    if is_causal and attn_mask is None:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint. You may use the Transformer module method "
            "`generate_square_subsequent_mask` to create this mask."
        )
    is_causal = is_causal and key_padding_mask is None and not need_weights
    if is_causal:
        attn_mask = None
    elif attn_mask is not None:
        check_mask(attn_mask, "attn_mask")
    check_features(query, key, value, embed_dim_to_check, num_heads, in_proj_weight, separate)
    projections = _project(query, key, value, in_proj_weight, in_proj_bias, separate)
    if attn_mask is not None:
        check_attention_mask(attn_mask, batch, num_heads, queries, keys)
    result_first = batch_first and not training
    usual = bias_k is bias_v is static_k is static_v is None and not add_zero_attn
    if usual and not need_weights:
        if key_padding_mask is not None:
            check_padding_mask(key_padding_mask, batch, keys)
        mask = _merged_mask(attn_mask, key_padding_mask, batch, num_heads, query.dtype)
        attended = projected_attention(projections, num_heads, mask, dropout_p, is_causal, batch_first, result_first)
        return _finish(attended, out_proj_weight, out_proj_bias, batched, batch_first and not result_first), None

    layout = (query.shape[-1] // num_heads, num_heads, batch_first)
    q, k, v = [h for p in projections for h in heads_of(p, *layout)]
    attn_mask = additive_mask(attn_mask, "attn_mask", query.dtype)
    key_padding_mask = additive_mask(key_padding_mask, "key_padding_mask", query.dtype)
    check_extra_keys(bias_k, bias_v, static_k, static_v, batch * num_heads, layout[0])
    if bias_k is not None:
        k, v = (
            cat([x, b.view(1, num_heads, 1, -1).expand(batch, -1, -1, -1)], 2) for x, b in ((k, bias_k), (v, bias_v))
        )
        attn_mask, key_padding_mask = _one_more_key(attn_mask), _one_more_key(key_padding_mask)
    k = k if static_k is None else static_k.view(batch, num_heads, *static_k.shape[1:])
    v = v if static_v is None else static_v.view(batch, num_heads, *static_v.shape[1:])
    if add_zero_attn:
        k, v = (cat([x, zeros((batch, num_heads, 1, layout[0]), dtype=x.dtype)], 2) for x in (k, v))
        attn_mask, key_padding_mask = _one_more_key(attn_mask), _one_more_key(key_padding_mask)
    if key_padding_mask is not None:
        check_padding_mask(key_padding_mask, batch, k.shape[2])
    mask = _merged_mask(attn_mask, key_padding_mask, batch, num_heads, query.dtype)
    weights = None
    if need_weights:
        attended, weights = _weighted(q, k, v, mask, dropout_p)
        weights = weights.mean(1) if average_attn_weights else weights
    else:
        attended = scaled_dot_product_attention(q, k, v, mask, dropout_p, is_causal)
    attended = joined(attended, result_first)
    out = _finish(attended, out_proj_weight, out_proj_bias, batched, batch_first and not result_first)
    return out, weights if batched or weights is None else weights.squeeze(0)


def _finish(attended: Tensor, weight: Tensor, bias: Any, batched: bool, turn: bool) -> Tensor:
    """The projection of the result."""
    out = linear(attended, weight, bias)
    if turn:
        out = out.transpose(0, 1)
    return out if batched else out.squeeze(1)


@op(namespace="nn.functional")
def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """What :class:`pytensor.nn.MultiheadAttention` computes, with its parameters given.

    Args:
        query: (L, N, E) or, without a batch, (L, E).
        key: (S, N, E) or (S, E); of other features with separate weights.
        value: as the key.
        embed_dim_to_check: E.
        in_proj_weight: (3 E, E): the weights of query, key and value, one below the other.
        bias_k: (1, 1, E), one more key of every sequence; ``bias_v`` its value.
        add_zero_attn: one more key and value of zeros.
        dropout_p: of the weights, if ``training``.
        key_padding_mask: (N, S) or (S,): boolean, True for keys to leave out; or added to the scores.
        need_weights: whether to return the weights; without them there is no matrix of all scores.
        attn_mask: (L, S) or (N * num_heads, L, S), of the same meaning.
        static_k: (N * num_heads, S, E / num_heads), keys to take instead; ``static_v``: values.
        is_causal: a hint that ``attn_mask``, which must be given, is the causal one.

    Returns:
        (L, N, E), and the weights (N, L, S), or (N, num_heads, L, S) unless they are to be averaged, or None.

    Raises:
        AssertionError, RuntimeError: for sizes and types that do not fit.

    >>> import pytensor as torch
    >>> x, eye, zero = torch.ones(2, 1, 2), torch.eye(2), torch.zeros(2)
    >>> out, weights = torch.nn.functional.multi_head_attention_forward(
    ...     x, x, x, 2, 1, torch.cat([eye, eye, eye]), torch.zeros(6), None, None, False, 0.0, eye, zero)
    >>> out[:, 0], weights
    (tensor([[1., 1.],
            [1., 1.]]), tensor([[[0.5000, 0.5000],
             [0.5000, 0.5000]]]))
    """
    separate = (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else None
    return multi_head_attention(
        query,
        key,
        value,
        embed_dim_to_check,
        num_heads,
        in_proj_weight,
        in_proj_bias,
        bias_k,
        bias_v,
        add_zero_attn,
        dropout_p if training else 0.0,
        out_proj_weight,
        out_proj_bias,
        key_padding_mask,
        need_weights,
        attn_mask,
        separate,
        static_k,
        static_v,
        average_attn_weights,
        is_causal,
        False,
        training,
    )
