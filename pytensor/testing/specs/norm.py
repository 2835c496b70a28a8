"""Specs of normalisations and softmax."""

from __future__ import annotations

import math

import numpy as np

from pytensor.testing.spec import OpSpec

# --- softmax ---


def softmax_samples(s):
    x = s.array(values="finite" if s.gradient else "any")
    return s.sample(x, s.dim(x))


def softmax(x, dim, dtype=None):
    with np.errstate(all="ignore"):
        if x.ndim == 0:
            return softmax(x.reshape(1), 0).reshape(())
        if x.size == 0:
            return x
        e = np.exp(x - x.max(axis=dim, keepdims=True))
        return e / e.sum(axis=dim, keepdims=True)


def log_softmax(x, dim, dtype=None):
    with np.errstate(all="ignore"):
        if x.ndim == 0:
            return log_softmax(x.reshape(1), 0).reshape(())
        if x.size == 0:
            return x
        shifted = x - x.max(axis=dim, keepdims=True)
        return shifted - np.log(np.exp(shifted).sum(axis=dim, keepdims=True))


def distance_to_max(x, dim):
    with np.errstate(all="ignore"):
        return np.abs(x - x.max(axis=dim, keepdims=True)) if x.ndim and x.size else np.zeros(x.shape)


def softmax_scale(x, dim, dtype=None):
    """exp(t) has the error of t times |t|."""
    with np.errstate(all="ignore"):
        return softmax(x, dim) * (1 + distance_to_max(x, dim))


def log_softmax_scale(x, dim, dtype=None):
    return 2 + distance_to_max(x, dim)


# --- batch norm and its relatives ---

EPS = 1e-5


def channelwise(v, x):
    return v.reshape(1, -1, *(1,) * (x.ndim - 2))


def affine(y, weight, bias, shape=None):
    weight, bias = (None if v is None else (channelwise(v, y) if shape is None else v) for v in (weight, bias))
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def standardised(x, axes, eps=EPS):
    center = x - x.mean(axis=axes, keepdims=True)
    return center / np.sqrt(np.square(center).mean(axis=axes, keepdims=True) + eps)


def batch_norm(x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=EPS):
    if training:
        return affine(standardised(x, (0, *range(2, x.ndim)), eps), weight, bias)
    y = (x - channelwise(running_mean, x)) / np.sqrt(channelwise(running_var, x) + eps)
    return affine(y, weight, bias)


def native_batch_norm(x, weight, bias, running_mean, running_var, training, momentum, eps, cudnn_enabled):
    return batch_norm(x, running_mean, running_var, weight, bias, training, momentum, eps)


def vector(s, size, wanted):
    return s.array(size if isinstance(size, tuple) else (size,), values="smooth") if wanted else None


def spread_out(s, shape):
    """Values that are not all but equal: dividing by a vanishing deviation has no stable result."""
    x = s.array(shape, values="smooth", layouts=("contiguous", "transposed", "reversed"), read_only=False)
    steps = np.arange(x.size).reshape(x.shape) % 3
    return (x + steps.astype(x.dtype) * x.dtype.type(2)).astype(x.dtype)


def image_shape(s, least_values: int):
    spatial = tuple(s.integer(1, 3) for _ in range(s.integer(0, 2)))
    batch, channels = s.integer(1, 3), s.integer(1, 3) if s.gradient else s.choose(1, 2, 3, 17)
    if batch * math.prod(spatial) < least_values:
        batch = least_values
    return (batch, channels, *spatial)


def training_samples(s):
    x = spread_out(s, image_shape(s, 4))
    channels = x.shape[1]
    weight = vector(s, channels, s.flag())
    bias = vector(s, channels, s.flag())
    return s.sample(x, None, None, weight, bias, training=True)


def evaluation_samples(s):
    shape = image_shape(s, 1)
    x, mean = s.array(shape, values="smooth"), vector(s, shape[1], True)
    var = s.array((shape[1],), values="smooth", only=(0.25, 4))
    return s.sample(x, mean, var, vector(s, shape[1], s.flag()), vector(s, shape[1], s.flag()))


