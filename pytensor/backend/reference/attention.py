"""Scaled dot-product attention by its definition, with the matrix of all scores.

query is [..., L, E], key [..., S, E], value [..., S, Ev]; leading axes broadcast to those of the query. ``mask`` (or
None) broadcasts to [..., L, S]: boolean, false where nothing is attended to, or added to the scores. ``dropout`` (or
None) is boolean: which probabilities stay, to be multiplied by ``keep_scale``.
"""

from __future__ import annotations

import numpy as np

from pytensor.backend.reference.array_module import array_module

__all__ = ["attention_backward", "attention_forward"]


def _wide(x):
    return x.astype(np.float32) if x is not None and x.dtype.itemsize == 2 else x


def _scores(query, key, mask, scale, causal):
    xp = array_module(query)
    scores = query @ key.swapaxes(-1, -2) * query.dtype.type(scale)
    if causal:
        scores = xp.where(xp.tri(*scores.shape[-2:], dtype=bool), scores, -np.inf)
    if mask is not None:
        scores = xp.where(mask, scores, -np.inf) if mask.dtype == bool else scores + mask
    return scores.astype(query.dtype)


def attention_forward(query, key, value, mask, dropout, keep_scale, scale, causal, into):
    """(result, log-sum-exp of each row of scores: infinity for a row that sees no key, whose result is zero).

    ``into``: None, or an array that the result is stored in.
    """
    xp = array_module(query)
    dtype = query.dtype
    query, key, value, mask = _wide(query), _wide(key), _wide(value), _wide(mask)
    scores = _scores(query, key, mask, scale, causal)
    largest = scores.max(axis=-1, keepdims=True, initial=-np.inf)
    largest = xp.where(largest == -np.inf, query.dtype.type(0), largest)
    p = xp.exp(scores - largest)
    total = p.sum(axis=-1, keepdims=True)
    seen = total != 0
    total = xp.where(seen, total, query.dtype.type(1))
    logsumexp = xp.where(seen, largest + xp.log(total), query.dtype.type(np.inf))[..., 0]
    p = p / total
    if dropout is not None:
        p = xp.where(dropout, p * query.dtype.type(keep_scale), query.dtype.type(0))
    return stored(((p @ value).astype(dtype), logsumexp), None if into is None else (into,))


def attention_backward(
    grad, query, key, value, mask, dropout, keep_scale, scale, causal, out, logsumexp, groups, need_mask, into
):
    """Gradients of query, key, value and (if ``need_mask``, else None) of the scores.

    With ``groups`` those of key and value are summed over the last leading axis, which keeps size 1.
    ``into``: None, or arrays that the first three are stored in.
    """
    xp = array_module(query)
    dtype = query.dtype
    grad, query, key, value, mask, out = (_wide(x) for x in (grad, query, key, value, mask, out))
    p = xp.exp(_scores(query, key, mask, scale, causal) - logsumexp[..., None])
    keep = 1 if dropout is None else dropout * query.dtype.type(keep_scale)
    grad_scores = p * (grad @ value.swapaxes(-1, -2) * keep - (grad * out).sum(axis=-1, keepdims=True))
    grad_query = grad_scores @ key * query.dtype.type(scale)
    grad_key = grad_scores.swapaxes(-1, -2) @ query * query.dtype.type(scale)
    grad_value = (p * keep).swapaxes(-1, -2) @ grad
    if groups:
        grad_key, grad_value = grad_key.sum(axis=-3, keepdims=True), grad_value.sum(axis=-3, keepdims=True)
    found = (grad_query, grad_key, grad_value, grad_scores if need_mask else None)
    return stored(tuple(g if g is None else g.astype(dtype) for g in found), into)


def stored(found, into):
    """``found``, with its first arrays copied into those of ``into`` (unless None)."""
    if into is None:
        return found
    for place, g in zip(into, found, strict=False):
        place[...] = g
    return (*into, *found[len(into) :])
