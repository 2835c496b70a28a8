"""Max, average and power-average pooling."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pytensor.autograd.grad_mode import is_grad_enabled
from pytensor.autograd.node import Node, record, wrap
from pytensor.backend import backend_of
from pytensor.ops.pool_window import Window, check_dtype, per_axis, pool_window
from pytensor.ops.registry import op

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = [
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "max_pool1d",
    "max_pool1d_with_indices",
    "max_pool2d",
    "max_pool2d_with_indices",
    "max_pool3d",
    "max_pool3d_with_indices",
]

Ints = int | tuple[int, ...] | list[int]


# --- planes by flat positions: gather and scatter are each other's gradient ---


class GatherPlanesBackward(Node):
    def backward(self, grad: Tensor) -> Any:
        indices, shape, axes = self.ctx
        return (scatter_planes(grad, indices, shape, axes),)


class ScatterPlanesBackward(Node):
    def backward(self, grad: Tensor) -> Any:
        indices, axes = self.ctx
        return (gather_planes(grad, indices, axes),)


def gather_planes(input: Tensor, indices: Any, axes: int) -> Tensor:
    """``input`` at flat positions in the planes that its last ``axes`` axes make up."""
    out = backend_of(input._array).pool_gather(input._array, indices, axes)
    return record(GatherPlanesBackward, (input,), out, ctx=(indices, tuple(input.shape), axes))


def scatter_planes(grad: Tensor, indices: Any, shape: tuple[int, ...], axes: int) -> Tensor:
    """Adds ``grad`` up at flat positions of planes of zeros; the result has the given shape."""
    out = backend_of(grad._array).pool_scatter(grad._array, indices, shape, axes)
    return record(ScatterPlanesBackward, (grad,), out, ctx=(indices, axes))


# --- maximum ---


class MaxPoolWithIndicesBackward(Node):
    """Keeps the winners as one byte per output (their number in the window), or as the indices that were asked for."""

    def name(self) -> str:
        axes = len(self.ctx[1].kernel)
        return "SqueezeBackward1" if axes == 1 else f"MaxPool{axes}DWithIndicesBackward0"

    def backward(self, grad: Tensor) -> Any:
        (kept,) = self.saved
        shape, window, by_indices = self.ctx
        if by_indices:
            return (scatter_planes(grad, kept, shape, len(window.kernel)),)
        return (_max_pool_backward(grad, kept, shape, window),)


class MaxPoolBackwardBackward(Node):
    def backward(self, grad: Tensor) -> Any:
        (offsets,) = self.saved
        return (_max_pool_gather(grad, offsets, self.ctx),)


class MaxPoolGatherBackward(Node):
    def backward(self, grad: Tensor) -> Any:
        (offsets,) = self.saved
        return (_max_pool_backward(grad, offsets, *self.ctx),)


def _max_pool_backward(grad: Tensor, offsets: Any, shape: tuple[int, ...], window: Window) -> Tensor:
    out = backend_of(grad._array).max_pool_backward(grad._array, offsets, shape, *window[1:])
    return record(MaxPoolBackwardBackward, (grad,), out, saved=(offsets,), ctx=window)


def _max_pool_gather(input: Tensor, offsets: Any, window: Window) -> Tensor:
    out = backend_of(input._array).max_pool_gather(input._array, offsets, *window[1:])
    return record(MaxPoolGatherBackward, (input,), out, saved=(offsets,), ctx=(tuple(input.shape), window))


def _max_pool(axes: int, input: Any, *arguments: Any, return_indices: bool) -> Any:
    window = pool_window(f"max_pool{axes}d", axes, input, *arguments)
    check_dtype(input, f"max_pool{axes}d" if axes > 1 else "max_pool1d_impl", integers=axes > 1)
    backend = backend_of(input._array)
    ctx = (tuple(input.shape), window, return_indices)
    if return_indices:
        values, indices = backend.max_pool(input._array, *window, "indices")
        return record(MaxPoolWithIndicesBackward, (input,), values, saved=(indices,), ctx=ctx), wrap(indices)
    if not (input.requires_grad and is_grad_enabled()):
        return record(MaxPoolWithIndicesBackward, (input,), backend.max_pool(input._array, *window, "none"))
    values, offsets = backend.max_pool(input._array, *window, "offsets")
    return record(MaxPoolWithIndicesBackward, (input,), values, saved=(offsets,), ctx=ctx)


@op(namespace="nn.functional")
@op(method=False)
def max_pool1d(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Maximum over a sliding window of (batch, channels, length) or (channels, length).

    Args:
        stride: from window to window; None: ``kernel_size``.
        padding: implicit -infinity on both sides, at most half of the window.
        dilation: distance of the elements of a window.
        ceil_mode: also windows that leave the input at its end.
        return_indices: also give the positions of the maxima, for ``max_unpool1d``.

    Raises:
        RuntimeError: for other shapes, and windows that fit nowhere.

    >>> import pytensor as torch
    >>> torch.nn.functional.max_pool1d(torch.tensor([[1., 3., 2., 0.]]), 2)
    tensor([[3., 2.]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.max_pool1d.html
    """
    return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices=return_indices)


