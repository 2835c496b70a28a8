"""Normalisations by their definitions, in plain array operations; statistics of 16-bit floats are taken in float32.

``weight`` and ``bias`` may be None everywhere.
"""

from __future__ import annotations

import numpy as np

from pytensor.backend.reference.array_module import array_module

__all__ = [
    "batch_norm_backward",
    "batch_norm_eval",
    "batch_norm_train",
    "group_norm",
    "group_norm_backward",
    "softmax",
    "softmax_backward",
]


def _wide(x):
    return x.astype(np.float32) if x is not None and x.dtype.itemsize == 2 else x


def _per_channel(v, ndim):
    """A vector of channels that broadcasts against (batch, channels, ...)."""
    return v.reshape(1, -1, *(1,) * (ndim - 2))


def batch_norm_train(x, weight, bias, running_mean, running_var, momentum, eps):
    """(y, mean, biased variance) per channel (axis 1); running statistics, where given, are updated in place."""
    xp = array_module(x)
    wide = _wide(x)
    axes = (0, *range(2, x.ndim))
    mean = wide.mean(axis=axes)
    var = xp.square(wide - _per_channel(mean, x.ndim)).mean(axis=axes)
    n = x.size // x.shape[1]
    for running, batch in ((running_mean, mean), (running_var, var * n / (n - 1))):
        if running is not None:
            running[...] = ((1 - momentum) * running + momentum * batch).astype(running.dtype)
    return batch_norm_eval(x, weight, bias, mean, var, eps), mean, var


def batch_norm_eval(x, weight, bias, mean, var, eps):
    """y with given statistics."""
    xp = array_module(x)
    wide = _wide(x)
    scale = 1 / xp.sqrt(_wide(var) + wide.dtype.type(eps))
    if weight is not None:
        scale = scale * weight
    y = (wide - _per_channel(_wide(mean), x.ndim)) * _per_channel(scale, x.ndim)
    if bias is not None:
        y = y + _per_channel(bias, x.ndim)
    return y.astype(x.dtype)


def batch_norm_backward(grad, x, weight, mean, var, eps, training, need_x):
    """(grad_x or None, grad_weight, grad_bias)."""
    xp = array_module(x)
    g, wide = _wide(grad), _wide(x)
    axes = (0, *range(2, x.ndim))
    rstd = 1 / xp.sqrt(_wide(var) + wide.dtype.type(eps))
    normal = (wide - _per_channel(_wide(mean), x.ndim)) * _per_channel(rstd, x.ndim)
    grad_bias = g.sum(axis=axes)
    grad_weight = (g * normal).sum(axis=axes)
    grad_x = None
    if need_x:
        grad_x = g
        if training:
            n = x.size // x.shape[1]
            grad_x = g - _per_channel(grad_bias / n, x.ndim) - normal * _per_channel(grad_weight / n, x.ndim)
        grad_x = grad_x * _per_channel(rstd if weight is None else rstd * weight, x.ndim)
        grad_x = grad_x.astype(x.dtype)
    return grad_x, grad_weight.astype(x.dtype), grad_bias.astype(x.dtype)


def _rows(x, batch, channels, groups):
    """As (batch, groups, channels / groups, spatial)."""
    spatial = x.size // (batch * channels) if batch else 1
    return _wide(x).reshape(batch, groups, channels // groups, spatial)


def group_norm(x, weight, bias, batch, channels, groups, eps, centered=True):
    """(y, mean, rstd) of x seen as (batch, channels, ...) in groups of channels; layer norm has one group.

    Not centered, the mean counts as 0.
    """
    xp = array_module(x)
    rows = _rows(x, batch, channels, groups)
    mean = rows.mean(axis=(2, 3), keepdims=True)
    mean = mean if centered else xp.zeros_like(mean)
    rstd = 1 / xp.sqrt(xp.square(rows - mean).mean(axis=(2, 3), keepdims=True) + rows.dtype.type(eps))
    y = (rows - mean) * rstd
    if weight is not None:
        y = y * weight.reshape(1, groups, -1, 1)
    if bias is not None:
        y = y + bias.reshape(1, groups, -1, 1)
    return y.reshape(x.shape).astype(x.dtype), mean.reshape(-1), rstd.reshape(-1)


def group_norm_backward(grad, x, weight, mean, rstd, batch, channels, groups, need_x, centered=True):
    """(grad_x or None, grad_weight, grad_bias)."""
    rows, g = _rows(x, batch, channels, groups), _rows(grad, batch, channels, groups)
    k = rstd.reshape(batch, groups, 1, 1)
    normal = (rows - mean.reshape(batch, groups, 1, 1)) * k
    grad_weight = (g * normal).sum(axis=(0, 3)).reshape(channels)
    grad_bias = g.sum(axis=(0, 3)).reshape(channels)
    grad_x = None
    if need_x:
        if weight is not None:
            g = g * weight.reshape(1, groups, -1, 1)
        shift = g.mean(axis=(2, 3), keepdims=True) if centered else 0
        slope = (g * normal).mean(axis=(2, 3), keepdims=True)
        grad_x = ((g - shift - normal * slope) * k).reshape(x.shape).astype(x.dtype)
    return grad_x, grad_weight.astype(x.dtype), grad_bias.astype(x.dtype)


def softmax(x, axis, log):
    """Softmax over one axis, or its logarithm."""
    xp = array_module(x)
    if x.size == 0:
        return xp.empty(x.shape, x.dtype)
    wide = _wide(x)
    if x.ndim == 0:
        wide = wide.reshape(1)
    shifted = wide - wide.max(axis=axis, keepdims=True)
    e = xp.exp(shifted)
    total = e.sum(axis=axis, keepdims=True)
    return (shifted - xp.log(total) if log else e / total).reshape(x.shape).astype(x.dtype)


def softmax_backward(grad, y, axis, log):
    """Gradient of softmax by its result y."""
    xp = array_module(y)
    g, r = _wide(grad), _wide(y)
    if y.ndim == 0:
        g, r = g.reshape(1), r.reshape(1)
    if log:
        result = g - xp.exp(r) * g.sum(axis=axis, keepdims=True)
    else:
        result = (g - (g * r).sum(axis=axis, keepdims=True)) * r
    return result.reshape(y.shape).astype(y.dtype)
