"""Checks of the arguments of convolutions, in PyTorch's order and words."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from typing import Any

from pytensor import _C
from pytensor.dtypes import dtype
from pytensor.ops.checks import check_tensor
from pytensor.typename import c_type_name, scalar_type_name, type_string

__all__ = ["check_convolution", "check_input_rank", "check_operands", "per_axis", "same_padding"]


def per_axis(value: Any, spatial: int, name: str) -> tuple[int, ...]:
    """An int or a sequence of one or ``spatial`` ints, as a tuple of ``spatial`` ints."""
    if isinstance(value, int):
        return (value,) * spatial
    if not isinstance(value, Sequence) or isinstance(value, str):
        return (_integer(value, name, "tuple of ints, not"),) * spatial
    values = tuple(_integer(v, name, "tuple of ints, but found element of type") for v in value)
    if len(values) == 1:
        return values * spatial
    if len(values) != spatial:
        raise RuntimeError(
            f"expected {name} to be a single integer value or a list of {spatial} values to match the convolution "
            f"dimensions, but got {name}={list(values)}"
        )
    return values


def _integer(value: Any, name: str, wanted: str) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"argument '{name}' must be {wanted} {type(value).__name__}") from None


def check_operands(function: str, input: Any, weight: Any, bias: Any) -> None:
    """TypeError for what is no tensor."""
    check_tensor(input, function, "input", 1)
    check_tensor(weight, function, "weight", 2)
    if bias is not None and not isinstance(bias, _C.TensorBase):
        check_tensor(bias, function, "bias", 3)


def check_input_rank(function: str, input: Any, spatial: int) -> bool:
    """Whether the input has a batch axis; RuntimeError when it has neither number of axes."""
    ndim = input.dim()
    if ndim not in (spatial + 1, spatial + 2):
        raise RuntimeError(
            f"Expected {spatial + 1}D (unbatched) or {spatial + 2}D (batched) input to {function}, but got input of "
            f"size: {list(input.shape)}"
        )
    return ndim == spatial + 2


def check_weight_rank(weight: Any, spatial: int, stride: Any) -> None:
    if weight.dim() < 3:
        raise RuntimeError("weight should have at least three dimensions")
    if weight.dim() != spatial + 2:
        given = [stride] * spatial if isinstance(stride, int) else list(stride)
        raise RuntimeError(
            f"expected stride to be a single integer value or a list of {weight.dim() - 2} values to match the "
            f"convolution dimensions, but got stride={given}"
        )


def same_padding(kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> list[tuple[int, int]]:
    """(before, after) per axis for padding='same'."""
    if any(s != 1 for s in stride):
        raise RuntimeError("padding='same' is not supported for strided convolutions")
    totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    return [(total // 2, total - total // 2) for total in totals]


def check_numbers(stride, padding, dilation, output_padding, groups: int) -> None:
    if groups <= 0:
        raise RuntimeError("non-positive groups is not supported")
    if any(p < 0 for p in padding):
        raise RuntimeError("negative padding is not supported")
    if any(p < 0 for p in output_padding):
        raise RuntimeError("negative output_padding is not supported")
    if any(s <= 0 for s in stride):
        raise RuntimeError("non-positive stride is not supported")
    if any(d < 0 for d in dilation):
        raise RuntimeError("dilation should be greater than zero")
    if any(d == 0 for d in dilation):
        raise RuntimeError("non-positive dilation is not supported")


def check_channels(x: list[int], w: list[int], bias: tuple[int, ...] | None, groups: int, transposed: bool) -> None:
    if w[0] < groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be at least {groups} at dimension 0, but got weight of size "
            f"{w} instead"
        )
    if w[0] % groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, but got weight of "
            f"size [{w}] instead"
        )
    given = "transposed=1" if transposed else f"groups={groups}"
    expected = w[0] if transposed else w[1] * groups
    if x[1] != expected:
        raise RuntimeError(
            f"Given {given}, weight of size {w}, expected input{x} to have {expected} channels, but got {x[1]} "
            "channels instead"
        )
    outputs = w[1] * groups if transposed else w[0]
    if bias is not None and bias != (outputs,):
        prefix = "transposed=1, weight" if transposed else "weight"
        raise RuntimeError(
            f"Given {prefix} of size {w}, expected bias to be 1-dimensional with {outputs} elements, but got bias of "
            f"size {list(bias)} instead"
        )


def check_windows(x: list[int], w: list[int], padding, dilation) -> None:
    """Every kernel fits into the padded input."""
    sizes = [n + 2 * p for n, p in zip(x[2:], padding, strict=True)]
    reach = [d * (k - 1) + 1 for k, d in zip(w[2:], dilation, strict=True)]
    if any(n < r for n, r in zip(sizes, reach, strict=True)):
        raise RuntimeError(
            f"Calculated padded input size per channel: ({' x '.join(map(str, sizes))}). Kernel size: "
            f"({' x '.join(map(str, reach))}). Kernel size can't be greater than actual input size"
        )


def check_output_padding(output_padding, stride, dilation) -> None:
    if all(p < s or p < d for p, s, d in zip(output_padding, stride, dilation, strict=True)):
        return
    if len(stride) == 1:  # PyTorch runs these as 2-d ones
        output_padding, stride, dilation = (0, *output_padding), (1, *stride), (1, *dilation)
    axes = ("depth", "height", "width")[3 - len(stride) :]
    given = [
        f"{name}_{axis}: {value}"
        for name, values in (("output_padding", output_padding), ("stride", stride), ("dilation", dilation))
        for axis, value in zip(axes, values, strict=True)
    ]
    raise RuntimeError(f"output padding must be smaller than either stride or dilation, but got {' '.join(given)}")


def check_dtypes(input: dtype, weight: dtype, bias: dtype | None) -> None:
    if weight is not input:
        if input.name == "float32":
            raise RuntimeError(
                f"Input type ({type_string(input)}) and weight type ({type_string(weight)}) should be the same or "
                "input should be a MKLDNN tensor and weight is a dense tensor"
            )
        raise RuntimeError(f"expected scalar type {scalar_type_name(input)} but found {scalar_type_name(weight)}")
    if bias is not None and bias is not input:
        raise RuntimeError(f"Input type ({c_type_name(input)}) and bias type ({c_type_name(bias)}) should be the same")
    if input.name == "bool":
        raise NotImplementedError("\"slow_conv2d_cpu\" not implemented for 'Bool'")


def check_convolution(
    input: Any, weight: Any, bias: Any, stride, padding, dilation, output_padding, groups: int, transposed: bool
) -> None:
    """Everything about a batched input and a weight of the same number of axes."""
    _integer(groups, "groups", "int, not")  # 1.0 would find what is kept for 1
    shapes = tuple(input.shape), tuple(weight.shape), None if bias is None else tuple(bias.shape)
    dtypes = input.dtype, weight.dtype, None if bias is None else bias.dtype
    check_described(shapes, dtypes, stride, padding, dilation, output_padding, groups, transposed)


@functools.lru_cache(maxsize=1024)  # what was right once stays so, and networks repeat the same few calls
def check_described(shapes, dtypes, stride, padding, dilation, output_padding, groups: int, transposed: bool) -> None:
    check_numbers(stride, padding, dilation, output_padding, groups)
    x, w, bias = list(shapes[0]), list(shapes[1]), shapes[2]
    check_channels(x, w, bias, groups, transposed)
    if any(k == 0 for k in w[2:]):
        raise RuntimeError(f"kernel size should be greater than zero, but got weight of size {w}")
    if transposed:
        check_output_padding(output_padding, stride, dilation)
    else:
        check_windows(x, w, padding, dilation)
    if 0 in x[2:] and x[0] and x[1]:
        raise RuntimeError(f"Only zero batch or zero channel inputs are supported, but got input shape: {x}")
    check_dtypes(*dtypes)
