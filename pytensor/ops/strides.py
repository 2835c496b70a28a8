"""The strides of new tensors in the form of others."""

from __future__ import annotations

from collections.abc import Sequence

from pytensor.layout import contiguous_format, memory_format, preserve_format

__all__ = ["dense_strides", "memory_order"]

# Axes from the outermost to the innermost in memory.
_CHANNELS_LAST = {"channels_last": (0, 2, 3, 1), "channels_last_3d": (0, 2, 3, 4, 1)}


def dense_strides(format: memory_format | None, strides: Sequence[int], shape: Sequence[int]) -> tuple[int, ...]:
    """The strides, in elements, that a new tensor like one with these strides gets.

    ``preserve_format`` (and None) keeps the strides of a tensor whose elements lie without gaps or overlap, and
    otherwise the order of its axes in memory.

    Raises:
        RuntimeError: when the format does not fit the number of axes.
    """
    ndim = len(shape)
    if format is None or format is preserve_format:
        if _is_dense(strides, shape):
            return tuple(strides)
        order: Sequence[int] = memory_order(strides, shape)
    elif format is contiguous_format:
        order = range(ndim)
    else:
        order = _CHANNELS_LAST[format._name]
        if len(order) != ndim:
            raise RuntimeError(f"required rank {len(order)} tensor to use {format._name} format")
    result = [0] * ndim
    step = 1
    for axis in reversed(order):
        result[axis] = step
        step *= max(shape[axis], 1)
    return tuple(result)


def _is_dense(strides: Sequence[int], shape: Sequence[int]) -> bool:
    """Do the elements fill one piece of memory, each once?"""
    if 0 in shape:
        return True
    expected = 1
    for stride, size in sorted(zip(strides, shape, strict=True)):
        if size != 1:
            if stride != expected:
                return False
            expected *= size
    return True


def memory_order(strides: Sequence[int], shape: Sequence[int]) -> tuple[int, ...]:
    """Axes from the outermost to the innermost in memory."""
    strides = [abs(s) for s in strides]
    # An insertion sort, for its way of leaving axes alone that cannot be compared: broadcast ones.
    order = list(range(len(shape)))
    for i in range(1, len(order)):
        here = i
        for before in range(i - 1, -1, -1):
            a, b = order[before], order[here]
            if strides[a] == 0 or strides[b] == 0:
                continue
            if strides[a] > strides[b] or (strides[a] == strides[b] and shape[a] >= shape[b]):
                break
            order[before], order[here] = b, a
            here = before
    return tuple(order)
