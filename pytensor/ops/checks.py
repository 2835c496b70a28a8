"""Argument checks shared by the ops, worded as PyTorch words them."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

from pytensor import _C
from pytensor.dtypes import FLOATING, dtype, finfo

__all__ = [
    "broadcast_shapes_of",
    "by_name",
    "check_floating",
    "check_representable",
    "check_same_device",
    "check_tensor",
    "normalize_dim",
    "normalize_dims",
    "sizes_argument",
]


def normalize_dim(dim: int, ndim: int) -> int:
    """An axis number in [0, ndim); a 0-d tensor has the axes -1 and 0.

    Raises:
        IndexError: when the axis does not exist.
    """
    span = max(ndim, 1)
    if not -span <= dim < span:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-span}, {span - 1}], but got {dim})")
    return dim + span if dim < 0 else dim


def normalize_dims(dims: int | Sequence[int], ndim: int) -> tuple[int, ...]:
    """Several axis numbers.

    Raises:
        IndexError: when an axis does not exist.
        RuntimeError: when one comes twice.
    """
    wanted = (dims,) if isinstance(dims, int) else tuple(dims)
    result = tuple(normalize_dim(int(d), ndim) for d in wanted)
    for i, d in enumerate(result):
        if d in result[:i]:
            raise RuntimeError(f"dim {d} appears multiple times in the list of dims")
    return result


def check_tensor(value: Any, function: str, argument: str, position: int) -> None:
    """TypeError unless ``value`` is a tensor."""
    if not isinstance(value, _C.TensorBase):
        raise TypeError(
            f"{function}(): argument '{argument}' (position {position}) must be Tensor, not {type(value).__name__}"
        )


def check_floating(value: Any, function: str) -> None:
    """RuntimeError unless the tensor is of a floating or complex type."""
    if value.dtype.category < FLOATING:
        raise RuntimeError(f"{function}: expected a floating point or complex tensor, got {value.dtype}")


def check_representable(value: float, d: dtype) -> None:
    """RuntimeError for a finite number beyond the largest of a floating type."""
    if d.category == FLOATING and math.isfinite(value) and abs(value) > finfo(d).max:
        kind = {"float32": "float", "float64": "double", "float16": "c10::Half"}.get(d.name, "c10::BFloat16")
        raise RuntimeError(f"value cannot be converted to type {kind} without overflow")


def check_same_device(*tensors: Any) -> None:
    """RuntimeError when the tensors live on different devices."""
    devices = []
    for t in tensors:
        if isinstance(t, _C.TensorBase) and t.device not in devices:
            devices.append(t.device)
    if len(devices) > 1:
        raise RuntimeError(
            "Expected all tensors to be on the same device, but found at least two devices, "
            f"{devices[0]} and {devices[1]}!"
        )


def broadcast_shapes_of(*shapes: Sequence[int]) -> tuple[int, ...]:
    """The shape that all shapes broadcast to.

    Raises:
        RuntimeError: naming the sizes that do not match.
    """
    ndim = max((len(s) for s in shapes), default=0)
    result = [1] * ndim
    for shape in shapes:
        for i, size in enumerate(shape, start=ndim - len(shape)):
            if size != 1:
                if result[i] not in (1, size):
                    raise RuntimeError(
                        f"The size of tensor a ({result[i]}) must match the size of tensor b ({size}) at "
                        f"non-singleton dimension {i}"
                    )
                result[i] = size
    return tuple(result)


def by_name(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Lets what a function takes as ``*sizes`` come as one keyword too: ``x.permute(dims=(1, 0))``."""

    def decorate(fn: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(fn)
        def naming(*args: Any, **kwargs: Any) -> Any:
            for name in names:
                if name in kwargs:
                    args = (*args, kwargs.pop(name))
            return fn(*args, **kwargs)

        return naming

    return decorate


def sizes_argument(sizes: tuple[Any, ...]) -> tuple[int, ...]:
    """``f(2, 3)`` and ``f((2, 3))`` alike, as a tuple of ints."""
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        sizes = tuple(sizes[0])
    return sizes if all(type(s) is int for s in sizes) else tuple([operator.index(s) for s in sizes])
