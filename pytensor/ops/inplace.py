"""In-place operations, made from the functional ones: compute, check, store, count the write, rebase the history."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from pytensor import _C
from pytensor.autograd.views import rebase
from pytensor.dtypes import can_cast
from pytensor.typename import scalar_type_name

__all__ = ["begin_write", "check_inplace", "end_write", "inplace", "store"]


def inplace(fn: Callable[..., Any], self: Any, *args: Any, **kwargs: Any) -> Any:
    """``self`` after ``self[...] = fn(self, *args, **kwargs)``.

    Raises:
        RuntimeError: as PyTorch does, for leaves that require grad, views that may not be written, results of
            another shape or of a type that cannot be cast.
    """
    if not isinstance(self, _C.TensorBase):
        raise TypeError(f"{fn.__name__}_(): argument 'input' (position 1) must be Tensor, not {type(self).__name__}")
    check_inplace(self)
    if not _C.will_record(self, *args, *kwargs.values()):
        return store(self, fn(self, *args, **kwargs))
    before = _stand_in(self)
    result = fn(before, *args, **kwargs)
    if sys.getrefcount(before) > 2:  # the node saved it: it must not see the write
        before._array = before._array.copy()
    return store(self, result)


def _stand_in(self: Any) -> Any:
    """The tensor as it is before the write: same data and history, a version of its own."""
    before = self._alias(False)
    if self._requires_grad:
        before._set_history(self.grad_fn, self.output_nr)
    return before


def store(self: Any, result: Any) -> Any:
    """Writes a result into a tensor that passed :func:`check_inplace`."""
    if result.shape != self.shape:
        raise RuntimeError(
            f"output with shape {list(self.shape)} doesn't match the broadcast shape {list(result.shape)}"
        )
    if result.dtype is not self.dtype:
        if not can_cast(result.dtype, self.dtype):
            raise RuntimeError(
                f"result type {scalar_type_name(result.dtype)} can't be cast to the desired output type "
                f"{scalar_type_name(self.dtype)}"
            )
        result = result.to(self.dtype)
    _refuse_ambiguous(self, _C.will_record(result))
    self._array[...] = result._array
    return end_write(self, result)


def begin_write(self: Any, *inputs: Any) -> Any:
    """For ops that write into the memory of ``self`` themselves: checks, before anything is written, and a stand-in for
    ``self`` before the write if a graph is recorded (None if not). Its node must save nothing of what it overwrites."""
    check_inplace(self)
    if not _C.will_record(self, *inputs):
        return None
    _refuse_ambiguous(self, True)
    return _stand_in(self)


def end_write(self: Any, result: Any) -> Any:
    """Counts a write into ``self``; its history is now that of ``result``, unless None."""
    tracked = result is not None and _C.is_grad_enabled() and (result._requires_grad or self._requires_grad)
    self._bump_version()
    if tracked:
        rebase(self, result)
    return self


def _refuse_ambiguous(self: Any, recorded: bool) -> None:
    if self._view_kind == "no_grad" and recorded:
        raise RuntimeError(
            "A view was created in no_grad mode and is being modified inplace with grad mode enabled. Given that this "
            "use case is ambiguous and error-prone, it is forbidden. You can clarify your code by moving both the view "
            "and the inplace either both inside the no_grad block (if you don't want the inplace to be tracked) or both "
            "outside (if you want the inplace to be tracked)."
        )


def check_inplace(self: Any) -> None:
    """May this tensor be written in place? RuntimeError, worded as PyTorch's, if not."""
    if self._inference and not _C.is_inference_mode_enabled():
        raise RuntimeError(
            "Inplace update to inference tensor outside InferenceMode is not allowed.You can make a clone to get a "
            "normal tensor before doing inplace update.See https://github.com/pytorch/rfcs/pull/17 for more details."
        )
    array = self._array
    if array.size and any(stride == 0 and size > 1 for stride, size in zip(array.strides, array.shape, strict=True)):
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a single memory location. "
            "Please clone() the tensor before performing the operation."
        )
    if not _C.is_grad_enabled():
        return
    if self._requires_grad:
        if self.is_leaf:
            raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")
        base = self._base
        if base is not None and base.is_leaf and base._requires_grad:
            raise RuntimeError("a view of a leaf Variable that requires grad is being used in an in-place operation.")
    if self._view_kind == "multi_output" and self._requires_grad:
        node = self.grad_fn
        raise RuntimeError(
            f"Output {self.output_nr} of {node.name()} is a view and is being modified inplace. This view is the output "
            "of a function that returns multiple views. Such functions do not allow the output views to be modified "
            "inplace. You should replace the inplace operation by an out-of-place one."
        )
