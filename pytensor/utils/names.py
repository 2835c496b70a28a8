"""Names of types as PyTorch's messages have them."""

from __future__ import annotations

from typing import Any

from pytensor.tensor import Tensor

__all__ = ["typename"]


def typename(value: Any) -> str:
    """'torch.FloatTensor' for a tensor, 'float' for a number, 'package.Class' for anything else.

    >>> typename(1.0)
    'float'
    """
    if isinstance(value, Tensor):
        return value.type()
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", None) or type(value).__name__
    module = getattr(value, "__module__", None)
    return name if module in (None, "builtins") else f"{module}.{name}"
