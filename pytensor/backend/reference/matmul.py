"""Matrix products in plain array code."""

from __future__ import annotations

from typing import Any

from pytensor.backend.reference.array_module import array_module
from pytensor.backend.reference.pointwise import pointwise

__all__ = ["matmul"]

_HALVES = ("float16", "bfloat16")


def matmul(a: Any, b: Any, bias: Any = None, activation: str | None = None, out: Any = None) -> Any:
    """``activation(a @ b + bias)`` for arrays of one dtype with two axes or more, batch axes broadcast.

    Args:
        bias: an array of shape (n,), added to every row.
        activation: None, ``"relu"``, ``"gelu"`` or ``"gelu_tanh"``.
        out: the array to write to; must not overlap a or b.

    Sums of float16 and bfloat16 are formed in float32; integers wrap around.
    """
    xp = array_module(a)
    half = a.dtype.name in _HALVES
    result = xp.matmul(a.astype("float32"), b.astype("float32")) if half else xp.matmul(a, b)
    if bias is not None:
        result = result + bias
    if activation is not None:
        result = pointwise(activation, (result,))
    result = result.astype(a.dtype, copy=False)
    if out is None:
        return result
    out[...] = result
    return out
