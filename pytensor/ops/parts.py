"""Shape ops that give views of a part: narrow, select, diagonals, windows, arbitrary strides."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pytensor import _C
from pytensor.autograd.node import Node, view
from pytensor.autograd.views import AsStridedBackward0, address, geometry
from pytensor.backend.reference.array_module import array_module
from pytensor.ops.checks import normalize_dim
from pytensor.ops.pointwise_core import quick
from pytensor.ops.registry import op

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["as_strided", "diagonal", "diagonal_adjoint", "narrow", "select"]


class NarrowSelect(Node):
    """ctx = (input shape, key)."""

    def backward(self, grad: Tensor) -> Any:
        from pytensor.ops.indexing import place

        shape, key = self.ctx
        return (place(grad, shape, key),)


class SliceBackward0(NarrowSelect):
    pass


class SelectBackward0(NarrowSelect):
    pass


@op()
def narrow(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """A view of ``length`` entries of one axis from ``start`` on.

    >>> import pytensor as torch
    >>> torch.arange(5).narrow(0, 1, 3)
    tensor([1, 2, 3])
    """
    if input.ndim == 0:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    at = normalize_dim(dim, input.ndim)
    size = input.shape[at]
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    start = start.__index__()
    if not -size <= start <= size:
        raise IndexError(f"start out of range (expected to be in range of [{-size}, {size}], but got {start})")
    start = start + size if start < 0 else start
    if start + length > size:
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({size}).")
    key = (slice(None),) * at + (slice(start, start + length),)
    return view(input, input._array[key], SliceBackward0, (input.shape, key))


@op()
def select(input: Tensor, dim: int, index: int) -> Tensor:
    """A view of one entry of an axis.

    >>> import pytensor as torch
    >>> torch.arange(6).view(2, 3).select(1, 2)
    tensor([2, 5])
    """
    if input.ndim == 0:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    at = normalize_dim(dim, input.ndim)
    size = input.shape[at]
    if not -size <= index < size:
        raise IndexError(
            f"select(): index {index} out of range for tensor of size {list(input.shape)} at dimension {at}"
        )
    key = (slice(None),) * at + (index, Ellipsis)
    return view(input, input._array[key], SelectBackward0, (input.shape, key))


class DiagonalBackward0(Node):
    """ctx = (input shape, offset, dim1, dim2)."""

    def backward(self, grad: Tensor) -> Any:
        shape, offset, dim1, dim2 = self.ctx
        return (diagonal_adjoint(grad, shape, offset, dim1, dim2),)


class DiagonalAdjointBackward0(Node):
    def backward(self, grad: Tensor) -> Any:
        return (diagonal(grad, *self.ctx),)


def diagonal_adjoint(grad: Tensor, shape: Any, offset: int, dim1: int, dim2: int) -> Tensor:
    """Zeros of a shape with ``grad`` on a diagonal."""
    xp = array_module(grad._array)
    whole = xp.zeros(tuple(shape), dtype=grad._array.dtype)
    _writable_diagonal(whole, offset, dim1, dim2)[...] = grad._array
    return _C.record(DiagonalAdjointBackward0, (grad,), whole, ctx=(offset, dim1, dim2))


def _writable_diagonal(array: Any, offset: int, dim1: int, dim2: int) -> Any:
    """The diagonal as a view that may be written (ndarray.diagonal() gives a read-only one)."""
    moved = array_module(array).moveaxis(array, (dim1, dim2), (-2, -1))
    rows, columns = moved.shape[-2:]
    first = max(-offset, 0), max(offset, 0)
    length = max(min(rows - first[0], columns - first[1]), 0)
    start = moved[..., min(first[0], rows) :, min(first[1], columns) :]
    strides = (*moved.strides[:-2], moved.strides[-2] + moved.strides[-1])
    return array_module(array).lib.stride_tricks.as_strided(start, (*moved.shape[:-2], length), strides)


@op()
@quick("view", DiagonalBackward0, kernel="diagonal", arguments=("offset", "dim1", "dim2"))
def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """A view of a diagonal of two axes, as the last axis.

    >>> import pytensor as torch
    >>> torch.arange(9).view(3, 3).diagonal(1)
    tensor([1, 5])
    """
    a, b = normalize_dim(dim1, input.ndim), normalize_dim(dim2, input.ndim)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    return view(input, _writable_diagonal(input._array, offset, a, b), DiagonalBackward0, (input.shape, offset, a, b))


@op()
def as_strided(input: Tensor, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
    """A view of the storage with any sizes and strides (in elements).

    >>> import pytensor as torch
    >>> torch.arange(4).as_strided((3, 2), (1, 1))
    tensor([[0, 1],
            [1, 2],
            [2, 3]])
    """
    from pytensor.storage import root_of

    size, stride = tuple(size), tuple(stride)
    if len(size) != len(stride):
        raise RuntimeError(f"mismatch in length of strides and shape: {len(size)} sizes, {len(stride)} strides")
    if any(s < 0 for s in stride):
        raise RuntimeError(f"as_strided: Negative strides are not supported at the moment, got strides: {list(stride)}")
    root = root_of(input._array)
    offset = input.storage_offset() if storage_offset is None else storage_offset
    reach = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True)) + 1 if math.prod(size) else 0
    item = root.dtype.itemsize
    if reach > root.size or offset < 0:
        raise RuntimeError(
            f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {offset}, and itemsize {item} "
            f"requiring a storage size of {reach * item} are out of bounds for storage of size {root.nbytes}"
        )
    flat = root.reshape(-1) if root.flags.c_contiguous else root.ravel(order="K")
    out = array_module(root).lib.stride_tricks.as_strided(flat[offset:], size, tuple(s * item for s in stride))
    start = geometry(input._array, address(root) + offset * item, size, stride)
    return view(input, out, AsStridedBackward0, start)


@op(name="unfold", function=False)
def unfold_method(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """A view of all windows of ``size`` entries of an axis, ``step`` apart, as a new last axis.

    >>> import pytensor as torch
    >>> torch.arange(5).unfold(0, 2, 2)
    tensor([[0, 1],
            [2, 3]])
    """
    at = normalize_dim(dimension, input.ndim)
    length = input.shape[at] if input.ndim else 1
    if size > length:
        raise RuntimeError(f"maximum size for tensor at dimension {at} is {length} but size is {size}")
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    array = input._array if input.ndim else input._array.reshape(1)
    if input.ndim == 0:
        return view(input, array[:size], AsStridedBackward0, geometry(array, address(array), (size,), (1,)))
    shape = (*array.shape[:at], (length - size) // step + 1, *array.shape[at + 1 :], size)
    strides = (*array.strides[:at], array.strides[at] * step, *array.strides[at + 1 :], array.strides[at])
    out = array_module(array).lib.stride_tricks.as_strided(array, shape, strides)
    item = array.dtype.itemsize
    g = geometry(array, address(array), shape, tuple(s // item for s in strides))
    return view(input, out, AsStridedBackward0, g)