@op(namespace="nn.functional")
@op(method=False)
def max_pool2d(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Maximum over a sliding window of (batch, channels, height, width) or without the batch axis.

    The arguments are those of :func:`max_pool1d`, one number or one per axis; indices are positions in the flattened
    plane. Of equal values the first wins; a NaN wins over all.

    >>> import pytensor as torch
    >>> x = torch.arange(16.).reshape(1, 1, 4, 4)
    >>> torch.nn.functional.max_pool2d(x, 2)
    tensor([[[[ 5.,  7.],
              [13., 15.]]]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.max_pool2d.html
    """
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices=return_indices)


@op(namespace="nn.functional")
@op(method=False)
def max_pool3d(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Maximum over a sliding window of (batch, channels, depth, height, width) or without the batch axis.

    See :func:`max_pool2d`.

    >>> import pytensor as torch
    >>> torch.nn.functional.max_pool3d(torch.arange(8.).reshape(1, 2, 2, 2), 2)
    tensor([[[[7.]]]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.max_pool3d.html
    """
    return _max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices=return_indices)


@op(namespace="nn.functional")
@op(method=False)
def max_pool1d_with_indices(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = True,
) -> tuple[Tensor, Tensor]:
    """(maxima, their positions): :func:`max_pool1d` with ``return_indices=True``.

    >>> import pytensor as torch
    >>> torch.max_pool1d_with_indices(torch.tensor([[1., 3., 2., 0.]]), 2)[1]
    tensor([[1, 2]])
    """
    return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices=True)


@op(namespace="nn.functional")
def max_pool2d_with_indices(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = True,
) -> tuple[Tensor, Tensor]:
    """(maxima, their positions): :func:`max_pool2d` with ``return_indices=True``.

    >>> import pytensor as torch
    >>> torch.nn.functional.max_pool2d_with_indices(torch.arange(4.).reshape(1, 2, 2), 2)[1]
    tensor([[[3]]])
    """
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices=True)


@op(namespace="nn.functional")
def max_pool3d_with_indices(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    dilation: Ints = 1,
    ceil_mode: bool = False,
    return_indices: bool = True,
) -> tuple[Tensor, Tensor]:
    """(maxima, their positions): :func:`max_pool3d` with ``return_indices=True``.

    >>> import pytensor as torch
    >>> torch.nn.functional.max_pool3d_with_indices(torch.arange(8.).reshape(1, 2, 2, 2), 2)[1]
    tensor([[[[7]]]])
    """
    return _max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices=True)


# --- average: linear, so the forward op is the gradient of its gradient ---


class AvgPoolBackward(Node):
    def name(self) -> str:
        axes = len(self.ctx[1].kernel)
        return "SqueezeBackward1" if axes == 1 else f"AvgPool{axes}DBackward0"

    def backward(self, grad: Tensor) -> Any:
        return (_avg_pool_backward(grad, *self.ctx),)


class AvgPoolBackwardBackward(Node):
    def name(self) -> str:
        return f"AvgPool{len(self.ctx[0].kernel)}DBackwardBackward0"

    def backward(self, grad: Tensor) -> Any:
        return (_avg_pool(grad, *self.ctx),)


def _avg_pool(input: Tensor, window: Window, count_include_pad: bool, divisor: int) -> Tensor:
    out = backend_of(input._array).avg_pool(input._array, *window[:4], count_include_pad, divisor)
    return record(AvgPoolBackward, (input,), out, ctx=(tuple(input.shape), window, count_include_pad, divisor))


def _avg_pool_backward(
    grad: Tensor, shape: tuple[int, ...], window: Window, count_include_pad: bool, divisor: int
) -> Tensor:
    out = backend_of(grad._array).avg_pool_backward(grad._array, shape, *window[1:4], count_include_pad, divisor)
    return record(AvgPoolBackwardBackward, (grad,), out, ctx=(window, count_include_pad, divisor))


