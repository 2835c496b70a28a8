"""Optimizer steps in plain NumPy, in place. The formulas are PyTorch's (torch/optim/*.py, `_single_tensor_*`)."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["clamp_arrays", "optimizer_step", "scale_arrays", "sums_of_squares"]

# NumPy's ufuncs dispatch on their arguments, so these run on CuPy arrays too.


def optimizer_step(
    algorithm: str,
    params: list[Any],
    grads: list[Any],
    states: tuple[list[Any], ...],
    scalars: tuple[list[Any], ...],
    rule: dict[str, float],
) -> None:
    """One step of an algorithm over all parameters, in place.

    `states`: per array that the algorithm keeps beside each parameter a list over the parameters, empty for those
    that are not kept. `scalars`: the same of arrays of one element, the first being the step counts. `rule`: the
    hyperparameters. Their order and names are in csrc/kernels/optim/optim.h.
    """
    update = _UPDATES[algorithm]
    for i, (param, grad) in enumerate(zip(params, grads, strict=True)):
        p, d = real_view(param), real_view(grad)
        kept = [real_view(column[i]) if column else None for column in states]
        numbers = [column[i] for column in scalars]
        if numbers:
            numbers[0] += 1
        if rule.get("maximize"):
            d = -d
        decay = rule.get("weight_decay", 0)
        if decay != 0 and rule.get("decoupled"):
            p *= 1 - rule["lr"] * decay
        elif decay != 0:
            d = d + decay * p
        update(p, d, kept, numbers, rule)


def real_view(array: Any) -> Any:
    """A complex array as pairs of real numbers on the same memory; any other as it is."""
    return array[..., None].view(array.real.dtype) if array.dtype.kind == "c" else array


def lerp(average: Any, value: Any, weight: float) -> None:
    """Moves a running average towards a value."""
    average += weight * (value - average)


def mix(average: Any, value: Any, keep: float) -> None:
    """``keep`` of a running average and the rest of a value."""
    average *= keep
    average += (1 - keep) * value


def _sgd(p: Any, d: Any, kept: list[Any], numbers: list[Any], rule: dict[str, float]) -> None:
    (buffer,) = kept
    if buffer is not None:
        buffer[...] = rule["momentum"] * buffer + (1 - rule["dampening"]) * d
        d = d + rule["momentum"] * buffer if rule["nesterov"] else buffer
    p -= (rule["lr"] * d).astype(p.dtype)


def _adam(p: Any, d: Any, kept: list[Any], numbers: list[Any], rule: dict[str, float]) -> None:
    first, second, largest = kept
    step, beta1, beta2 = float(numbers[0]), rule["beta1"], rule["beta2"]
    lerp(first, d, 1 - beta1)
    mix(second, d * d, beta2)
    if largest is not None:
        largest[...] = np.maximum(largest, second)
        second = largest
    denominator = np.sqrt(second) / (1 - beta2**step) ** 0.5 + rule["eps"]
    p -= (rule["lr"] / (1 - beta1**step) * first / denominator).astype(p.dtype)


def _rmsprop(p: Any, d: Any, kept: list[Any], numbers: list[Any], rule: dict[str, float]) -> None:
    square, buffer, average = kept
    mix(square, d * d, rule["beta2"])
    if average is not None:
        lerp(average, d, 1 - rule["beta2"])
        square = square - average**2
    direction = d / (np.sqrt(square) + rule["eps"])
    if buffer is not None:
        buffer *= rule["momentum"]
        buffer += direction
        direction = buffer
    p -= rule["lr"] * direction


def _adagrad(p: Any, d: Any, kept: list[Any], numbers: list[Any], rule: dict[str, float]) -> None:
    (total,) = kept
    total += d * d
    p -= rule["lr"] / (1 + (float(numbers[0]) - 1) * rule["lr_decay"]) * d / (np.sqrt(total) + rule["eps"])


def _adadelta(p: Any, d: Any, kept: list[Any], numbers: list[Any], rule: dict[str, float]) -> None:
    square, steps = kept
    mix(square, d * d, rule["beta2"])
    delta = np.sqrt(steps + rule["eps"]) / np.sqrt(square + rule["eps"]) * d
    mix(steps, delta * delta, rule["beta2"])
    p -= rule["lr"] * delta


def _adamax(p: Any, d: Any, kept: list[Any], numbers: list[Any], rule: dict[str, float]) -> None:
    first, largest = kept
    lerp(first, d, 1 - rule["beta1"])
    largest[...] = np.maximum(rule["beta2"] * largest, abs(d) + rule["eps"])
    p -= rule["lr"] / (1 - rule["beta1"] ** float(numbers[0])) * first / largest


def _nadam(p: Any, d: Any, kept: list[Any], numbers: list[Any], rule: dict[str, float]) -> None:
    (first, second), (count, product) = kept, numbers
    lr, beta1, beta2, step = rule["lr"], rule["beta1"], rule["beta2"], float(count)
    mu, mu_next = (beta1 * (1 - 0.5 * 0.96 ** (t * rule["momentum_decay"])) for t in (step, step + 1))
    product *= mu
    lerp(first, d, 1 - beta1)
    mix(second, d * d, beta2)
    denominator = np.sqrt(second / (1 - beta2**step)) + rule["eps"]
    p -= lr * (1 - mu) / (1 - float(product)) * d / denominator
    p -= lr * mu_next / (1 - float(product) * mu_next) * first / denominator


def _radam(p: Any, d: Any, kept: list[Any], numbers: list[Any], rule: dict[str, float]) -> None:
    first, second = kept
    beta1, beta2, step = rule["beta1"], rule["beta2"], float(numbers[0])
    lerp(first, d, 1 - beta1)
    mix(second, d * d, beta2)
    correction = 1 - beta2**step
    direction = rule["lr"] / (1 - beta1**step) * first
    longest = 2 / (1 - beta2) - 1
    length = longest - 2 * step * beta2**step / correction  # of the average so far
    if length > 5:
        rectified = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
        direction = direction * (rectified * correction) ** 0.5 / (np.sqrt(second) + rule["eps"])
    p -= direction


def _rprop(p: Any, d: Any, kept: list[Any], numbers: list[Any], rule: dict[str, float]) -> None:
    previous, size = kept
    product = d * previous
    factor = np.where(product > 0, rule["eta_plus"], np.where(product < 0, rule["eta_minus"], 1)).astype(size.dtype)
    size[...] = np.clip(size * factor, rule["step_min"], rule["step_max"])
    d = np.where(product < 0, 0, d)  # after a turn an element rests for one step
    p -= np.where(d > 0, size, np.where(d < 0, -size, 0))
    previous[...] = d


def _asgd(p: Any, d: Any, kept: list[Any], numbers: list[Any], rule: dict[str, float]) -> None:
    (average,), (step, eta, mu) = kept, numbers
    p *= 1 - rule["lambd"] * float(eta)
    p -= float(eta) * d
    if float(mu) == 1:
        average[...] = p
    else:
        average += float(mu) * (p - average)
    eta[...] = rule["lr"] / (1 + rule["lambd"] * rule["lr"] * float(step)) ** rule["alpha"]
    mu[...] = 1 / max(1, float(step) - rule["t0"])


_UPDATES = {
    "sgd": _sgd,
    "adam": _adam,
    "rmsprop": _rmsprop,
    "adagrad": _adagrad,
    "adadelta": _adadelta,
    "adamax": _adamax,
    "nadam": _nadam,
    "radam": _radam,
    "rprop": _rprop,
    "asgd": _asgd,
}


def sums_of_squares(arrays: list[Any]) -> list[float]:
    """The sum of the squared magnitudes of each array, in double precision."""
    return [float((abs(a).astype("float64") ** 2).sum()) for a in arrays]


def scale_arrays(arrays: list[Any], factor: float) -> None:
    """Multiplies every element by a number, in place."""
    for array in arrays:
        array *= factor


def clamp_arrays(arrays: list[Any], bound: float) -> None:
    """Clamps every element of real arrays to ±`bound`, in place."""
    for array in arrays:
        np.clip(array, -bound, bound, out=array)
