"""Spec of scaled dot-product attention."""

from __future__ import annotations

import math

import numpy as np

from pytensor.testing.compare import assert_agree
from pytensor.testing.spec import OpSpec


def smooth(s, shape):
    return s.array(shape, values="smooth")


def mask_of(s, lead, queries, keys, kind):
    """A mask of a shape that broadcasts to the scores."""
    if kind == "none":
        return None
    shape = (*lead[s.integer(0, len(lead)) :], s.choose(1, queries), s.choose(1, keys))
    shape = tuple(s.choose(1, n) if i < len(shape) - 2 else n for i, n in enumerate(shape))
    if kind == "bool":
        return s.array(shape, dtype="bool")
    return smooth(s, shape)


def attention_samples(s):
    lead = s.choose((), (2,), (1, 2), (2, 3), (2, 1, 2))
    queries, keys = s.choose(1, 2, 3, 7, 0), s.choose(1, 2, 5, 19, 0)
    if s.gradient:
        queries, keys = max(min(queries, 3), 1), max(min(keys, 5), 1)
    depth, width = s.choose(1, 3, 8), s.choose(1, 4)
    shared = (*lead[:-1], 1) if lead and s.flag() else lead
    kind = s.choose("none", "bool", "float")
    options = {}
    if s.flag():
        options["scale"] = s.choose(0.3, -1.0)
    if kind == "none" and s.flag():
        options["is_causal"] = True
    mask = mask_of(s, lead, queries, keys, kind)
    query, key, value = smooth(s, (*lead, queries, depth)), smooth(s, (*shared, keys, depth)), None
    value = smooth(s, (*shared, keys, width))
    return s.sample(query, key, value, mask, **options)


def grouped_samples(s):
    groups, heads = s.choose(1, 2, 3), s.choose(1, 2)
    batch, queries, keys, depth = s.choose((), (2,)), s.integer(1, 4), s.integer(1, 5), s.choose(2, 5)
    query = smooth(s, (*batch, heads * groups, queries, depth))
    key, value = smooth(s, (*batch, heads, keys, depth)), smooth(s, (*batch, heads, keys, depth))
    mask = mask_of(s, (*batch, heads * groups), queries, keys, s.choose("none", "bool", "float"))
    return s.sample(query, key, value, mask, enable_gqa=True)


def scores_of(query, key, mask, is_causal, scale):
    scale = 1 / math.sqrt(max(query.shape[-1], 1)) if scale is None else scale
    scores = query @ key.swapaxes(-1, -2) * scale
    if is_causal:
        scores = np.where(np.tri(*scores.shape[-2:], dtype=bool), scores, -np.inf)
    if mask is not None:
        scores = np.where(mask, scores, -np.inf) if mask.dtype == bool else scores + mask
    return scores


def attention(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False):
    if enable_gqa:
        groups = query.shape[-3] // key.shape[-3]
        key, value = key.repeat(groups, axis=-3), value.repeat(groups, axis=-3)
    scores = scores_of(query, key, attn_mask, is_causal, scale)
    largest = scores.max(axis=-1, keepdims=True, initial=-np.inf)
    e = np.exp(scores - np.where(largest == -np.inf, 0, largest))
    total = e.sum(axis=-1, keepdims=True)
    return (e / np.where(total == 0, 1, total)) @ value


def attention_scale(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False):
    """Weights add up to one; the error of a score is relative to the sum of the magnitudes of its terms."""
    size = np.abs(value).max(initial=0.0)
    terms = query.shape[-1] * np.abs(query).max(initial=0.0) * np.abs(key).max(initial=0.0) * abs(scale or 1.0)
    if attn_mask is not None and attn_mask.dtype != bool:
        terms = terms + np.abs(attn_mask).max(initial=0.0)
    return np.full(1, size * (1 + 2 * terms) + np.finfo(np.float32).tiny)


def flops(query, key, value, *args, **kwargs):
    return 2 * math.prod(query.shape[:-1]) * key.shape[-2] * (query.shape[-1] + value.shape[-1])


# --- multi-head attention ---


