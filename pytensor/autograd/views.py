"""History of views.

A view shares memory with its base and, through its node, history: its gradient flows back into the base. When
memory is written in place through one of them, the history of all must follow. The base gets a node
(``CopySlices``) that takes the written region's gradient from the writer and the rest from before; each view makes
its own history anew from the base the next time it is asked for (the version counter tells that it is stale).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pytensor import _C
from pytensor.autograd.node import Node, record, view

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["Geometry", "as_strided_gradient", "geometry_of", "rebase", "refresh_view"]


class Geometry(NamedTuple):
    """Where a view's elements lie in its base's memory, in elements: offset, sizes, strides of the view; sizes and
    strides of the base."""

    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    base_shape: tuple[int, ...]
    base_strides: tuple[int, ...]


def element_strides(array: Any) -> tuple[int, ...]:
    """Strides counted in elements. An empty array's are those of a contiguous one."""
    size = array.dtype.itemsize
    return tuple(s // size for s in array.strides)


def geometry_of(base: Tensor, array: Any) -> Geometry:
    """The geometry of a raw array that lies in the memory of ``base``."""
    return geometry(base._array, address(array), array.shape, element_strides(array))


def address(array: Any) -> int:
    """The address of the first element."""
    return array.__array_interface__["data"][0] if isinstance(array, np.ndarray) else array.data.ptr


def geometry(base_array: Any, start: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> Geometry:
    offset = (start - address(base_array)) // base_array.dtype.itemsize
    return Geometry(offset, tuple(shape), tuple(strides), base_array.shape, element_strides(base_array))


def _positions(offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> np.ndarray:
    """For each element of a view, its place relative to the base's first element."""
    place = np.asarray(offset, dtype=np.int64)
    for size, stride in zip(shape, strides, strict=True):
        place = place[..., None] + np.arange(size, dtype=np.int64) * stride
    return place


def view_indices(g: Geometry) -> np.ndarray:
    """For each element of the view, the flat (row-major) index of that element in the base; -1 outside it."""
    base_places = _positions(0, g.base_shape, g.base_strides).ravel()
    places = _positions(g.offset, g.shape, g.strides)
    if base_places.size == 0:
        return np.full(g.shape, -1, dtype=np.int64)
    order = np.argsort(base_places, kind="stable")
    ranked = base_places[order]
    found = np.minimum(np.searchsorted(ranked, places), ranked.size - 1)
    return np.where(ranked[found] == places, order[found], -1)


def _is_plain(g: Geometry) -> bool:
    """Is the base contiguous, so that a gradient of it can be viewed with the same strides?"""
    expected = 1
    for size, stride in zip(reversed(g.base_shape), reversed(g.base_strides), strict=True):
        if size != 1 and stride != expected:
            return False
        expected *= size
    return all(s > 0 or n <= 1 for s, n in zip(g.strides, g.shape, strict=True))


def as_strided_gradient(grad: Tensor, g: Geometry) -> Tensor:
    """The gradient of the base of a view, from the view's: zero outside the view, summed where it overlaps itself."""
    if _is_plain(g) and not _overlaps(g):
        return replace_region(grad.new_zeros(g.base_shape), grad, g)
    indices = view_indices(g).ravel()
    inside = indices >= 0
    flat = grad.reshape(-1)
    from pytensor.ops.from_data import from_numpy

    if not inside.all():
        flat = flat[from_numpy(np.flatnonzero(inside))]
    size = int(np.prod(g.base_shape, dtype=np.int64))
    base = grad.new_zeros(size).index_add(0, from_numpy(np.ascontiguousarray(indices[inside])), flat)
    return base.reshape(g.base_shape)


def _overlaps(g: Geometry) -> bool:
    """May two elements of the view share memory? Sorted by stride, each axis must step over the ones below it."""
    reach = 0
    for stride, size in sorted(zip(g.strides, g.shape, strict=True)):
        if size > 1:
            if stride <= reach:
                return True
            reach += stride * (size - 1)
    return False


class AsStridedBackward0(Node):
    """A view's history made anew from its base."""

    def backward(self, grad: Tensor) -> Any:
        return (as_strided_gradient(grad, self.ctx),)


class AsStridedScatterBackward0(Node):
    """A copy of base with a region replaced by src."""

    def backward(self, grad: Tensor) -> Any:
        return split_gradient(grad, self.ctx, self.needs_input_grad)


def replace_region(base: Tensor, src: Tensor, g: Geometry) -> Tensor:
    """A contiguous copy of ``base`` with the region ``g`` replaced by ``src``. Differentiable."""
    out = base._array.copy()
    strides = tuple(s * out.dtype.itemsize for s in g.strides)
    np.lib.stride_tricks.as_strided(out.reshape(-1)[g.offset :], g.shape, strides)[...] = src._array
    return record(AsStridedScatterBackward0, (base, src), out, ctx=g)


class CopySlices(Node):
    """The base after an in-place write to one of its views: (base before, what was written)."""

    def backward(self, grad: Tensor) -> Any:
        return split_gradient(grad, self.ctx, self.needs_input_grad)


def split_gradient(grad: Tensor, g: Geometry, needs: tuple[bool, ...]) -> Any:
    """The gradient of (base, src) where src replaced a region of base."""
    inside = view_indices(g)
    before = written = None
    if needs[0]:
        keep = np.ones(int(np.prod(g.base_shape, dtype=np.int64)), dtype=bool)
        keep[inside.ravel()] = False
        before = grad * _C.wrap(keep.reshape(g.base_shape))
    if needs[1]:
        written = grad.reshape(-1)[_C.wrap(inside.reshape(-1))].reshape(g.shape)
    return before, written


def refresh_view(tensor: Tensor) -> None:
    """Brings a view's history up to date with its base's; called from C when the version counters differ."""
    base = tensor._base
    if base is None or not base._requires_grad:
        return
    before = _C.set_grad_enabled(True)
    try:
        fresh = view(base, tensor._array, AsStridedBackward0, geometry_of(base, tensor._array))
        tensor._set_history(fresh.grad_fn, 0)
    finally:
        _C.set_grad_enabled(before)


def rebase(tensor: Tensor, result: Tensor) -> None:
    """After ``result``'s data was written into ``tensor``: gives the tensor, or the base it views, its history."""
    base = tensor._base
    if base is None:
        if result._requires_grad:
            tensor._set_history(result.grad_fn, result.output_nr)
        elif tensor._requires_grad:
            tensor._set_history(None)
        return
    if not result._requires_grad and not base._requires_grad:
        return
    before = _C.set_grad_enabled(True)
    try:
        g = geometry_of(base, tensor._array)
        fresh = record(CopySlices, (base, result), base._array, ctx=g)
        base._set_history(fresh.grad_fn, 0)
    finally:
        _C.set_grad_enabled(before)
