"""Convolution by its definition: one product of channels per tap of the kernel, over shifted windows of the input.

Shapes: input [batch, in_channels, *in], weight [out_channels, in_channels / groups, *kernel], output [batch,
out_channels, *out], 1 to 3 spatial axes; stride, padding (both sides) and dilation have one entry per spatial axis.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

from pytensor.backend.reference.array_module import array_module

__all__ = ["col2im", "conv_forward", "conv_grad_input", "conv_grad_weight", "conv_output_size", "im2col"]


def conv_output_size(
    size: Sequence[int], kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int], dilation: Sequence[int]
) -> tuple[int, ...]:
    """Number of windows along each spatial axis."""
    return _output_size(tuple(size), tuple(kernel), tuple(stride), tuple(padding), tuple(dilation))


@functools.lru_cache(maxsize=1024)  # networks ask for the same few sizes again and again
def _output_size(size, kernel, stride, padding, dilation):
    return tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(size, kernel, stride, padding, dilation, strict=True)
    )


def _taps(kernel, stride, dilation, out) -> Iterator[tuple[tuple[int, ...], tuple[Any, ...]]]:
    """Every tap of the kernel with the slices of the padded input that it meets, one element per window."""
    for tap in itertools.product(*(range(k) for k in kernel)):
        slices = tuple(
            slice(t * d, t * d + s * (n - 1) + 1 if n > 0 else t * d, s)
            for t, d, s, n in zip(tap, dilation, stride, out, strict=True)
        )
        yield tap, (Ellipsis, *slices)


def _pad(xp, x, padding):
    return xp.pad(x, [(0, 0), (0, 0), *((p, p) for p in padding)])


def _unpad(x, padding, size):
    return x[(Ellipsis, *(slice(p, p + n) for p, n in zip(padding, size, strict=True)))]


def _grouped(x, groups: int):
    """[batch, channels, *spatial] as [batch, groups, channels / groups, positions]."""
    return x.reshape(x.shape[0], groups, x.shape[1] // groups, math.prod(x.shape[2:]))


def conv_forward(input, weight, bias, stride, padding, dilation, groups):
    """output[n, o] = bias[o] + the sum over channels c and taps k of weight[o, c, k] * window k of input[n, c]."""
    xp = array_module(input)
    kernel = weight.shape[2:]
    out = conv_output_size(input.shape[2:], kernel, stride, padding, dilation)
    padded = _pad(xp, input, padding)
    w = weight.reshape(groups, weight.shape[0] // groups, *weight.shape[1:])
    shape = (input.shape[0], weight.shape[0], *out)
    result = xp.zeros(shape, input.dtype)
    for tap, window in _taps(kernel, stride, dilation, out):
        part = xp.einsum("goc,ngcl->ngol", w[(Ellipsis, *tap)], _grouped(padded[window], groups))
        result += part.reshape(shape)
    if bias is not None:
        result += bias.reshape(-1, *(1,) * len(kernel))
    return result


def conv_grad_input(grad_output, weight, bias, input_size, stride, padding, dilation, groups):
    """The adjoint of conv_forward in its input, of spatial size `input_size`; plus a bias of one number per channel
    for transposed convolutions."""
    xp = array_module(grad_output)
    kernel, batch, channels = weight.shape[2:], grad_output.shape[0], weight.shape[1] * groups
    padded = xp.zeros((batch, channels, *(n + 2 * p for n, p in zip(input_size, padding, strict=True))), weight.dtype)
    w = weight.reshape(groups, weight.shape[0] // groups, *weight.shape[1:])
    for tap, window in _taps(kernel, stride, dilation, grad_output.shape[2:]):
        part = xp.einsum("goc,ngol->ngcl", w[(Ellipsis, *tap)], _grouped(grad_output, groups))
        padded[window] += part.reshape(batch, channels, *grad_output.shape[2:])
    result = _unpad(padded, padding, input_size)
    if bias is not None:
        result = result + bias.reshape(-1, *(1,) * len(kernel))
    return xp.ascontiguousarray(result)


def conv_grad_weight(grad_output, input, kernel_size, stride, padding, dilation, groups, with_bias):
    """(gradient of the weight, gradient of the bias or None)."""
    xp = array_module(grad_output)
    outs, channels = grad_output.shape[1], input.shape[1] // groups
    padded = _pad(xp, input, padding)
    result = xp.zeros((outs, channels, *kernel_size), grad_output.dtype)
    for tap, window in _taps(kernel_size, stride, dilation, grad_output.shape[2:]):
        part = xp.einsum("ngol,ngcl->goc", _grouped(grad_output, groups), _grouped(padded[window], groups))
        result[(Ellipsis, *tap)] = part.reshape(outs, channels)
    axes = (0, *range(2, grad_output.ndim))
    return result, grad_output.sum(axis=axes, dtype=grad_output.dtype) if with_bias else None


def im2col(input, kernel_size, stride, padding, dilation):
    """[batch, channels, *in] to [batch, channels * taps, windows]."""
    xp = array_module(input)
    out = conv_output_size(input.shape[2:], kernel_size, stride, padding, dilation)
    padded = _pad(xp, input, padding)
    parts = [padded[window] for _, window in _taps(kernel_size, stride, dilation, out)]
    return xp.stack(parts, axis=2).reshape(input.shape[0], input.shape[1] * len(parts), math.prod(out))


def col2im(columns, image_size, kernel_size, stride, padding, dilation):
    """The adjoint of im2col: [batch, channels * taps, windows] to [batch, channels, *image_size]."""
    xp = array_module(columns)
    out = conv_output_size(image_size, kernel_size, stride, padding, dilation)
    taps = list(_taps(kernel_size, stride, dilation, out))
    batch, channels = columns.shape[0], columns.shape[1] // len(taps)
    parts = columns.reshape(batch, channels, len(taps), *out)
    padded = xp.zeros((batch, channels, *(n + 2 * p for n, p in zip(image_size, padding, strict=True))), columns.dtype)
    for i, (_, window) in enumerate(taps):
        padded[window] += parts[:, :, i]
    return xp.ascontiguousarray(_unpad(padded, padding, image_size))
