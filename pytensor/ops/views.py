"""Shape ops that give views: the result shares the input's memory."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from pytensor import _C
from pytensor.autograd.node import Node, view
from pytensor.backend.reference.array_module import array_module
from pytensor.dtypes import dtype
from pytensor.ops.checks import by_name, normalize_dim, normalize_dims, sizes_argument
from pytensor.ops.pointwise_core import quick
from pytensor.ops.registry import op

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = [
    "expand",
    "flatten",
    "movedim",
    "permute",
    "reshape",
    "squeeze",
    "sum_to_size",
    "t",
    "transpose",
    "unflatten",
    "unsqueeze",
]


def infer_size(sizes: tuple[int, ...], numel: int) -> tuple[int, ...]:
    """Sizes with a -1 replaced by what is left over."""
    if -1 not in sizes and min(sizes, default=0) >= 0 and math.prod(sizes) == numel:
        return sizes
    unknown = [i for i, s in enumerate(sizes) if s == -1]
    if len(unknown) > 1:
        raise RuntimeError("only one dimension can be inferred")
    for s in sizes:
        if s < -1:
            raise RuntimeError(f"invalid shape dimension {s} at index {sizes.index(s)} of shape {list(sizes)}")
    known = math.prod(s for s in sizes if s != -1)
    if unknown:
        if known == 0 and numel == 0:
            raise RuntimeError(
                f"cannot reshape tensor of 0 elements into shape {list(sizes)} because the unspecified dimension size "
                "-1 can be any value and is ambiguous"
            )
        if known != 0 and numel % known == 0:
            at = unknown[0]
            return (*sizes[:at], numel // known, *sizes[at + 1 :])
    elif known == numel:
        return sizes
    raise RuntimeError(f"shape '{list(sizes)}' is invalid for input of size {numel}")


class ReshapeBase(Node):
    """ctx = input shape."""

    def backward(self, grad: Tensor) -> Any:
        return (grad.reshape(self.ctx),)


class ViewBackward0(ReshapeBase):
    quick = (("reshape",),)


class UnsafeViewBackward0(ReshapeBase):
    pass


@op(name="view", function=False)
@quick("view", ViewBackward0, kernel="reshape")
@by_name("size", "dtype")
def view_(input: Tensor, *shape: Any) -> Tensor:
    """The same memory in another shape (or dtype of the same size).

    Raises:
        RuntimeError: when the number of elements differs, or the strides do not allow a view.

    >>> import pytensor as torch
    >>> torch.arange(6).view(2, -1)
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    if len(shape) == 1 and isinstance(shape[0], dtype):
        return view(input.detach(), input._array.view(shape[0].numpy), ViewBackward0, None)
    array = input._array
    out = _C.reshape_view(array, shape)
    if out is not None:
        return view(input, out, ViewBackward0, array.shape)
    sizes = infer_size(sizes_argument(shape), input.numel())
    out = array.reshape(sizes) if array.flags.c_contiguous else _strided_view(array, sizes)
    if out is None:
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one dimension spans across two "
            "contiguous subspaces). Use .reshape(...) instead."
        )
    return view(input, out, ViewBackward0, input.shape)


def _strided_view(array: Any, shape: tuple[int, ...]) -> Any:
    """A non-contiguous array in another shape if strides allow it, else None."""
    if array.size == 0:
        return array.reshape(shape)
    out = array.reshape(shape)
    from pytensor.autograd.views import address

    return out if address(out) == address(array) and array_module(array).shares_memory(out, array) else None


