"""SparseAdam, which waits for sparse tensors."""

from __future__ import annotations

from typing import Any

from pytensor.optim.optimizer import Optimizer

__all__ = ["SparseAdam"]


class SparseAdam(Optimizer):
    """Adam for sparse gradients. Raises NotImplementedError: there are no sparse tensors yet; use `Adam`."""

    def __init__(self, params: Any, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError("SparseAdam: sparse gradients are missing; Adam takes dense ones")
