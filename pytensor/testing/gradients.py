"""Finite-difference checks of first and second gradients, in float64, along random unit directions.

For an op y = f(x), random weights w and a random unit direction v, the derivative of <w, f(x + t v)> at t = 0
is compared with <grad, v>. The second check does the same with <u, grad> in place of <w, f>.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import assume

from pytensor.testing.library import Library
from pytensor.testing.numpy_dtypes import is_float, numpy_dtype
from pytensor.testing.spec import DType, OpSpec, Sample, iterate_leaves

STEP = 1e-3
CLEARANCE = 1e-2  # distance from kinks below which a sample is redrawn; more than the steps can cross


def differentiable_positions(spec: OpSpec, sample: Sample) -> list[int]:
    """Which of the sample's arrays have a gradient (indices into ``sample.arrays()``)."""
    found, position = [], 0
    named = [*enumerate(sample.args), *sample.kwargs.items()]
    for key, value in named:
        for leaf in iterate_leaves(value):
            if isinstance(leaf, np.ndarray):
                if is_float(leaf.dtype) and spec.differentiates(key):
                    found.append(position)
                position += 1
    return found


def redraw_at_kinks(spec: OpSpec, sample: Sample) -> None:
    """Gives the sample up when it lies on or close to a point where the op has no derivative."""
    if spec.kinks is None:
        return
    converted = sample.map(lambda v: numpy_dtype(v.name) if isinstance(v, DType) else v)
    for distance in np.atleast_1d(spec.kinks(*converted.args, **converted.kwargs)):
        assume(np.abs(np.asarray(distance)).min(initial=np.inf) > CLEARANCE)


class Curve:
    """The op of a spec along a line x + t v through a sample, v a unit vector over the chosen inputs."""

    def __init__(self, spec: OpSpec, sample: Sample, library: Library, chosen: list[int], rng) -> None:
        self.spec, self.sample, self.library, self.chosen, self.rng = spec, sample, library, chosen, rng
        points = sample.arrays()
        directions = [rng.normal(size=points[i].shape) for i in chosen]
        length = np.sqrt(sum(float((d * d).sum()) for d in directions))
        self.directions = [d / length if length else d for d in directions]
        self.weights: list[Any] | None = None

    def inputs(self, t: float) -> tuple[Sample, list[Any]]:
        """The sample moved to t, with tensors for arrays, and its leaves that require gradients."""
        leaves: list[Any] = []
        position = -1

        def leaf(value: Any) -> Any:
            nonlocal position
            if not isinstance(value, np.ndarray):
                return self.library.leaf(value)
            position += 1
            if position not in self.chosen:
                return self.library.to_tensor(value)
            step = self.directions[self.chosen.index(position)]
            tensor = self.library.to_tensor(np.asarray(value + t * step) if t else value.copy(order="K"))
            leaves.append(tensor.requires_grad_())
            return leaves[-1]

        return self.sample.map(leaf), leaves

    def weighted(self, t: float) -> tuple[Any, list[Any]]:
        """<w, f(x + t v)> as a tensor with its graph, and the leaves."""
        moved, leaves = self.inputs(t)
        if self.spec.mutates:  # not a leaf itself: those refuse to be written
            moved = Sample(moved.args[0] * 1, *moved.args[1:], **moved.kwargs)
        if self.spec.random:  # the same draws on every call
            self.library.module.manual_seed(0)
        returned = self.library.function(self.spec.name)(*moved.args, **moved.kwargs)
        if self.spec.mutates and returned is None:
            returned = moved.args[0]
        outputs = [o for o in tensors_in(returned, self.library.module.Tensor) if o.requires_grad]
        if self.weights is None:
            self.weights = [
                self.library.to_tensor(np.asarray(self.rng.uniform(0.5, 1.5, size=tuple(o.shape)))) for o in outputs
            ]
        total = None
        for weight, output in zip(self.weights, outputs, strict=True):
            term = (weight * output).sum()
            total = term if total is None else total + term
        return total, leaves

    def along(self, gradients: list[Any]) -> float:
        """<gradients, v>, None counting as zero."""
        pairs = zip(gradients, self.directions, strict=True)
        return float(sum((self.library.to_array(g.detach()) * d).sum() for g, d in pairs if g is not None))


def tensors_in(value: Any, kind: type) -> list[Any]:
    if isinstance(value, kind):
        return [value]
    return [t for v in value for t in tensors_in(v, kind)] if isinstance(value, list | tuple) else []


def derivative(function: Any) -> tuple[float, float]:
    """Fourth-order central difference at 0, and the magnitude of what it was taken of."""
    values = {k: function(k * STEP) for k in (-2, -1, 1, 2)}
    slope = (8 * (values[1] - values[-1]) - (values[2] - values[-2])) / (12 * STEP)
    return slope, max(abs(v) for v in values.values())


def check_gradient(spec: OpSpec, sample: Sample, library: Library, chosen: list[int], seed: int) -> None:
    """First gradients against differences of values."""
    redraw_at_kinks(spec, sample)
    curve = Curve(spec, sample, library, chosen, np.random.default_rng(seed))
    total, leaves = curve.weighted(0.0)
    if total is None:
        raise AssertionError(f"{spec.name}: no result requires a gradient")
    gradients = library.module.autograd.grad(total, leaves, allow_unused=True)
    for gradient, leaf in zip(gradients, leaves, strict=True):
        if gradient is not None and (gradient.shape != leaf.shape or gradient.dtype != leaf.dtype):
            raise AssertionError(f"{spec.name}: gradient {gradient.shape} {gradient.dtype} for leaf {leaf.shape}")
    slope, size = derivative(lambda t: float(curve.weighted(t)[0].item()))
    require_close(curve.along(gradients), slope, size, spec, "gradient")


def check_second_gradient(spec: OpSpec, sample: Sample, library: Library, chosen: list[int], seed: int) -> None:
    """Gradients of gradients against differences of gradients."""
    redraw_at_kinks(spec, sample)
    curve = Curve(spec, sample, library, chosen, np.random.default_rng(seed))
    mixing = [library.to_tensor(np.asarray(curve.rng.normal(size=d.shape))) for d in curve.directions]

    def mixed(t: float) -> tuple[Any, list[Any]]:
        total, leaves = curve.weighted(t)
        gradients = library.module.autograd.grad(total, leaves, create_graph=True, allow_unused=True)
        terms = [(m * g).sum() for m, g in zip(mixing, gradients, strict=True) if g is not None]
        return (sum(terms[1:], terms[0]) if terms else None), leaves

    total, leaves = mixed(0.0)
    if total is None:
        return
    if total.requires_grad:
        second = curve.along(list(library.module.autograd.grad(total, leaves, allow_unused=True)))
    else:
        second = 0.0
    slope, size = derivative(lambda t: float(mixed(t)[0].item()))
    require_close(second, slope, size, spec, "second gradient")


def require_close(actual: float, expected: float, size: float, spec: OpSpec, what: str) -> None:
    allowed = spec.gradient_tolerance * (abs(expected) + size) + 1e-9
    if not abs(actual - expected) <= allowed:
        raise AssertionError(
            f"{what} of {spec.name} along a direction: {actual!r}, finite differences {expected!r} "
            f"(allowed error {allowed:.3g})"
        )
