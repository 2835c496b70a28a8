"""Convolution and transposed convolution over 1 to 3 spatial axes.

Three bilinear maps lie under all of it: the convolution A(x, w), its adjoint in the input B(g, w), which is the
transposed convolution, and its adjoint in the weight C(g, x). The gradients of each are the other two, so that
every order of derivative is made of the same kernels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pytensor.autograd.node import Node, record
from pytensor.backend import backend_of
from pytensor.ops.conv_checks import (
    check_convolution,
    check_input_rank,
    check_operands,
    check_weight_rank,
    per_axis,
    same_padding,
)
from pytensor.ops.padding import constant_pad_nd
from pytensor.ops.registry import op

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = [
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_tbc",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
]


class Geometry(NamedTuple):
    """How windows lie on the input: one entry per spatial axis."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int


def sum_bias(grad: Tensor) -> Tensor:
    return grad.sum((0, *range(2, grad.dim())))


class ConvolutionBackward0(Node):
    """Of A(input, weight) + bias."""

    def backward(self, grad):
        input, weight, size, kernel = self.saved
        want_input, want_weight, want_bias = self.needs_input_grad
        d_input = transposed_convolution(grad, weight, None, size, self.ctx) if want_input else None
        d_weight = d_bias = None
        if want_weight:
            d_weight, d_bias = weight_gradient(grad, input, kernel, self.ctx, want_bias)
        elif want_bias:
            d_bias = sum_bias(grad)
        return d_input, d_weight, d_bias


class TransposedConvolutionBackward0(Node):
    """Of B(input, weight) + bias; PyTorch shows both directions under one name."""

    def name(self) -> str:
        return "ConvolutionBackward0"

    def backward(self, grad):
        input, weight, size, kernel = self.saved
        want_input, want_weight, want_bias = self.needs_input_grad
        return (
            convolution_of_size(grad, weight, None, size, self.ctx) if want_input else None,
            weight_gradient(input, grad, kernel, self.ctx, False)[0] if want_weight else None,
            sum_bias(grad) if want_bias else None,
        )


class ConvolutionBackwardBackward0(Node):
    """Of C(grad_output, input) and the sum of grad_output, the gradients of a weight and a bias."""

    def backward(self, d_weight, d_bias=None):
        grad_output, input, shape, size = self.saved
        want_grad, want_input = self.needs_input_grad
        for_grad = for_input = None
        if want_grad:
            if d_weight is not None:
                for_grad = convolution_of_size(input, d_weight, d_bias, shape[2:], self.ctx)
            else:
                for_grad = d_bias.reshape(-1, *(1,) * len(size)).expand(shape)
        if want_input and d_weight is not None:
            for_input = transposed_convolution(grad_output, d_weight, None, size, self.ctx)
        return for_grad, for_input


