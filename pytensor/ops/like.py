"""``*_like``: new tensors in the form of another: shape, type, device and order of the axes in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytensor import dtypes
from pytensor.layout import memory_format
from pytensor.ops.checks import check_tensor
from pytensor.ops.create import Options, fill_number, new_array, new_strided_array
from pytensor.ops.pointwise_core import factory
from pytensor.ops.registry import op
from pytensor.ops.strides import dense_strides

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["like"]


def like(
    name: str,
    input: Tensor,
    dtype: Any,
    layout: Any,
    device: Any,
    requires_grad: bool,
    pin_memory: bool,
    memory_format: memory_format | None,
) -> tuple[Options, Any]:
    """The options and the uninitialised array of a ``*_like`` function."""
    check_tensor(input, name, "input", 1)
    where = input.device if device is None else device
    options = Options(name, input.dtype, dtype, layout, where, requires_grad, pin_memory)
    array = input._array
    if memory_format is None and array.flags.c_contiguous:
        return options, new_array(array.shape, options.dtype, options.device)
    itemsize = array.itemsize
    strides = dense_strides(memory_format, [s // itemsize for s in array.strides], array.shape)
    return options, new_strided_array(array.shape, strides, options.dtype, options.device)


@op(method=False)
@factory("like")
def empty_like(
    input: Tensor,
    *,
    dtype: dtypes.dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    memory_format: memory_format | None = None,
) -> Tensor:
    """An uninitialised tensor of the shape, type, device and memory order of ``input``.

    >>> import pytensor as torch
    >>> torch.empty_like(torch.ones(2, 3).t()).stride()
    (1, 3)
    """
    options, array = like("empty_like", input, dtype, layout, device, requires_grad, pin_memory, memory_format)
    return options.finish(array)


@op(method=False)
@factory("like", 0.0)
def zeros_like(
    input: Tensor,
    *,
    dtype: dtypes.dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    memory_format: memory_format | None = None,
) -> Tensor:
    """Zeros, in the form of ``input``.

    >>> import pytensor as torch
    >>> torch.zeros_like(torch.tensor([1, 2]))
    tensor([0, 0])
    """
    options, array = like("zeros_like", input, dtype, layout, device, requires_grad, pin_memory, memory_format)
    array.fill(0)
    return options.finish(array)


@op(method=False)
@factory("like", 1.0)
def ones_like(
    input: Tensor,
    *,
    dtype: dtypes.dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    memory_format: memory_format | None = None,
) -> Tensor:
    """Ones, in the form of ``input``.

    >>> import pytensor as torch
    >>> torch.ones_like(torch.tensor([1.5, 2]))
    tensor([1., 1.])
    """
    options, array = like("ones_like", input, dtype, layout, device, requires_grad, pin_memory, memory_format)
    array.fill(1)
    return options.finish(array)


@op(method=False)
def full_like(
    input: Tensor,
    fill_value: Any,
    *,
    dtype: dtypes.dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    memory_format: memory_format | None = None,
) -> Tensor:
    """One value, in the form of ``input``.

    >>> import pytensor as torch
    >>> torch.full_like(torch.tensor([1.5, 2]), 7)
    tensor([7., 7.])
    """
    options, array = like("full_like", input, dtype, layout, device, requires_grad, pin_memory, memory_format)
    array.fill(fill_number(fill_value, options.dtype))
    return options.finish(array)
