"""New tensors of a given shape: zeros, ones, full, empty, eye, and the forms that copy another tensor's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pytensor import _C, dtypes
from pytensor.autograd.node import wrap
from pytensor.device import device as Device
from pytensor.device import get_default_device
from pytensor.layout import memory_format, strided
from pytensor.ops.checks import check_representable
from pytensor.ops.out import write_out
from pytensor.ops.pointwise_core import factory
from pytensor.ops.registry import op
from pytensor.ops.strides import dense_strides

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["Options", "fill_number", "module_of", "new_array", "new_strided_array", "number_for", "sizes_of"]

_PYTHON_TYPES = {float: dtypes.float64, int: dtypes.int64, bool: dtypes.bool, complex: dtypes.complex128}


def module_of(device: Device) -> Any:
    """The array library that makes arrays on a device.

    Raises:
        AssertionError: for a CUDA device without CuPy.
        NotImplementedError: for devices that hold no data.
    """
    if device.type == "cpu":
        return np
    if device.type != "cuda":
        raise NotImplementedError(f"tensors on device '{device}' are not implemented")
    try:
        import cupy
    except ImportError:
        raise AssertionError("Torch not compiled with CUDA enabled: tensors on CUDA devices need CuPy") from None
    return cupy


class Options:
    """The keyword arguments that every factory takes, checked: dtype, layout, device, requires_grad, pin_memory."""

    __slots__ = ("device", "dtype", "requires_grad")

    def __init__(
        self,
        name: str,
        default: dtypes.dtype | None,
        dtype: Any = None,
        layout: Any = None,
        device: Any = None,
        requires_grad: bool = False,
        pin_memory: bool | None = False,
    ) -> None:
        if dtype is not None and not isinstance(dtype, dtypes.dtype):
            if dtype not in _PYTHON_TYPES:
                raise TypeError(f"{name}(): argument 'dtype' must be torch.dtype, not {type(dtype).__name__}")
            dtype = _PYTHON_TYPES[dtype]
        if layout is not None and layout is not strided:
            raise NotImplementedError(f"{name}(): only layout=torch.strided is implemented, got {layout}")
        if pin_memory:
            raise RuntimeError(
                "pin_memory=True requires a CUDA or other accelerator backend; no pinned memory allocator is available "
                "on this system."
            )
        self.dtype = dtype if dtype is not None else default
        self.device = get_default_device() if device is None else Device(device)
        self.requires_grad = requires_grad
        if requires_grad and self.dtype is not None:
            self.check_grad(self.dtype)

    @staticmethod
    def check_grad(dtype: dtypes.dtype) -> None:
        """RuntimeError for types that have no gradients."""
        if dtype.category < dtypes.FLOATING:
            raise RuntimeError("Only Tensors of floating point and complex dtype can require gradients")

    def finish(self, array: Any) -> Tensor:
        """The array as a leaf tensor."""
        tensor = wrap(array)
        if self.requires_grad:
            tensor._requires_grad = True
        return tensor


def new_array(shape: Sequence[int], dtype: dtypes.dtype, device: Device) -> Any:
    """An uninitialised contiguous array: from the buffer pool on the CPU."""
    if device.type == "cpu":
        return _C.new_array(shape, dtype.numpy.num)
    return module_of(device).empty(shape, dtype.numpy)


def new_strided_array(shape: Sequence[int], strides: Sequence[int], dtype: dtypes.dtype, device: Device) -> Any:
    """An uninitialised array with these strides, in elements; no stride is negative."""
    extent = 0 if 0 in shape else 1 + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    flat = new_array((extent,), dtype, device)
    steps = [s * dtype.itemsize for s in strides]
    if isinstance(flat, np.ndarray):
        return np.ndarray(tuple(shape), flat.dtype, flat, 0, steps)
    return module_of(device).lib.stride_tricks.as_strided(flat, shape, steps)


def sizes_of(name: str, sizes: tuple[Any, ...], size: Any = None) -> tuple[int, ...]:
    """The sizes given as ``f(2, 3)``, ``f((2, 3))`` or ``f(size=(2, 3))``.

    Raises:
        TypeError: for anything but integers.
        RuntimeError: for negative ones.
    """
    for n in sizes:
        if type(n) is not int or n < 0:
            break
    else:
        if sizes:
            return sizes  # nearly every call comes here
    if not sizes:
        if size is None:
            raise TypeError(f'{name}() missing 1 required positional arguments: "size"')
        given = size
    elif isinstance(sizes[0], (tuple, list)):
        if len(sizes) > 1:
            raise TypeError(f"{name}() takes 1 positional argument but {len(sizes)} were given")
        given = sizes[0]
    else:
        given = sizes
    result = []
    for i, n in enumerate(given if isinstance(given, (tuple, list)) else (given,)):
        if type(n) is not int:
            if isinstance(n, (bool, float, str)) or not hasattr(n, "__index__"):
                raise TypeError(_size_type_error(name, given is sizes, i, n))
            n = n.__index__()
        if n < 0:
            raise RuntimeError(f"{name}: Dimension size must be non-negative.")
        result.append(n)
    return tuple(result)


def _size_type_error(name: str, spread: bool, position: int, value: Any) -> str:
    kind = type(value).__name__
    if spread and position == 0:
        return f"{name}(): argument 'size' (position 1) must be tuple of ints, not {kind}"
    return (
        f"{name}(): argument 'size' failed to unpack the object at pos {position + 1} with error "
        f'"type must be tuple of ints,but got {kind}"'
    )


def number_for(value: Any, dtype: dtypes.dtype) -> Any:
    """A Python number as an element of ``dtype``: floats are cut to integers, negative ones wrap in uint8.

    Raises:
        RuntimeError: for a number outside the type's range.
    """
    if isinstance(value, _C.TensorBase):
        value = value.item()
    error = f"value cannot be converted to type {dtype.name} without overflow"
    if isinstance(value, complex) and dtype.category < dtypes.COMPLEX and dtype.category != dtypes.BOOL:
        if value.imag != 0:
            raise RuntimeError(error)
        value = value.real
    if dtype.category == dtypes.BOOL:
        return bool(value)
    if dtype.category == dtypes.INTEGER:
        if isinstance(value, float) and not math.isfinite(value):
            raise RuntimeError(error)
        value = int(value)
        limits = np.iinfo(dtype.numpy)
        low = int(limits.min) or -int(limits.max)
        if not low <= value <= limits.max:
            raise RuntimeError(error)
        return value & 255 if dtype is dtypes.uint8 else value
    return value


def fill_number(value: Any, dtype: dtypes.dtype) -> Any:
    """:func:`number_for`, and RuntimeError for finite numbers beyond the largest of a floating type."""
    value = number_for(value, dtype)
    check_representable(value, dtype)
    return value


def filled(options: Options, shape: tuple[int, ...], value: Any) -> Tensor:
    """A contiguous tensor of one value."""
    array = new_array(shape, options.dtype, options.device)
    array.fill(value)
    return options.finish(array)


@op(method=False)
@factory("sizes")
def empty(
    *sizes: Any,
    size: Any = None,
    out: Tensor | None = None,
    dtype: dtypes.dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    memory_format: memory_format | None = None,
) -> Tensor:
    """An uninitialised tensor.

    >>> import pytensor as torch
    >>> torch.empty(2, 3).shape
    torch.Size([2, 3])
    """
    shape = sizes_of("empty", sizes, size)
    if out is not None:
        return out.resize_(shape)
    options = Options("empty", dtypes.get_default_dtype(), dtype, layout, device, requires_grad, pin_memory)
    if memory_format is None:
        return options.finish(new_array(shape, options.dtype, options.device))
    strides = dense_strides(memory_format, (), shape)
    return options.finish(new_strided_array(shape, strides, options.dtype, options.device))


@op(method=False)
def empty_strided(
    size: Sequence[int],
    stride: Sequence[int],
    *,
    dtype: dtypes.dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """An uninitialised tensor with the given strides, in elements.

    Raises:
        RuntimeError: for different numbers of sizes and strides, or a negative one.

    >>> import pytensor as torch
    >>> torch.empty_strided((2, 3), (1, 2)).stride()
    (1, 2)
    """
    shape = sizes_of("empty_strided", (tuple(size),))
    strides = tuple(int(s) for s in stride)
    if len(shape) != len(strides):
        raise RuntimeError(
            f"dimensionality of sizes ({len(shape)}) must match dimensionality of strides ({len(strides)})"
        )
    if any(s < 0 for s in strides):
        raise RuntimeError(f"Storage size calculation overflowed with sizes={list(shape)} and strides={list(strides)}")
    options = Options("empty_strided", dtypes.get_default_dtype(), dtype, layout, device, requires_grad, pin_memory)
    return options.finish(new_strided_array(shape, strides, options.dtype, options.device))


@op(method=False)
def empty_permuted(
    size: Sequence[int],
    physical_layout: Sequence[int],
    *,
    dtype: dtypes.dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """An uninitialised dense tensor whose axes lie in memory in the given order, outermost first.

    >>> import pytensor as torch
    >>> torch.empty_permuted((2, 3), (1, 0)).stride()
    (1, 2)
    """
    shape = sizes_of("empty_permuted", (tuple(size),))
    order = tuple(int(d) for d in physical_layout)
    if len(order) != len(shape):
        raise RuntimeError(
            "Number of dimensions in the tensor input does not match the length of the physical layout; i.e. "
            f"len(size) = {len(shape)} is not equal to len(physical_layout) = {len(order)}"
        )
    for i, d in enumerate(order):
        if not 0 <= d < len(shape):
            raise RuntimeError(
                f"Dimension out of range (expected to be between 0 and {len(shape) - 1}, but got {d} at index {i}).  "
                "NB: negative dims not currently supported; file an issue if you want it."
            )
        if d in order[:i]:
            raise RuntimeError("Duplicate dim not allowed")
    strides = [0] * len(shape)
    step = 1
    for d in reversed(order):
        strides[d] = step
        step *= max(shape[d], 1)
    return empty_strided(
        shape,
        strides,
        dtype=dtype,
        layout=layout,
        device=device,
        requires_grad=requires_grad,
        pin_memory=pin_memory,
    )


@op(method=False)
@factory("sizes", 0.0)
def zeros(
    *sizes: Any,
    size: Any = None,
    out: Tensor | None = None,
    dtype: dtypes.dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor of zeros.

    >>> import pytensor as torch
    >>> torch.zeros(2, 3)
    tensor([[0., 0., 0.],
            [0., 0., 0.]])
    """
    shape = sizes_of("zeros", sizes, size)
    if out is not None:
        return out.resize_(shape).zero_()
    options = Options("zeros", dtypes.get_default_dtype(), dtype, layout, device, requires_grad, pin_memory)
    return filled(options, shape, 0)


