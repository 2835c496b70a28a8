"""Losses of whole sequences and vocabularies, and Gumbel samples.

The gradient of ctc_loss holds for what log_softmax gives only: tests/kernels/test_ctc.py.
"""

from __future__ import annotations

import numpy as np

from pytensor.backend.reference import loss as reference
from pytensor.testing.spec import OpSpec
from pytensor.testing.specs.loss import cross_entropy

_NUMBERS = {"none": 0, "mean": 1, "sum": 2}


def ctc_samples(s, by_number):
    steps, batch, classes, longest = (s.integer(1, n) for n in (7, 3, 4, 3))
    x = s.array((steps, batch, classes), values="smooth", only=(-3, 0))
    blank = s.integer(0, classes - 1)
    targets = s.array((batch, longest), dtype="int64", only=(0, classes - 1))
    lengths = [[s.integer(0, most) for _ in range(batch)] for most in (steps, longest)]
    mode = s.choose("none", "mean", "sum")
    return s.sample(x, targets, *lengths, blank, _NUMBERS[mode] if by_number else mode, s.flag())


def ctc_loss(x, targets, input_lengths, target_lengths, blank, reduction, zero_infinity):
    lengths = (np.array(n, np.int64) for n in (input_lengths, target_lengths))
    losses, _ = reference.ctc_loss(x, targets, *lengths, blank)
    if zero_infinity:
        losses = np.where(np.isinf(losses), 0, losses)
    if reduction in ("mean", 1):
        return (losses / np.maximum(target_lengths, 1)).mean()
    return losses.sum() if reduction in ("sum", 2) else losses


SPECS = [
    OpSpec(name, lambda s, n=by_number: ctc_samples(s, n), ctc_loss, differentiable=False, tolerance=32)
    for name, by_number in (("nn.functional.ctc_loss", False), ("ctc_loss", True))
]


def linear_cross_entropy(x, linear_weight, target, *, linear_bias=None, ignore_index=None, **options):
    logits = np.tensordot(x, linear_weight, (-1, -1))
    if linear_bias is not None:
        logits = logits + linear_bias
    return cross_entropy(logits, target, None, -100 if ignore_index is None else ignore_index, **options)


def linear_samples(s):
    features, classes = s.integer(1, 4), s.integer(1, 4)
    batch = (s.integer(1, 3),)
    inner = (s.integer(1, 3),) if s.flag() else ()
    options = {"reduction": s.choose("none", "mean", "sum"), "label_smoothing": s.choose(0.0, 0.3)}
    if s.flag():
        options["linear_bias"] = s.array((classes, *inner), values="smooth", only=(-2, 2))
    target = s.array((*batch, *inner), dtype="int64", only=(0, classes - 1))
    x = s.array((*batch, features), values="smooth", only=(-2, 2))
    weight = s.array((classes, *inner, features), values="smooth", only=(-2, 2))
    s.require(target.shape != (*batch, classes, *inner))
    return s.sample(x, weight, target, **options)


def one_or_less(result, x, tau, hard, dim):
    np.testing.assert_allclose(result.astype(float).sum(axis=dim), 1, rtol=0, atol=0.02)
    if hard:
        assert ((np.abs(result) < 1e-6) | (np.abs(result - 1) < 1e-2)).all()


def gumbel_samples(s):
    x = s.array(dims=(1, 3), min_side=1, values="smooth", only=(-3, 3))
    return x, s.choose(0.5, 1.0), s.dim(x)


def soft_samples(s):
    x, tau, dim = gumbel_samples(s)
    return s.sample(x, tau, False, dim=dim)


def hard_samples(s):
    x, tau, dim = gumbel_samples(s)
    return s.sample(x, tau, True, dim=dim)


SPECS += [
    OpSpec(
        "nn.functional.linear_cross_entropy",
        linear_samples,
        linear_cross_entropy,
        differentiable=(0, 1, "linear_bias"),
        tolerance=64,
        scale=lambda *args, **kwargs: 20,
    ),
    OpSpec("nn.functional.gumbel_softmax", soft_samples, verify=one_or_less, random=True, variant="soft"),
    OpSpec(
        "nn.functional.gumbel_softmax",
        hard_samples,
        verify=one_or_less,
        random=True,
        variant="hard",
        differentiable=False,
    ),
]
