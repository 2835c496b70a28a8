"""Specs of losses. Reductions are drawn; references compute the loss of every element."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pytensor.testing.spec import OpSpec

FUNCTIONAL = "nn.functional."


def reduce_losses(losses: np.ndarray, reduction: str, weights: Any = None) -> np.ndarray:
    """Losses as they are ("none"), their "sum", or "mean": over the weights where there are some."""
    if reduction == "none":
        return losses
    with np.errstate(all="ignore"):
        total = losses.sum()
        return total if reduction == "sum" else total / (losses.size if weights is None else weights)


def reduction(s) -> str:
    return s.choose("none", "mean", "sum")


# --- one input and one target each ---


def pairs(s, values="finite", only=None, target_only=None):
    shape = s.shape(dims=(0, 3), min_side=1)
    inside = {} if only is None else {"only": only}
    of_target = {} if target_only is None else {"only": target_only}
    return s.array(shape, values=values, **inside), s.array(shape, values=values, **of_target)


def pair_samples(only=None, target_only=None, draw_target: Callable[..., Any] | None = None, **params):
    def samples(s):
        x, t = pairs(s, only=only, target_only=target_only)
        if draw_target is not None:
            t = draw_target(s, x)
        return s.sample(x, t, **{k: s.choose(*v) for k, v in params.items()}, reduction=reduction(s))

    return samples


def of_pairs(losses: Callable[..., np.ndarray]):
    def reference(x, t, reduction="mean", **params):
        with np.errstate(all="ignore"):
            return reduce_losses(losses(x, t, **params), reduction)

    return reference


def magnitude(losses: Callable[..., np.ndarray], extra: Callable[..., np.ndarray]):
    """Errors are relative to the terms of each loss, added up where losses are."""

    def scale(x, t, reduction="mean", **params):
        with np.errstate(all="ignore"):
            size = np.abs(losses(x, t, **params)) + extra(x, t)
        return size if reduction == "none" else (size.sum() if reduction == "sum" else size.mean())

    return scale


def mse(x, t):
    return np.square(x - t)


def smooth_l1(x, t, beta=1.0):
    d = np.abs(x - t)
    return np.where(d < beta, 0.5 * d * d / beta, d - 0.5 * beta)


def huber(x, t, delta=1.0):
    d = np.abs(x - t)
    return np.where(d <= delta, 0.5 * d * d, delta * (d - 0.5 * delta))


def bce(x, t):
    return -(t * np.maximum(np.log(x), -100) + (1 - t) * np.maximum(np.log1p(-x), -100))


def bce_with_logits(x, t):
    return (1 - t) * x + np.log1p(np.exp(-np.abs(x))) + np.maximum(-x, 0)


def soft_margin(x, t):
    return np.logaddexp(0, -x * t)


def squares(x, t):
    return np.square(np.abs(x) + np.abs(t)) + np.abs(x) + np.abs(t)


def signs(s, x):
    rng = np.random.default_rng(s.integer(0, 99))
    return np.asarray(rng.integers(0, 2, x.shape) * 2 - 1, x.dtype)


def pair_spec(name, losses, samples, extra=squares, **kwargs):
    return OpSpec(FUNCTIONAL + name, samples, of_pairs(losses), scale=magnitude(losses, extra), tolerance=16, **kwargs)


UNIT = (0.0, 1.0)
SPECS = [
    pair_spec("mse_loss", mse, pair_samples()),
    pair_spec("l1_loss", lambda x, t: np.abs(x - t), pair_samples(), kinks=lambda x, t, **k: x - t),
    pair_spec(
        "smooth_l1_loss",
        smooth_l1,
        pair_samples(beta=(0.5, 1.0, 2.0)),
        kinks=lambda x, t, beta=1.0, **k: np.abs(x - t) - beta,
    ),
    pair_spec(
        "huber_loss",
        huber,
        pair_samples(delta=(0.5, 1.0, 2.0)),
        kinks=lambda x, t, delta=1.0, **k: np.abs(x - t) - delta,
    ),
    pair_spec("binary_cross_entropy", bce, pair_samples(only=UNIT, target_only=UNIT), domain=(0.1, 0.9)),
    pair_spec("binary_cross_entropy_with_logits", bce_with_logits, pair_samples(target_only=UNIT)),
    pair_spec("soft_margin_loss", soft_margin, pair_samples(draw_target=signs), differentiable=(0,)),
]


# --- weights ---


def weighted_samples(only=None, target_only=None):
    def samples(s):
        x, t = pairs(s, "smooth", only, target_only)
        weight = s.array(x.shape, values="smooth", only=(0.25, 4))
        return s.sample(x, t, weight=weight, reduction=reduction(s))

    return samples


def weighted(losses, mean_over_weights: bool):
    def reference(x, t, weight, reduction="mean"):
        return reduce_losses(losses(x, t) * weight, reduction, weight.sum() if mean_over_weights else None)

    return reference


def weighted_scale(losses):
    def scale(x, t, weight, reduction="mean"):
        size = (np.abs(losses(x, t)) + squares(x, t)) * np.maximum(weight, 1)
        return size if reduction == "none" else size.sum()

    return scale


def weighted_spec(name, losses, mean_over_weights, only=None, target_only=None, **kwargs):
    return OpSpec(
        FUNCTIONAL + name,
        weighted_samples(only, target_only),
        weighted(losses, mean_over_weights),
        scale=weighted_scale(losses),
        variant="weight",
        tolerance=16,
        **kwargs,
    )


SPECS += [
    weighted_spec("mse_loss", mse, True),
    weighted_spec("l1_loss", lambda x, t: np.abs(x - t), True, kinks=lambda x, t, **k: x - t),
    weighted_spec("huber_loss", huber, False, kinks=lambda x, t, **k: np.abs(x - t) - 1),
    weighted_spec("binary_cross_entropy", bce, False, UNIT, UNIT, domain=(0.1, 0.9), differentiable=(0, 1)),
    weighted_spec("binary_cross_entropy_with_logits", bce_with_logits, False, None, UNIT, differentiable=(0, 1)),
]


def pos_weight_samples(s):
    x, t = pairs(s, "smooth", None, UNIT)
    shape = tuple(n if s.flag() else 1 for n in x.shape[s.integer(0, x.ndim) :])
    return s.sample(x, t, pos_weight=s.array(shape, values="smooth", only=(0.25, 4)), reduction=reduction(s))


def bce_pos_weight(x, t, pos_weight, reduction="mean"):
    return reduce_losses((1 - t) * x + (1 + (pos_weight - 1) * t) * np.logaddexp(0, -x), reduction)


def pos_weight_scale(x, t, pos_weight, reduction="mean"):
    size = squares(x, t) * (1 + pos_weight)
    return size if reduction == "none" else size.sum()


pos_weight_spec = OpSpec(
    FUNCTIONAL + "binary_cross_entropy_with_logits",
    pos_weight_samples,
    bce_pos_weight,
    scale=pos_weight_scale,
    variant="pos_weight",
    tolerance=16,
    differentiable=(0, 1),
)
SPECS += [pos_weight_spec]


# --- classes ---


def logits(s):
    """(classes,), (batch, classes) or (batch, classes, ...)"""
    classes = s.integer(1, 4) if s.gradient else s.choose(1, 3, 10, 17)
    if s.choose(False, False, True):
        return s.array((classes,), values="finite"), ()
    outer = (s.integer(1, 3), *(s.integer(1, 3) for _ in range(s.integer(0, 3))))
    return s.array((outer[0], classes, *outer[1:]), values="finite"), outer


def class_samples(smoothing: bool):
    def samples(s):
        x, shape = logits(s)
        classes = x.shape[min(1, x.ndim - 1)]
        target = s.array(shape, dtype="int64", only=(0, classes - 1))
        kwargs = {"reduction": reduction(s)}
        if s.flag():
            kwargs["weight"] = s.array((classes,), values="smooth", only=(0.25, 4))
        if smoothing:
            kwargs["label_smoothing"] = s.choose(0.0, 0.1, 1.0)
        if s.flag():
            kwargs["ignore_index"] = s.integer(0, classes - 1)
            s.require((target != kwargs["ignore_index"]).any())
        return s.sample(x, target, **kwargs)

    return samples


def class_axis(x):
    return min(1, x.ndim - 1)


def log_softmax(x, axis):
    shifted = x - x.max(axis=axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))


def nll(x, target, weight=None, ignore_index=-100, reduction="mean"):
    axis = class_axis(x)
    counts = target != ignore_index
    t = np.where(counts, target, 0)
    w = np.where(counts, 1.0 if weight is None else weight[t], 0)
    losses = -w * np.take_along_axis(x, np.expand_dims(t, axis), axis).squeeze(axis)
    return reduce_losses(losses, reduction, w.sum())


def cross_entropy(x, target, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0):
    axis = class_axis(x)
    log_p = log_softmax(x, axis)
    hard = nll(log_p, target, weight, ignore_index, reduction)
    if not label_smoothing:
        return hard
    classes = x.shape[axis]
    w = np.ones(classes) if weight is None else weight
    counts = target != ignore_index
    spread = -(log_p * w.reshape([-1 if i == axis else 1 for i in range(x.ndim)])).sum(axis=axis) * counts
    soft = reduce_losses(spread, reduction, w[np.where(counts, target, 0)][counts].sum())
    return (1 - label_smoothing) * hard + label_smoothing / classes * soft


def class_scale(x, target, weight=None, reduction="mean", **kwargs):
    size = 2 * (1 + np.abs(x).max(initial=0)) * (1 if weight is None else max(1, weight.max() * x.shape[class_axis(x)]))
    return size if reduction != "sum" else size * max(target.size, 1)


def probability_samples(s):
    x, _ = logits(s)
    target = s.array(x.shape, values="smooth", only=UNIT)
    kwargs = {"reduction": reduction(s), "label_smoothing": s.choose(0.0, 0.1)}
    return s.sample(x, target, **kwargs)


def cross_entropy_of_probabilities(x, target, reduction="mean", label_smoothing=0.0):
    axis = class_axis(x)
    classes = x.shape[axis]
    target = target * (1 - label_smoothing) + label_smoothing / classes
    losses = -(log_softmax(x, axis) * target).sum(axis=axis)
    return reduce_losses(losses, reduction, x.size / classes)


def probability_scale(x, target, reduction="mean", **kwargs):
    size = 2 * (1 + np.abs(x).max(initial=0)) * x.shape[class_axis(x)]
    return size if reduction != "sum" else size * x.size


SPECS += [
    OpSpec(
        "nn.functional.cross_entropy",
        class_samples(True),
        cross_entropy,
        scale=class_scale,
        tolerance=16,
        differentiable=(0,),
    ),
    OpSpec(
        "nn.functional.cross_entropy",
        probability_samples,
        cross_entropy_of_probabilities,
        scale=probability_scale,
        variant="probabilities",
        tolerance=16,
    ),
    OpSpec("nn.functional.nll_loss", class_samples(False), nll, scale=class_scale, tolerance=16, differentiable=(0,)),
]