@op(method=False)
@factory("sizes", 1.0)
def ones(
    *sizes: Any,
    size: Any = None,
    out: Tensor | None = None,
    dtype: dtypes.dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor of ones.

    >>> import pytensor as torch
    >>> torch.ones((2,), dtype=torch.int64)
    tensor([1, 1])
    """
    shape = sizes_of("ones", sizes, size)
    if out is not None:
        return out.resize_(shape).fill_(1)
    options = Options("ones", dtypes.get_default_dtype(), dtype, layout, device, requires_grad, pin_memory)
    return filled(options, shape, 1)


@op(method=False)
@factory("full")
def full(
    size: Sequence[int],
    fill_value: Any,
    *,
    out: Tensor | None = None,
    dtype: dtypes.dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor of one value, of the value's type unless ``dtype`` is given.

    >>> import pytensor as torch
    >>> torch.full((2, 2), 3.5)
    tensor([[3.5000, 3.5000],
            [3.5000, 3.5000]])
    """
    if not isinstance(size, (tuple, list)):
        raise TypeError(f"full(): argument 'size' (position 1) must be tuple of ints, not {type(size).__name__}")
    shape = sizes_of("full", (tuple(size),))
    if isinstance(fill_value, _C.TensorBase):
        fill_value = fill_value.item()
    if out is not None:
        return out.resize_(shape).fill_(fill_value)
    default = dtypes.category_default(dtypes.number_category(fill_value))
    options = Options("full", default, dtype, layout, device, requires_grad, pin_memory)
    return filled(options, shape, fill_number(fill_value, options.dtype))


@op(method=False)
def scalar_tensor(
    s: Any,
    *,
    dtype: dtypes.dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A 0-d tensor of a number, of the default type unless ``dtype`` is given.

    >>> import pytensor as torch
    >>> torch.scalar_tensor(3)
    tensor(3.)
    """
    default = dtypes.get_default_dtype()
    if isinstance(s, complex):
        default = default.to_complex()
    options = Options("scalar_tensor", default, dtype, layout, device, requires_grad, pin_memory)
    return filled(options, (), fill_number(s, options.dtype))


@op(method=False)
def eye(
    n: int,
    m: int | None = None,
    *,
    out: Tensor | None = None,
    dtype: dtypes.dtype | None = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """The n x m matrix with ones on its diagonal (m = n by default).

    >>> import pytensor as torch
    >>> torch.eye(2, 3)
    tensor([[1., 0., 0.],
            [0., 1., 0.]])
    """
    m = n if m is None else m
    if n < 0:
        raise RuntimeError(f"n must be greater or equal to 0, got {n}")
    if m < 0:
        raise RuntimeError(f"m must be greater or equal to 0, got {m}")
    default = dtypes.get_default_dtype() if out is None else out.dtype
    options = Options("eye", default, dtype, layout, device, requires_grad, pin_memory)
    array = new_array((n, m), options.dtype, options.device)
    array.fill(0)
    array.reshape(-1)[: m * min(n, m) : m + 1] = 1
    return write_out(options.finish(array), out, "eye")
