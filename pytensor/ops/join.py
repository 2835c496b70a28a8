"""Joining and splitting: cat, stack and their kin copy; split, chunk, unbind and theirs give views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pytensor import _C
from pytensor.autograd.node import Node, record, view, views
from pytensor.backend import backend_of
from pytensor.backend.reference.array_module import array_module
from pytensor.dtypes import promote_types
from pytensor.ops.axes import numpy_names
from pytensor.ops.checks import by_name, check_same_device, normalize_dim
from pytensor.ops.out import write_out
from pytensor.ops.parts import narrow
from pytensor.ops.pointwise_core import quick
from pytensor.ops.registry import op
from pytensor.ops.views import reshape, unsqueeze

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = [
    "cat",
    "chunk",
    "column_stack",
    "dsplit",
    "dstack",
    "hsplit",
    "hstack",
    "split",
    "split_with_sizes",
    "stack",
    "tensor_split",
    "unbind",
    "vsplit",
    "vstack",
]


def _tensor_list(tensors: Any, name: str) -> tuple[Any, ...]:
    if isinstance(tensors, _C.TensorBase):
        raise TypeError(f"{name}(): argument 'tensors' (position 1) must be tuple of Tensors, not Tensor")
    tensors = tuple(tensors)
    for i, t in enumerate(tensors):
        if not isinstance(t, _C.TensorBase):
            raise TypeError(f"expected Tensor as element {i} in argument 0, but got {type(t).__name__}")
    return tensors


def _joined_dtype(tensors: Sequence[Any]) -> Any:
    d = tensors[0].dtype
    for t in tensors[1:]:
        d = promote_types(d, t.dtype)
    return d


def concatenate_arrays(arrays: Sequence[Any], axis: int, d: Any) -> Any:
    """Arrays joined along an axis, in pooled memory on the CPU."""
    if all(a.dtype == d.numpy for a in arrays):
        return backend_of(arrays[0]).join(arrays, axis)
    if not isinstance(arrays[0], np.ndarray):
        return array_module(arrays[0]).concatenate([a.astype(d.numpy, copy=False) for a in arrays], axis)
    shape = list(arrays[0].shape)
    shape[axis] = sum(a.shape[axis] for a in arrays)
    return np.concatenate(arrays, axis, out=_C.new_array(shape, d.numpy.num), casting="unsafe")


class CatBackward0(Node):
    """ctx = (axis, sizes along it; None for the empty 1-d tensors that cat skips)."""

    def backward(self, grad: Tensor) -> Any:
        axis, sizes = self.ctx
        needs = self.needs_input_grad
        grads, start = [], 0
        for i, size in enumerate(sizes):
            if size is None:
                grads.append(grad.new_zeros((0,)) if needs[i] else None)
                continue
            grads.append(narrow(grad, axis, start, size) if needs[i] else None)
            start += size
        return tuple(grads)


@op(method=False, aliases=("concat", "concatenate"))
@quick("cat", CatBackward0)
@numpy_names
def cat(tensors: Sequence[Tensor], dim: int = 0, *, out: Tensor | None = None) -> Tensor:
    """Tensors joined along an existing axis; 1-d tensors without elements are skipped.

    Raises:
        RuntimeError: when sizes differ along another axis.

    >>> import pytensor as torch
    >>> torch.cat((torch.zeros(2), torch.ones(1)))
    tensor([0., 0., 1.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.cat.html
    """
    tensors = _tensor_list(tensors, "cat")
    if not tensors:
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    for i, t in enumerate(tensors):
        if t.ndim == 0:
            raise RuntimeError(f"zero-dimensional tensor (at position {i}) cannot be concatenated")
    check_same_device(*tensors)
    real = [t for t in tensors if t.shape != (0,)]
    first = real[0] if real else tensors[0]
    axis = normalize_dim(dim, first.ndim)
    for i, t in enumerate(tensors):
        if t.shape != (0,) or not real:
            _check_joinable(first, t, axis, i)
    d = _joined_dtype(tensors)
    array = concatenate_arrays([t._array for t in (real or tensors)], axis, d)
    sizes = tuple(None if real and t.shape == (0,) and first.ndim != 1 else t.shape[axis] for t in tensors)
    return write_out(record(CatBackward0, tensors, array, ctx=(axis, sizes)), out, "cat")


def _check_joinable(first: Any, t: Any, axis: int, position: int) -> None:
    if t.ndim != first.ndim:
        raise RuntimeError(f"Tensors must have same number of dimensions: got {first.ndim} and {t.ndim}")
    for i, (a, b) in enumerate(zip(first.shape, t.shape, strict=True)):
        if i != axis and a != b:
            raise RuntimeError(
                f"Sizes of tensors must match except in dimension {axis}. Expected size {a} but got size {b} for tensor "
                f"number {position} in the list."
            )


class StackBackward0(Node):
    """ctx = axis."""

    def backward(self, grad: Tensor) -> Any:
        needs = self.needs_input_grad
        return tuple(grad.select(self.ctx, i) if n else None for i, n in enumerate(needs))


@op(method=False)
@quick("stack", StackBackward0)
@numpy_names
def stack(tensors: Sequence[Tensor], dim: int = 0, *, out: Tensor | None = None) -> Tensor:
    """Tensors of one shape joined along a new axis.

    >>> import pytensor as torch
    >>> torch.stack((torch.zeros(2), torch.ones(2)), 1)
    tensor([[0., 1.],
            [0., 1.]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.stack.html
    """
    tensors = _tensor_list(tensors, "stack")
    if not tensors:
        raise RuntimeError("stack expects a non-empty TensorList")
    for i, t in enumerate(tensors):
        if t.shape != tensors[0].shape:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(tensors[0].shape)} at entry 0 and "
                f"{list(t.shape)} at entry {i}"
            )
    check_same_device(*tensors)
    axis = normalize_dim(dim, tensors[0].ndim + 1)
    new = (slice(None),) * axis + (None,)
    array = concatenate_arrays([t._array[new] for t in tensors], axis, _joined_dtype(tensors))
    return write_out(record(StackBackward0, tensors, array, ctx=axis), out, "stack")


def _at_least(t: Any, ndim: int) -> Any:
    """A tensor with at least 1, 2 or 3 axes, as NumPy's atleast_nd places them."""
    if ndim >= 1 and t.ndim == 0:
        t = reshape(t, (1,))
    if ndim >= 2 and t.ndim == 1:
        t = unsqueeze(t, 0)
    if ndim >= 3 and t.ndim == 2:
        t = unsqueeze(t, 2)
    return t


def _atleast(ndim: int) -> Any:
    def atleast(*tensors: Any) -> Any:
        given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)) else tensors
        result = tuple(_at_least(t, ndim) for t in given)
        return result[0] if len(tensors) == 1 and isinstance(tensors[0], _C.TensorBase) else result

    atleast.__name__ = atleast.__qualname__ = f"atleast_{ndim}d"
    atleast.__doc__ = f"Tensors with at least {ndim} axes.\n\n    >>> import pytensor as torch\n    >>> torch.atleast_{ndim}d(torch.tensor(1.0)).ndim\n    {ndim}\n    "
    return op(method=False)(atleast)


atleast_1d, atleast_2d, atleast_3d = _atleast(1), _atleast(2), _atleast(3)


@op(method=False)
def hstack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """Tensors joined side by side: along axis 1, along axis 0 for 1-d tensors.

    >>> import pytensor as torch
    >>> torch.hstack((torch.tensor([1, 2]), torch.tensor([3])))
    tensor([1, 2, 3])
    """
    given = [_at_least(t, 1) for t in _tensor_list(tensors, "hstack")]
    if not given:
        raise RuntimeError("hstack expects a non-empty TensorList")
    return cat(given, 0 if given[0].ndim == 1 else 1, out=out)


@op(method=False, aliases=("row_stack",))
def vstack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """Tensors joined as rows.

    >>> import pytensor as torch
    >>> torch.vstack((torch.tensor([1, 2]), torch.tensor([3, 4])))
    tensor([[1, 2],
            [3, 4]])
    """
    return cat([_at_least(t, 2) for t in _tensor_list(tensors, "vstack")], 0, out=out)


@op(method=False)
def dstack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """Tensors joined in depth, along axis 2.

    >>> import pytensor as torch
    >>> torch.dstack((torch.tensor([1, 2]), torch.tensor([3, 4]))).shape
    torch.Size([1, 2, 2])
    """
    return cat([_at_least(t, 3) for t in _tensor_list(tensors, "dstack")], 2, out=out)


@op(method=False)
def column_stack(tensors: Sequence[Tensor], *, out: Tensor | None = None) -> Tensor:
    """1-d tensors as the columns of a matrix, others side by side.

    >>> import pytensor as torch
    >>> torch.column_stack((torch.tensor([1, 2]), torch.tensor([3, 4])))
    tensor([[1, 3],
            [2, 4]])
    """
    given = [reshape(t, (t.numel(), 1)) if t.ndim <= 1 else t for t in _tensor_list(tensors, "column_stack")]
    return hstack(given, out=out)


class SliceBackward0(Node):
    """One of several views of a tensor; ctx = (input shape, key)."""

    def backward(self, grad: Tensor) -> Any:
        from pytensor.ops.indexing import place

        shape, key = self.ctx
        return (place(grad, shape, key),)


class SplitBackward0(Node):
    """All parts of an axis, in order; ctx = (shapes of the parts, axis)."""

    def backward(self, *grads: Tensor | None) -> Any:
        shapes, axis = self.ctx
        return (cat(_complete(grads, shapes), axis),)


class UnbindBackward0(Node):
    """All entries of an axis; ctx as of SplitBackward0."""

    def backward(self, *grads: Tensor | None) -> Any:
        shapes, axis = self.ctx
        return (stack(_complete(grads, shapes), axis),)


def _complete(grads: Sequence[Any], shapes: Sequence[tuple[int, ...]]) -> list[Any]:
    """The gradients, zeros where none came."""
    some = next(g for g in grads if g is not None)
    return [some.new_zeros(shape) if g is None else g for g, shape in zip(grads, shapes, strict=True)]


def _parts(input: Any, axis: int, bounds: Sequence[tuple[int, int]]) -> tuple:
    """Views of ranges of an axis."""
    array, shape, lead = input._array, input.shape, (slice(None),) * axis
    keys = [(*lead, slice(start, stop)) for start, stop in bounds]
    arrays = tuple([array[key] for key in keys])
    edges = [0, *(stop for _, stop in bounds)]
    if edges[-1] == shape[axis] and all(start == edge for (start, _), edge in zip(bounds, edges, strict=False)):
        return views(input, arrays, SplitBackward0, ([a.shape for a in arrays], axis))
    return tuple(view(input, a, SliceBackward0, (shape, key), True) for a, key in zip(arrays, keys, strict=True))


@op()
@quick("parts", SplitBackward0, kernel="split", arguments=("split_size_or_sections", "dim"))
@by_name("split_size")
def split(tensor: Tensor, split_size_or_sections: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Views of consecutive parts of an axis: of a given size (the last may be smaller), or of given sizes.

    >>> import pytensor as torch
    >>> torch.arange(5).split(2)
    (tensor([0, 1]), tensor([2, 3]), tensor([4]))

    Source: https://docs.pytorch.org/docs/stable/generated/torch.split.html
    """
    if tensor.ndim == 0:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    if not isinstance(split_size_or_sections, int):
        return split_with_sizes(tensor, split_size_or_sections, dim)
    size = split_size_or_sections
    axis = normalize_dim(dim, tensor.ndim)
    length = tensor.shape[axis]
    if size < 0:
        raise RuntimeError(f"split expects split_size be non-negative, but got split_size={size}")
    if size == 0:
        if length != 0:
            raise RuntimeError(f"split_size can only be 0 if dimension size is 0, but got dimension size of {length}")
        return _parts(tensor, axis, [(0, 0)])
    starts = range(0, max(length, 1), size)
    return _parts(tensor, axis, [(s, min(s + size, length)) for s in starts])


@op()
def split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Views of consecutive parts of an axis, of given sizes that add up to its own.

    >>> import pytensor as torch
    >>> torch.arange(5).split_with_sizes([1, 4])
    (tensor([0]), tensor([1, 2, 3, 4]))
    """
    axis = normalize_dim(dim, input.ndim)
    sizes = list(split_sizes)
    if any(s < 0 for s in sizes):
        raise RuntimeError(
            f"split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes={sizes}"
        )
    if sum(sizes) != input.shape[axis]:
        raise RuntimeError(
            f"split_with_sizes expects split_sizes to sum exactly to {input.shape[axis]} (input tensor's size at "
            f"dimension {dim}), but got split_sizes={sizes}"
        )
    bounds, start = [], 0
    for size in sizes:
        bounds.append((start, start + size))
        start += size
    return _parts(input, axis, bounds)


@op()
@quick("parts", SplitBackward0, kernel="chunk", arguments=("chunks", "dim"))
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of at most ``chunks`` parts of an axis, all of one size but the last.

    >>> import pytensor as torch
    >>> torch.arange(5).chunk(2)
    (tensor([0, 1, 2]), tensor([3, 4]))

    Source: https://docs.pytorch.org/docs/stable/generated/torch.chunk.html
    """
    if input.ndim == 0:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    axis = normalize_dim(dim, input.ndim)
    length = input.shape[axis]
    size = -(-length // chunks)
    if size == 0:
        return _parts(input, axis, [(0, 0)] * chunks)
    return split(input, size, axis)


@op()
def tensor_split(input: Tensor, indices_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of parts of an axis: that many of nearly equal size, or cut at the given indices.

    >>> import pytensor as torch
    >>> torch.arange(5).tensor_split(3)
    (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    """
    if input.ndim == 0:
        raise RuntimeError("tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims")
    axis = normalize_dim(dim, input.ndim)
    length = input.shape[axis]
    if isinstance(indices_or_sections, _C.TensorBase):
        indices_or_sections = indices_or_sections.tolist()
    if isinstance(indices_or_sections, int):
        sections = indices_or_sections
        if sections <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {sections}")
        base, extra = divmod(length, sections)
        cuts = [i * base + min(i, extra) for i in range(1, sections)]
    else:
        cuts = [slice(None, c).indices(length)[1] for c in indices_or_sections]
    starts, stops = [0, *cuts], [*cuts, length]
    return _parts(input, axis, [(a, max(a, b)) for a, b in zip(starts, stops, strict=True)])


def _axis_split(name: str, axis: int, least: int) -> Any:
    def cut(input: Any, indices_or_sections: Any) -> Any:
        if input.ndim < least:
            raise RuntimeError(
                f"torch.{name} requires a tensor with at least {least} dimension, but got a tensor with {input.ndim} dimensions!"
            )
        at = 0 if axis == 1 and input.ndim == 1 else axis
        if isinstance(indices_or_sections, int) and input.shape[at] % indices_or_sections:
            raise RuntimeError(
                f"torch.{name} attempted to split along dimension {at}, but the size of the dimension {input.shape[at]} is "
                f"not divisible by the split_size {indices_or_sections}!"
            )
        return tensor_split(input, indices_or_sections, at)

    cut.__name__ = cut.__qualname__ = name
    cut.__doc__ = f"tensor_split along axis {axis}.\n\n    >>> import pytensor as torch\n    >>> len(torch.zeros(2, 2, 2).{name}(2))\n    2\n    "
    return op()(cut)


hsplit, vsplit, dsplit = _axis_split("hsplit", 1, 1), _axis_split("vsplit", 0, 2), _axis_split("dsplit", 2, 3)


@op()
@quick("parts", UnbindBackward0, kernel="unbind", arguments=("dim",))
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of all entries of an axis.

    >>> import pytensor as torch
    >>> torch.eye(2).unbind()
    (tensor([1., 0.]), tensor([0., 1.]))

    Source: https://docs.pytorch.org/docs/stable/generated/torch.unbind.html
    """
    if input.ndim == 0:
        raise IndexError("Dimension specified as 0 but tensor has no dimensions")
    axis = normalize_dim(dim, input.ndim)
    array, lead = input._array, (slice(None),) * axis
    arrays = tuple([array[(*lead, i, Ellipsis)] for i in range(input.shape[axis])])
    return views(input, arrays, UnbindBackward0, ([a.shape for a in arrays], axis))
