"""Adaptive pooling (the number of windows is given, not their size) and max unpooling."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

from pytensor.autograd.node import Node, record, wrap
from pytensor.backend import backend_of
from pytensor.ops.checks import check_tensor
from pytensor.ops.pool import gather_planes, scatter_planes
from pytensor.ops.pool_window import check_dtype, per_axis
from pytensor.ops.registry import op
from pytensor.typename import scalar_type_name

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool1d_with_indices",
    "adaptive_max_pool2d",
    "adaptive_max_pool2d_with_indices",
    "adaptive_max_pool3d",
    "adaptive_max_pool3d_with_indices",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
]


def _adaptive_size(function: str, axes: int, input: Any, output_size: Any) -> tuple[int, ...]:
    """The output size after PyTorch's checks; None keeps an axis as it is."""
    check_tensor(input, function, "input", 1)
    if isinstance(output_size, (tuple, list)):
        output_size = tuple(output_size)
        return _checked_size(function, axes, input.shape, output_size, tuple(map(type, output_size)))
    return _checked_size(function, axes, input.shape, output_size, type(output_size))


@functools.lru_cache(maxsize=256)
def _checked_size(function: str, axes: int, shape: Any, output_size: Any, types: Any) -> tuple[int, ...]:
    """The same for a shape. ``types`` keep apart what compares equal, as 1 and 1.0."""
    size = list(shape)
    ndim = len(size)
    if axes == 1:
        if not 2 <= ndim <= 3:
            raise RuntimeError(
                f"Expected 2 to 3 dimensions, but got {ndim}-dimensional tensor for argument #1 'self' (while "
                f"checking arguments for {function})"
            )
        out = per_axis(output_size, 1, function, "output_size", 2)
    else:
        if output_size is None or isinstance(output_size, int):
            output_size = (output_size,) * axes
        if len(output_size) != axes:
            raise RuntimeError(f"{function}: output_size must be {axes}")
        colon = ":" if "max" in function else ""
        if ndim not in (axes + 1, axes + 2):
            raise RuntimeError(f"{function}(): Expected {axes + 1}D or {axes + 2}D tensor, but got{colon} {size}")
        out = tuple(size[ndim - axes + i] if o is None else o for i, o in enumerate(output_size))
        out = per_axis(out, axes, function, "output_size", 2)
    first = 1 if ndim == axes + 2 else 0
    for i in range(max(first, ndim - axes - 1) if "max" in function else ndim - axes, ndim):
        if size[i] == 0:
            raise RuntimeError(
                f"{function}(): Expected input to have non-zero size for non-batch dimensions, but input has sizes "
                f"{size} with dimension {i} being empty"
            )
    if any(o < 0 for o in out):
        name, shown = ("adaptive_avg_pool2d", (1, *out)) if axes == 1 else (function, out)
        raise RuntimeError(
            f"{name}: elements of output_size must be greater than or equal to 0 but received "
            f"{{{', '.join(map(str, shown))}}}"
        )
    return out


class AdaptiveAvgPoolBackward(Node):
    """Named after the operation that PyTorch uses: a mean when there is one window."""

    def name(self) -> str:
        _, out = self.ctx
        if len(out) == 1:
            return "SqueezeBackward1"
        return "MeanBackward1" if all(o == 1 for o in out) else f"AdaptiveAvgPool{len(out)}DBackward0"

    def backward(self, grad: Tensor) -> Any:
        shape, out = self.ctx
        result = backend_of(grad._array).adaptive_avg_pool_backward(grad._array, shape, len(out))
        return (record(AdaptiveAvgPoolBackwardBackward, (grad,), result, ctx=out),)


class AdaptiveAvgPoolBackwardBackward(Node):
    def backward(self, grad: Tensor) -> Any:
        return (_adaptive_avg_pool(grad, self.ctx),)


def _adaptive_avg_pool(input: Tensor, out: tuple[int, ...]) -> Tensor:
    result = backend_of(input._array).adaptive_avg_pool(input._array, out)
    return record(AdaptiveAvgPoolBackward, (input,), result, ctx=(tuple(input.shape), out))


def _checked_adaptive_avg_pool(axes: int, input: Tensor, output_size: Any) -> Tensor:
    function = f"adaptive_avg_pool{axes}d"
    out = _adaptive_size(function, axes, input, output_size)
    if axes > 1 and all(o == 1 for o in out) and not input.dtype.is_floating_point:
        raise RuntimeError(
            "mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. Got: "
            f"{scalar_type_name(input.dtype)}"
        )
    check_dtype(input, function if axes > 1 else "adaptive_avg_pool2d", integers=False)
    return _adaptive_avg_pool(input, out)


@op(namespace="nn.functional")
@op(method=False)
def adaptive_avg_pool1d(input: Tensor, output_size: int) -> Tensor:
    """Averages (batch, channels, length) over ``output_size`` windows.

    Window o covers the inputs from floor(o * length / size) up to ceil((o + 1) * length / size).

    >>> import pytensor as torch
    >>> torch.nn.functional.adaptive_avg_pool1d(torch.tensor([[1., 2., 3., 4., 5.]]), 2)
    tensor([[2., 4.]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.adaptive_avg_pool1d.html
    """
    return _checked_adaptive_avg_pool(1, input, output_size)


