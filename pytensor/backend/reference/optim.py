"""Optimizer steps in plain NumPy, in place. The formulas are PyTorch's (torch/optim: sgd.py, adam.py, adamw.py)."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["adam_step", "sgd_step", "sums_of_squares"]

# NumPy's ufuncs dispatch on their arguments, so these run on CuPy arrays too.


def _as_real(arrays: list[Any], written: bool = True) -> list[Any]:
    """Complex arrays as arrays of pairs of real numbers, on the same memory where they will be written."""
    return [a if a.dtype.kind != "c" else (a if written else a.copy())[..., None].view(a.real.dtype) for a in arrays]


def sgd_step(
    params: list[Any],
    grads: list[Any],
    momentum_buffers: list[Any],
    fresh: list[bool],
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    maximize: bool,
) -> None:
    """One step of SGD. `momentum_buffers` is empty without momentum; ``fresh[i]``: buffer i holds nothing yet."""
    params, momentum_buffers = _as_real(params), _as_real(momentum_buffers)
    grads = _as_real(grads, written=False)
    for i, (param, grad) in enumerate(zip(params, grads, strict=True)):
        d = -grad if maximize else grad
        if weight_decay != 0:
            d = d + weight_decay * param
        if momentum_buffers:
            buffer = momentum_buffers[i]
            buffer[...] = d if fresh[i] else momentum * buffer + (1 - dampening) * d
            d = d + momentum * buffer if nesterov else buffer
        param -= (lr * d).astype(param.dtype)


def adam_step(
    params: list[Any],
    grads: list[Any],
    exp_avgs: list[Any],
    exp_avg_sqs: list[Any],
    max_exp_avg_sqs: list[Any],
    steps: list[Any],
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    maximize: bool,
    decoupled: bool,
) -> None:
    """One step of Adam (AdamW with `decoupled`). `max_exp_avg_sqs` is empty without amsgrad; `steps`: arrays of
    one element that are counted up."""
    params, exp_avgs, exp_avg_sqs, max_exp_avg_sqs = map(_as_real, (params, exp_avgs, exp_avg_sqs, max_exp_avg_sqs))
    grads = _as_real(grads, written=False)
    for i, (param, grad) in enumerate(zip(params, grads, strict=True)):
        exp_avg, exp_avg_sq = exp_avgs[i], exp_avg_sqs[i]
        steps[i] += 1
        step = float(steps[i])
        g = -grad if maximize else grad
        if decoupled:
            param *= 1 - lr * weight_decay
        elif weight_decay != 0:
            g = g + weight_decay * param
        exp_avg += (1 - beta1) * (g - exp_avg)
        exp_avg_sq[...] = beta2 * exp_avg_sq + (1 - beta2) * g * g
        second = exp_avg_sq
        if max_exp_avg_sqs:
            second = max_exp_avg_sqs[i]
            second[...] = np.maximum(second, exp_avg_sq)
        denominator = np.sqrt(second) / (1 - beta2**step) ** 0.5 + eps
        param -= (lr / (1 - beta1**step) * exp_avg / denominator).astype(param.dtype)


def sums_of_squares(arrays: list[Any]) -> list[float]:
    """The sum of the squared magnitudes of each array, in double precision."""
    return [float((abs(a).astype("float64") ** 2).sum()) for a in arrays]