def native_samples(s):
    x = spread_out(s, image_shape(s, 4))
    weight, bias = vector(s, x.shape[1], s.flag()), vector(s, x.shape[1], s.flag())
    return s.sample(x, weight, bias, None, None, True, 0.1, 1e-5, False)


def instance_norm(x, running_mean=None, running_var=None, weight=None, bias=None):
    return affine(standardised(x, tuple(range(2, x.ndim))), weight, bias)


def instance_samples(s):
    shape = (s.integer(1, 2), s.integer(1, 3), s.integer(4, 6), *((2,) if s.flag() else ()))
    x = spread_out(s, shape)
    return s.sample(x, None, None, vector(s, shape[1], s.flag()), vector(s, shape[1], s.flag()))


def group_norm(x, num_groups, weight=None, bias=None, eps=EPS):
    rows = x.reshape(x.shape[0], num_groups, -1)
    return affine(standardised(rows, (2,), eps).reshape(x.shape), weight, bias)


def group_samples(s):
    groups, per_group = s.integer(1, 3), s.integer(1, 2)
    channels = groups * per_group
    x = spread_out(s, (s.integer(1, 2), channels, s.integer(4, 7)))
    return s.sample(x, groups, vector(s, channels, s.flag()), vector(s, channels, s.flag()))


def layer_norm(x, normalized_shape, weight=None, bias=None, eps=EPS):
    axes = tuple(range(x.ndim - len(normalized_shape), x.ndim))
    return affine(standardised(x, axes, eps), weight, bias, normalized_shape)


def layer_shape(s):
    return (s.integer(4, 9),) if s.flag() else (s.integer(2, 3), s.integer(3, 5))


def layer_samples(s):
    shape = layer_shape(s)
    x = spread_out(s, (*(s.integer(1, 3) for _ in range(s.integer(0, 2))), *shape))
    return s.sample(x, shape, vector(s, shape, s.flag()), vector(s, shape, s.flag()))


def rms_norm(x, normalized_shape, weight=None, eps=1e-5):
    axes = tuple(range(x.ndim - len(normalized_shape), x.ndim))
    y = x / np.sqrt(np.square(x).mean(axis=axes, keepdims=True) + eps)
    return y if weight is None else y * weight


def rms_samples(s):
    shape = layer_shape(s)
    x = spread_out(s, (s.integer(1, 3), *shape))
    return s.sample(x, shape, vector(s, shape, s.flag()), 1e-5)


def size_of_result(reference):
    """Errors are relative to what is multiplied and added: the normalised values, the bias."""

    def scale(x, *args, **kwargs):
        y = np.abs(reference(x, *args, **kwargs))
        return 8 + y + y.max(initial=0)

    return scale


