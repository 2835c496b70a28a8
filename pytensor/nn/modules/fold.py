"""Windows as columns and back."""

from __future__ import annotations

from pytensor.nn.modules.module import Module
from pytensor.ops.unfold import fold, unfold
from pytensor.tensor import Tensor

__all__ = ["Fold", "Unfold"]


class Fold(Module):
    """Columns to an image: see :func:`pytensor.nn.functional.fold`.

    Args:
        output_size: height and width of the image, or one number for both; so for the others.
        kernel_size, dilation, padding, stride: of the windows.

    >>> import pytensor as torch
    >>> torch.nn.Fold(3, 2)(torch.ones(1, 8, 4)).shape
    torch.Size([1, 2, 3, 3])
    """

    __constants__ = ("output_size", "kernel_size", "dilation", "padding", "stride")

    def __init__(
        self,
        output_size: int | tuple[int, int],
        kernel_size: int | tuple[int, int],
        dilation: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        stride: int | tuple[int, int] = 1,
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        return fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return (
            f"output_size={self.output_size}, kernel_size={self.kernel_size}, dilation={self.dilation}, "
            f"padding={self.padding}, stride={self.stride}"
        )


class Unfold(Module):
    """The windows of an image as columns: see :func:`pytensor.nn.functional.unfold`.

    Args:
        kernel_size: height and width of a window, or one number for both; so for the others.
        dilation, padding, stride: of the windows.

    >>> import pytensor as torch
    >>> torch.nn.Unfold(2)(torch.ones(1, 2, 3, 3)).shape
    torch.Size([1, 8, 4])
    """

    __constants__ = ("kernel_size", "dilation", "padding", "stride")

    def __init__(
        self,
        kernel_size: int | tuple[int, int],
        dilation: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        stride: int | tuple[int, int] = 1,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.padding = padding
        self.stride = stride

    def forward(self, input: Tensor) -> Tensor:
        return unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, stride={self.stride}"
