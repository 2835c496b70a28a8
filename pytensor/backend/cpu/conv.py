"""Convolution on NumPy arrays: C++ kernels for float32 and float64, which the half precisions are widened to; plain
NumPy for other dtypes."""

from __future__ import annotations

import math

import numpy as np

from pytensor import _C
from pytensor.backend.cpu.index import copied
from pytensor.backend.reference import conv as plain
from pytensor.backend.reference.conv import conv_output_size

__all__ = ["col2im", "conv_forward", "conv_grad_input", "conv_grad_weight", "conv_output_size", "im2col"]


def _has_kernel(array) -> bool:
    return array.dtype.char in "fd" and array.dtype.isnative


def _is_half(array) -> bool:
    return array.dtype.itemsize == 2 and array.dtype.kind not in "iu"


def _wide(array):
    return None if array is None else array.astype("float32")


def _covers(kernel, image, padding, dilation, groups):
    """Whether the kernel lies on the whole image at once: a matrix product, of rows that are whole images."""
    fits = groups == 1 and tuple(kernel) == tuple(image)
    return fits and not np.any(padding) and all(d == 1 for d in dilation)


def _row_major(array):
    """An image whose rows are dense in memory. A channels-last one is copied first: the kernels would read its rows
    element by element, several times."""
    return array if array.strides[-1] == array.itemsize or array.shape[-1] == 1 else copied(array)


def _rows(array):
    return array.reshape(array.shape[0], math.prod(array.shape[1:]))


def conv_forward(input, weight, bias, stride, padding, dilation, groups):
    if _is_half(input):
        args = (_wide(input), _wide(weight), _wide(bias), stride, padding, dilation, groups)
        return conv_forward(*args).astype(input.dtype)
    if not _has_kernel(input):
        return plain.conv_forward(input, weight, bias, stride, padding, dilation, groups)
    out = conv_output_size(input.shape[2:], weight.shape[2:], stride, padding, dilation)
    if _covers(weight.shape[2:], input.shape[2:], padding, dilation, groups):
        product = _C.matmul(_rows(input), _rows(weight).T, None, bias, "")
        return product.reshape(*product.shape, *out)
    return _C.conv_forward(_row_major(input), weight, bias, stride, padding, dilation, groups, out)


def conv_grad_input(grad_output, weight, bias, input_size, stride, padding, dilation, groups):
    if _is_half(grad_output):
        args = (_wide(grad_output), _wide(weight), _wide(bias), input_size, stride, padding, dilation, groups)
        return conv_grad_input(*args).astype(grad_output.dtype)
    if not _has_kernel(grad_output):
        return plain.conv_grad_input(grad_output, weight, bias, input_size, stride, padding, dilation, groups)
    if _covers(weight.shape[2:], input_size, padding, dilation, groups):
        product = _C.matmul(_rows(grad_output), _rows(weight), None, None, "")
        image = product.reshape(len(product), weight.shape[1], *input_size)
        if bias is not None:
            image += bias.reshape(-1, *[1] * len(input_size))
        return image
    images = _row_major(grad_output)
    return _C.conv_grad_input(images, weight, bias, stride, padding, dilation, groups, input_size)


def conv_grad_weight(grad_output, input, kernel_size, stride, padding, dilation, groups, with_bias):
    if _is_half(grad_output):
        args = (_wide(grad_output), _wide(input), kernel_size, stride, padding, dilation, groups, with_bias)
        weight, bias = conv_grad_weight(*args)
        return weight.astype(grad_output.dtype), None if bias is None else bias.astype(grad_output.dtype)
    if not _has_kernel(grad_output):
        return plain.conv_grad_weight(grad_output, input, kernel_size, stride, padding, dilation, groups, with_bias)
    if _covers(kernel_size, input.shape[2:], padding, dilation, groups):
        product = _C.matmul(_rows(grad_output).T, _rows(input), None, None, "")
        weight = product.reshape(len(product), *input.shape[1:])
        return weight, _rows(grad_output).sum(axis=0) if with_bias else None
    images = _row_major(grad_output), _row_major(input)
    return _C.conv_grad_weight(*images, stride, padding, dilation, groups, kernel_size, with_bias)


def im2col(input, kernel_size, stride, padding, dilation):
    if not _has_kernel(input):
        return plain.im2col(input, kernel_size, stride, padding, dilation)
    out = conv_output_size(input.shape[2:], kernel_size, stride, padding, dilation)
    return _C.im2col(input, kernel_size, stride, padding, dilation, out)


def col2im(columns, image_size, kernel_size, stride, padding, dilation):
    if not _has_kernel(columns):
        return plain.col2im(columns, image_size, kernel_size, stride, padding, dilation)
    out = conv_output_size(image_size, kernel_size, stride, padding, dilation)
    return _C.col2im(columns, image_size, kernel_size, stride, padding, dilation, out)
