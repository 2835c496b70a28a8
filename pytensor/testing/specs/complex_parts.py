"""Specs of complex numbers from their parts."""

from __future__ import annotations

import numpy as np

from pytensor.testing.spec import OpSpec


def two(s):
    a, b = s.broadcastable(2)
    return s.sample(s.array(a, values="finite"), s.array(b, values="finite"))


SPECS = [
    OpSpec("complex", two, lambda re, im: re + 1j * im, tolerance=0, differentiable=False),
    OpSpec(
        "polar",
        two,
        lambda r, angle: r * np.cos(angle) + 1j * (r * np.sin(angle)),
        scale=lambda r, angle: np.abs(r) * (1 + np.abs(angle)),
        differentiable=False,
    ),
]