def convolution(input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    """A(input, weight) + bias, of checked arguments."""
    x, w = input._array, weight._array
    out = backend_of(x).conv_forward(x, w, None if bias is None else bias._array, *geometry)
    saved = (
        input if weight.requires_grad else None,
        weight if input.requires_grad else None,
        x.shape[2:],
        w.shape[2:],
    )
    return record(ConvolutionBackward0, (input, weight, bias), out, saved, geometry)


def convolution_of_size(
    input: Tensor, weight: Tensor, bias: Tensor | None, size: tuple[int, ...], geometry: Geometry
) -> Tensor:
    """The first ``size`` windows of a convolution: output_padding may leave room for more."""
    out = convolution(input, weight, bias, geometry)
    if tuple(out.shape[2:]) == tuple(size):
        return out
    return out[(slice(None), slice(None), *(slice(0, n) for n in size))]


def transposed_convolution(
    input: Tensor, weight: Tensor, bias: Tensor | None, size: tuple[int, ...], geometry: Geometry
) -> Tensor:
    """B(input, weight) + bias, of spatial size ``size``."""
    x, w = input._array, weight._array
    out = backend_of(x).conv_grad_input(x, w, None if bias is None else bias._array, size, *geometry)
    saved = (
        input if weight.requires_grad else None,
        weight if input.requires_grad else None,
        x.shape[2:],
        w.shape[2:],
    )
    return record(TransposedConvolutionBackward0, (input, weight, bias), out, saved, geometry)


def weight_gradient(
    grad_output: Tensor, input: Tensor, kernel: tuple[int, ...], geometry: Geometry, with_bias: bool
) -> tuple[Tensor, Tensor | None]:
    """C(grad_output, input), and the gradient of the bias when asked for."""
    g, x = grad_output._array, input._array
    d_weight, d_bias = backend_of(g).conv_grad_weight(g, x, kernel, *geometry, with_bias)
    saved = (
        grad_output if input.requires_grad else None,
        input if grad_output.requires_grad else None,
        g.shape,
        x.shape[2:],
    )
    outs = (d_weight, d_bias) if with_bias else d_weight
    result = record(ConvolutionBackwardBackward0, (grad_output, input), outs, saved, geometry)
    return result if with_bias else (result, None)


def convolve(
    function: str,
    spatial: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Tensor:
    """The body of conv1d, conv2d and conv3d."""
    check_operands(function, input, weight, bias)
    batched = check_input_rank(function, input, spatial)
    check_weight_rank(weight, spatial, stride)
    stride, dilation = per_axis(stride, spatial, "stride"), per_axis(dilation, spatial, "dilation")
    if not batched:
        input = input.unsqueeze(0)
    uneven = None
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise RuntimeError(f"Invalid padding string: '{padding}'")
        sides = [(0, 0)] * spatial if padding == "valid" else same_padding(weight.shape[2:], stride, dilation)
        uneven = [side for before, after in reversed(sides) for side in (0, after - before)]
        padding = tuple(before for before, _ in sides)
    else:
        padding = per_axis(padding, spatial, "padding")
    if uneven is not None and any(uneven):
        if groups > 0 and input.shape[1] == weight.shape[1] * groups:  # else the check below words the error
            input = constant_pad_nd(input, uneven)
    check_convolution(input, weight, bias, stride, padding, dilation, (), groups, False)
    out = convolution(input, weight, bias, Geometry(stride, padding, dilation, groups))
    return out if batched else out.squeeze(0)


def convolve_transposed(
    function: str,
    spatial: int,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
) -> Tensor:
    """The body of conv_transpose1d, conv_transpose2d and conv_transpose3d."""
    check_operands(function, input, weight, bias)
    if isinstance(padding, str):
        raise TypeError(f"{function}(): argument 'padding' must be tuple of ints, not str")
    batched = check_input_rank(function, input, spatial)
    check_weight_rank(weight, spatial, stride)
    geometry = Geometry(
        per_axis(stride, spatial, "stride"),
        per_axis(padding, spatial, "padding"),
        per_axis(dilation, spatial, "dilation"),
        groups,
    )
    output_padding = per_axis(output_padding, spatial, "output_padding")
    if not batched:
        input = input.unsqueeze(0)
    check_convolution(input, weight, bias, *geometry[:3], output_padding, groups, True)
    size = tuple(
        (n - 1) * s - 2 * p + d * (k - 1) + extra + 1
        for n, k, s, p, d, extra in zip(input.shape[2:], weight.shape[2:], *geometry[:3], output_padding, strict=True)
    )
    if any(n <= 0 for n in size):
        raise RuntimeError(
            f"Given input size per channel: ({' x '.join(map(str, input.shape[2:]))}). Calculated output size per "
            f"channel: ({' x '.join(map(str, size))}). Output size is too small"
        )
    out = transposed_convolution(input, weight, bias, size, geometry)
    return out if batched else out.squeeze(0)


@op(method=False)
@op(method=False, namespace="nn.functional")
def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | tuple[int, ...] = 1,
    padding: int | tuple[int, ...] | str = 0,
    dilation: int | tuple[int, ...] = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlates sequences with kernels.

    Args:
        input: ``[batch, in_channels, length]`` or ``[in_channels, length]``.
        weight: ``[out_channels, in_channels / groups, width]``, of the same dtype.
        bias: ``[out_channels]``, added to every position.
        stride: distance between neighbouring windows.
        padding: zeros on both sides, or ``"valid"`` (none) or ``"same"`` (as many outputs as inputs; stride 1).
        dilation: distance between the taps of the kernel.
        groups: channels are cut into so many parts that do not see each other.

    Returns:
        ``[batch, out_channels, (length + 2 * padding - dilation * (width - 1) - 1) // stride + 1]``.

    Raises:
        RuntimeError: when the sizes do not fit together or the kernel is longer than the padded input.

    >>> import pytensor as torch
    >>> x = torch.tensor([[[1.0, 2.0, 4.0, 8.0]]])
    >>> torch.conv1d(x, torch.tensor([[[-1.0, 1.0]]]))
    tensor([[[1., 2., 4.]]])
    """
    return convolve("conv1d", 1, input, weight, bias, stride, padding, dilation, groups)


@op(method=False)
@op(method=False, namespace="nn.functional")
def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | tuple[int, ...] = 1,
    padding: int | tuple[int, ...] | str = 0,
    dilation: int | tuple[int, ...] = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlates images with kernels.

    Args:
        input: ``[batch, in_channels, height, width]`` or ``[in_channels, height, width]``.
        weight: ``[out_channels, in_channels / groups, kernel_height, kernel_width]``, of the same dtype.
        bias: ``[out_channels]``, added to every position.
        stride, padding, dilation, groups: as for :func:`conv1d`; one number, or one per axis.

    Returns:
        ``[batch, out_channels, out_height, out_width]``, sizes as for :func:`conv1d`.

    Raises:
        RuntimeError: when the sizes do not fit together or the kernel is larger than the padded input.

    >>> import pytensor as torch
    >>> x = torch.arange(9.0).reshape(1, 1, 3, 3)
    >>> torch.conv2d(x, torch.ones(1, 1, 2, 2))
    tensor([[[[ 8., 12.],
              [20., 24.]]]])
    """
    return convolve("conv2d", 2, input, weight, bias, stride, padding, dilation, groups)


@op(method=False)
@op(method=False, namespace="nn.functional")
def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | tuple[int, ...] = 1,
    padding: int | tuple[int, ...] | str = 0,
    dilation: int | tuple[int, ...] = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlates volumes with kernels.

    Args:
        input: ``[batch, in_channels, depth, height, width]``, or without the batch axis.
        weight: ``[out_channels, in_channels / groups, kernel_depth, kernel_height, kernel_width]``.
        bias: ``[out_channels]``, added to every position.
        stride, padding, dilation, groups: as for :func:`conv1d`; one number, or one per axis.

    Returns:
        ``[batch, out_channels, out_depth, out_height, out_width]``, sizes as for :func:`conv1d`.

    Raises:
        RuntimeError: when the sizes do not fit together or the kernel is larger than the padded input.

    >>> import pytensor as torch
    >>> torch.conv3d(torch.ones(1, 2, 4, 4, 4), torch.ones(3, 2, 3, 3, 3)).shape
    torch.Size([1, 3, 2, 2, 2])
    """
    return convolve("conv3d", 3, input, weight, bias, stride, padding, dilation, groups)


@op(method=False)
@op(method=False, namespace="nn.functional")
def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | tuple[int, ...] = 1,
    padding: int | tuple[int, ...] = 0,
    output_padding: int | tuple[int, ...] = 0,
    groups: int = 1,
    dilation: int | tuple[int, ...] = 1,
) -> Tensor:
    """The adjoint of :func:`conv1d` in its input: every element places a kernel, and what overlaps is summed.

    Args:
        input: ``[batch, in_channels, length]`` or ``[in_channels, length]``.
        weight: ``[in_channels, out_channels / groups, width]``, of the same dtype.
        bias: ``[out_channels]``, added to every position.
        stride: distance between the kernels placed.
        padding: how much is cut off on both sides.
        output_padding: how much is added at the end; less than stride or dilation.
        groups, dilation: as for :func:`conv1d`.

    Returns:
        ``[batch, out_channels, (length - 1) * stride - 2 * padding + dilation * (width - 1) + output_padding + 1]``.

    Raises:
        RuntimeError: when the sizes do not fit together.

    >>> import pytensor as torch
    >>> x = torch.tensor([[[1.0, 2.0]]])
    >>> torch.conv_transpose1d(x, torch.tensor([[[1.0, 10.0]]]), stride=2)
    tensor([[[ 1., 10.,  2., 20.]]])
    """
    return convolve_transposed(
        "conv_transpose1d", 1, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


@op(method=False)
@op(method=False, namespace="nn.functional")
def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | tuple[int, ...] = 1,
    padding: int | tuple[int, ...] = 0,
    output_padding: int | tuple[int, ...] = 0,
    groups: int = 1,
    dilation: int | tuple[int, ...] = 1,
) -> Tensor:
    """The adjoint of :func:`conv2d` in its input ("deconvolution").

    Args:
        input: ``[batch, in_channels, height, width]`` or without the batch axis.
        weight: ``[in_channels, out_channels / groups, kernel_height, kernel_width]``.
        bias, stride, padding, output_padding, groups, dilation: as for :func:`conv_transpose1d`.

    Returns:
        ``[batch, out_channels, out_height, out_width]``, sizes as for :func:`conv_transpose1d`.

    Raises:
        RuntimeError: when the sizes do not fit together.

    >>> import pytensor as torch
    >>> torch.conv_transpose2d(torch.ones(1, 1, 2, 2), torch.ones(1, 1, 2, 2))
    tensor([[[[1., 2., 1.],
              [2., 4., 2.],
              [1., 2., 1.]]]])
    """
    return convolve_transposed(
        "conv_transpose2d", 2, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


@op(method=False)
@op(method=False, namespace="nn.functional")
def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | tuple[int, ...] = 1,
    padding: int | tuple[int, ...] = 0,
    output_padding: int | tuple[int, ...] = 0,
    groups: int = 1,
    dilation: int | tuple[int, ...] = 1,
) -> Tensor:
    """The adjoint of :func:`conv3d` in its input.

    Args:
        input: ``[batch, in_channels, depth, height, width]`` or without the batch axis.
        weight: ``[in_channels, out_channels / groups, kernel_depth, kernel_height, kernel_width]``.
        bias, stride, padding, output_padding, groups, dilation: as for :func:`conv_transpose1d`.

    Returns:
        ``[batch, out_channels, out_depth, out_height, out_width]``, sizes as for :func:`conv_transpose1d`.

    Raises:
        RuntimeError: when the sizes do not fit together.

    >>> import pytensor as torch
    >>> torch.conv_transpose3d(torch.ones(1, 2, 4, 4, 4), torch.ones(2, 3, 3, 3, 3), stride=2).shape
    torch.Size([1, 3, 9, 9, 9])
    """
    return convolve_transposed(
        "conv_transpose3d", 3, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


@op(method=False)
@op(method=False, namespace="nn.functional")
def conv_tbc(input: Tensor, weight: Tensor, bias: Tensor, pad: int = 0) -> Tensor:
    """A 1-d convolution over ``[time, batch, channels]``.

    Args:
        input: ``[time, batch, in_channels]``.
        weight: ``[width, in_channels, out_channels]``.
        bias: ``[out_channels]``.
        pad: zeros at both ends of the time axis.

    Returns:
        ``[time + 2 * pad - width + 1, batch, out_channels]``.

    Raises:
        RuntimeError: when the sizes do not fit together.

    >>> import pytensor as torch
    >>> torch.conv_tbc(torch.ones(5, 2, 3), torch.ones(2, 3, 4), torch.zeros(4)).shape
    torch.Size([4, 2, 4])
    """
    if input.dim() != 3:
        raise RuntimeError("Input must have 3 dims: time, batch, in_channel")
    if weight.dim() != 3:
        raise RuntimeError("Weight tensor must have 3 dims: kernel_width, in_channels, out_channels.")
    if bias.dim() != 1:
        raise RuntimeError("Bias must be 1-D")
    out = conv1d(input.permute(1, 2, 0), weight.permute(2, 1, 0), bias, padding=pad)
    return out.permute(2, 0, 1)
