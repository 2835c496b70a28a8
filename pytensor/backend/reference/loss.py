"""Softmax cross-entropy with class indices by its definition.

Logits are (classes), (batch, classes) or (batch, classes, ...), targets the same without the classes. ``weight`` has
one entry per class, or is None.
"""

from __future__ import annotations

import math

import numpy as np

from pytensor.backend.reference.array_module import array_module

__all__ = [
    "bad_target",
    "cross_entropy",
    "cross_entropy_backward",
    "ctc_loss",
    "ctc_loss_backward",
    "nll_loss",
    "nll_loss_backward",
    "pair_loss",
    "pair_loss_backward",
]


def _wide(x):
    return x.astype(np.float32) if x is not None and x.dtype.itemsize == 2 else x


def _lines(shape):
    """(batch, classes, inner)"""
    return (1, shape[0], 1) if len(shape) == 1 else (shape[0], shape[1], math.prod(shape[2:]))


def _prepare(x, target, weight, ignore_index):
    """Logits as (batch, classes, inner), which samples count, their targets (0 for others), weights of classes."""
    xp = array_module(x)
    batch, classes, inner = _lines(x.shape)
    t = target.reshape(batch, 1, inner)
    counts = t != ignore_index
    w = xp.ones(classes, _wide(x).dtype) if weight is None else _wide(weight)
    return xp, _wide(x).reshape(batch, classes, inner), counts, xp.where(counts, t, 0), w


def _reduced(xp, losses, counts, weights, target, dtype, reduction):
    """(result, what the gradient of each loss is multiplied by)"""
    losses = xp.where(counts, losses, 0)
    if reduction == "none":
        return losses.reshape(target.shape).astype(dtype), 1.0
    counted = float(weights[counts].sum()) if reduction == "mean" else 1.0
    total = losses.sum() / counted if counted else losses.sum() * math.nan
    return xp.asarray(total, dtype=dtype), 1 / counted if counted else math.nan


def bad_target(target, classes, ignore_index):
    """The first target that is neither ignore_index nor a class; None when all are fine."""
    wrong = target[(target != ignore_index) & ((target < 0) | (target >= classes))]
    return int(wrong.reshape(-1)[0]) if wrong.size else None


def cross_entropy(x, target, weight, ignore_index, smoothing, reduction):
    """(result, largest logits, logarithms of the sums, what the gradient of each loss is multiplied by).

    The log-probability of class c is (x_c - largest) - log_sum. A loss is
    (1 - smoothing) * w[t] * -logp_t + smoothing / classes * sum of w[c] * -logp_c; "mean" is over the weights w[t].
    """
    xp, wide, counts, t, w = _prepare(x, target, weight, ignore_index)
    largest = wide.max(axis=1, keepdims=True)
    log_sum = xp.log(xp.exp(wide - largest).sum(axis=1, keepdims=True))
    nll = log_sum - (wide - largest)
    weights = w[t]
    losses = weights * xp.take_along_axis(nll, t, axis=1)
    if smoothing:
        spread = (w.reshape(1, -1, 1) * nll).sum(axis=1, keepdims=True)
        losses = (1 - smoothing) * losses + smoothing / wide.shape[1] * spread
    result, factor = _reduced(xp, losses, counts, weights, target, x.dtype, reduction)
    return result, largest.reshape(-1), log_sum.reshape(-1), factor


def cross_entropy_backward(grad, x, target, weight, ignore_index, smoothing, largest, log_sum, factor):
    """Gradient of the logits, where loss i has the gradient factor * grad[i] (or grad[0])."""
    xp, wide, counts, t, w = _prepare(x, target, weight, ignore_index)
    batch, classes, inner = wide.shape
    g = _wide(grad).reshape(batch, 1, inner) if grad.size != 1 else _wide(grad).reshape(1, 1, 1)
    g = xp.where(counts, g * wide.dtype.type(factor), 0)
    p = xp.exp(wide - largest.reshape(batch, 1, inner) - log_sum.reshape(batch, 1, inner))
    hit = xp.arange(classes).reshape(1, -1, 1) == t
    result = g * (1 - smoothing) * w[t] * (p - hit)
    if smoothing:
        result = result + g * (smoothing / classes) * (p * w.sum() - w.reshape(1, -1, 1))
    return result.reshape(x.shape).astype(x.dtype)


