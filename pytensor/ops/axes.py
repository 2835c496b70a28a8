"""The axes of a reduction: normalising them, and giving a reduced tensor its axes back."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pytensor import _C
from pytensor.autograd.node import wrap
from pytensor.backend import backend_of
from pytensor.backend.reference.array_module import array_module
from pytensor.ops.checks import normalize_dim, normalize_dims

__all__ = [
    "array_beside",
    "conjugate",
    "count",
    "fast_reduction",
    "fresh_copy",
    "like_input",
    "mask_of",
    "numpy_names",
    "reduced_axes",
    "spread",
    "zeros_beside",
]

Axes = int | Sequence[int] | None


def reduced_axes(dim: Axes, ndim: int) -> tuple[int, ...]:
    """The axes that ``dim`` names: all of them for None and for an empty list."""
    if dim is None or (not isinstance(dim, int) and len(dim) == 0):
        return tuple(range(ndim))
    if ndim == 0:  # a 0-d tensor has the axes 0 and -1, and nothing to reduce
        normalize_dims(dim, 0)
        return ()
    return (normalize_dim(dim, ndim),) if isinstance(dim, int) else normalize_dims(dim, ndim)


def count(shape: Sequence[int], axes: Sequence[int]) -> int:
    """The number of elements that one result is made of."""
    n = 1
    for axis in axes:
        n *= shape[axis]
    return n


def like_input(reduced: Any, shape: Sequence[int], dim: Axes, keepdim: bool) -> Any:
    """A reduced tensor with its lost axes back, as size 1."""
    if keepdim or len(shape) == 0 or reduced.ndim == 0:
        return reduced  # a 0-d tensor broadcasts to any shape
    axes = reduced_axes(dim, len(shape))
    return reduced.reshape([1 if i in axes else n for i, n in enumerate(shape)])


def spread(reduced: Any, shape: Sequence[int], dim: Axes, keepdim: bool) -> Any:
    """A reduced tensor expanded to the shape of what was reduced: the gradient of a sum."""
    return like_input(reduced, shape, dim, keepdim).expand(tuple(shape))


def zeros_beside(tensor: Any, shape: Sequence[int]) -> Any:
    """New zeros of a shape, on the device of a tensor and of its dtype."""
    array = tensor._array
    if not isinstance(array, np.ndarray):
        return wrap(array_module(array).zeros(tuple(shape), dtype=array.dtype))
    zeros = _C.new_array(tuple(shape), array.dtype.num)
    _C.index_clear(zeros)
    return wrap(zeros)


def array_beside(array: Any, shape: Sequence[int]) -> Any:
    """A new uninitialised array of a shape, on the device of another and of its dtype."""
    if not isinstance(array, np.ndarray):
        return array_module(array).empty(tuple(shape), dtype=array.dtype)
    return _C.new_array(tuple(shape), array.dtype.num)


def fresh_copy(array: Any) -> Any:
    """A C-contiguous copy, in memory from the pool on the CPU."""
    return backend_of(array).copied(array)


def mask_of(array: Any, condition: Any) -> Any:
    """The result of a comparison as an array beside ``array``: NumPy makes a number of it when there are no axes."""
    return array_module(array).asarray(condition)


def conjugate(tensor: Any) -> Any:
    """The complex conjugate; real tensors are their own."""
    return tensor.conj() if tensor.dtype.is_complex else tensor


def numpy_names(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Lets NumPy's keywords ``x``, ``axis`` and ``keepdims`` stand for ``input``, ``dim`` and ``keepdim``, as PyTorch
    does."""

    @functools.wraps(fn)
    def renaming(*args: Any, **kwargs: Any) -> Any:
        if kwargs:
            for numpy_name, name in (("axis", "dim"), ("keepdims", "keepdim"), ("x", "input")):
                if numpy_name in kwargs:
                    kwargs[name] = kwargs.pop(numpy_name)
        return fn(*args, **kwargs)

    return renaming


def fast_reduction(
    kernel: str, node: Any = None, arguments: tuple[str, ...] = ("dim", "keepdim"), alternate: Any = None
) -> Callable[..., Any]:
    """Puts the C callable in front of a reduction; the function answers all but plain calls.

    The node's ctx is (shape of the input, dim or None, keepdim) in both, dim as it was given or normalised.

    Args:
        arguments: of the function, after the input.
        alternate: for max and min: (the op of two tensors, the node of the values along an axis, the type of the
            result).
    """
    from pytensor.ops.pointwise_core import make_op

    def decorate(fn: Callable[..., Any]) -> Any:
        return make_op("reduction", fn, kernel=kernel, node=node, arguments=arguments, alternate=alternate)

    return decorate


def is_tensor(value: Any) -> bool:
    return isinstance(value, _C.TensorBase)
