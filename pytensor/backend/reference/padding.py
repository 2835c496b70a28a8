"""Padding: constants around an array, and borders that repeat elements of it."""

from __future__ import annotations

from pytensor.backend.reference.array_module import array_module

__all__ = ["pad_constant", "pad_mirrored", "pad_mirrored_adjoint"]


def pad_constant(input, widths, value):
    """widths: (before, after) per axis, negative ones crop. Returns a new array."""
    xp = array_module(input)
    shape = tuple(n + before + after for n, (before, after) in zip(input.shape, widths, strict=True))
    result = xp.full(shape, value, input.dtype)
    target = tuple(slice(max(b, 0), n - max(a, 0)) for n, (b, a) in zip(shape, widths, strict=True))
    source = tuple(slice(max(-b, 0), n - max(-a, 0)) for n, (b, a) in zip(input.shape, widths, strict=True))
    result[target] = input[source]
    return result


def _source_indices(size, before, after, mode):
    """Where each element of a padded axis comes from; circular needs an axis that is not cropped to nothing."""
    positions = range(-before, size + after)
    if mode == "reflect":
        last = size - 1
        return [last - abs(last - abs(i)) for i in positions]
    if mode == "replicate":
        return [min(max(i, 0), size - 1) for i in positions]
    first, kept = max(-before, 0), size - max(-before, 0) - max(-after, 0)
    return [first + (i - first) % kept for i in positions]  # circular: what is not cropped goes round


def pad_mirrored(input, widths, mode):
    """`mode` reflect, replicate or circular; widths: (before, after) per axis."""
    xp = array_module(input)
    result = input
    for axis, (before, after) in enumerate(widths):
        if before or after:
            indices = _source_indices(result.shape[axis], before, after, mode)
            result = xp.take(result, xp.asarray(indices, "int64"), axis=axis)
    return result if result is not input else input.copy()


def pad_mirrored_adjoint(grad, widths, mode):
    """Sums what pad_mirrored repeated: the gradient of its input."""
    xp = array_module(grad)
    for axis, (before, after) in enumerate(widths):
        if not (before or after):
            continue
        size = grad.shape[axis] - before - after
        at = (slice(None),) * axis
        first, last = max(-before, 0), size - max(-after, 0)  # what is kept of the axis itself
        result = xp.zeros((*grad.shape[:axis], size, *grad.shape[axis + 1 :]), grad.dtype)
        result[(*at, slice(first, last))] = grad[(*at, slice(first + before, last + before))]
        for position, index in enumerate(_source_indices(size, before, after, mode)):
            if not first <= position - before < last:
                result[(*at, index)] += grad[(*at, position)]
        grad = result
    return grad