def multi_head_samples(s, need_weights=True):
    heads, size, batch = s.choose(1, 2), s.choose(1, 3), s.choose(1, 2)
    queries, keys, features = s.integer(1, 4), s.integer(1, 4), heads * size
    query, key = smooth(s, (queries, batch, features)), smooth(s, (keys, batch, features))
    value = smooth(s, (keys, batch, features))
    weights = smooth(s, (3 * features, features)), smooth(s, (3 * features,)) if s.flag() else None
    extra = (smooth(s, (1, 1, features)), smooth(s, (1, 1, features))) if s.flag() else (None, None)
    out = smooth(s, (features, features)), smooth(s, (features,))
    options = {"need_weights": need_weights, "average_attn_weights": s.flag()}
    if s.flag():
        options["attn_mask"] = smooth(s, s.choose((queries, keys), (batch * heads, queries, keys)))
    if s.flag():  # added to the scores, as a boolean mask could hide all keys of a query
        options["key_padding_mask"] = smooth(s, (batch, keys))
    return s.sample(query, key, value, features, heads, *weights, *extra, s.flag(), 0.0, *out, **options)


def with_heads(x, heads):
    """(length, batch, features) as (batch, heads, length, size)."""
    return x.reshape(*x.shape[:2], heads, x.shape[2] // heads).transpose(1, 2, 0, 3)


def multi_head_attention(
    query,
    key,
    value,
    features,
    heads,
    weight,
    bias,
    bias_k,
    bias_v,
    add_zero_attn,
    dropout_p,
    out_weight,
    out_bias,
    need_weights=True,
    average_attn_weights=True,
    attn_mask=None,
    key_padding_mask=None,
):
    batch = query.shape[1]
    biases = np.zeros((3, features)) if bias is None else bias.reshape(3, features)
    weights = weight.reshape(3, features, features)
    q, k, v = (x @ w.T + b for x, w, b in zip((query, key, value), weights, biases, strict=True))
    mask = np.zeros((batch, heads, q.shape[0], k.shape[0]))
    if attn_mask is not None:
        mask = mask + (attn_mask if attn_mask.ndim == 2 else attn_mask.reshape(batch, heads, *attn_mask.shape[1:]))
    if key_padding_mask is not None:
        mask = mask + key_padding_mask[:, None, None, :]
    extra = [] if bias_k is None else [(bias_k, bias_v)]
    extra += [(np.zeros((1, 1, features)),) * 2] if add_zero_attn else []
    for more_k, more_v in extra:
        k, v = (np.concatenate([x, more.repeat(batch, 1)]) for x, more in ((k, more_k), (v, more_v)))
        mask = np.concatenate([mask, np.zeros((*mask.shape[:-1], 1))], -1)
    q, k, v = (with_heads(x, heads) for x in (q, k, v))
    scores = scores_of(q, k, mask, False, None)
    p = np.exp(scores - scores.max(axis=-1, keepdims=True))
    p = p / p.sum(axis=-1, keepdims=True)
    out = (p @ v).transpose(2, 0, 1, 3).reshape(query.shape) @ out_weight.T + out_bias
    return out, p.mean(axis=1) if average_attn_weights else p


def multi_head_scale(query, key, value, features, heads, *rest, attn_mask=None, key_padding_mask=None, **options):
    """Products of up to three factors in sums of up to so many features, in scores, weights and results."""
    arrays = [x for x in (query, key, value, *rest, attn_mask, key_padding_mask) if isinstance(x, np.ndarray)]
    size = 1 + max(np.abs(x).max(initial=0.0) for x in arrays)
    return np.full(1, (features * size) ** 3 * (1 + (features * size**2) ** 2))


def verify_without_weights(results, *args, **kwargs):
    out, weights = results
    assert weights is None
    arrays = [x.astype(np.float64) if isinstance(x, np.ndarray) else x for x in args]
    masks = {k: x.astype(np.float64) if isinstance(x, np.ndarray) else x for k, x in kwargs.items()}
    expected, _ = multi_head_attention(*arrays, **masks)
    assert_agree(out, expected, 4, multi_head_scale(*arrays, **masks))


NAME = "nn.functional.scaled_dot_product_attention"
SPECS = [
    OpSpec(NAME, attention_samples, attention, scale=attention_scale, flops=flops),
    OpSpec(NAME, grouped_samples, attention, scale=attention_scale, flops=flops, variant="grouped"),
    OpSpec(
        "nn.functional.multi_head_attention_forward",
        multi_head_samples,
        multi_head_attention,
        scale=multi_head_scale,
        gradient_tolerance=1e-5,
    ),
    OpSpec(
        "nn.functional.multi_head_attention_forward",
        lambda s: multi_head_samples(s, need_weights=False),
        verify=verify_without_weights,
        gradient_tolerance=1e-5,
        variant="without_weights",
    ),
]