@op(namespace="nn.functional")
def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Averages (batch, channels, height, width) over windows; ``output_size``: their number per axis, None: as many
    as there are inputs.

    >>> import pytensor as torch
    >>> torch.nn.functional.adaptive_avg_pool2d(torch.arange(16.).reshape(1, 4, 4), (1, 2))
    tensor([[[6.5000, 8.5000]]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.adaptive_avg_pool2d.html
    """
    return _checked_adaptive_avg_pool(2, input, output_size)


@op(namespace="nn.functional")
def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """Averages (batch, channels, depth, height, width) over windows. See :func:`adaptive_avg_pool2d`.

    >>> import pytensor as torch
    >>> torch.nn.functional.adaptive_avg_pool3d(torch.arange(8.).reshape(1, 2, 2, 2), 1)
    tensor([[[[3.5000]]]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.adaptive_avg_pool3d.html
    """
    return _checked_adaptive_avg_pool(3, input, output_size)


class AdaptiveMaxPoolBackward(Node):
    def name(self) -> str:
        _, axes = self.ctx
        return "SqueezeBackward1" if axes == 1 else f"AdaptiveMaxPool{axes}DBackward0"

    def backward(self, grad: Tensor) -> Any:
        (indices,) = self.saved
        shape, axes = self.ctx
        return (scatter_planes(grad, indices, shape, axes),)


def _adaptive_max_pool(axes: int, input: Tensor, output_size: Any, return_indices: bool) -> Any:
    function = f"adaptive_max_pool{axes}d"
    out = _adaptive_size(function, axes, input, output_size)
    check_dtype(input, function if axes > 1 else "adaptive_max_pool2d", integers=False)
    values, indices = backend_of(input._array).adaptive_max_pool(input._array, out)
    ctx = (tuple(input.shape), axes)
    result = record(AdaptiveMaxPoolBackward, (input,), values, saved=(indices,), ctx=ctx)
    return (result, wrap(indices)) if return_indices else result


@op(namespace="nn.functional")
def adaptive_max_pool1d(input: Tensor, output_size: int, return_indices: bool = False) -> Any:
    """Maximum of (batch, channels, length) over ``output_size`` windows; ``return_indices``: (maxima, positions).

    >>> import pytensor as torch
    >>> torch.nn.functional.adaptive_max_pool1d(torch.tensor([[1., 5., 3., 4.]]), 2)
    tensor([[5., 4.]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.adaptive_max_pool1d.html
    """
    return _adaptive_max_pool(1, input, output_size, return_indices)


@op(namespace="nn.functional")
def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Maximum of (batch, channels, height, width) over windows. See :func:`adaptive_avg_pool2d` for their number.

    >>> import pytensor as torch
    >>> torch.nn.functional.adaptive_max_pool2d(torch.arange(16.).reshape(1, 4, 4), (1, 2))
    tensor([[[13., 15.]]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.adaptive_max_pool2d.html
    """
    return _adaptive_max_pool(2, input, output_size, return_indices)


@op(namespace="nn.functional")
def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Maximum of (batch, channels, depth, height, width) over windows.

    >>> import pytensor as torch
    >>> torch.nn.functional.adaptive_max_pool3d(torch.arange(8.).reshape(1, 2, 2, 2), 1)
    tensor([[[[7.]]]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.adaptive_max_pool3d.html
    """
    return _adaptive_max_pool(3, input, output_size, return_indices)


@op(name="adaptive_max_pool1d", method=False)
@op(namespace="nn.functional")
def adaptive_max_pool1d_with_indices(
    input: Tensor, output_size: int, return_indices: bool = True
) -> tuple[Tensor, Tensor]:
    """(maxima, their positions) of :func:`adaptive_max_pool1d`.

    >>> import pytensor as torch
    >>> torch.adaptive_max_pool1d(torch.tensor([[1., 5., 3., 4.]]), 2)[1]
    tensor([[1, 3]])
    """
    return _adaptive_max_pool(1, input, output_size, True)


@op(namespace="nn.functional")
def adaptive_max_pool2d_with_indices(
    input: Tensor, output_size: Any, return_indices: bool = True
) -> tuple[Tensor, Tensor]:
    """(maxima, their positions) of :func:`adaptive_max_pool2d`.

    >>> import pytensor as torch
    >>> torch.nn.functional.adaptive_max_pool2d_with_indices(torch.arange(4.).reshape(1, 2, 2), 1)[1]
    tensor([[[3]]])
    """
    return _adaptive_max_pool(2, input, output_size, True)


@op(namespace="nn.functional")
def adaptive_max_pool3d_with_indices(
    input: Tensor, output_size: Any, return_indices: bool = True
) -> tuple[Tensor, Tensor]:
    """(maxima, their positions) of :func:`adaptive_max_pool3d`.

    >>> import pytensor as torch
    >>> torch.nn.functional.adaptive_max_pool3d_with_indices(torch.arange(8.).reshape(1, 2, 2, 2), 1)[1]
    tensor([[[[7]]]])
    """
    return _adaptive_max_pool(3, input, output_size, True)


# --- unpooling ---


class MaxUnpoolBackward(Node):
    def name(self) -> str:
        axes = self.ctx
        return "SqueezeBackward1" if axes == 1 else f"MaxUnpool{axes}DBackward0"

    def backward(self, grad: Tensor) -> Any:
        (indices,) = self.saved
        return (gather_planes(grad, indices._array, self.ctx),)


def _unpool_size(input: Any, kernel: Any, stride: Any, padding: Any, output_size: Any) -> tuple[int, ...]:
    axes = len(kernel)
    sizes = input.shape[input.ndim - axes :]
    default = [(n - 1) * s + k - 2 * p for n, s, k, p in zip(sizes, stride, kernel, padding, strict=True)]
    if output_size is None:
        return tuple(default)
    wanted = output_size
    if len(wanted) == axes + 2:
        wanted = wanted[2:]
    if len(wanted) != axes:
        raise ValueError(
            f"output_size should be a sequence containing {axes} or {axes + 2} elements, but it has a length of "
            f"'{len(wanted)}'"
        )
    for d in range(axes):
        low, high = default[d] - stride[d], default[d] + stride[d]
        if not low < wanted[d] < high:
            raise ValueError(f'invalid output_size "{wanted}" (dim {d} must be between {low} and {high})')
    return tuple(wanted)


def _max_unpool(
    axes: int, input: Any, indices: Any, kernel_size: Any, stride: Any, padding: Any, output_size: Any
) -> Tensor:
    function = f"max_unpool{axes}d"
    check_tensor(input, function, "input", 1)
    check_tensor(indices, function, "indices", 2)
    kernel = per_axis(kernel_size, axes, function, "kernel_size", 3)
    stride = kernel if stride is None else per_axis(stride, axes, function, "stride", 4)
    padding = per_axis(padding, axes, function, "padding", 5)
    if input.ndim not in (axes + 1, axes + 2):
        raise RuntimeError(
            f"Input to max_unpooling{axes}d should be a {axes + 1}d or {axes + 2}d Tensor, but got a tensor with "
            f"{input.ndim} dimensions."
        )
    out = _unpool_size(input, kernel, stride, padding, output_size)
    if scalar_type_name(indices.dtype) != "Long":
        raise RuntimeError(f"elements in indices should be type int64 but got: {scalar_type_name(indices.dtype)}")
    if indices.shape != input.shape:
        raise RuntimeError(
            f"Expected shape of indices to be same as that of the input tensor ({list(input.shape)}) but got indices "
            f"tensor with shape: {list(indices.shape)}"
        )
    backend, lead = backend_of(input._array), tuple(input.shape)[: input.ndim - axes]
    result = backend.pool_unpool(input._array, indices._array, (*lead, *out), axes)
    if result is None:
        wrong = backend.bad_target(indices._array, math.prod(out), 0)  # 0 needs no check
        raise RuntimeError(
            f"Found an invalid max index: {wrong} (output volumes are of size {'x'.join(map(str, out))})"
        )
    return record(MaxUnpoolBackward, (input,), result, saved=(indices,), ctx=axes)


@op(namespace="nn.functional")
def max_unpool1d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Tensor:
    """Partial inverse of ``max_pool1d``: maxima go back to where they came from, the rest is 0.

    Args:
        indices: what ``max_pool1d`` gave with ``return_indices=True``.
        output_size: the size that was pooled, where several sizes are possible.

    Raises:
        ValueError: for an impossible output_size.

    >>> import pytensor as torch
    >>> x = torch.tensor([[1., 3., 2., 0.]])
    >>> torch.nn.functional.max_unpool1d(*torch.max_pool1d_with_indices(x, 2), 2)
    tensor([[0., 3., 2., 0.]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.max_unpool1d.html
    """
    return _max_unpool(1, input, indices, kernel_size, stride, padding, output_size)


@op(namespace="nn.functional")
def max_unpool2d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Tensor:
    """Partial inverse of ``max_pool2d``. See :func:`max_unpool1d`.

    >>> import pytensor as torch
    >>> x = torch.arange(4.).reshape(1, 2, 2)
    >>> F = torch.nn.functional
    >>> F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2)
    tensor([[[0., 0.],
             [0., 3.]]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.max_unpool2d.html
    """
    return _max_unpool(2, input, indices, kernel_size, stride, padding, output_size)


@op(namespace="nn.functional")
def max_unpool3d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Tensor:
    """Partial inverse of ``max_pool3d``. See :func:`max_unpool1d`.

    >>> import pytensor as torch
    >>> x = torch.arange(8.).reshape(1, 2, 2, 2)
    >>> F = torch.nn.functional
    >>> F.max_unpool3d(*F.max_pool3d(x, 2, return_indices=True), 2).sum()
    tensor(7.)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.max_unpool3d.html
    """
    return _max_unpool(3, input, indices, kernel_size, stride, padding, output_size)
