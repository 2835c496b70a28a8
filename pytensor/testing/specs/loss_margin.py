"""Specs of margin and embedding losses, divergences and likelihoods."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np

from pytensor.testing.spec import OpSpec
from pytensor.testing.specs.loss import (
    FUNCTIONAL,
    UNIT,
    bce_with_logits,
    pairs,
    pos_weight_spec,
    reduce_losses,
    reduction,
    signs,
)


def quiet(function):
    """kl_div's "mean" warns about its name."""

    def reference(*args, **kwargs):
        with np.errstate(all="ignore"), warnings.catch_warnings():
            return function(*args, **kwargs)

    return reference


def kl_div(x, t, reduction="mean", log_target=False):
    losses = np.exp(t) * (t - x) if log_target else np.where(t == 0, 0, t * np.log(np.where(t == 0, 1, t))) - t * x
    if reduction == "batchmean":
        return losses.sum() / x.shape[0]
    return reduce_losses(losses, reduction)


def kl_samples(s):
    shape = s.shape(dims=(1, 3), min_side=1)
    log_target = s.flag()
    target = s.array(shape, values="smooth", only=(-3, 0) if log_target else (0.1, 1))
    return s.sample(
        s.array(shape, values="smooth"), target, reduction=s.choose("none", "sum", "batchmean"), log_target=log_target
    )


def hinge_embedding(x, t, margin=1.0, reduction="mean"):
    return reduce_losses(np.where(t == 1, x, np.maximum(0, margin - x)), reduction)


def hinge_samples(s):
    x = s.array(dims=(0, 3), min_side=1, values="smooth")
    return s.sample(x, signs(s, x), margin=s.choose(0.5, 1.0), reduction=reduction(s))


def margin_ranking(a, b, t, margin=0.0, reduction="mean"):
    return reduce_losses(np.maximum(0, -t * (a - b) + margin), reduction)


def ranking_samples(s):
    a, b = pairs(s, "smooth")
    return s.sample(a, b, signs(s, a), margin=s.choose(0.0, 0.5), reduction=reduction(s))


def cosine_embedding(a, b, t, margin=0.0, reduction="mean"):
    lengths = np.sqrt(((a * a).sum(-1) + 1e-12) * ((b * b).sum(-1) + 1e-12))
    cosine = (a * b).sum(-1) / lengths
    return reduce_losses(np.where(t == 1, 1 - cosine, np.maximum(0, cosine - margin)), reduction)


def cosine_kinks(a, b, t, margin=0.0, reduction="mean"):
    lengths = np.sqrt((a * a).sum(-1) * (b * b).sum(-1))
    return np.concatenate([((a * b).sum(-1) / np.maximum(lengths, 1e-9) - margin).ravel(), (lengths - 0.1).ravel()])


def cosine_samples(s):
    shape = (s.integer(1, 3), s.integer(2, 5)) if s.flag() else (s.integer(2, 5),)
    a, b = (s.array(shape, values="smooth", only=(0.25, 3)) for _ in range(2))
    return s.sample(a, b, signs(s, np.asarray(a[..., 0])), margin=s.choose(0.0, 0.5), reduction=reduction(s))


def distance(a, b, p=2, eps=1e-6):
    return (np.abs(a - b + eps) ** p).sum(-1) ** (1 / p)


def triplet_excess(a, b, c, margin=1.0, p=2, swap=False):
    far = distance(a, c, p)
    if swap:
        far = np.minimum(far, distance(b, c, p))
    return margin + distance(a, b, p) - far


def triplet(a, b, c, margin=1.0, p=2, swap=False, reduction="mean"):
    return reduce_losses(np.maximum(0, triplet_excess(a, b, c, margin, p, swap)), reduction)


def triplet_kinks(a, b, c, margin=1.0, p=2, swap=False, reduction="mean"):
    near = [distance(u, v, p).ravel() for u, v in ((a, b), (a, c), (b, c))]
    apart = distance(a, c, p) - distance(b, c, p)
    return np.concatenate([triplet_excess(a, b, c, margin, p, swap).ravel(), apart.ravel(), *near])


