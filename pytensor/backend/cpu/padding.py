"""Padding on NumPy arrays: the inside copied by kernel, the borders slice by slice."""

from __future__ import annotations

from pytensor import _C
from pytensor.backend.cpu.index import store
from pytensor.backend.reference.padding import _source_indices, pad_mirrored_adjoint
from pytensor.backend.reference.padding import pad_mirrored as take_along_axes

__all__ = ["pad_constant", "pad_mirrored", "pad_mirrored_adjoint"]


def pad_constant(input, widths, value):
    """See :func:`pytensor.backend.reference.pad_constant`."""
    if input.ndim == 0:
        return input.copy()
    shape, target, source = _inside(input, widths)
    result = _C.new_array(shape, input.dtype.num)
    for axis, kept in enumerate(target):  # of each axis, what lies outside of it and inside of the axes before
        at = target[:axis]
        result[(*at, slice(0, kept.start))] = value
        result[(*at, slice(max(kept.stop, kept.start), None))] = value
    store(result[target], input[source])
    return result


def pad_mirrored(input, widths, mode):
    """See :func:`pytensor.backend.reference.pad_mirrored`: the inside first, then each axis's borders as copies of
    slices, which are whole once the axes after it are done."""
    if min(min(pair) for pair in widths) < 0:  # a border may repeat what is cut off
        return take_along_axes(input, widths, mode)
    shape, target, source = _inside(input, widths)
    result = _C.new_array(shape, input.dtype.num)
    store(result[target], input[source])
    for axis in reversed(range(input.ndim)):
        before, after = widths[axis]
        at = target[:axis]
        for position, index in enumerate(_source_indices(input.shape[axis], before, after, mode)):
            if not target[axis].start <= position < target[axis].stop:
                result[(*at, position)] = result[(*at, index + before)]
    return result


def _inside(input, widths):
    """(shape of the padded array, slices of what is not border, slices of the input that go there)."""
    shape = tuple(n + before + after for n, (before, after) in zip(input.shape, widths, strict=True))
    target = tuple(slice(max(b, 0), n - max(a, 0)) for n, (b, a) in zip(shape, widths, strict=True))
    source = tuple(slice(max(-b, 0), n - max(-a, 0)) for n, (b, a) in zip(input.shape, widths, strict=True))
    return shape, target, source
