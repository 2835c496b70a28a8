"""Fractional max pooling layers."""

from __future__ import annotations

from typing import Any

from pytensor.nn import functional as F
from pytensor.nn.modules.module import Module
from pytensor.tensor import Tensor

__all__ = ["FractionalMaxPool2d", "FractionalMaxPool3d"]

Ints = int | tuple[int, ...]


def _tuple(value: Any, axes: int) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * axes


class _FractionalMaxPool(Module):
    __constants__ = ["kernel_size", "return_indices", "output_size", "output_ratio"]
    _axes: int

    def __init__(
        self,
        kernel_size: Ints,
        output_size: Ints | None = None,
        output_ratio: float | tuple[float, ...] | None = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> None:
        super().__init__()
        axes = self._axes
        if axes == 3 and any(k <= 0 for k in _tuple(kernel_size, axes)):
            raise ValueError(f"kernel_size must be greater than 0, but got {kernel_size}")
        self.kernel_size = _tuple(kernel_size, axes)
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = None if output_size is None else _tuple(output_size, axes)
        self.output_ratio = None if output_ratio is None else _tuple(output_ratio, axes)
        if output_size is None and output_ratio is None:
            raise ValueError(f"FractionalMaxPool{axes}d requires specifying either an output size, or a pooling ratio")
        if output_size is not None and output_ratio is not None:
            raise ValueError("only one of output_size and output_ratio may be specified")
        if self.output_ratio is not None and not all(0 < r < 1 for r in self.output_ratio):
            raise ValueError(f"output_ratio must be between 0 and 1 (got {output_ratio})")

    def forward(self, input: Tensor) -> Any:
        function = F.fractional_max_pool2d if self._axes == 2 else F.fractional_max_pool3d
        return function(
            input,
            self.kernel_size,
            self.output_size,
            self.output_ratio,
            self.return_indices,
            _random_samples=self._random_samples,
        )


class FractionalMaxPool2d(_FractionalMaxPool):
    """Maximum over windows at random places: :func:`torch.nn.functional.fractional_max_pool2d`.

    https://docs.pytorch.org/docs/stable/generated/torch.nn.FractionalMaxPool2d.html

    >>> import pytensor as torch
    >>> torch.nn.FractionalMaxPool2d(3, output_ratio=0.7)(torch.randn(2, 3, 10, 10)).shape
    torch.Size([2, 3, 7, 7])
    """

    _axes = 2


class FractionalMaxPool3d(_FractionalMaxPool):
    """Maximum over windows at random places: :func:`torch.nn.functional.fractional_max_pool3d`.

    https://docs.pytorch.org/docs/stable/generated/torch.nn.FractionalMaxPool3d.html

    >>> import pytensor as torch
    >>> torch.nn.FractionalMaxPool3d(2, output_size=3)(torch.randn(2, 3, 7, 7, 7)).shape
    torch.Size([2, 3, 3, 3, 3])
    """

    _axes = 3
