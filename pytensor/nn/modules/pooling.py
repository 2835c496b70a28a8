"""Pooling layers. Each class names the function of `torch.nn.functional` that it calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from pytensor.nn import functional as F
from pytensor.nn.modules.module import Module
from pytensor.tensor import Tensor

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "LPPool1d",
    "LPPool2d",
    "LPPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
]

Ints = int | tuple[int, ...]


def _tuple(value: Ints, axes: int) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * axes


class _MaxPool(Module):
    __constants__ = ["kernel_size", "stride", "padding", "dilation", "return_indices", "ceil_mode"]
    _function: ClassVar[Callable[..., Any]]

    def __init__(
        self,
        kernel_size: Ints,
        stride: Ints | None = None,
        padding: Ints = 0,
        dilation: Ints = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Any:
        return self._function(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices
        )

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class _MaxUnpool(Module):
    _function: ClassVar[Callable[..., Any]]
    _axes: ClassVar[int]

    def __init__(self, kernel_size: Ints, stride: Ints | None = None, padding: Ints = 0) -> None:
        super().__init__()
        self.kernel_size = _tuple(kernel_size, self._axes)
        self.stride = _tuple(stride if stride is not None else kernel_size, self._axes)
        self.padding = _tuple(padding, self._axes)

    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        return self._function(input, indices, self.kernel_size, self.stride, self.padding, output_size)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _AvgPool(Module):
    __constants__ = ["kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override"]
    _function: ClassVar[Callable[..., Any]]

    def __init__(
        self,
        kernel_size: Ints,
        stride: Ints | None = None,
        padding: Ints = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Tensor) -> Tensor:
        return self._function(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _LPPool(Module):
    __constants__ = ["norm_type", "kernel_size", "stride", "ceil_mode"]
    _function: ClassVar[Callable[..., Any]]

    def __init__(
        self, norm_type: float, kernel_size: Ints, stride: Ints | None = None, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        return self._function(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class _AdaptiveMaxPool(Module):
    __constants__ = ["output_size", "return_indices"]
    _function: ClassVar[Callable[..., Any]]

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size = output_size
        self.return_indices = return_indices

    def forward(self, input: Tensor) -> Any:
        return self._function(input, self.output_size, self.return_indices)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class _AdaptiveAvgPool(Module):
    __constants__ = ["output_size"]
    _function: ClassVar[Callable[..., Any]]

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        return self._function(input, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class MaxPool1d(_MaxPool):
    """Maximum over a sliding window of (batch, channels, length).

    Args:
        kernel_size: size of the window, one number or one per axis.
        stride: from window to window; ``kernel_size`` by default.
        padding: implicit -infinity on both sides.
        dilation: distance of the elements of a window.
        return_indices: also give the positions of the maxima, for `MaxUnpool1d`.
        ceil_mode: also windows that leave the input at its end.

    https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxPool1d.html

    >>> import pytensor as torch
    >>> torch.nn.MaxPool1d(3, stride=2)(torch.randn(2, 3, 8)).shape
    torch.Size([2, 3, 3])
    """

    _function = staticmethod(F.max_pool1d)


class MaxPool2d(_MaxPool):
    """Maximum over a sliding window of (batch, channels, height, width).

    See :class:`MaxPool1d`.

    https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxPool2d.html

    >>> import pytensor as torch
    >>> torch.nn.MaxPool2d(3, stride=2)(torch.randn(2, 3, 8, 8)).shape
    torch.Size([2, 3, 3, 3])
    """

    _function = staticmethod(F.max_pool2d)


class MaxPool3d(_MaxPool):
    """Maximum over a sliding window of (batch, channels, depth, height, width).

    See :class:`MaxPool1d`.

    https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxPool3d.html

    >>> import pytensor as torch
    >>> torch.nn.MaxPool3d(3, stride=2)(torch.randn(2, 3, 8, 8, 8)).shape
    torch.Size([2, 3, 3, 3, 3])
    """

    _function = staticmethod(F.max_pool3d)


class MaxUnpool1d(_MaxUnpool):
    """Puts the maxima of :class:`MaxPool1d` back in their places, zeros elsewhere.

    https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxUnpool1d.html

    >>> import pytensor as torch
    >>> pooled, indices = torch.nn.MaxPool1d(2, return_indices=True)(torch.randn(2, 3, 8))
    >>> torch.nn.MaxUnpool1d(2)(pooled, indices).shape
    torch.Size([2, 3, 8])
    """

    _function = staticmethod(F.max_unpool1d)
    _axes = 1


class MaxUnpool2d(_MaxUnpool):
    """Puts the maxima of :class:`MaxPool2d` back in their places, zeros elsewhere.

    https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxUnpool2d.html

    >>> import pytensor as torch
    >>> pooled, indices = torch.nn.MaxPool2d(2, return_indices=True)(torch.randn(2, 3, 8, 8))
    >>> torch.nn.MaxUnpool2d(2)(pooled, indices).shape
    torch.Size([2, 3, 8, 8])
    """

    _function = staticmethod(F.max_unpool2d)
    _axes = 2


class MaxUnpool3d(_MaxUnpool):
    """Puts the maxima of :class:`MaxPool3d` back in their places, zeros elsewhere.

    https://docs.pytorch.org/docs/stable/generated/torch.nn.MaxUnpool3d.html

    >>> import pytensor as torch
    >>> pooled, indices = torch.nn.MaxPool3d(2, return_indices=True)(torch.randn(2, 3, 8, 8, 8))
    >>> torch.nn.MaxUnpool3d(2)(pooled, indices).shape
    torch.Size([2, 3, 8, 8, 8])
    """

    _function = staticmethod(F.max_unpool3d)
    _axes = 3


class AvgPool1d(_AvgPool):
    """Average over a sliding window of (batch, channels, length).

    Args:
        kernel_size: size of the window, one number or one per axis.
        stride: from window to window; ``kernel_size`` by default.
        padding: implicit zeros on both sides.
        ceil_mode: also windows that leave the input at its end.
        count_include_pad: count the padding in the average.

    https://docs.pytorch.org/docs/stable/generated/torch.nn.AvgPool1d.html

    >>> import pytensor as torch
    >>> torch.nn.AvgPool1d(3, stride=2)(torch.randn(2, 3, 8)).shape
    torch.Size([2, 3, 3])
    """

    _function = staticmethod(F.avg_pool1d)

    def __init__(
        self,
        kernel_size: Ints,
        stride: Ints | None = None,
        padding: Ints = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(
            _tuple(kernel_size, 1),
            _tuple(stride if stride is not None else kernel_size, 1),
            _tuple(padding, 1),
            ceil_mode,
            count_include_pad,
        )
        del self.divisor_override

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool1d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)


class AvgPool2d(_AvgPool):
    """Average over a sliding window of (batch, channels, height, width).

    See :class:`AvgPool1d`; ``divisor_override`` replaces the number that sums are divided by.

    https://docs.pytorch.org/docs/stable/generated/torch.nn.AvgPool2d.html

    >>> import pytensor as torch
    >>> torch.nn.AvgPool2d(3, stride=2)(torch.randn(2, 3, 8, 8)).shape
    torch.Size([2, 3, 3, 3])
    """

    _function = staticmethod(F.avg_pool2d)


class AvgPool3d(_AvgPool):
    """Average over a sliding window of (batch, channels, depth, height, width).

    See :class:`AvgPool1d`; ``divisor_override`` replaces the number that sums are divided by.

    https://docs.pytorch.org/docs/stable/generated/torch.nn.AvgPool3d.html

    >>> import pytensor as torch
    >>> torch.nn.AvgPool3d(3, stride=2)(torch.randn(2, 3, 8, 8, 8)).shape
    torch.Size([2, 3, 3, 3, 3])
    """

    _function = staticmethod(F.avg_pool3d)


class LPPool1d(_LPPool):
    """Power average: the p-norm (p = ``norm_type``) of each window of (batch, channels, length).

    https://docs.pytorch.org/docs/stable/generated/torch.nn.LPPool1d.html

    >>> import pytensor as torch
    >>> torch.nn.LPPool1d(2, 4)(torch.randn(2, 3, 8)).shape
    torch.Size([2, 3, 2])
    """

    _function = staticmethod(F.lp_pool1d)


class LPPool2d(_LPPool):
    """Power average: the p-norm (p = ``norm_type``) of each window of (batch, channels, height, width).

    https://docs.pytorch.org/docs/stable/generated/torch.nn.LPPool2d.html

    >>> import pytensor as torch
    >>> torch.nn.LPPool2d(2, 4)(torch.randn(2, 3, 8, 8)).shape
    torch.Size([2, 3, 2, 2])
    """

    _function = staticmethod(F.lp_pool2d)


class LPPool3d(_LPPool):
    """Power average: the p-norm (p = ``norm_type``) of each window of (batch, channels, depth, height, width).

    https://docs.pytorch.org/docs/stable/generated/torch.nn.LPPool3d.html

    >>> import pytensor as torch
    >>> torch.nn.LPPool3d(2, 4)(torch.randn(2, 3, 8, 8, 8)).shape
    torch.Size([2, 3, 2, 2, 2])
    """

    _function = staticmethod(F.lp_pool3d)


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """Maximum of (batch, channels, length) over as many windows as ``output_size`` says.

    https://docs.pytorch.org/docs/stable/generated/torch.nn.AdaptiveMaxPool1d.html

    >>> import pytensor as torch
    >>> torch.nn.AdaptiveMaxPool1d(5)(torch.randn(2, 3, 8)).shape
    torch.Size([2, 3, 5])
    """

    _function = staticmethod(F.adaptive_max_pool1d)


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """Maximum of (batch, channels, height, width) over as many windows as ``output_size`` says.

    https://docs.pytorch.org/docs/stable/generated/torch.nn.AdaptiveMaxPool2d.html

    >>> import pytensor as torch
    >>> torch.nn.AdaptiveMaxPool2d(5)(torch.randn(2, 3, 8, 8)).shape
    torch.Size([2, 3, 5, 5])
    """

    _function = staticmethod(F.adaptive_max_pool2d)


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """Maximum of (batch, channels, depth, height, width) over as many windows as ``output_size`` says.

    https://docs.pytorch.org/docs/stable/generated/torch.nn.AdaptiveMaxPool3d.html

    >>> import pytensor as torch
    >>> torch.nn.AdaptiveMaxPool3d(5)(torch.randn(2, 3, 8, 8, 8)).shape
    torch.Size([2, 3, 5, 5, 5])
    """

    _function = staticmethod(F.adaptive_max_pool3d)


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """Average of (batch, channels, length) over as many windows as ``output_size`` says.

    https://docs.pytorch.org/docs/stable/generated/torch.nn.AdaptiveAvgPool1d.html

    >>> import pytensor as torch
    >>> torch.nn.AdaptiveAvgPool1d(5)(torch.randn(2, 3, 8)).shape
    torch.Size([2, 3, 5])
    """

    _function = staticmethod(F.adaptive_avg_pool1d)


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """Average of (batch, channels, height, width) over as many windows as ``output_size`` says.

    https://docs.pytorch.org/docs/stable/generated/torch.nn.AdaptiveAvgPool2d.html

    >>> import pytensor as torch
    >>> torch.nn.AdaptiveAvgPool2d(5)(torch.randn(2, 3, 8, 8)).shape
    torch.Size([2, 3, 5, 5])
    """

    _function = staticmethod(F.adaptive_avg_pool2d)


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """Average of (batch, channels, depth, height, width) over as many windows as ``output_size`` says.

    https://docs.pytorch.org/docs/stable/generated/torch.nn.AdaptiveAvgPool3d.html

    >>> import pytensor as torch
    >>> torch.nn.AdaptiveAvgPool3d(5)(torch.randn(2, 3, 8, 8, 8)).shape
    torch.Size([2, 3, 5, 5, 5])
    """

    _function = staticmethod(F.adaptive_avg_pool3d)
