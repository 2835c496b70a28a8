"""Spec of scaled dot-product attention."""

from __future__ import annotations

import math

import numpy as np

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


NAME = "nn.functional.scaled_dot_product_attention"
SPECS = [
    OpSpec(NAME, attention_samples, attention, scale=attention_scale, flops=flops),
    OpSpec(NAME, grouped_samples, attention, scale=attention_scale, flops=flops, variant="grouped"),
]