@op()
@quick("view", ViewBackward0, kernel="reshape")
@by_name("shape")
def reshape(input: Tensor, *shape: Any) -> Tensor:
    """The elements in another shape: a view where the strides allow, else a copy.

    >>> import pytensor as torch
    >>> torch.reshape(torch.arange(4), (2, 2))
    tensor([[0, 1],
            [2, 3]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.reshape.html
    """
    array = input._array
    out = _C.reshape_view(array, shape)
    if out is not None:
        return view(input, out, ViewBackward0, array.shape)
    sizes = infer_size(sizes_argument(shape), input.numel())
    if array.flags.c_contiguous:
        return view(input, array.reshape(sizes), ViewBackward0, input.shape)
    out = _strided_view(array, sizes)
    if out is not None:
        return view(input, out, ViewBackward0, input.shape)
    copied = input.contiguous()
    return _C.record(UnsafeViewBackward0, (copied,), copied._array.reshape(sizes), ctx=copied.shape)


@op(function=False)
def view_as(input: Tensor, other: Tensor) -> Tensor:
    """The same memory in the shape of ``other``.

    >>> import pytensor as torch
    >>> torch.arange(4).view_as(torch.ones(2, 2))
    tensor([[0, 1],
            [2, 3]])
    """
    return input.view(other.shape)


@op(function=False)
def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """The elements in the shape of ``other``.

    >>> import pytensor as torch
    >>> torch.arange(4).reshape_as(torch.ones(2, 2))
    tensor([[0, 1],
            [2, 3]])
    """
    return reshape(input, other.shape)


@op()
@quick("view", ViewBackward0, kernel="flatten", arguments=("start_dim", "end_dim"))
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The axes from ``start_dim`` to ``end_dim`` as one.

    >>> import pytensor as torch
    >>> torch.zeros(2, 3, 4).flatten(1).shape
    torch.Size([2, 12])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.flatten.html
    """
    shape = input.shape
    if not shape:
        return reshape(input, (1,))
    start, end = normalize_dim(start_dim, len(shape)), normalize_dim(end_dim, len(shape))
    if start > end:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if start == end:
        return input
    return reshape(input, (*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :]))


@op()
def ravel(input: Tensor) -> Tensor:
    """All elements along one axis.

    >>> import pytensor as torch
    >>> torch.zeros(2, 3).ravel().shape
    torch.Size([6])
    """
    return reshape(input.contiguous(), (-1,)) if input.numel() else reshape(input, (0,))


@op()
@quick("view", ViewBackward0, kernel="unflatten", arguments=("dim", "sizes"))
def unflatten(input: Tensor, dim: int, sizes: Any) -> Tensor:
    """One axis as several.

    >>> import pytensor as torch
    >>> torch.zeros(2, 12).unflatten(1, (3, -1)).shape
    torch.Size([2, 3, 4])
    """
    at = normalize_dim(dim, input.ndim)
    sizes = tuple(sizes)
    if not sizes:
        raise RuntimeError("unflatten: sizes must be non-empty")
    shape = input.shape
    try:
        full = infer_size(sizes, shape[at])
    except RuntimeError:
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {at} ({shape[at]}) in the "
            "input tensor"
        ) from None
    return view_(input, (*shape[:at], *full, *shape[at + 1 :]))


class PermuteBackward0(Node):
    """ctx = the permutation."""

    def backward(self, grad: Tensor) -> Any:
        inverse = [0] * len(self.ctx)
        for i, d in enumerate(self.ctx):
            inverse[d] = i
        return (permute(grad, inverse),)


@op()
@quick("view", PermuteBackward0, kernel="permute")
@by_name("dims")
def permute(input: Tensor, *dims: Any) -> Tensor:
    """A view with the axes in another order.

    >>> import pytensor as torch
    >>> torch.zeros(2, 3, 4).permute(2, 0, 1).shape
    torch.Size([4, 2, 3])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.permute.html
    """
    wanted = sizes_argument(dims)
    if len(wanted) != input.ndim:
        raise RuntimeError(
            f"permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired "
            f"ordering of dimensions i.e. input.dim() = {input.ndim} is not equal to len(dims) = {len(wanted)}"
        )
    order = tuple(normalize_dim(d, input.ndim) for d in wanted)
    if len(set(order)) != len(order):
        raise RuntimeError("permute(): duplicate dims are not allowed.")
    return view(input, input._array.transpose(order), PermuteBackward0, order)


class TransposeBackward0(Node):
    """ctx = the two axes."""

    def backward(self, grad: Tensor) -> Any:
        return (transpose(grad, *self.ctx),)


class TBackward0(Node):
    quick = (("t",),)

    def backward(self, grad: Tensor) -> Any:
        return (t(grad),)


@op(aliases=("swapaxes", "swapdims"))
@quick("view", TransposeBackward0, kernel="transpose", arguments=("dim0", "dim1"))
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """A view with two axes swapped.

    >>> import pytensor as torch
    >>> torch.zeros(2, 3).transpose(0, 1).shape
    torch.Size([3, 2])
    """
    ndim = input.ndim
    a, b = normalize_dim(dim0, ndim), normalize_dim(dim1, ndim)
    array = input._array
    return view(input, array.swapaxes(a, b) if ndim else array.view(), TransposeBackward0, (a, b))


@op()
@quick("view", TBackward0, kernel="t")
def t(input: Tensor) -> Tensor:
    """A matrix with its axes swapped; 0-d and 1-d tensors as they are.

    >>> import pytensor as torch
    >>> torch.zeros(2, 3).t().shape
    torch.Size([3, 2])
    """
    array = input._array
    if array.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {array.ndim}D")
    return view(input, array.T, TBackward0)


@op()
def adjoint(input: Tensor) -> Tensor:
    """Matrices conjugated and transposed.

    >>> import pytensor as torch
    >>> torch.zeros(2, 3).adjoint().shape
    torch.Size([3, 2])
    """
    return input.mH


@op(aliases=("moveaxis",))
@quick("view", PermuteBackward0, kernel="movedim", arguments=("source", "destination"))
def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Moves axes to other places, the rest keep their order.

    >>> import pytensor as torch
    >>> torch.zeros(2, 3, 4).movedim(0, 2).shape
    torch.Size([3, 4, 2])
    """
    src, dst = normalize_dims(source, input.ndim), normalize_dims(destination, input.ndim)
    if len(src) != len(dst):
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({list(src)} dims) should contain the same number of "
            f"dims as destination ({list(dst)} dims)"
        )
    rest = [d for d in range(input.ndim) if d not in src]
    order = [0] * input.ndim
    for s, d in zip(src, dst, strict=True):
        order[d] = s
    free = iter(rest)
    return permute(input, [order[i] if i in dst else next(free) for i in range(input.ndim)])


