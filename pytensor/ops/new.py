"""``Tensor.new_*``: new tensors of another tensor's type and device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pytensor import dtypes
from pytensor.ops.create import Options, filled, new_array, new_strided_array, number_for, sizes_of
from pytensor.ops.from_data import tensor_from
from pytensor.ops.registry import op

if TYPE_CHECKING:
    from pytensor.tensor import Tensor


def _options(self: Tensor, name: str, dtype: Any, device: Any, requires_grad: bool, layout: Any, pin: bool) -> Options:
    return Options(name, self.dtype, dtype, layout, self.device if device is None else device, requires_grad, pin)


@op(function=False)
def new_empty(
    self: Tensor,
    *sizes: Any,
    size: Any = None,
    dtype: dtypes.dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
    layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """An uninitialised tensor of this tensor's type and device.

    >>> import pytensor as torch
    >>> torch.ones(1, dtype=torch.int8).new_empty(2, 3).dtype
    torch.int8
    """
    options = _options(self, "new_empty", dtype, device, requires_grad, layout, pin_memory)
    return options.finish(new_array(sizes_of("new_empty", sizes, size), options.dtype, options.device))


@op(function=False)
def new_empty_strided(
    self: Tensor,
    size: Sequence[int],
    stride: Sequence[int],
    dtype: dtypes.dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
    layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """An uninitialised tensor of given strides, of this tensor's type and device.

    >>> import pytensor as torch
    >>> torch.ones(1).new_empty_strided((2, 3), (1, 2)).stride()
    (1, 2)
    """
    options = _options(self, "new_empty_strided", dtype, device, requires_grad, layout, pin_memory)
    shape = sizes_of("new_empty_strided", (tuple(size),))
    return options.finish(new_strided_array(shape, tuple(stride), options.dtype, options.device))


@op(function=False)
def new_zeros(
    self: Tensor,
    *sizes: Any,
    size: Any = None,
    dtype: dtypes.dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
    layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """Zeros of this tensor's type and device.

    >>> import pytensor as torch
    >>> torch.ones(1, dtype=torch.int64).new_zeros(2)
    tensor([0, 0])
    """
    options = _options(self, "new_zeros", dtype, device, requires_grad, layout, pin_memory)
    return filled(options, sizes_of("new_zeros", sizes, size), 0)


@op(function=False)
def new_ones(
    self: Tensor,
    *sizes: Any,
    size: Any = None,
    dtype: dtypes.dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
    layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """Ones of this tensor's type and device.

    >>> import pytensor as torch
    >>> torch.zeros(1, dtype=torch.int64).new_ones(2)
    tensor([1, 1])
    """
    options = _options(self, "new_ones", dtype, device, requires_grad, layout, pin_memory)
    return filled(options, sizes_of("new_ones", sizes, size), 1)


@op(function=False)
def new_full(
    self: Tensor,
    size: Sequence[int],
    fill_value: Any,
    *,
    dtype: dtypes.dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
    layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """One value, of this tensor's type and device.

    >>> import pytensor as torch
    >>> torch.zeros(1).new_full((2,), 3)
    tensor([3., 3.])
    """
    options = _options(self, "new_full", dtype, device, requires_grad, layout, pin_memory)
    return filled(options, sizes_of("new_full", (tuple(size),)), number_for(fill_value, options.dtype))


@op(function=False)
def new_tensor(
    self: Tensor,
    data: Any,
    *,
    dtype: dtypes.dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
    layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor with a copy of ``data``, of this tensor's type and device.

    >>> import pytensor as torch
    >>> torch.zeros(1).new_tensor([1, 2])
    tensor([1., 2.])
    """
    return tensor_from(data, _options(self, "new_tensor", dtype, device, requires_grad, layout, pin_memory))