def _checked_avg_pool(
    axes: int,
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None,
    padding: Ints,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Tensor:
    function = f"avg_pool{axes}d"
    if divisor_override == 0:
        raise RuntimeError("divisor must be not zero")
    window = pool_window(function, axes, input, kernel_size, stride, padding, 1, ceil_mode)
    check_dtype(input, function if axes > 1 else "avg_pool2d", integers=True)
    return _avg_pool(input, window, bool(count_include_pad), divisor_override or 0)


@op(namespace="nn.functional")
@op(method=False)
def avg_pool1d(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """Average over a sliding window of (batch, channels, length) or (channels, length).

    Args:
        stride: from window to window; None: ``kernel_size``.
        padding: implicit zeros on both sides, at most half of the window.
        ceil_mode: also windows that leave the input at its end.
        count_include_pad: divide by the size of the window, padding included, else by the number of elements inside.

    >>> import pytensor as torch
    >>> torch.nn.functional.avg_pool1d(torch.tensor([[1., 3., 2., 0.]]), 2)
    tensor([[2., 1.]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.avg_pool1d.html
    """
    return _checked_avg_pool(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


@op(namespace="nn.functional")
def avg_pool2d(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Average over a sliding window of (batch, channels, height, width) or without the batch axis.

    The arguments are those of :func:`avg_pool1d`, one number or one per axis; ``divisor_override`` replaces the
    number that sums are divided by.

    >>> import pytensor as torch
    >>> torch.nn.functional.avg_pool2d(torch.arange(16.).reshape(1, 4, 4), 2)
    tensor([[[ 2.5000,  4.5000],
             [10.5000, 12.5000]]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.avg_pool2d.html
    """
    return _checked_avg_pool(2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


@op(namespace="nn.functional")
def avg_pool3d(
    input: Tensor,
    kernel_size: Ints,
    stride: Ints | None = None,
    padding: Ints = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Average over a sliding window of (batch, channels, depth, height, width) or without the batch axis.

    See :func:`avg_pool2d`.

    >>> import pytensor as torch
    >>> torch.nn.functional.avg_pool3d(torch.arange(8.).reshape(1, 2, 2, 2), 2)
    tensor([[[[3.5000]]]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.avg_pool3d.html
    """
    return _checked_avg_pool(3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)


# --- power average: composed ---


def _lp_pool(axes: int, input: Tensor, norm_type: float, kernel_size: Ints, stride: Any, ceil_mode: bool) -> Tensor:
    if math.isinf(norm_type):
        sign = 1 if norm_type > 0 else -1
        magnitude = input.abs() if sign > 0 else -input.abs()
        result = _max_pool(axes, magnitude, kernel_size, stride, 0, 1, ceil_mode, return_indices=False)
        return result if sign > 0 else -result
    kernel = per_axis(kernel_size, axes, f"lp_pool{axes}d", "kernel_size", 3)
    out = _checked_avg_pool(axes, input.pow(norm_type), kernel, stride, 0, ceil_mode, True, None)
    return (out.sign() * out.abs().relu()).mul(math.prod(kernel)).pow(1.0 / norm_type)


@op(namespace="nn.functional")
def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: int, stride: Ints | None = None, ceil_mode: bool = False
) -> Tensor:
    """Power average: the p-norm of each window, p = ``norm_type``, of (batch, channels, length).

    >>> import pytensor as torch
    >>> torch.nn.functional.lp_pool1d(torch.tensor([[3., 4., 0., 1.]]), 2, 2)
    tensor([[5., 1.]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.lp_pool1d.html
    """
    return _lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


@op(namespace="nn.functional")
def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Ints, stride: Ints | None = None, ceil_mode: bool = False
) -> Tensor:
    """Power average: the p-norm of each window, p = ``norm_type``, of (batch, channels, height, width).

    >>> import pytensor as torch
    >>> torch.nn.functional.lp_pool2d(torch.ones(1, 2, 2), 2, 2)
    tensor([[[2.]]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.lp_pool2d.html
    """
    return _lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


@op(namespace="nn.functional")
def lp_pool3d(
    input: Tensor, norm_type: float, kernel_size: Ints, stride: Ints | None = None, ceil_mode: bool = False
) -> Tensor:
    """Power average: the p-norm of each window, p = ``norm_type``, of (batch, channels, depth, height, width).

    >>> import pytensor as torch
    >>> torch.nn.functional.lp_pool3d(torch.ones(1, 2, 2, 2), 3, 2)
    tensor([[[[2.]]]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.lp_pool3d.html
    """
    return _lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode)
