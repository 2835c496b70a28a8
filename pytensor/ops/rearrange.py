"""Shape ops that copy: flip, roll, repeat, triangles, diagonals as matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pytensor import _C
from pytensor.autograd.node import Node, record
from pytensor.backend import backend_of
from pytensor.backend.reference.array_module import array_module
from pytensor.ops.checks import by_name, normalize_dim, normalize_dims, sizes_argument
from pytensor.ops.out import write_out
from pytensor.ops.parts import diagonal, diagonal_adjoint
from pytensor.ops.pointwise_core import quick
from pytensor.ops.registry import op
from pytensor.ops.views import expand, permute, reshape

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = [
    "block_diag",
    "broadcast_shapes",
    "broadcast_tensors",
    "diag",
    "diag_embed",
    "diagflat",
    "flip",
    "fliplr",
    "flipud",
    "repeat",
    "repeat_interleave",
    "roll",
    "rot90",
    "tile",
    "tril",
    "triu",
]


class FlipBackward0(Node):
    """ctx = axes."""

    def backward(self, grad: Tensor) -> Any:
        return (flip(grad, self.ctx),)


@op()
@quick("flip", FlipBackward0)
@by_name("dims")
def flip(input: Tensor, *dims: Any) -> Tensor:
    """A copy with the order of some axes reversed.

    >>> import pytensor as torch
    >>> torch.arange(3).flip(0)
    tensor([2, 1, 0])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.flip.html
    """
    axes = normalize_dims(sizes_argument(dims), input.ndim)
    array = input._array
    turned = array_module(array).flip(array, axes) if array.ndim else array
    return record(FlipBackward0, (input,), backend_of(array).copied(turned), ctx=axes)


@op()
def fliplr(input: Tensor) -> Tensor:
    """A copy with axis 1 reversed.

    >>> import pytensor as torch
    >>> torch.arange(4).view(2, 2).fliplr()
    tensor([[1, 0],
            [3, 2]])
    """
    if input.ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return flip(input, 1)


@op()
def flipud(input: Tensor) -> Tensor:
    """A copy with axis 0 reversed.

    >>> import pytensor as torch
    >>> torch.arange(3).flipud()
    tensor([2, 1, 0])
    """
    if input.ndim < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return flip(input, 0)


class RollBackward0(Node):
    """ctx = (shifts, axes)."""

    def backward(self, grad: Tensor) -> Any:
        shifts, axes = self.ctx
        return (roll(grad, tuple(-s for s in shifts), axes),)


@op()
def roll(input: Tensor, shifts: int | Sequence[int], dims: int | Sequence[int] | None = None) -> Tensor:
    """A copy shifted along axes, what falls off one end coming back at the other; without axes, in flat order.

    >>> import pytensor as torch
    >>> torch.arange(4).roll(1)
    tensor([3, 0, 1, 2])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.roll.html
    """
    moves = (shifts,) if isinstance(shifts, int) else tuple(shifts)
    if not moves:
        raise RuntimeError("`shifts` required")
    axes = () if dims is None else (dims,) if isinstance(dims, int) else tuple(dims)
    if not axes:
        if len(moves) != 1:
            raise RuntimeError(f"shifts and dimensions must align. shifts: {len(moves)}, dims:0")
        return reshape(roll(reshape(input, (-1,)), moves, (0,)), input.shape)
    if len(moves) != len(axes):
        raise RuntimeError(f"shifts and dimensions must align. shifts: {len(moves)}, dims:{len(axes)}")
    axes = tuple(normalize_dim(d, input.ndim) for d in axes)
    array = input._array
    return record(RollBackward0, (input,), _rolled(array, moves, axes), ctx=(moves, axes))


def _rolled(array: Any, moves: Sequence[int], axes: Sequence[int]) -> Any:
    """One axis after the other: its last entries come first."""
    backend = backend_of(array)
    if not array.ndim:
        return backend.copied(array)
    for move, axis in zip(moves, axes, strict=True):
        n = array.shape[axis]
        cut = n - move % n if n else 0
        at = (slice(None),) * axis
        array = backend.join((array[(*at, slice(cut, n))], array[(*at, slice(0, cut))]), axis)
    return array


@op()
def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """A copy turned by quarter turns in the plane of two axes.

    >>> import pytensor as torch
    >>> torch.arange(4).view(2, 2).rot90()
    tensor([[1, 3],
            [0, 2]])
    """
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    a, b = (normalize_dim(d, input.ndim) for d in dims)
    if a == b:
        raise RuntimeError(f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}")
    k %= 4
    if k == 0:
        return input.clone()
    if k == 2:
        return flip(input, (a, b))
    order = list(range(input.ndim))
    order[a], order[b] = order[b], order[a]
    return permute(flip(input, b), order).contiguous() if k == 1 else flip(permute(input, order), b)


@op(function=False)
@by_name("repeats")
def repeat(input: Tensor, *repeats: Any) -> Tensor:
    """The tensor laid side by side along each axis, that many times; more numbers than axes add leading axes.

    >>> import pytensor as torch
    >>> torch.tensor([1, 2]).repeat(2, 2)
    tensor([[1, 2, 1, 2],
            [1, 2, 1, 2]])
    """
    times = sizes_argument(repeats)
    extra = len(times) - input.ndim
    if extra < 0:
        raise RuntimeError("Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor")
    if any(t < 0 for t in times):
        raise RuntimeError(f"Trying to create tensor with negative dimension {min(times)}: {list(times)}")
    shape = (1,) * extra + tuple(input.shape)
    pairs = [n for t, s in zip(times, shape, strict=True) for n in (t, s)]
    spread = [n for s in shape for n in (1, s)]
    stretched = expand(reshape(input, spread), pairs)
    return reshape(stretched.clone(), [t * s for t, s in zip(times, shape, strict=True)])


@op()
@by_name("dims")
def tile(input: Tensor, *dims: Any) -> Tensor:
    """``repeat``, but fewer numbers than axes are for the last ones.

    >>> import pytensor as torch
    >>> torch.tensor([1, 2]).tile(2)
    tensor([1, 2, 1, 2])
    """
    times = sizes_argument(dims)
    return repeat(input, (1,) * (input.ndim - len(times)) + times)


@op()
def repeat_interleave(
    input: Tensor, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Each entry of an axis repeated, a number of times or each its own number.

    >>> import pytensor as torch
    >>> torch.tensor([1, 2]).repeat_interleave(2)
    tensor([1, 1, 2, 2])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.repeat_interleave.html
    """
    if repeats is None:
        counts = input._array
        if counts.ndim != 1 or counts.dtype.kind != "i":
            raise RuntimeError("repeat_interleave only accept 1D int vector as repeat")
        return _C.wrap(np.repeat(np.arange(len(counts)), counts))
    if dim is None:
        input, dim = reshape(input, (-1,)), 0
    axis = normalize_dim(dim, input.ndim)
    counts = repeats._array if isinstance(repeats, _C.TensorBase) else np.asarray(repeats)
    if counts.dtype.kind != "i":
        raise RuntimeError("repeats has to be Long or Int tensor")
    if counts.size and counts.min() < 0:
        raise RuntimeError("repeats can not be negative")
    length = input.shape[axis] if input.ndim else 1
    if counts.ndim == 1 and counts.size not in (1, length):
        raise RuntimeError(
            f"repeats must have the same size as input along dim, but got repeats.size(0) = {counts.size} and "
            f"input.size({axis}) = {length}"
        )
    index = np.repeat(np.arange(length), counts)
    return input.index_select(axis, _C.wrap(index))


