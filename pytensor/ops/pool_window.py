"""The windows of pooling: arguments of max and average pooling, checked as PyTorch checks them."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

from pytensor.ops.checks import check_tensor
from pytensor.typename import scalar_type_name

__all__ = ["Window", "check_dtype", "per_axis", "pool_window"]

_COUNT = {1: "one", 2: "two", 3: "three"}


class Window(NamedTuple):
    """One entry per pooled axis; these are the last ones."""

    out: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]


def check_dtype(input: Any, function: str, integers: bool) -> None:
    """NotImplementedError for complex and bool, and for integers where PyTorch has no kernel."""
    if input.dtype.is_floating_point:
        return
    name = scalar_type_name(input.dtype)
    if not integers or input.dtype.is_complex or name == "Bool":
        raise NotImplementedError(f"\"{function}\" not implemented for '{name}'")


def per_axis(value: Any, axes: int, function: str, argument: str, position: int) -> tuple[int, ...]:
    """An int, or a sequence of one or ``axes`` ints, as ``axes`` ints."""
    if isinstance(value, (tuple, list)):
        for i, v in enumerate(value, start=1):
            if not hasattr(v, "__index__"):
                raise TypeError(
                    f"{function}(): argument '{argument}' failed to unpack the object at pos {i} with error "
                    f'"type must be tuple of ints,but got {type(v).__name__}"'
                )
        sizes = tuple(v.__index__() for v in value)
    elif hasattr(value, "__index__") and not isinstance(value, bool):
        sizes = (value.__index__(),)
    else:
        raise TypeError(
            f"{function}(): argument '{argument}' (position {position}) must be tuple of ints, "
            f"not {type(value).__name__}"
        )
    if len(sizes) == axes:
        return sizes
    if len(sizes) == 1:
        return sizes * axes
    if function == "max_pool1d":
        raise RuntimeError(
            f"max_pool1d() {argument} must be an int, list of ints or tuple of ints of size 1 but got size {len(sizes)}"
        )
    if axes == 1:
        raise RuntimeError(f"{function}() argument '{argument}' should contain one int (got {len(sizes)})")
    either = {
        "stride": "must either be omitted, a single int,",
        "dilation": "must be either a single int,",
    }.get(argument, "must either be a single int,")
    raise RuntimeError(f"{function}: {argument} {either} or a tuple of {_COUNT[axes]} ints")


def _check_shape(function: str, axes: int, sizes: Any) -> None:
    shape = list(sizes)
    ndim = len(shape)
    if axes == 1:
        if ndim in (2, 3) and all(s > 0 for s in shape[ndim - 2 :]):
            return
        if function == "max_pool1d":
            raise RuntimeError(
                "max_pool1d: Expected 2D or 3D (batch mode) tensor with optional 0 dim batch size for input, but "
                f"got:{shape}"
            )
        if ndim not in (2, 3):
            raise RuntimeError(
                f"Expected 2 to 3 dimensions, but got {ndim}-dimensional tensor for argument #1 'self' (while checking "
                f"arguments for {function})"
            )
    if ndim in (axes + 1, axes + 2) and all(s > 0 for s in shape[ndim - axes - 1 :]):
        return
    if ndim <= axes or axes == 3:
        raise RuntimeError(f"non-empty {axes + 1}D or {axes + 2}D (batch mode) tensor expected for input")
    raise RuntimeError(
        f"Expected {axes + 1}D or {axes + 2}D (batch mode) tensor with optional 0 dim batch size for input, but "
        f"got:{shape}"
    )


def _check_max_pool1d(kernel: int, stride: int, padding: int, dilation: int) -> None:
    """max_pool1d has words of its own."""
    for name, value in (("kernel_size", kernel), ("stride", stride), ("dilation", dilation)):
        if value <= 0:
            raise RuntimeError(f"max_pool1d() {name} must be greater than zero, but got {value}")
    if padding < 0:
        raise RuntimeError(f"max_pool1d() padding must be non-negative, but got {padding}")
    if padding > kernel // 2:
        raise RuntimeError(
            f"max_pool1d() padding should be at most half of kernel size, but got padding={padding} and "
            f"kernel_size={kernel}"
        )


def _check_numbers(kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int], dilation: Sequence[int]):
    if any(s == 0 for s in stride):
        raise RuntimeError("stride should not be zero")
    for p, k, d in zip(padding, kernel, dilation, strict=True):
        if p < 0:
            raise RuntimeError(f"pad must be non-negative, but got pad: {p}")
        if d > 0 and p > ((k - 1) * d + 1) // 2:
            raise RuntimeError(
                f"pad should be at most half of effective kernel size, but got pad={p}, kernel_size={k} and "
                f"dilation={d}"
            )
    if any(k <= 0 for k in kernel):
        names = ("T", "H", "W")[3 - len(kernel) :]
        text = " ".join(f"k{n}: {k}" for n, k in zip(names, kernel, strict=True))
        raise RuntimeError(f"kernel size should be greater than zero, but got {text}")
    if any(s < 0 for s in stride):
        names = ("T", "H", "W")[3 - len(stride) :]
        text = " ".join(f"d{n}: {s}" for n, s in zip(names, stride, strict=True))
        raise RuntimeError(f"stride should be greater than zero, but got {text}")
    if any(d <= 0 for d in dilation):
        names = ("T", "H", "W")[3 - len(dilation) :]
        text = " ".join(f"dilation{n}: {d}" for n, d in zip(names, dilation, strict=True))
        raise RuntimeError(f"dilation should be greater than zero, but got {text}")


def _output_size(size: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> int:
    span = size + 2 * padding - dilation * (kernel - 1) - 1
    out = (span + (stride - 1 if ceil_mode else 0)) // stride + 1
    if ceil_mode and (out - 1) * stride >= size + padding:
        out -= 1  # every window starts inside the input or the padding before it
    return out


def pool_window(
    function: str,
    axes: int,
    input: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
) -> Window:
    """The window of a pooling call.

    Raises:
        TypeError, RuntimeError: worded as PyTorch's.
    """
    check_tensor(input, function, "input", 1)
    if list in (type(kernel_size), type(stride), type(padding), type(dilation)):
        kernel_size, stride, padding, dilation = (
            tuple(v) if isinstance(v, list) else v for v in (kernel_size, stride, padding, dilation)
        )
    numbers = kernel_size, stride, padding, dilation
    find = _window if all(map(_is_plain, numbers)) else _window.__wrapped__
    return find(function, axes, input.shape, *numbers, bool(ceil_mode))


def _is_plain(value: Any) -> bool:
    """Made of nothing but ints: what only compares equal to them, as 2.0, must not find their entry in a cache."""
    if type(value) is tuple:
        return all(type(n) is int for n in value)
    return value is None or type(value) is int


@functools.lru_cache(maxsize=256)
def _window(
    function: str, axes: int, shape: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> Window:
    """The same for a shape: a network asks for few different windows, again and again."""
    kernel = per_axis(kernel_size, axes, function, "kernel_size", 2)
    stride = kernel if stride is None or stride == () else per_axis(stride, axes, function, "stride", 3)
    padding = per_axis(padding, axes, function, "padding", 4)
    dilation = per_axis(dilation, axes, function, "dilation", 5)
    if function == "max_pool1d":
        _check_shape(function, axes, shape)
        _check_max_pool1d(kernel[0], stride[0], padding[0], dilation[0])
    else:
        _check_numbers(kernel, stride, padding, dilation)
        _check_shape(function, axes, shape)
    size = tuple(shape)[len(shape) - axes :]
    if function == "avg_pool3d" and any(n < k for n, k in zip(size, kernel, strict=True)):
        image = " ".join(f"{a}: {n}" for a, n in zip("THW", size, strict=True))
        window = " ".join(f"k{a}: {k}" for a, k in zip("THW", kernel, strict=True))
        raise RuntimeError(f"input image ({image}) smaller than kernel size ({window})")
    numbers = zip(size, kernel, stride, padding, dilation, strict=True)
    out = tuple(_output_size(*n, ceil_mode) for n in numbers)
    if any(o < 1 for o in out):
        if function == "max_pool1d":
            raise RuntimeError(f"max_pool1d() Invalid computed output size: {out[0]}")
        channels = shape[len(shape) - axes - 1]
        before, after = ("x".join(map(str, (channels, *s))) for s in (size, out))
        raise RuntimeError(f"Given input size: ({before}). Calculated output size: ({after}). Output size is too small")
    return Window(out, kernel, stride, padding, dilation)