def nll_loss(x, target, weight, ignore_index, reduction):
    """(result, what the gradient of each loss is multiplied by) of the losses -w[t] * x_t."""
    xp, wide, counts, t, w = _prepare(x, target, weight, ignore_index)
    losses = -w[t] * xp.take_along_axis(wide, t, axis=1) if x.size else xp.zeros(t.shape, x.dtype)
    return _reduced(xp, losses, counts, w[t], target, x.dtype, reduction)


def nll_loss_backward(grad, shape, target, weight, ignore_index, factor):
    """Gradient of x of the given shape, where loss i has the gradient factor * grad[i] (or grad[0])."""
    xp = array_module(grad)
    batch, classes, inner = _lines(shape)
    t = target.reshape(batch, 1, inner)
    counts = t != ignore_index
    t = xp.where(counts, t, 0)
    g = grad.reshape(batch, 1, inner) if grad.size != 1 else grad.reshape(1, 1, 1)
    scale = -grad.dtype.type(factor) * g * (1 if weight is None else weight[t])
    result = xp.zeros((batch, classes, inner), grad.dtype)
    if result.size:
        xp.put_along_axis(result, t, xp.where(counts, scale, 0).astype(grad.dtype), axis=1)
    return result.reshape(shape)


def _soft_sigmoid(xp, x):
    return 0.5 * (1 + xp.tanh(0.5 * x))


def _softplus(xp, x):
    return xp.log1p(xp.exp(-xp.abs(x))) + xp.maximum(x, 0)


def _pair_value(xp, kind, param, x, t):
    d = x - t
    size = xp.abs(d)
    if kind == "mse":
        return d * d
    if kind == "l1":
        return size
    if kind == "smooth_l1":
        return xp.where(size < param, 0.5 * d * d / param, size - 0.5 * param)
    if kind == "huber":
        return xp.where(size <= param, 0.5 * d * d, param * (size - 0.5 * param))
    if kind == "bce":
        return (t - 1) * xp.maximum(xp.log1p(-x), -100) - t * xp.maximum(xp.log(x), -100)
    if kind == "bce_with_logits":
        return (1 - t) * x + _softplus(xp, -x)
    if kind == "kl":
        return xp.where(t == 0, 0, t * xp.log(t)) - t * x
    if kind == "kl_log":
        return xp.exp(t) * (t - x)
    if kind == "hinge":
        return xp.maximum(param - x * t, 0)
    if kind == "bce_pos_weight":
        return (1 - t) * x + (1 + (param - 1) * t) * _softplus(xp, -x)
    if kind == "gaussian":
        return 0.5 * (xp.log(param) + d * d / param)
    return xp.log1p(xp.exp(-x * t))


def _pair_slope(xp, kind, param, x, t):
    d = x - t
    if kind == "mse":
        return 2 * d
    if kind == "l1":
        return (d > 0) * 1.0 - (d < 0) * 1.0
    if kind == "smooth_l1":
        return xp.clip(d / param, -1, 1)
    if kind == "huber":
        return xp.clip(d, -param, param)
    if kind == "bce":
        return d / xp.maximum((1 - x) * x, 1e-12)
    if kind == "bce_with_logits":
        return _soft_sigmoid(xp, x) - t
    if kind == "kl":
        return -t
    if kind == "kl_log":
        return -xp.exp(t)
    if kind == "hinge":
        return xp.where(param - x * t >= 0, -t, 0)
    if kind == "bce_pos_weight":
        return (param * t + 1 - t) * _soft_sigmoid(xp, x) - param * t
    if kind == "gaussian":
        return d / param
    if kind == "kl_by_target":
        return xp.log(t) + t / t - x
    if kind == "kl_log_by_target":
        return xp.exp(t) * (t - x + 1)
    if kind == "gaussian_by_variance":
        return 0.5 * (1 - d * d / param) / param
    return -t * _soft_sigmoid(xp, -x * t)


def _wide_param(param):
    return param if isinstance(param, (int, float)) else _wide(param)