def triplet_samples(with_distance: bool):
    def samples(s):
        shape = (s.integer(1, 3), s.integer(2, 4))
        rows = [s.array(shape, values="smooth") for _ in range(3)]
        kwargs = {"margin": s.choose(0.5, 1.0), "swap": s.flag(), "reduction": reduction(s)}
        if not with_distance:
            kwargs["p"] = 2.0
        return s.sample(*rows, **kwargs)

    return samples


def multi_margin(x, t, p=1, margin=1.0, weight=None, reduction="mean"):
    rows = x.reshape(-1, x.shape[-1])
    index = t.reshape(-1, 1)
    losses = np.maximum(0, margin - np.take_along_axis(rows, index, 1) + rows) ** p
    losses = losses * (1 if weight is None else weight[index])
    np.put_along_axis(losses, index, 0, 1)
    return reduce_losses(losses.sum(1).reshape(t.shape) / rows.shape[1], reduction)


def multi_margin_kinks(x, t, p=1, margin=1.0, weight=None, reduction="mean"):
    return margin - np.take_along_axis(x, t.reshape(-1, 1), 1) + x


def multi_margin_samples(s):
    x = s.array((s.integer(1, 3), s.integer(1, 5)), values="smooth")
    target = s.array((x.shape[0],), dtype="int64", only=(0, x.shape[1] - 1))
    weight = s.array((x.shape[1],), values="smooth", only=(0.25, 4)) if s.flag() else None
    return s.sample(x, target, s.choose(1, 2), s.choose(0.5, 1.25), weight, reduction=reduction(s))


def multilabel_margin(x, t, reduction="mean"):
    losses = np.zeros(len(x))
    for i, (row, listed) in enumerate(zip(x, t, strict=True)):
        stop = list(listed).index(-1) if -1 in listed else len(listed)
        targets = list(listed[:stop])
        others = [j for j in range(len(row)) if j not in targets]
        losses[i] = sum(max(0.0, 1 - (row[k] - row[j])) for k in targets for j in others) / len(row)
    return reduce_losses(losses, reduction)


def multilabel_samples(s):
    x = s.array((s.integer(1, 3), s.integer(1, 4)), values="smooth")
    target = s.array(x.shape, dtype="int64", only=(-1, x.shape[1] - 1))
    return s.sample(x, target, reduction=reduction(s))


def multilabel_kinks(x, t, reduction="mean"):
    return 1 - (x[:, :, None] - x[:, None, :])


def multilabel_soft_margin(x, t, weight=None, reduction="mean"):
    losses = bce_with_logits(x, t) * (1 if weight is None else weight)
    return reduce_losses(losses.sum(-1) / x.shape[-1], reduction)


def multilabel_soft_samples(s):
    shape = (s.integer(1, 3), s.integer(1, 4))
    weight = s.array((shape[1],), values="smooth", only=(0.25, 4)) if s.flag() else None
    return s.sample(
        s.array(shape, values="smooth"), s.array(shape, values="smooth", only=UNIT), weight, reduction=reduction(s)
    )


def poisson_nll(x, t, log_input=True, full=False, reduction="mean"):
    losses = np.exp(x) - t * x if log_input else x - t * np.log(x + 1e-8)
    if full:
        safe = np.maximum(t, 1)
        losses = losses + np.where(t > 1, safe * np.log(safe) - safe + 0.5 * np.log(2 * np.pi * safe), 0)
    return reduce_losses(losses, reduction)


def poisson_samples(s):
    x, t = pairs(s, "smooth", only=(0.25, 3), target_only=(1.5, 5))
    return s.sample(x, t, log_input=s.flag(), full=s.flag(), reduction=reduction(s))


def gaussian_nll(x, t, var, full=False, reduction="mean"):
    var = np.maximum(var, 1e-6)
    losses = 0.5 * (np.log(var) + np.square(x - t) / var) + (0.5 * np.log(2 * np.pi) if full else 0)
    return reduce_losses(losses, reduction)