def local_response_norm(x, size, alpha=1e-4, beta=0.75, k=1.0):
    if x.size == 0:
        return x
    squares = np.square(x)
    channels = x.shape[1]
    mean = np.stack(
        [squares[:, max(0, c - size // 2) : c + (size - 1) // 2 + 1].sum(axis=1) / size for c in range(channels)],
        axis=1,
    )
    return x / (k + alpha * mean) ** beta


def local_response_samples(s):
    x = s.array((s.integer(0 if not s.gradient else 1, 2), s.integer(1, 5), s.integer(1, 4)), values="smooth")
    return s.sample(x, s.integer(1, 4), s.choose(1e-4, 0.5), s.choose(0.75, 1.0), s.choose(1.0, 2.0))


def normalize(x, p=2.0, dim=1, eps=1e-12):
    length = (np.abs(x) ** p).sum(axis=dim, keepdims=True) ** (1 / p)
    return x / np.maximum(length, eps)


def normalize_samples(s):
    x = s.array(dims=(1, 3), min_side=1, values="smooth", only=(0.25, 4))
    return s.sample(x, s.choose(1.0, 2.0, 3.0), s.dim(x))


def normed(name, samples, reference, variant="", **kwargs):
    return OpSpec(
        name, samples, reference, variant=variant, scale=size_of_result(reference), tolerance=16,
        gradient_tolerance=1e-5, dtypes=("float32", "float64"), **kwargs,
    )  # fmt: skip


SPECS = [
    OpSpec(name, softmax_samples, softmax, scale=softmax_scale, flops=lambda x, dim: 5 * x.size)
    for name in ("softmax", "nn.functional.softmax", "special.softmax")
]
SPECS += [
    OpSpec(name, softmax_samples, log_softmax, scale=log_softmax_scale, flops=lambda x, dim: 5 * x.size)
    for name in ("log_softmax", "nn.functional.log_softmax", "special.log_softmax")
]
SPECS += [
    OpSpec(
        "nn.functional.softmin",
        softmax_samples,
        lambda x, dim: softmax(-x, dim),
        scale=lambda x, dim: softmax_scale(-x, dim),
    ),
    normed("nn.functional.batch_norm", training_samples, batch_norm, "training"),
    normed("nn.functional.batch_norm", evaluation_samples, batch_norm, "evaluation", differentiable=(0, 3, 4)),
    normed("batch_norm", native_samples, native_batch_norm),
    normed("nn.functional.instance_norm", instance_samples, instance_norm),
    normed("nn.functional.group_norm", group_samples, group_norm),
    normed("group_norm", group_samples, group_norm),
    normed("nn.functional.layer_norm", layer_samples, layer_norm),
    normed("layer_norm", layer_samples, layer_norm),
    normed("nn.functional.rms_norm", rms_samples, rms_norm),
    normed("rms_norm", rms_samples, rms_norm),
    OpSpec("nn.functional.local_response_norm", local_response_samples, local_response_norm, tolerance=32),
    OpSpec("nn.functional.normalize", normalize_samples, normalize, tolerance=16, domain=(0.25, 4)),
]


# --- PyTorch's top level: other orders of arguments, statistics ---


def statistics(x, axes, eps=EPS):
    """Mean and inverse standard deviation, the axes kept."""
    return x.mean(axis=axes, keepdims=True), 1 / np.sqrt(x.var(axis=axes, keepdims=True) + eps)


def top_instance_samples(s):
    x, *rest = instance_samples(s).args
    return s.sample(x, *rest[2:], None, None, True, 0.1, 1e-5, False)


def top_instance_norm(x, weight, bias, *rest):
    return instance_norm(x, None, None, weight, bias)


def native_layer_samples(s):
    return s.sample(*layer_samples(s).args, 1e-5)


def native_layer_norm(x, shape, weight, bias, eps):
    return layer_norm(x, shape, weight, bias), *statistics(x, tuple(range(-len(shape), 0)))


def native_group_samples(s):
    x, groups, weight, bias = group_samples(s).args
    return s.sample(x, weight, bias, *x.shape, groups, 1e-5)


def native_group_norm(x, weight, bias, batch, channels, inner, groups, eps):
    mean, rstd = statistics(x.reshape(batch, groups, -1), 2)
    return group_norm(x, groups, weight, bias), mean[..., 0], rstd[..., 0]


def statistics_samples(s):
    return s.sample(*native_samples(s).args[:-1])


def batch_norm_with_statistics(x, *args):
    mean, rstd = statistics(x, (0, *range(2, x.ndim)))
    return native_batch_norm(x, *args, False), mean.reshape(-1), rstd.reshape(-1)


def top_level(name, samples, reference, **kwargs):
    return OpSpec(
        name, samples, reference, scale=lambda *args: 40.0, tolerance=16, gradient_tolerance=1e-5,
        dtypes=("float32", "float64"), **kwargs,
    )  # fmt: skip


SPECS += [
    top_level("instance_norm", top_instance_samples, top_instance_norm),
    top_level("native_layer_norm", native_layer_samples, native_layer_norm, differentiable=()),
    top_level("native_group_norm", native_group_samples, native_group_norm),
    top_level("native_batch_norm", statistics_samples, batch_norm_with_statistics, differentiable=()),
]
