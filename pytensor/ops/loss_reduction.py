"""The ``reduction`` argument of the losses, and its deprecated forerunners ``size_average`` and ``reduce``."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["reduced", "reduction_mode"]


def reduction_mode(
    reduction: str, size_average: bool | None = None, reduce: bool | None = None, stacklevel: int = 3
) -> str:
    """ "none", "mean" or "sum".

    Raises:
        ValueError: for any other reduction.
    """
    if size_average is not None or reduce is not None:
        average, do_reduce = size_average in (None, True), reduce in (None, True)
        mode = ("mean" if average else "sum") if do_reduce else "none"
        warnings.warn(
            f"size_average and reduce args will be deprecated, please use reduction='{mode}' instead.",
            stacklevel=stacklevel,
        )
        return mode
    if reduction == "elementwise_mean":
        warnings.warn(
            "reduction='elementwise_mean' is deprecated. Please use reduction='mean' instead.", stacklevel=stacklevel
        )
        return "mean"
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return reduction


def reduced(losses: Tensor, mode: str) -> Tensor:
    """Losses by a mode of :func:`reduction_mode`."""
    if mode == "none":
        return losses
    return losses.mean() if mode == "mean" else losses.sum()
