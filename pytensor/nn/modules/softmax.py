"""Softmax and its relatives as layers."""

from __future__ import annotations

from typing import Any

from pytensor.nn import functional as F
from pytensor.nn.modules.module import Module
from pytensor.tensor import Tensor

__all__ = [
    "LogSoftmax",
    "Softmax",
    "Softmax2d",
    "Softmin",
]


class _OverDim(Module):
    __constants__ = ["dim"]
    dim: int | None

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if not hasattr(self, "dim"):
            self.dim = None

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmin(_OverDim):
    """The softmax of the negative: see :func:`pytensor.nn.functional.softmin`.

    >>> import pytensor as torch
    >>> torch.nn.Softmin(0)(torch.tensor([1.0, 2.0]))
    tensor([0.7311, 0.2689])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Softmin.html
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.softmin(input, self.dim, _stacklevel=5)


class Softmax(_OverDim):
    """Exponentials that sum to one along a dimension: see :func:`pytensor.nn.functional.softmax`.

    >>> import pytensor as torch
    >>> torch.nn.Softmax(0)(torch.tensor([1.0, 2.0]))
    tensor([0.2689, 0.7311])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Softmax.html
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.softmax(input, self.dim, _stacklevel=5)


class LogSoftmax(_OverDim):
    """The logarithm of the softmax: see :func:`pytensor.nn.functional.log_softmax`.

    >>> import pytensor as torch
    >>> torch.nn.LogSoftmax(0)(torch.tensor([1.0, 2.0]))
    tensor([-1.3133, -0.3133])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LogSoftmax.html
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.log_softmax(input, self.dim, _stacklevel=5)


class Softmax2d(Module):
    """The softmax over the channels of images, [N, C, H, W] or [C, H, W].

    Raises:
        ValueError: for inputs of other dimensions.

    >>> import pytensor as torch
    >>> torch.nn.Softmax2d()(torch.zeros(2, 1, 1)).flatten()
    tensor([0.5000, 0.5000])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.Softmax2d.html
    """

    def forward(self, input: Tensor) -> Tensor:
        if input.dim() not in (3, 4):
            raise ValueError(f"Softmax2d: expected input to be 3D or 4D, got {input.dim()}D instead")
        return F.softmax(input, -3, _stacklevel=5)
