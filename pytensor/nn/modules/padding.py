"""Padding layers: :func:`pytensor.nn.functional.pad` with fixed widths."""

from __future__ import annotations

from pytensor.nn.modules.module import Module
from pytensor.nn.modules.utils import _ntuple
from pytensor.ops.padding import pad
from pytensor.tensor import Tensor

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]


class _PadNd(Module):
    """Pads the last axes; subclasses say how many and how."""

    __constants__ = ("padding",)
    _axes: int
    _mode: str

    def __init__(self, padding: int | tuple[int, ...]) -> None:
        super().__init__()
        self.padding = _ntuple(2 * self._axes)(padding)

    def _check_input_dim(self, input: Tensor) -> None:
        """What :func:`pad` does not refuse itself."""

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        return pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _CircularPadNd(_PadNd):
    _mode = "circular"

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() not in (self._axes + 1, self._axes + 2):
            raise ValueError(f"expected {self._axes + 1}D or {self._axes + 2}D input (got {input.dim()}D input)")


class _ReflectionPadNd(_PadNd):
    _mode = "reflect"


class _ReplicationPadNd(_PadNd):
    _mode = "replicate"


class _ConstantPadNd(_PadNd):
    __constants__ = ("padding", "value")

    def __init__(self, padding: int | tuple[int, ...], value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class _ZeroPadNd(_ConstantPadNd):
    def __init__(self, padding: int | tuple[int, ...]) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ReflectionPad1d(_ReflectionPadNd):
    """Mirrors the border of the last axis, without repeating the edge.

    Args:
        padding: ``(left, right)``, or one number for all; negative widths cut.

    >>> import pytensor as torch
    >>> torch.nn.ReflectionPad1d(1)(torch.ones(1, 1, 4)).shape
    torch.Size([1, 1, 6])
    """

    _axes = 1


class ReflectionPad2d(_ReflectionPadNd):
    """Mirrors the border of the last 2 axes, without repeating the edge.

    Args:
        padding: ``(left, right, top, bottom)``, or one number for all; negative widths cut.

    >>> import pytensor as torch
    >>> torch.nn.ReflectionPad2d(1)(torch.ones(1, 1, 4, 4)).shape
    torch.Size([1, 1, 6, 6])
    """

    _axes = 2


class ReflectionPad3d(_ReflectionPadNd):
    """Mirrors the border of the last 3 axes, without repeating the edge.

    Args:
        padding: ``(left, right, top, bottom, front, back)``, or one number for all; negative widths cut.

    >>> import pytensor as torch
    >>> torch.nn.ReflectionPad3d(1)(torch.ones(1, 1, 4, 4, 4)).shape
    torch.Size([1, 1, 6, 6, 6])
    """

    _axes = 3


class ReplicationPad1d(_ReplicationPadNd):
    """Repeats the edge of the last axis.

    Args:
        padding: ``(left, right)``, or one number for all; negative widths cut.

    >>> import pytensor as torch
    >>> torch.nn.ReplicationPad1d(1)(torch.ones(1, 1, 4)).shape
    torch.Size([1, 1, 6])
    """

    _axes = 1


class ReplicationPad2d(_ReplicationPadNd):
    """Repeats the edge of the last 2 axes.

    Args:
        padding: ``(left, right, top, bottom)``, or one number for all; negative widths cut.

    >>> import pytensor as torch
    >>> torch.nn.ReplicationPad2d(1)(torch.ones(1, 1, 4, 4)).shape
    torch.Size([1, 1, 6, 6])
    """

    _axes = 2


class ReplicationPad3d(_ReplicationPadNd):
    """Repeats the edge of the last 3 axes.

    Args:
        padding: ``(left, right, top, bottom, front, back)``, or one number for all; negative widths cut.

    >>> import pytensor as torch
    >>> torch.nn.ReplicationPad3d(1)(torch.ones(1, 1, 4, 4, 4)).shape
    torch.Size([1, 1, 6, 6, 6])
    """

    _axes = 3


class CircularPad1d(_CircularPadNd):
    """Continues the last axis with the other end.

    Args:
        padding: ``(left, right)``, or one number for all; negative widths cut.

    >>> import pytensor as torch
    >>> torch.nn.CircularPad1d(1)(torch.ones(1, 1, 4)).shape
    torch.Size([1, 1, 6])
    """

    _axes = 1


class CircularPad2d(_CircularPadNd):
    """Continues the last 2 axes with the other end.

    Args:
        padding: ``(left, right, top, bottom)``, or one number for all; negative widths cut.

    >>> import pytensor as torch
    >>> torch.nn.CircularPad2d(1)(torch.ones(1, 1, 4, 4)).shape
    torch.Size([1, 1, 6, 6])
    """

    _axes = 2


class CircularPad3d(_CircularPadNd):
    """Continues the last 3 axes with the other end.

    Args:
        padding: ``(left, right, top, bottom, front, back)``, or one number for all; negative widths cut.

    >>> import pytensor as torch
    >>> torch.nn.CircularPad3d(1)(torch.ones(1, 1, 4, 4, 4)).shape
    torch.Size([1, 1, 6, 6, 6])
    """

    _axes = 3


class ConstantPad1d(_ConstantPadNd):
    """Adds a constant around the last axis.

    Args:
        padding: ``(left, right)``, or one number for all; negative widths cut.
        value: what is added.

    >>> import pytensor as torch
    >>> torch.nn.ConstantPad1d(1, 3.5)(torch.ones(1, 1, 4)).shape
    torch.Size([1, 1, 6])
    """

    _axes = 1


class ConstantPad2d(_ConstantPadNd):
    """Adds a constant around the last 2 axes.

    Args:
        padding: ``(left, right, top, bottom)``, or one number for all; negative widths cut.
        value: what is added.

    >>> import pytensor as torch
    >>> torch.nn.ConstantPad2d(1, 3.5)(torch.ones(1, 1, 4, 4)).shape
    torch.Size([1, 1, 6, 6])
    """

    _axes = 2


class ConstantPad3d(_ConstantPadNd):
    """Adds a constant around the last 3 axes.

    Args:
        padding: ``(left, right, top, bottom, front, back)``, or one number for all; negative widths cut.
        value: what is added.

    >>> import pytensor as torch
    >>> torch.nn.ConstantPad3d(1, 3.5)(torch.ones(1, 1, 4, 4, 4)).shape
    torch.Size([1, 1, 6, 6, 6])
    """

    _axes = 3


class ZeroPad1d(_ZeroPadNd):
    """Adds zeros around the last axis.

    Args:
        padding: ``(left, right)``, or one number for all; negative widths cut.

    >>> import pytensor as torch
    >>> torch.nn.ZeroPad1d(1)(torch.ones(1, 1, 4)).shape
    torch.Size([1, 1, 6])
    """

    _axes = 1


class ZeroPad2d(_ZeroPadNd):
    """Adds zeros around the last 2 axes.

    Args:
        padding: ``(left, right, top, bottom)``, or one number for all; negative widths cut.

    >>> import pytensor as torch
    >>> torch.nn.ZeroPad2d(1)(torch.ones(1, 1, 4, 4)).shape
    torch.Size([1, 1, 6, 6])
    """

    _axes = 2


class ZeroPad3d(_ZeroPadNd):
    """Adds zeros around the last 3 axes.

    Args:
        padding: ``(left, right, top, bottom, front, back)``, or one number for all; negative widths cut.

    >>> import pytensor as torch
    >>> torch.nn.ZeroPad3d(1)(torch.ones(1, 1, 4, 4, 4)).shape
    torch.Size([1, 1, 6, 6, 6])
    """

    _axes = 3
