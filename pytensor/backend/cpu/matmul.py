"""Matrix products of NumPy arrays: C++ kernels for float32 and float64, plain NumPy for other dtypes."""

from __future__ import annotations

from typing import Any

import numpy as np

from pytensor import _C
from pytensor.backend.reference.matmul import matmul as plain_matmul

__all__ = ["matmul"]


def matmul(a: Any, b: Any, bias: Any = None, activation: str | None = None, out: Any = None) -> Any:
    """``activation(a @ b + bias)`` for arrays of one dtype with two axes or more, batch axes broadcast."""
    if a.dtype.char in "fd" and a.dtype.isnative:
        return _C.matmul(a, b, out, bias, activation or "")
    if a.dtype.itemsize == 2 and a.dtype.kind not in "iu":  # float16, bfloat16
        wide = _C.matmul(
            a.astype(np.float32),
            b.astype(np.float32),
            None,
            None if bias is None else bias.astype(np.float32),
            activation or "",
        )
        result = wide.astype(a.dtype)
        if out is None:
            return result
        out[...] = result
        return out
    return plain_matmul(a, b, bias, activation, out)
