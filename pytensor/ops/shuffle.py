"""Rearrangements between channels and space: pixel_shuffle, pixel_unshuffle, channel_shuffle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytensor.autograd.node import Node, record
from pytensor.ops.checks import check_tensor
from pytensor.ops.registry import op

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["channel_shuffle", "native_channel_shuffle", "pixel_shuffle", "pixel_unshuffle"]


def check_pixels(name: str, factor_name: str, input: Tensor, factor: int) -> None:
    check_tensor(input, name, "input", 1)
    if input.dim() < 3:
        raise RuntimeError(
            f"{name} expects input to have at least 3 dimensions, but got input with {input.dim()} dimension(s)"
        )
    if factor <= 0:
        raise RuntimeError(f"{name} expects a positive {factor_name}, but got {factor}")


class PixelShuffleBackward0(Node):
    def backward(self, grad):
        return (pixel_unshuffle(grad, self.ctx),)


class PixelUnshuffleBackward0(Node):
    def backward(self, grad):
        return (pixel_shuffle(grad, self.ctx),)


class ChannelShuffleBackward0(Node):
    def backward(self, grad):
        return (channel_shuffle(grad, grad.shape[1] // self.ctx if grad.shape[1] else 1),)


@op(method=False)
@op(namespace="nn.functional")
def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """Channels to pixels: ``[..., C * r * r, H, W]`` to ``[..., C, H * r, W * r]``.

    Args:
        input: at least 3 axes, any dtype.
        upscale_factor: r, at least 1.

    Returns:
        a new tensor.

    Raises:
        RuntimeError: when the number of channels is no multiple of r * r.

    >>> import pytensor as torch
    >>> torch.pixel_shuffle(torch.arange(4.0).reshape(4, 1, 1), 2)
    tensor([[[0., 1.],
             [2., 3.]]])
    """
    check_pixels("pixel_shuffle", "upscale_factor", input, upscale_factor)
    r = upscale_factor
    *batch, channels, height, width = input.shape
    if channels % (r * r):
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, "
            f"but input.size(-3)={channels} is not divisible by {r * r}"
        )
    b = len(batch)
    parts = input._array.reshape(*batch, channels // (r * r), r, r, height, width)
    parts = parts.transpose(*range(b), b, b + 3, b + 1, b + 4, b + 2)
    out = parts.reshape(*batch, channels // (r * r), height * r, width * r)
    return record(PixelShuffleBackward0, (input,), unshared(out, input), ctx=r)


@op(method=False)
@op(namespace="nn.functional")
def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """Pixels to channels: ``[..., C, H * r, W * r]`` to ``[..., C * r * r, H, W]``.

    Args:
        input: at least 3 axes, any dtype.
        downscale_factor: r, at least 1.

    Returns:
        a new tensor.

    Raises:
        RuntimeError: when height or width is no multiple of r.

    >>> import pytensor as torch
    >>> torch.pixel_unshuffle(torch.arange(4.0).reshape(1, 2, 2), 2).flatten()
    tensor([0., 1., 2., 3.])
    """
    check_pixels("pixel_unshuffle", "downscale_factor", input, downscale_factor)
    r = downscale_factor
    *batch, channels, height, width = input.shape
    for name, dim, size in (("height", -2, height), ("width", -1, width)):
        if size % r:
            raise RuntimeError(
                f"pixel_unshuffle expects {name} to be divisible by downscale_factor, but input.size({dim})={size} is "
                f"not divisible by {r}"
            )
    b = len(batch)
    parts = input._array.reshape(*batch, channels, height // r, r, width // r, r)
    parts = parts.transpose(*range(b), b, b + 2, b + 4, b + 1, b + 3)
    out = parts.reshape(*batch, channels * r * r, height // r, width // r)
    return record(PixelUnshuffleBackward0, (input,), unshared(out, input), ctx=r)


def unshared(array, input: Tensor):
    """The array, copied when it is the input's own memory in another shape."""
    return array.copy() if array.base is not None or array is input._array else array


def shuffle_channels(input: Tensor, groups: int) -> Tensor:
    check_tensor(input, "channel_shuffle", "input", 1)
    if input.dim() <= 2:
        raise RuntimeError(f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(input.shape)}")
    if groups <= 0:
        raise RuntimeError(f"Number of groups to divide channels in must be positive. Value of groups:{groups}")
    channels = input.shape[1]
    if channels % groups:
        raise RuntimeError(
            f"Number of channels must be divisible by groups. Got {channels} channels and {groups} groups."
        )
    x = input._array
    parts = x.reshape(x.shape[0], groups, channels // groups, *x.shape[2:])
    out = parts.swapaxes(1, 2).reshape(x.shape)
    return record(ChannelShuffleBackward0, (input,), unshared(out, input), ctx=groups)


@op(method=False)
@op(namespace="nn.functional")
def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Interleaves groups of channels: channel ``g * n + i`` goes to ``i * groups + g``.

    Args:
        input: ``[batch, channels, *spatial]`` with at least one spatial axis, any dtype.
        groups: a divisor of the number of channels.

    Returns:
        a new tensor of the same shape.

    Raises:
        RuntimeError: when the number of channels is no multiple of ``groups``.

    >>> import pytensor as torch
    >>> torch.channel_shuffle(torch.arange(6).reshape(1, 6, 1), 2).flatten()
    tensor([0, 3, 1, 4, 2, 5])
    """
    return shuffle_channels(input, groups)


@op(method=False)
@op(namespace="nn.functional")
def native_channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """The same as :func:`channel_shuffle`.

    Args:
        input: ``[batch, channels, *spatial]`` with at least one spatial axis, any dtype.
        groups: a divisor of the number of channels.

    Returns:
        a new tensor of the same shape.

    Raises:
        RuntimeError: when the number of channels is no multiple of ``groups``.

    >>> import pytensor as torch
    >>> torch.native_channel_shuffle(torch.arange(4).reshape(1, 4, 1), 2).flatten()
    tensor([0, 2, 1, 3])
    """
    return shuffle_channels(input, groups)
