"""Scaled dot-product attention.

Source: A. Vaswani et al., Attention is all you need, https://arxiv.org/abs/1706.03762; computed in tiles after T. Dao,
FlashAttention-2, https://arxiv.org/abs/2307.08691 (csrc/kernels/attention).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from pytensor import dtypes
from pytensor.autograd.node import OUTPUT, Node, record, wrap
from pytensor.backend import backend_of
from pytensor.dtypes import BOOL, COMPLEX, FLOATING
from pytensor.ops.checks import broadcast_shapes_of, check_same_device, check_tensor, normalize_dim
from pytensor.ops.create import ones
from pytensor.ops.random_fill import draw_bernoulli
from pytensor.ops.recompose import gradient_through
from pytensor.ops.registry import op
from pytensor.ops.softmax import softmax
from pytensor.random import default_generator
from pytensor.typename import c_type_name, scalar_type_name

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["attention_gradients", "draw_dropout", "scaled_dot_product_attention"]


class ScaledDotProductFlashAttentionForCpuBackward0(Node):
    """Saved: the inputs, which probabilities dropout kept, the result, and the log-sum-exp of each row of scores.
    ctx: what kept probabilities are multiplied with, scale, is_causal."""

    def backward(self, grad: Tensor) -> Any:
        query, key, value, mask, dropout, out, logsumexp = self.saved
        return attention_gradients(
            grad, query, key, value, mask, dropout, *self.ctx, out, logsumexp, self.needs_input_grad[3]
        )


class ScaledDotProductFlashAttentionForCpuBackwardBackward0(Node):
    def backward(self, *grads: Any) -> Any:
        *inputs, dropout = self.saved
        keep_scale, scale, causal, with_mask = self.ctx
        keep = None if dropout is None else wrap(dropout).to(inputs[0].dtype) * keep_scale

        def composition(grad: Tensor, query: Tensor, key: Tensor, value: Tensor, mask: Any) -> tuple[Any, ...]:
            p = _probabilities(query, key, mask, scale, causal)
            kept = p if keep is None else p * keep
            grad_p = grad @ value.mT
            if keep is not None:
                grad_p = grad_p * keep
            grad_scores = p * (grad_p - (grad * (kept @ value)).sum(-1, keepdim=True))
            found = (grad_scores @ key * scale, grad_scores.mT @ query * scale, kept.mT @ grad)
            if _is_grouped(query, key):
                found = (found[0], *(g.sum(-3, keepdim=True) for g in found[1:]))
            return (*found, grad_scores) if with_mask else found

        return gradient_through(composition, inputs, grads, self.needs_input_grad)


def _probabilities(query: Tensor, key: Tensor, mask: Any, scale: float, causal: bool) -> Tensor:
    """The softmax of the scores, as a composition; rows that see no key are zero."""
    scores = query @ key.mT * scale
    if mask is not None and mask.dtype.category == BOOL:
        scores = scores.masked_fill(~mask, -math.inf)
    elif mask is not None:
        scores = scores + mask
    if causal:
        scores = scores.masked_fill(~ones(scores.shape[-2:], dtype=dtypes.bool).tril(), -math.inf)
    unseen = (scores == -math.inf).all(-1, keepdim=True)
    return softmax(scores.masked_fill(unseen, 0.0), -1).masked_fill(unseen, 0.0)


def _is_grouped(query: Tensor, key: Tensor) -> bool:
    """Whether the last leading axis of the query is one of heads that share their keys."""
    return query.ndim > 2 and key.shape[-3] != query.shape[-3]


def attention_gradients(
    grad: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Any,
    dropout: Any,
    keep_scale: float,
    scale: float,
    causal: bool,
    out: Tensor,
    logsumexp: Any,
    with_mask: bool,
) -> Any:
    """Gradients of query, key, value and mask (None unless asked for)."""
    inputs = (grad, query, key, value, mask)
    found = backend_of(query._array).attention_backward(
        *(x if x is None else x._array for x in inputs),
        dropout,
        keep_scale,
        scale,
        causal,
        out._array,
        logsumexp,
        _is_grouped(query, key),
        with_mask,
        None,
    )
    results = record(
        ScaledDotProductFlashAttentionForCpuBackwardBackward0,
        inputs,
        found if with_mask else found[:3],
        saved=(*inputs, dropout),
        ctx=(keep_scale, scale, causal, with_mask),
    )
    return results if with_mask else (*results, None)


# --- checks -------------------------------------------------------------------------------------------------------


def _type_name(dtype: Any) -> str:
    return {"int64": "long int", "int16": "short int"}.get(dtype.name) or (
        f"c10::complex<{'float' if dtype.itemsize == 8 else 'double'}>"
        if dtype.category == COMPLEX
        else c_type_name(dtype)
    )


def _check_types(query: Tensor, key: Tensor, value: Tensor, mask: Any) -> None:
    dtype = query.dtype
    if key.dtype is not dtype or value.dtype is not dtype:
        raise RuntimeError(
            "Expected query, key, and value to have the same dtype, but got query.dtype: "
            f"{_type_name(dtype)} key.dtype: {_type_name(key.dtype)} and value.dtype: {_type_name(value.dtype)} instead."
        )
    check_same_device(query, key, value)
    if query.ndim < 2 or key.ndim < 2 or value.ndim < 2:
        raise RuntimeError(
            "Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: "
            f"{query.ndim} key.dim: {key.ndim} and value.dim: {value.ndim} instead."
        )
    if mask is not None and mask.dtype is not dtype and mask.dtype not in (dtypes.bool, dtypes.float32):
        raise RuntimeError(
            "Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: "
            f"{_type_name(mask.dtype)} and  query.dtype: {_type_name(dtype)} instead."
        )
    if dtype.category == COMPLEX:
        raise NotImplementedError(f"\"softmax_lastdim_kernel_impl\" not implemented for '{scalar_type_name(dtype)}'")
    if dtype.category < FLOATING and query.ndim == 2:
        raise RuntimeError(f"expected m1 and m2 to have the same dtype, but got: float != {_type_name(dtype)}")
    if dtype.category < FLOATING:
        raise RuntimeError(f"expected scalar type Float but found {scalar_type_name(dtype)}")


def _check_product(lead: tuple[int, ...], rows: int, a: int, b: int, columns: int) -> None:
    """Of matrices rows x a and b x columns."""
    if a == b:
        return
    if not lead:
        raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({rows}x{a} and {b}x{columns})")
    count = math.prod(lead)
    raise RuntimeError(
        f"Expected size for first two dimensions of batch2 tensor to be: [{count}, {a}] but got: [{count}, {b}]."
    )


def _check_mask(mask: Tensor, scores: tuple[int, ...]) -> None:
    if len(scores) == 4 and mask.ndim < 2:
        if mask.ndim == 0:
            raise IndexError("Dimension specified as -2 but tensor has no dimensions")
        normalize_dim(-2, mask.ndim)
    shape = broadcast_shapes_of(scores, mask.shape)
    if shape != scores:
        raise RuntimeError(f"output with shape {list(scores)} doesn't match the broadcast shape {list(shape)}")


def _check_dropout(p: float, ndim: int) -> None:
    if p > 1:
        raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {p}")
    if p < 0 and ndim == 4:
        raise RuntimeError("scaled_dot_product_attention_flash_attention: Currently do not support dropout > 0")


def _takes_mask_and_causal(query: Tensor, key: Tensor, value: Tensor, mask: Tensor, dropout_p: float) -> bool:
    """PyTorch takes both only where its kernel for CPUs runs."""
    same = query.shape[:-2] == key.shape[:-2] == value.shape[:-2] and query.shape[-1] == value.shape[-1]
    return query.ndim == 4 and same and mask.ndim in (2, 4) and dropout_p <= 0 and not mask.requires_grad


# Which of PyTorch's implementations for CPUs may be used (math, flash): set by nn.attention.sdpa_kernel.
backends_for_cpus = (True, True)


def _check_backends(query: Tensor, value: Tensor, mask: Any, dropout_p: float) -> None:
    """RuntimeError where PyTorch could not run with the implementations that are allowed."""
    math_allowed, flash_allowed = backends_for_cpus
    if not math_allowed and not flash_allowed:
        raise RuntimeError(
            "No viable backend for scaled_dot_product_attention was found. This is likely due to turning off both the "
            "math kernel and the fused kernels."
        )
    fits_flash = query.ndim >= 4 and query.shape[-1] == value.shape[-1] and dropout_p <= 0
    if not math_allowed and not (fits_flash and (mask is None or not mask.requires_grad)):
        raise RuntimeError("No available kernel.  Aborting execution.")


def _grouped(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Heads of the query in groups, one per head of key and value, which get an axis of size 1 for them."""
    for x in (query, key, value):
        normalize_dim(-3, x.ndim)
    heads, shared, shared_values = query.shape[-3], key.shape[-3], value.shape[-3]
    if heads % max(shared, 1) or heads % max(shared_values, 1) or not shared or not shared_values:
        raise RuntimeError("Number of heads in key and value must divide the number of heads in ")
    if shared != shared_values:
        return query, key.repeat_interleave(heads // shared, -3), value.repeat_interleave(heads // shared_values, -3)
    if heads == shared:
        return query, key, value
    return query.unflatten(-3, (shared, heads // shared)), key.unsqueeze(-3), value.unsqueeze(-3)


def _aligned(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """With the same leading axes (or size 1 where heads share keys and values), sizes checked."""
    lead = broadcast_shapes_of(query.shape[:-2], key.shape[:-2])
    _check_product(lead, query.shape[-2], query.shape[-1], key.shape[-1], key.shape[-2])
    lead = broadcast_shapes_of(lead, value.shape[:-2])
    _check_product(lead, query.shape[-2], key.shape[-2], value.shape[-2], value.shape[-1])
    query = _expanded(query, lead)
    if lead and key.shape[-3:-2] == value.shape[-3:-2] == (1,):
        lead = (*lead[:-1], 1)
    return query, _expanded(key, lead), _expanded(value, lead)


def _expanded(x: Tensor, lead: tuple[int, ...]) -> Tensor:
    return x if x.shape[:-2] == lead else x.expand(*lead, *x.shape[-2:])


def draw_dropout(scores: tuple[int, ...], p: float) -> tuple[Any, float]:
    """Which probabilities stay (None: all of them), drawn for all of them in order, as PyTorch draws them; and what
    those are multiplied with."""
    if p <= 0 or not math.prod(scores):
        return None, 1.0
    if p >= 1:
        return np.zeros(scores, bool), 1.0
    kept = np.empty(scores, bool)
    draw_bernoulli(default_generator._impl, kept, 1.0 - p)
    return kept, 1.0 / (1.0 - p)


# --- the function -------------------------------------------------------------------------------------------------


@op(namespace="nn.functional")
def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """``softmax(query @ key.mT * scale + mask) @ value``, without the matrix of all scores.

    Args:
        query: (..., L, E), of a floating type.
        key: (..., S, E), of the same type.
        value: (..., S, Ev). Leading axes broadcast.
        attn_mask: broadcasts to (..., L, S). Boolean: True where a query attends to a key; of a floating type:
            added to the scores. A query that attends to no key has the result 0.
        dropout_p: with this probability each weight is zeroed, and the others are scaled up; whether or not a
            module is training.
        is_causal: query i attends to keys 0 to i.
        scale: of the scores; 1/√E when None.
        enable_gqa: axis -3 of the query may be a multiple of that of key and value: heads that share keys and values.

    Returns:
        (..., L, Ev); its axes lie in memory in the order of the query's.

    Raises:
        RuntimeError: for types or sizes that do not match, or a mask beside ``is_causal`` (PyTorch's kernel for CPUs
            takes both for four axes, without dropout).

    >>> import pytensor as torch
    >>> query, key, value = torch.ones(1, 2), torch.tensor([[1., 0.], [1., 0.]]), torch.tensor([[1.], [3.]])
    >>> torch.nn.functional.scaled_dot_product_attention(query, key, value)
    tensor([[2.]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.scaled_dot_product_attention.html
    """
    for position, (name, x) in enumerate((("query", query), ("key", key), ("value", value)), 1):
        check_tensor(x, "scaled_dot_product_attention", name, position)
    if attn_mask is not None:
        check_tensor(attn_mask, "scaled_dot_product_attention", "attn_mask", 4)
    _check_types(query, key, value, attn_mask)
    _check_dropout(dropout_p, query.ndim)
    if is_causal and attn_mask is not None and not _takes_mask_and_causal(query, key, value, attn_mask, dropout_p):
        raise RuntimeError("_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True")
    grouped = False
    if enable_gqa:
        ndim = query.ndim
        query, key, value = _grouped(query, key, value)
        grouped = query.ndim > ndim
    if not query.shape[:-2] == key.shape[:-2] == value.shape[:-2] or (
        query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]
    ):
        query, key, value = _aligned(query, key, value)
    scores = (*query.shape[:-1], key.shape[-2])
    mask = attn_mask
    if mask is not None:
        _check_mask(mask, (*scores[:-4], scores[-4] * scores[-3], *scores[-2:]) if grouped else scores)
        mask = _prepared_mask(mask, query.dtype, scores, grouped)
    if scale is None:
        scale = 1 / math.sqrt(query.shape[-1]) if query.shape[-1] else 1.0
    if backends_for_cpus != (True, True):
        _check_backends(query, value, mask, dropout_p)
    out = _attend(query, key, value, mask, dropout_p, is_causal, float(scale), scores)
    return out.flatten(-4, -3) if grouped else out


def _prepared_mask(mask: Tensor, dtype: Any, scores: tuple[int, ...], grouped: bool) -> Tensor:
    """Of the scores' type and number of axes."""
    if mask.dtype.category != BOOL and mask.dtype is not dtype:
        mask = mask.to(dtype)
    if grouped and mask.ndim > 2:
        mask = mask.unsqueeze(-3) if mask.shape[-3] == 1 else mask.unflatten(-3, scores[-4:-2])
    shape = (*mask.shape[:-2], *scores[-2:]) if mask.ndim > 1 else scores[-2:]
    if mask.shape != shape:
        mask = mask.expand(shape)
    return mask if mask.ndim == len(scores) else mask.view((1,) * (len(scores) - mask.ndim) + tuple(shape))


def _attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Any,
    dropout_p: float,
    causal: bool,
    scale: float,
    scores: tuple[int, ...],
) -> Tensor:
    dropout, keep_scale = draw_dropout(scores, dropout_p)
    out, logsumexp = backend_of(query._array).attention_forward(
        query._array,
        key._array,
        value._array,
        None if mask is None else mask._array,
        dropout,
        keep_scale,
        scale,
        causal,
        None,
    )
    return record(
        ScaledDotProductFlashAttentionForCpuBackward0,
        (query, key, value, mask),
        out,
        saved=(query, key, value, mask, dropout, OUTPUT, logsumexp),
        ctx=(keep_scale, scale, causal),
    )