class SqueezeBackward0(ReshapeBase):
    pass


class SqueezeBackward1(ReshapeBase):
    pass


@op()
@quick("view", SqueezeBackward0, kernel="squeeze", arguments=("dim",), alternate=SqueezeBackward1)
def squeeze(input: Tensor, dim: Any = None) -> Tensor:
    """A view without the axes of size 1 (all, or those named).

    >>> import pytensor as torch
    >>> torch.zeros(1, 3, 1).squeeze().shape, torch.zeros(1, 3, 1).squeeze(0).shape
    (torch.Size([3]), torch.Size([3, 1]))
    """
    array = input._array
    if dim is None:
        return view(input, array.squeeze(), SqueezeBackward0, input.shape)
    dims = normalize_dims(dim, array.ndim)
    axes = tuple(d for d in dims if array.ndim and array.shape[d] == 1)
    return view(input, array.squeeze(axes) if axes else array.view(), SqueezeBackward1, input.shape)


class UnsqueezeBackward0(ReshapeBase):
    pass


@op()
@quick("view", UnsqueezeBackward0, kernel="unsqueeze", arguments=("dim",))
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """A view with a new axis of size 1.

    >>> import pytensor as torch
    >>> torch.zeros(3).unsqueeze(-1).shape
    torch.Size([3, 1])
    """
    array = input._array
    at = normalize_dim(dim, array.ndim + 1)
    return view(input, array[(slice(None),) * at + (None,)], UnsqueezeBackward0, input.shape)


