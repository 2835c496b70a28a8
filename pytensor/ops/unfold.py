"""Sliding windows as columns: ``nn.functional.unfold`` (im2col) and ``fold`` (col2im)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pytensor.autograd.node import Node, record
from pytensor.backend import backend_of
from pytensor.ops.checks import check_tensor
from pytensor.ops.registry import op
from pytensor.typename import scalar_type_name

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["fold", "unfold"]


def pair(value: Any, name: str) -> tuple[int, int]:
    if isinstance(value, int):
        return value, value
    if len(value) != 2:
        raise RuntimeError(f"It is expected {name} equals to 2, but got size {len(value)}")
    return tuple(v.__index__() for v in value)


def check_windows(kernel, dilation, padding, stride) -> None:
    for what, name, sizes in (
        ("kernel size", "kernel", kernel),
        ("stride", "stride", stride),
        ("dilation", "dilation", dilation),
    ):
        if min(sizes) <= 0:
            raise RuntimeError(
                f"{what} should be greater than zero, but got {name}_height: {sizes[0]} {name}_width: {sizes[1]}"
            )
    if min(padding) < 0:
        raise RuntimeError(f"padding should be non-negative, but got pad_height: {padding[0]} pad_width: {padding[1]}")


def check_kind(input: Tensor, kernel: str) -> None:
    if input.dtype.name in ("uint8", "int8", "int16", "int32", "int64"):
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{scalar_type_name(input.dtype)}'")


class Im2ColBackward0(Node):
    def backward(self, grad):
        size, where = self.ctx
        return (to_image(grad, size, where),)


class Col2ImBackward0(Node):
    def backward(self, grad):
        _, where = self.ctx
        return (to_columns(grad, where),)


def to_columns(input: Tensor, where: tuple) -> Tensor:
    x = input._array
    out = backend_of(x).im2col(x, *where)
    return record(Im2ColBackward0, (input,), out, ctx=(x.shape[2:], where))


def to_image(input: Tensor, size: tuple[int, ...], where: tuple) -> Tensor:
    x = input._array
    out = backend_of(x).col2im(x, size, *where)
    return record(Col2ImBackward0, (input,), out, ctx=(size, where))


@op(namespace="nn.functional")
def unfold(
    input: Tensor,
    kernel_size: int | tuple[int, int],
    dilation: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    stride: int | tuple[int, int] = 1,
) -> Tensor:
    """The windows of an image as columns.

    Args:
        input: ``[batch, channels, height, width]`` or ``[channels, height, width]``.
        kernel_size: height and width of a window, or one number for both; so for the others.
        dilation: distance between the elements of a window.
        padding: zeros on both sides.
        stride: distance between neighbouring windows.

    Returns:
        ``[batch, channels * kernel_height * kernel_width, number of windows]``.

    Raises:
        RuntimeError: when there is no window, or a number is out of its range.

    >>> import pytensor as torch
    >>> x = torch.arange(9.0).reshape(1, 1, 3, 3)
    >>> torch.nn.functional.unfold(x, 2)
    tensor([[[0., 1., 3., 4.],
             [1., 2., 4., 5.],
             [3., 4., 6., 7.],
             [4., 5., 7., 8.]]])
    """
    check_tensor(input, "unfold", "input", 1)
    kernel, dilation = pair(kernel_size, "kernel_size"), pair(dilation, "dilation")
    padding, stride = pair(padding, "padding"), pair(stride, "stride")
    check_windows(kernel, dilation, padding, stride)
    if input.dim() not in (3, 4) or 0 in input.shape[input.dim() - 3 :]:
        raise RuntimeError(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions for input, "
            f"but got: {list(input.shape)}"
        )
    size = tuple(input.shape[-2:])
    blocks = tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, d, p, s in zip(size, kernel, dilation, padding, stride, strict=True)
    )
    if min(blocks) < 1:
        raise RuntimeError(
            f"Given input with spatial size {size}, kernel_size={kernel}, dilation={dilation}, padding={padding}, "
            f"calculated shape of the array of sliding blocks as {blocks}, but its components must be at least one."
        )
    check_kind(input, "im2col_out_cpu")
    where = (kernel, stride, padding, dilation)
    if input.dim() == 3:
        return to_columns(input.unsqueeze(0), where).squeeze(0)
    return to_columns(input, where)


@op(namespace="nn.functional")
def fold(
    input: Tensor,
    output_size: int | tuple[int, int],
    kernel_size: int | tuple[int, int],
    dilation: int | tuple[int, int] = 1,
    padding: int | tuple[int, int] = 0,
    stride: int | tuple[int, int] = 1,
) -> Tensor:
    """Columns back to an image: the adjoint of :func:`unfold`; what overlaps is summed.

    Args:
        input: ``[batch, channels * kernel_height * kernel_width, number of windows]``, or without the batch axis.
        output_size: height and width of the image, or one number for both.
        kernel_size, dilation, padding, stride: as for :func:`unfold`.

    Returns:
        ``[batch, channels, height, width]``, or without the batch axis.

    Raises:
        RuntimeError: when the columns are not those of such an image, or a number is out of its range.

    >>> import pytensor as torch
    >>> torch.nn.functional.fold(torch.ones(1, 4, 4), 3, 2)
    tensor([[[[1., 2., 1.],
              [2., 4., 2.],
              [1., 2., 1.]]]])
    """
    check_tensor(input, "fold", "input", 1)
    size, kernel = pair(output_size, "output_size"), pair(kernel_size, "kernel_size")
    dilation, padding, stride = pair(dilation, "dilation"), pair(padding, "padding"), pair(stride, "stride")
    check_windows(kernel, dilation, padding, stride)
    ndim = input.dim()
    if ndim not in (2, 3) or 0 in input.shape[ndim - 2 :]:
        raise RuntimeError(
            "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero dimensions for "
            f"input, but got: {list(input.shape)}"
        )
    rows, columns = input.shape[-2:]
    if rows % math.prod(kernel):
        raise RuntimeError(
            f"Expected size of input's dimension {ndim - 2} to be divisible by the product of kernel_size, but got "
            f"input.size({ndim - 2})={rows} and kernel_size={kernel}."
        )
    # Division towards zero, as in C: the numbers in the message are PyTorch's.
    blocks = tuple(
        int((n + 2 * p - d * (k - 1) - 1) / s) + 1
        for n, k, d, p, s in zip(size, kernel, dilation, padding, stride, strict=True)
    )
    if columns != math.prod(blocks) or min(blocks) < 1:
        raise RuntimeError(
            f"Given output_size={size}, kernel_size={kernel}, dilation={dilation}, padding={padding}, stride={stride}, "
            f"expected size of input's dimension {ndim - 1} to match the calculated number of sliding blocks "
            f"{blocks[0]} * {blocks[1]} = {math.prod(blocks)}, but got input.size({ndim - 1})={columns}."
        )
    check_kind(input, "col2im_out_cpu")
    where = (kernel, stride, padding, dilation)
    if ndim == 2:
        return to_image(input.unsqueeze(0), size, where).squeeze(0)
    return to_image(input, size, where)