def gaussian_samples(s):
    x, t = pairs(s, "smooth")
    return s.sample(x, t, s.array(x.shape, values="smooth", only=(0.25, 4)), s.flag(), reduction=reduction(s))


def composed(name, samples, reference, **kwargs):
    """Errors are relative to inputs of some size, whatever cancels."""
    return OpSpec(
        FUNCTIONAL + name, samples, quiet(reference), scale=lambda *args, **k: 400.0, tolerance=16,
        gradient_tolerance=1e-5, **kwargs,
    )  # fmt: skip


SPECS = [
    composed("kl_div", kl_samples, kl_div),
    composed(
        "hinge_embedding_loss",
        hinge_samples,
        hinge_embedding,
        differentiable=(0,),
        kinks=lambda x, t, margin=1.0, **k: margin - x,
    ),
    composed(
        "margin_ranking_loss",
        ranking_samples,
        margin_ranking,
        differentiable=(0, 1),
        kinks=lambda a, b, t, margin=0.0, **k: -t * (a - b) + margin,
    ),
    composed("cosine_embedding_loss", cosine_samples, cosine_embedding, differentiable=(0, 1), kinks=cosine_kinks),
    composed("triplet_margin_loss", triplet_samples(False), triplet, kinks=triplet_kinks),
    composed("triplet_margin_with_distance_loss", triplet_samples(True), triplet, kinks=triplet_kinks),
    composed(
        "multi_margin_loss",
        multi_margin_samples,
        multi_margin,
        differentiable=(0,),
        kinks=multi_margin_kinks,
    ),
    composed(
        "multilabel_margin_loss",
        multilabel_samples,
        multilabel_margin,
        differentiable=(0,),
        kinks=multilabel_kinks,
    ),
    composed("multilabel_soft_margin_loss", multilabel_soft_samples, multilabel_soft_margin, differentiable=(0, 1)),
    composed("poisson_nll_loss", poisson_samples, poisson_nll, domain=(0.25, 5)),
    composed("gaussian_nll_loss", gaussian_samples, gaussian_nll, domain=(0.25, 4)),
]


# --- PyTorch's top level: a number for the reduction ---


def numbered(samples):
    """The samples of a functional form, with the reduction as the top level has it."""

    def drawn(s):
        sample = samples(s)
        name = sample.kwargs.pop("reduction")
        return s.sample(*sample.args, **sample.kwargs, reduction=("none", "mean", "sum").index(name))

    return drawn


def named(reference):
    return lambda *args, reduction, **kwargs: reference(*args, reduction=("none", "mean", "sum")[reduction], **kwargs)


def top_level(spec):
    return replace(
        spec,
        name=spec.name.removeprefix(FUNCTIONAL),
        samples=numbered(spec.samples),
        reference=named(spec.reference),
        scale=named(spec.scale),
        kinks=spec.kinks and named(spec.kinks),
    )


def kl_numbered_samples(s):
    shape = (s.integer(1, 3), 2)
    x, t = (s.array(shape, values="smooth", only=(0.1, 1)) for _ in range(2))
    return s.sample(x, t, reduction=reduction(s), log_target=s.flag())


def poisson_whole_samples(s):
    sample = poisson_samples(s)
    return s.sample(*sample.args, sample.kwargs["log_input"], sample.kwargs["full"], 1e-8, reduction=reduction(s))


def poisson_whole(x, t, log_input, full, eps, reduction):
    return poisson_nll(x, t, log_input, full, reduction)


SPECS += [
    top_level(spec)
    for spec in (
        composed("kl_div", kl_numbered_samples, kl_div, domain=(0.1, 1)),
        composed("poisson_nll_loss", poisson_whole_samples, poisson_whole, domain=(0.25, 5)),
        pos_weight_spec,
        *(
            spec
            for spec in SPECS
            if spec.name.removeprefix(FUNCTIONAL)
            in ("hinge_embedding_loss", "margin_ranking_loss", "cosine_embedding_loss", "triplet_margin_loss")
        ),
    )
]