class TriangleBackward(Node):
    """ctx = diagonal."""

    triangle: Any

    def backward(self, grad: Tensor) -> Any:
        return (type(self).triangle(grad, self.ctx),)


class TrilBackward0(TriangleBackward):
    pass


class TriuBackward0(TriangleBackward):
    pass


def _triangle(input: Any, diagonal: int, name: str, node: type[Node], out: Any) -> Any:
    array = input._array
    if array.ndim < 2:
        raise RuntimeError(f"{name}: input tensor must have at least 2 dimensions")
    kept = backend_of(array).triangle(array, name == "triu", diagonal)
    return write_out(record(node, (input,), kept, ctx=diagonal), out, name)


@op(inplace=True)
def tril(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """Matrices with zeros above a diagonal.

    >>> import pytensor as torch
    >>> torch.ones(2, 2).tril()
    tensor([[1., 0.],
            [1., 1.]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.tril.html
    """
    return _triangle(input, diagonal, "tril", TrilBackward0, out)


@op(inplace=True)
def triu(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """Matrices with zeros below a diagonal.

    >>> import pytensor as torch
    >>> torch.ones(2, 2).triu()
    tensor([[1., 1.],
            [0., 1.]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.triu.html
    """
    return _triangle(input, diagonal, "triu", TriuBackward0, out)


TrilBackward0.triangle = staticmethod(tril)
TriuBackward0.triangle = staticmethod(triu)


class DiagEmbedBackward0(Node):
    """ctx = (offset, dim1, dim2)."""

    def backward(self, grad: Tensor) -> Any:
        return (diagonal(grad, *self.ctx),)


@op()
def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The last axis as the diagonal of matrices of zeros.

    >>> import pytensor as torch
    >>> torch.tensor([1, 2]).diag_embed()
    tensor([[1, 0],
            [0, 2]])
    """
    ndim = input.ndim + 1
    a, b = normalize_dim(dim1, ndim), normalize_dim(dim2, ndim)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    size = input.shape[-1] + abs(offset)
    shape = list(input.shape[:-1])
    for axis in sorted((a, b)):
        shape.insert(axis, size)
    return diagonal_adjoint(input, shape, offset, a, b)


@op()
def diag(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """A vector as the diagonal of a matrix of zeros, or a copy of a matrix's diagonal.

    >>> import pytensor as torch
    >>> torch.diag(torch.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.diag.html
    """
    if input.ndim == 1:
        return write_out(diag_embed(input, diagonal), out, "diag")
    if input.ndim != 2:
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D")
    return write_out(input.diagonal(diagonal).clone(), out, "diag")


@op()
def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """All elements as the diagonal of a matrix of zeros.

    >>> import pytensor as torch
    >>> torch.diagflat(torch.tensor([1, 2]), 1).shape
    torch.Size([3, 3])
    """
    return diag_embed(reshape(input, (-1,)), offset)


@op(method=False)
def block_diag(*tensors: Tensor) -> Tensor:
    """Matrices as blocks along the diagonal of a matrix of zeros.

    >>> import pytensor as torch
    >>> torch.block_diag(torch.tensor([[1]]), torch.tensor([[2, 3]]))
    tensor([[1, 0, 0],
            [0, 2, 3]])
    """
    from pytensor.ops.join import cat

    blocks = []
    for i, t in enumerate(tensors):
        if t.ndim > 2:
            raise RuntimeError(
                f"torch.block_diag: Input tensors must have 2 or fewer dimensions. Input {i} has {t.ndim} dimensions"
            )
        blocks.append(reshape(t, (1, t.numel())) if t.ndim < 2 else t)
    width = sum(b.shape[1] for b in blocks)
    rows, left = [], 0
    for b in blocks:
        parts = [b.new_zeros((b.shape[0], left)), b, b.new_zeros((b.shape[0], width - left - b.shape[1]))]
        rows.append(cat(parts, 1))
        left += b.shape[1]
    return cat(rows, 0)


@op(method=False)
def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """Views of tensors stretched to their common shape.

    >>> import pytensor as torch
    >>> [t.shape for t in torch.broadcast_tensors(torch.zeros(2, 1), torch.zeros(3))]
    [torch.Size([2, 3]), torch.Size([2, 3])]
    """
    from pytensor.ops.checks import broadcast_shapes_of

    given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)) else tensors
    shape = broadcast_shapes_of(*[t.shape for t in given])
    return tuple(expand(t, shape) for t in given)


@op(method=False)
def broadcast_shapes(*shapes: Any) -> Any:
    """The shape that shapes broadcast to.

    Raises:
        RuntimeError: when they do not.

    >>> import pytensor as torch
    >>> torch.broadcast_shapes((2, 1), (3,))
    torch.Size([2, 3])
    """
    from pytensor.size import Size

    given = [(s,) if isinstance(s, int) else tuple(s) for s in shapes]
    ndim = max((len(s) for s in given), default=0)
    result = [1] * ndim
    for shape in given:
        for i, n in enumerate(shape, start=ndim - len(shape)):
            if n < 0:
                raise RuntimeError(f"Trying to create tensor with negative dimension ({n}): ({n})")
            if n != 1 and result[i] not in (1, n):
                raise RuntimeError("Shape mismatch: objects cannot be broadcast to a single shape")
            result[i] = n if n != 1 else result[i]
    return Size(result)
