"""Connectionist temporal classification. The gradient holds for what log_softmax gives only: tests/kernels/test_ctc.py."""

from __future__ import annotations

import numpy as np

from pytensor.backend.reference import loss as reference
from pytensor.testing.spec import OpSpec

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
