"""Matrix products of NumPy arrays: C++ kernels for real types, plain NumPy for complex ones."""

from __future__ import annotations

from typing import Any

from pytensor import _C
from pytensor.backend.reference.matmul import matmul as plain_matmul

__all__ = ["matmul"]


def matmul(a: Any, b: Any, bias: Any = None, activation: str | None = None, out: Any = None) -> Any:
    """``activation(a @ b + bias)`` for arrays of one dtype with two axes or more, batch axes broadcast."""
    if a.dtype.kind not in "bc" and a.dtype.isnative and (activation is None or a.dtype.kind not in "iu"):
        return _C.matmul(a, b, out, bias, activation or "")
    return plain_matmul(a, b, bias, activation, out)
