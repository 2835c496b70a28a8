"""Optimizer steps and gradient clipping: all arrays in one call of a kernel."""

from __future__ import annotations

import numpy as np

from pytensor import _C
from pytensor.backend.reference import optim as reference

__all__ = ["clamp_arrays", "optimizer_step", "scale_arrays", "sums_of_squares"]


# The kernels take contiguous float32 and float64 arrays and change nothing when one is something else. Complex
# arrays are taken as pairs of real ones, a gradient in another layout is copied (it is only read); others go
# through NumPy.


def optimizer_step(
    algorithm: str,
    params: list[np.ndarray],
    grads: list[np.ndarray],
    states: tuple[list[np.ndarray], ...],
    scalars: tuple[list[np.ndarray], ...],
    rule: dict[str, float],
) -> None:
    if _C.optim_step(algorithm, params, grads, states, scalars, rule):
        return
    params = [reference.real_view(p) for p in params]
    grads = [reference.real_view(g if g.flags.c_contiguous else g.copy()) for g in grads]
    states = tuple([reference.real_view(a) for a in column] for column in states)
    if not _C.optim_step(algorithm, params, grads, states, scalars, rule):
        reference.optimizer_step(algorithm, params, grads, states, scalars, rule)


def sums_of_squares(arrays: list[np.ndarray]) -> list[float]:
    sums = _C.optim_squares(arrays)
    for i, total in enumerate(sums):
        if total is None:
            (sums[i],) = reference.sums_of_squares([arrays[i]])
    return sums


def scale_arrays(arrays: list[np.ndarray], factor: float) -> None:
    if not _C.optim_scale(arrays, factor):
        reference.scale_arrays(arrays, factor)


def clamp_arrays(arrays: list[np.ndarray], bound: float) -> None:
    if not _C.optim_clamp(arrays, bound):
        reference.clamp_arrays(arrays, bound)
