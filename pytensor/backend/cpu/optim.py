"""Optimizer steps: all parameters of a group in one call of a kernel."""

from __future__ import annotations

import numpy as np

from pytensor import _C
from pytensor.backend.reference import optim as reference

__all__ = ["adam_step", "sgd_step", "sums_of_squares"]


# The kernels take contiguous float32 and float64 arrays and change nothing when one is something else. A
# gradient in another layout is copied (it is only read); other arrays go through NumPy.


def sgd_step(
    params: list[np.ndarray],
    grads: list[np.ndarray],
    momentum_buffers: list[np.ndarray],
    fresh: list[bool],
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    maximize: bool,
) -> None:
    rule = (lr, momentum, dampening, weight_decay, nesterov, maximize)
    if _C.optim_sgd(params, grads, momentum_buffers, fresh, *rule):
        return
    grads = [np.ascontiguousarray(g) for g in grads]
    if not _C.optim_sgd(params, grads, momentum_buffers, fresh, *rule):
        reference.sgd_step(params, grads, momentum_buffers, fresh, *rule)


def adam_step(
    params: list[np.ndarray],
    grads: list[np.ndarray],
    exp_avgs: list[np.ndarray],
    exp_avg_sqs: list[np.ndarray],
    max_exp_avg_sqs: list[np.ndarray],
    steps: list[np.ndarray],
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    maximize: bool,
    decoupled: bool,
) -> None:
    rule = (lr, beta1, beta2, eps, weight_decay, maximize, decoupled)
    state = (exp_avgs, exp_avg_sqs, max_exp_avg_sqs, steps)
    if _C.optim_adam(params, grads, *state, *rule):
        return
    grads = [np.ascontiguousarray(g) for g in grads]
    if not _C.optim_adam(params, grads, *state, *rule):
        reference.adam_step(params, grads, *state, *rule)


def sums_of_squares(arrays: list[np.ndarray]) -> list[float]:
    sums = _C.optim_squares(arrays)
    for i, total in enumerate(sums):
        if total is None:
            (sums[i],) = reference.sums_of_squares([arrays[i]])
    return sums