def pair_loss(kind, param, x, target, reduction):
    """Losses of one input and one target element each, summed, averaged or as they are (reduction "none").

    ``kind``: mse, l1, smooth_l1 (param: beta), huber (param: delta), bce, bce_with_logits, soft_margin, kl (of
    log-probabilities x and probabilities t), kl_log (of their logarithms), hinge (param: margin), bce_pos_weight and
    gaussian (param: an array that broadcasts, of weights or variances).
    """
    xp = array_module(x)
    with np.errstate(all="ignore"):
        losses = _pair_value(xp, kind, _wide_param(param), _wide(x), _wide(target))
        if reduction == "mean":
            losses = losses.sum() / losses.dtype.type(losses.size)
        elif reduction == "sum":
            losses = losses.sum()
    return xp.asarray(losses, dtype=x.dtype)


def pair_loss_backward(kind, param, grad, x, target, factor):
    """Gradient of x, where loss i has the gradient factor * grad[i] (or grad, if that is 0-d).

    kl_by_target, kl_log_by_target and gaussian_by_variance are gradients of the target and of the parameter.
    """
    xp = array_module(x)
    with np.errstate(all="ignore"):
        slope = _pair_slope(xp, kind, _wide_param(param), _wide(x), _wide(target))
        return (_wide(grad) * slope.dtype.type(factor) * slope).astype(x.dtype)


def _ctc_states(target, blank):
    """The labels of a target's states, blanks between them, and from which states two steps may be taken at once."""
    labels = np.full(2 * len(target) + 1, blank)
    labels[1::2] = target
    skip = np.zeros(len(labels), bool)
    skip[3::2] = labels[3::2] != labels[1:-2:2]
    return labels, skip


def _ctc_rows(log_probs, labels, skip):
    """(steps, states): the log-probability of all ways that end in a state at a step."""
    rows = np.full((len(log_probs), len(labels)), -np.inf)
    rows[0, :2] = log_probs[0, labels[:2]]
    for t in range(1, len(log_probs)):
        before = np.concatenate([[-np.inf, -np.inf], rows[t - 1]])
        ways = np.logaddexp(np.logaddexp(before[2:], before[1:-1]), np.where(skip, before[:-2], -np.inf))
        rows[t] = ways + log_probs[t, labels]
    return rows


def ctc_loss(log_probs, targets, input_lengths, target_lengths, blank):
    """(loss of each sample, alpha) of log_probs (steps, batch, classes) and targets (batch, longest)."""
    steps, batch, _ = log_probs.shape
    losses = np.zeros(batch, log_probs.dtype)
    alpha = np.zeros((batch, steps, 2 * targets.shape[1] + 1), log_probs.dtype)
    for n in range(batch):
        long, length = int(input_lengths[n]), int(target_lengths[n])
        if long == 0:
            losses[n] = 0 if length == 0 else np.inf
            continue
        labels, skip = _ctc_states(targets[n, :length], blank)
        rows = _ctc_rows(log_probs[:long, n].astype(np.float64), labels, skip)
        losses[n] = -np.logaddexp.reduce(rows[-1, -2:])
        alpha[n, :long, : len(labels)] = rows
    return losses, alpha


def ctc_loss_backward(grad, log_probs, targets, input_lengths, target_lengths, blank, losses, alpha, zero_infinity):
    """Of the logits whose log-softmax log_probs are."""
    result = np.zeros_like(log_probs)
    for n in range(log_probs.shape[1]):
        long, length = int(input_lengths[n]), int(target_lengths[n])
        if np.isinf(losses[n]):
            result[:long, n] = 0 if zero_infinity else np.nan
            continue
        probs = log_probs[:long, n].astype(np.float64)
        labels, _ = _ctc_states(targets[n, :length], blank)
        _, skip = _ctc_states(targets[n, :length][::-1], blank)
        if long == 0:
            continue
        beta = _ctc_rows(probs[::-1], labels[::-1], skip)[::-1, ::-1]
        both = alpha[n, :long, : len(labels)].astype(np.float64) + beta
        share = np.exp(np.where(np.isinf(both), -np.inf, both - probs[:, labels] + losses[n]))
        g = grad.reshape(-1)[n if grad.size > 1 else 0]
        slope = np.exp(probs)
        np.subtract.at(slope, (slice(None), labels), share)
        result[:long, n] = g * slope
    return result
