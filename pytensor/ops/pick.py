"""Elements that index tensors and masks name, read and written: the part of indexing that copies.

A :class:`Place` says which elements; pytensor/ops/indexing.py makes it from a key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from pytensor.autograd.node import Node, record
from pytensor.backend import backend_of
from pytensor.ops.axes import fresh_copy, zeros_beside
from pytensor.ops.inplace import begin_write, end_write
from pytensor.typename import scalar_type_name

__all__ = ["Place", "pick", "place_of", "put_at", "put_at_"]


class Place(NamedTuple):
    """Elements of an array: by integer arrays along some axes, or where a mask of its shape is true (no axes)."""

    axes: tuple[int, ...]
    arrays: tuple[Any, ...]
    tensors: tuple[Any, ...]  # what the arrays were made from: nodes save them, to see writes to them

    def of(self, array: Any) -> Any:
        """What is there, or None for an index out of bounds."""
        if not self.axes:
            return backend_of(array).compress(array, self.arrays[0])
        return backend_of(array).pick(array, self.axes, self.arrays)

    def write(self, array: Any, source: Any, accumulate: bool) -> bool:
        """Stores or adds; False, and nothing is written, for an index out of bounds."""
        backend = backend_of(array)
        if self.axes:
            return backend.put(array, self.axes, self.arrays, source, accumulate)
        if accumulate:  # a mask names each element once
            source = backend.compress(array, self.arrays[0]) + source
        return backend.expand(array, self.arrays[0], source)

    def ndim_in(self, ndim: int) -> int:
        """How many axes what is there has, in an array of ``ndim``."""
        return ndim - len(self.axes) + max(array.ndim for array in self.arrays) if self.axes else 1

    def shape_in(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The shape of what is there, in an array of a shape."""
        if not self.axes:
            return (backend_of(self.arrays[0]).count_set(self.arrays[0]),)
        own = self.arrays[0].shape if len(self.arrays) == 1 else _broadcast(self.arrays)
        first, last = self.axes[0], self.axes[-1]
        if last - first + 1 == len(self.axes):
            return (*shape[:first], *own, *shape[last + 1 :])
        return (*own, *(n for axis, n in enumerate(shape) if axis not in self.axes))


def _broadcast(arrays: tuple[Any, ...]) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(*(array.shape for array in arrays))
    except ValueError:
        shapes = ", ".join(str(list(array.shape)) for array in arrays)
        raise IndexError(
            f"shape mismatch: indexing tensors could not be broadcast together with shapes {shapes}"
        ) from None


def place_of(ndim: int, parts: Sequence[Any], tensors: tuple[Any, ...]) -> Place:
    """From integer arrays, masks and full slices, one for each axis that it stands for."""
    first = parts[0]
    if len(parts) == 1 and not isinstance(first, slice) and first.dtype == np.bool_ and first.ndim == ndim:
        return Place((), (first,), tensors)
    axes: list[int] = []
    arrays: list[Any] = []
    axis = 0
    for part in parts:
        if isinstance(part, slice):
            axis += 1
            continue
        vectors = backend_of(part).places(part) if part.dtype == np.bool_ else (part,)
        for vector in vectors:
            axes.append(axis)
            arrays.append(vector)
            axis += 1
    return Place(tuple(axes), tuple(arrays), tensors)


def _refuse(shape: Sequence[int], place: Place) -> None:
    """The error for an index out of bounds. PyTorch counts the indexed axes only, and so names another one."""
    for axis, (size, array) in enumerate(zip((shape[a] for a in place.axes), place.arrays, strict=True)):
        wrong = array[(array < -size) | (array >= size)]
        if wrong.size:
            raise IndexError(f"index {int(wrong[0])} is out of bounds for dimension {axis} with size {size}")


class IndexBackward0(Node):
    """saved: index tensors; ctx = (input shape, place)."""

    def backward(self, grad: Any) -> Any:
        shape, place = self.ctx
        return (spread(grad, shape, place._replace(tensors=self.saved)),)


class PlaceAddBackward0(Node):
    """saved: index tensors; ctx = place."""

    def backward(self, grad: Any) -> Any:
        return (pick(grad, self.ctx._replace(tensors=self.saved)),)


class IndexPutBackward0(Node):
    """saved: index tensors; ctx = (place, accumulate). Broadcasting of the values is undone by the engine."""

    def backward(self, grad: Any) -> Any:
        place, accumulate = self.ctx
        place = place._replace(tensors=self.saved)
        value = pick(grad, place) if self.needs_input_grad[1] else None
        if accumulate or not self.needs_input_grad[0]:
            return grad, value
        return put_at(grad, place, zeros_beside(grad, ()), False), value


def pick(input: Any, place: Place) -> Any:
    """The elements at a place: a copy."""
    if len(place.axes) > 1:
        _broadcast(place.arrays)
    out = place.of(input._array)
    if out is None:
        _refuse(input.shape, place)
    return record(IndexBackward0, (input,), out, saved=place.tensors, ctx=(input.shape, place._replace(tensors=())))


def spread(part: Any, shape: Any, place: Place) -> Any:
    """Zeros of a shape with ``part`` added at a place; repeated indices add up: the adjoint of :func:`pick`."""
    whole = zeros_beside(part, shape)._array
    place.write(whole, part._array, bool(place.axes))
    return record(PlaceAddBackward0, (part,), whole, saved=place.tensors, ctx=place._replace(tensors=()))


def _check_values(input: Any, place: Place, value: Any) -> None:
    if value.ndim == 0:
        if len(place.axes) > 1:
            _broadcast(place.arrays)
        return
    wanted, given = place.shape_in(input.shape), tuple(value.shape)
    missing = len(wanted) - len(given)
    if missing < 0 or any(n != 1 and n != m for n, m in zip(given, wanted[missing:], strict=True)):
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(given)} cannot be broadcast to indexing result of shape "
            f"{list(wanted)}"
        )
    if value.dtype is not input.dtype:
        raise RuntimeError(
            "Index put requires the source and destination dtypes match, got "
            f"{scalar_type_name(input.dtype)} for the destination and {scalar_type_name(value.dtype)} for the source."
        )


def _source(value: Any, place: Place, array: Any) -> Any:
    """The values as an array that may be written into ``array``."""
    source = value._array if value._array.dtype == array.dtype else value._array.astype(array.dtype)
    if not place.axes and source.ndim == 1 and source.size == 1:
        source = source.reshape(())
    return source


def _note(result: Any, input: Any, place: Place, value: Any, accumulate: bool) -> Any:
    ctx = (place._replace(tensors=()), accumulate)
    return record(IndexPutBackward0, (input, value), result, saved=place.tensors, ctx=ctx)


def put_at(input: Any, place: Place, value: Any, accumulate: bool) -> Any:
    """A copy of ``input`` with ``value`` stored (or added) at a place."""
    _check_values(input, place, value)
    out = fresh_copy(input._array)
    if not place.write(out, _source(value, place, out), accumulate):
        _refuse(input.shape, place)
    return _note(out, input, place, value, accumulate)


def put_at_(target: Any, place: Place, value: Any, accumulate: bool) -> Any:
    """The same, written into ``target``."""
    before = begin_write(target, value)
    _check_values(target, place, value)
    array = target._array
    source = _source(value, place, array)
    if np.may_share_memory(source, array):
        source = source.copy()
    if not place.axes and np.may_share_memory(place.arrays[0], array):
        place = place._replace(arrays=(place.arrays[0].copy(),))
    if not place.write(array, source, accumulate):
        _refuse(target.shape, place)
    return end_write(target, None if before is None else _note(array, before, place, value, accumulate))
