"""The ``out=`` argument."""

from __future__ import annotations

import warnings
from typing import Any

from pytensor import _C
from pytensor.dtypes import can_cast
from pytensor.typename import scalar_type_name

__all__ = ["write_out"]


def write_out(result: Any, out: Any, name: str) -> Any:
    """Stores ``result`` in ``out`` and returns that; without ``out``, returns the result.

    Raises:
        RuntimeError: when a gradient is wanted, or the result's type cannot be cast to out's.
    """
    if out is None:
        return result
    if isinstance(result, tuple):
        for value, target in zip(result, out, strict=True):
            write_out(value, target, name)
        return type(result)(*out) if hasattr(result, "_fields") else tuple(out)
    if not isinstance(out, _C.TensorBase):
        raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(out).__name__}")
    if _C.is_grad_enabled() and (result._requires_grad or out._requires_grad):
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, but one of the "
            "arguments requires grad."
        )
    if not can_cast(result.dtype, out.dtype):
        raise RuntimeError(
            f"result type {scalar_type_name(result.dtype)} can't be cast to the desired output type "
            f"{scalar_type_name(out.dtype)}"
        )
    if out.shape != result.shape:
        if out.numel() != 0:
            warnings.warn(
                f"An output with one or more elements was resized since it had shape {list(out.shape)}, which does not "
                f"match the required output shape {list(result.shape)}. This behavior is deprecated, and in a future "
                "PyTorch release outputs will not be resized unless they have zero elements. You can explicitly reuse "
                "an out tensor t by resizing it, inplace, to zero elements with t.resize_(0).",
                stacklevel=3,
            )
        out.resize_(tuple(result.shape))
    out._array[...] = result._array
    out._bump_version()
    return out
