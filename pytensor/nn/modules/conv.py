"""Convolution layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pytensor.nn import init
from pytensor.nn.modules.module import Module
from pytensor.nn.modules.utils import _ntuple, _reverse_repeat_tuple
from pytensor.nn.parameter import Parameter
from pytensor.ops.conv import (
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)
from pytensor.ops.create import empty
from pytensor.ops.padding import pad
from pytensor.tensor import Tensor

__all__ = ["Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class _ConvNd(Module):
    """What all convolution layers share: the hyperparameters and the two parameters."""

    __constants__ = (
        "stride",
        "padding",
        "dilation",
        "groups",
        "padding_mode",
        "output_padding",
        "in_channels",
        "out_channels",
        "kernel_size",
    )
    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: tuple[int, ...],
        stride: tuple[int, ...],
        padding: str | tuple[int, ...],
        dilation: tuple[int, ...],
        transposed: bool,
        output_padding: tuple[int, ...],
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        _check_hyperparameters(in_channels, out_channels, stride, padding, groups, padding_mode)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.transposed = transposed
        self.output_padding = output_padding
        self.groups = groups
        self.padding_mode = padding_mode
        self._reversed_padding_repeated_twice = _pad_widths(padding, kernel_size, dilation)
        outer, inner = (in_channels, out_channels) if transposed else (out_channels, in_channels)
        factory = {"device": device, "dtype": dtype}
        self.weight = Parameter(empty((outer, inner // groups, *kernel_size), **factory))
        if bias:
            self.bias = Parameter(empty(out_channels, **factory))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws weight and bias anew: uniform in +-1 / sqrt(fan_in)."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init._calculate_fan_in_and_fan_out(self.weight)
            if fan_in != 0:
                bound = 1 / math.sqrt(fan_in)
                init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        parts = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"]
        if self.padding != (0,) * len(self.padding):
            parts.append(f"padding={self.padding}")
        if self.dilation != (1,) * len(self.dilation):
            parts.append(f"dilation={self.dilation}")
        if self.output_padding != (0,) * len(self.output_padding):
            parts.append(f"output_padding={self.output_padding}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)

    def _padded(self, input: Tensor) -> tuple[Tensor, str | int | tuple[int, ...]]:
        """The input and the padding that is left to the convolution."""
        if self.padding_mode == "zeros":
            return input, self.padding
        return pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode), 0


def _check_hyperparameters(in_channels, out_channels, stride, padding, groups, padding_mode) -> None:
    if groups <= 0:
        raise ValueError("groups must be a positive integer")
    if in_channels % groups != 0:
        raise ValueError("in_channels must be divisible by groups")
    if out_channels % groups != 0:
        raise ValueError("out_channels must be divisible by groups")
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise ValueError(f"Invalid padding string {padding!r}, should be one of {{'same', 'valid'}}")
        if padding == "same" and any(s != 1 for s in stride):
            raise ValueError("padding='same' is not supported for strided convolutions")
    if padding_mode not in PADDING_MODES:
        raise ValueError(f"padding_mode must be one of {set(PADDING_MODES)}, but got padding_mode='{padding_mode}'")


def _pad_widths(padding, kernel_size, dilation) -> Sequence[int]:
    """The layer's padding as nn.functional.pad takes it, for the padding modes that are not zeros."""
    if not isinstance(padding, str):
        return _reverse_repeat_tuple(padding, 2)
    widths = []
    for k, d in zip(reversed(kernel_size), reversed(dilation), strict=True):
        total = d * (k - 1) if padding == "same" else 0
        widths += [total // 2, total - total // 2]
    return widths


class _Forward(_ConvNd):
    """A layer over a number of spatial axes, of which the subclasses say how many."""

    _spatial: int
    _function: Any

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: str | int | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        tuple_of = _ntuple(self._spatial)
        super().__init__(
            in_channels,
            out_channels,
            tuple_of(kernel_size),
            tuple_of(stride),
            padding if isinstance(padding, str) else tuple_of(padding),
            tuple_of(dilation),
            False,
            tuple_of(0),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        input, padding = self._padded(input)
        return type(self)._function(input, weight, bias, self.stride, padding, self.dilation, self.groups)

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.weight, self.bias)


class Conv1d(_Forward):
    """Convolution over sequences: see :func:`pytensor.conv1d`.

    Args:
        in_channels, out_channels: channels of input and output.
        kernel_size: width of the kernel.
        stride, padding, dilation, groups: as in :func:`pytensor.conv1d`.
        bias: whether every output channel has a bias.
        padding_mode: ``"zeros"``, ``"reflect"``, ``"replicate"`` or ``"circular"``.
        device, dtype: of the parameters.

    Parameters are drawn uniformly from +-1 / sqrt(in_channels / groups * kernel_size).

    >>> import pytensor as torch
    >>> layer = torch.nn.Conv1d(16, 33, 3, stride=2)
    >>> layer
    Conv1d(16, 33, kernel_size=(3,), stride=(2,))
    >>> layer(torch.ones(20, 16, 50)).shape
    torch.Size([20, 33, 24])
    """

    _spatial = 1
    _function = staticmethod(conv1d)


class Conv2d(_Forward):
    """Convolution over images: see :func:`pytensor.conv2d`.

    Args:
        in_channels, out_channels: channels of input and output.
        kernel_size: height and width of the kernel, or one number for both; so for the others.
        stride, padding, dilation, groups: as in :func:`pytensor.conv2d`.
        bias: whether every output channel has a bias.
        padding_mode: ``"zeros"``, ``"reflect"``, ``"replicate"`` or ``"circular"``.
        device, dtype: of the parameters.

    Parameters are drawn uniformly from +-1 / sqrt(in_channels / groups * elements of the kernel).

    >>> import pytensor as torch
    >>> layer = torch.nn.Conv2d(3, 8, 3, padding=1)
    >>> layer
    Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
    >>> layer(torch.ones(2, 3, 32, 32)).shape
    torch.Size([2, 8, 32, 32])
    """

    _spatial = 2
    _function = staticmethod(conv2d)


class Conv3d(_Forward):
    """Convolution over volumes: see :func:`pytensor.conv3d`.

    Args:
        in_channels, out_channels: channels of input and output.
        kernel_size: depth, height and width of the kernel, or one number for all; so for the others.
        stride, padding, dilation, groups: as in :func:`pytensor.conv3d`.
        bias: whether every output channel has a bias.
        padding_mode: ``"zeros"``, ``"reflect"``, ``"replicate"`` or ``"circular"``.
        device, dtype: of the parameters.

    >>> import pytensor as torch
    >>> torch.nn.Conv3d(4, 6, (3, 5, 2))(torch.ones(1, 4, 5, 6, 7)).shape
    torch.Size([1, 6, 3, 2, 6])
    """

    _spatial = 3
    _function = staticmethod(conv3d)


class _ConvTransposeNd(_ConvNd):
    """A transposed layer over a number of spatial axes, of which the subclasses say how many."""

    _spatial: int
    _function: Any

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        output_padding: int | tuple[int, ...] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | tuple[int, ...] = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        tuple_of = _ntuple(self._spatial)
        super().__init__(
            in_channels,
            out_channels,
            tuple_of(kernel_size),
            tuple_of(stride),
            tuple_of(padding),
            tuple_of(dilation),
            True,
            tuple_of(output_padding),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _output_padding(self, input: Tensor, output_size: Sequence[int] | None) -> tuple[int, ...]:
        """The output_padding that gives an output size: any from the smallest to stride - 1 more is possible."""
        if output_size is None:
            return self.output_padding
        spatial, output_size = self._spatial, tuple(output_size)
        outer = 2 if input.dim() == spatial + 2 else 1
        if len(output_size) == outer + spatial:
            output_size = output_size[outer:]
        if len(output_size) != spatial:
            raise ValueError(
                f"ConvTranspose{spatial}D: for {input.dim()}D input, output_size must have {spatial} or "
                f"{outer + spatial} elements (got {len(output_size)})"
            )
        least = [
            (n - 1) * s - 2 * p + d * (k - 1) + 1
            for n, s, p, k, d in zip(
                input.shape[outer:], self.stride, self.padding, self.kernel_size, self.dilation, strict=True
            )
        ]
        most = [n + s - 1 for n, s in zip(least, self.stride, strict=True)]
        if any(not low <= n <= high for n, low, high in zip(output_size, least, most, strict=True)):
            raise ValueError(
                f"requested an output size of {output_size}, but valid sizes range from {least} to {most} (for an "
                f"input of {input.shape[2:]})"
            )
        return tuple(n - low for n, low in zip(output_size, least, strict=True))

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """``output_size``: which of the sizes that the stride leaves open."""
        extra = self._output_padding(input, output_size)
        return type(self)._function(
            input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation
        )


class ConvTranspose1d(_ConvTransposeNd):
    """Transposed convolution over sequences: see :func:`pytensor.conv_transpose1d`.

    Args:
        in_channels, out_channels: channels of input and output.
        kernel_size: width of the kernel.
        stride, padding, output_padding, groups, dilation: as in :func:`pytensor.conv_transpose1d`.
        bias: whether every output channel has a bias.
        padding_mode: ``"zeros"``.
        device, dtype: of the parameters.

    >>> import pytensor as torch
    >>> torch.nn.ConvTranspose1d(4, 2, 3, stride=2)(torch.ones(1, 4, 5)).shape
    torch.Size([1, 2, 11])
    """

    _spatial = 1
    _function = staticmethod(conv_transpose1d)


class ConvTranspose2d(_ConvTransposeNd):
    """Transposed convolution over images: see :func:`pytensor.conv_transpose2d`.

    Args:
        in_channels, out_channels: channels of input and output.
        kernel_size: height and width of the kernel, or one number for both; so for the others.
        stride, padding, output_padding, groups, dilation: as in :func:`pytensor.conv_transpose2d`.
        bias: whether every output channel has a bias.
        padding_mode: ``"zeros"``.
        device, dtype: of the parameters.

    >>> import pytensor as torch
    >>> layer = torch.nn.ConvTranspose2d(4, 2, 3, stride=2)
    >>> layer(torch.ones(1, 4, 5, 5), output_size=(12, 12)).shape
    torch.Size([1, 2, 12, 12])
    """

    _spatial = 2
    _function = staticmethod(conv_transpose2d)


class ConvTranspose3d(_ConvTransposeNd):
    """Transposed convolution over volumes: see :func:`pytensor.conv_transpose3d`.

    Args:
        in_channels, out_channels: channels of input and output.
        kernel_size: depth, height and width of the kernel, or one number for all; so for the others.
        stride, padding, output_padding, groups, dilation: as in :func:`pytensor.conv_transpose3d`.
        bias: whether every output channel has a bias.
        padding_mode: ``"zeros"``.
        device, dtype: of the parameters.

    >>> import pytensor as torch
    >>> torch.nn.ConvTranspose3d(2, 3, 2)(torch.ones(1, 2, 3, 3, 3)).shape
    torch.Size([1, 3, 4, 4, 4])
    """

    _spatial = 3
    _function = staticmethod(conv_transpose3d)