class ExpandBackward0(Node):
    """ctx = input shape."""

    def backward(self, grad: Tensor) -> Any:
        return (sum_to_size(grad, self.ctx),)


@op(function=False)
@quick("view", ExpandBackward0, kernel="expand")
@by_name("size")
def expand(input: Tensor, *sizes: Any, implicit: bool = False) -> Tensor:
    """A view with axes of size 1 stretched, and new leading axes; -1 keeps a size.

    >>> import pytensor as torch
    >>> torch.zeros(3, 1).expand(2, -1, 4).shape
    torch.Size([2, 3, 4])
    """
    wanted = sizes_argument(sizes)
    array = input._array
    shape = array.shape
    if shape and (-1 in wanted or wanted != shape):
        wanted = _expanded_sizes(input, wanted, shape)
    elif min(wanted, default=0) < 0:
        wanted = _expanded_sizes(input, wanted, shape)
    if isinstance(array, np.ndarray):
        out = _C.broadcast_view(array, wanted)
    else:
        out = array_module(array).broadcast_to(array, wanted)
    return view(input, out, ExpandBackward0, input.shape)


def _expanded_sizes(input: Tensor, wanted: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    """The sizes with -1 filled in, checked."""
    missing = len(wanted) - len(shape)
    if missing < 0:
        raise RuntimeError(
            f"expand({input.type()}{{{list(shape)}}}, size={list(wanted)}): the number of sizes provided "
            f"({len(wanted)}) must be greater or equal to the number of dimensions in the tensor ({len(shape)})"
        )
    full = []
    for i, size in enumerate(wanted):
        have = shape[i - missing] if i >= missing else None
        if size == -1:
            if have is None:
                raise RuntimeError(
                    f"The expanded size of the tensor (-1) isn't allowed in a leading, non-existing dimension {i}"
                )
            size = have
        if size < 0 or (have not in (None, 1, size)):
            raise RuntimeError(
                f"The expanded size of the tensor ({size}) must match the existing size ({have}) at non-singleton "
                f"dimension {i}.  Target sizes: {list(wanted)}.  Tensor sizes: {list(shape)}"
            )
        full.append(size)
    return tuple(full)


@op(function=False)
@quick("view", ExpandBackward0, kernel="expand_as", arguments=("other",))
def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """``expand`` to the shape of another tensor.

    >>> import pytensor as torch
    >>> torch.arange(2).expand_as(torch.ones(2, 2))
    tensor([[0, 1],
            [0, 1]])
    """
    return expand(input, other.shape)


@op()
@quick("view", ExpandBackward0, kernel="broadcast_to", arguments=("size",))
def broadcast_to(input: Tensor, size: Any) -> Tensor:
    """``expand`` as a function.

    >>> import pytensor as torch
    >>> torch.broadcast_to(torch.arange(2), (2, 2))
    tensor([[0, 1],
            [0, 1]])
    """
    return expand(input, tuple(size))


@op(function=False)
@by_name("size")
def sum_to_size(input: Tensor, *size: Any) -> Tensor:
    """Sums over axes so that the result has a shape that broadcasts to this one's.

    >>> import pytensor as torch
    >>> torch.ones(2, 3).sum_to_size(1, 3)
    tensor([[2., 2., 2.]])
    """
    wanted = sizes_argument(size)
    shape = input.shape
    extra = len(shape) - len(wanted)
    if extra < 0 or any(w not in (1, n) for w, n in zip(wanted, shape[max(extra, 0) :], strict=True)):
        raise RuntimeError(f"size {{{list(wanted)}}} is not expandable to size {{{list(shape)}}}.")
    axes = [i for i in range(len(shape)) if i < extra or (wanted[i - extra] == 1 and shape[i] != 1)]
    if not axes:
        return input
    summed = input.sum(axes, keepdim=True)
    return reshape(summed, wanted) if extra else summed
