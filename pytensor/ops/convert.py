"""Copies and conversions: clone, to, the casts, contiguous, copy_, fill_, zero_."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytensor import _C, dtypes
from pytensor import device as _device
from pytensor.autograd.node import Node, record
from pytensor.backend import backend_of
from pytensor.backend.reference.array_module import array_module
from pytensor.dtypes import dtype
from pytensor.layout import contiguous_format, preserve_format
from pytensor.ops.checks import check_representable
from pytensor.ops.inplace import check_inplace, store
from pytensor.ops.pointwise_core import quick
from pytensor.ops.registry import op
from pytensor.typename import type_string

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["cast", "clone", "contiguous", "copy_", "cuda_module", "fill", "move", "to", "zero_"]


class CloneBackward0(Node):
    def backward(self, grad: Tensor) -> Any:
        return (grad,)


class ToCopyBackward0(Node):
    """A cast or a copy to another device; the engine casts the gradient back, here it moves back."""

    def backward(self, grad: Tensor) -> Any:
        source_device, source_dtype = self.ctx
        if grad.dtype.is_complex and not source_dtype.is_complex:
            grad = grad.real
        return (to(grad, device=source_device, dtype=source_dtype),)


class CopyBackwards(Node):
    def backward(self, grad: Tensor) -> Any:
        return grad * 0, grad


def check_format(function: str, memory_format: Any) -> None:
    """Orders of axes other than row-major are not there yet: saying so beats ignoring them."""
    if memory_format not in (preserve_format, contiguous_format, None):
        raise NotImplementedError(f"{function}(): memory format {memory_format} is not there yet")


@op()
def clone(input: Tensor, *, memory_format: Any = preserve_format) -> Tensor:
    """A copy, differentiable.

    >>> import pytensor as torch
    >>> x = torch.ones(2)
    >>> y = x.clone()
    >>> y[0] = 5
    >>> x
    tensor([1., 1.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.clone.html
    """
    check_format("clone", memory_format)
    array = input._array
    if not isinstance(array, np.ndarray):
        out = array.copy(order="C" if memory_format is contiguous_format else "K")
    elif memory_format is contiguous_format and not array.flags.c_contiguous:
        out = backend_of(array).copied(array)
    else:
        out = backend_of(array).cast(array, array.dtype)
    return record(CloneBackward0, (input,), out)


@op(function=False)
def contiguous(input: Tensor, memory_format: Any = contiguous_format) -> Tensor:
    """The tensor itself when it is row-major without gaps, else a copy that is.

    >>> import pytensor as torch
    >>> torch.ones(2, 3).t().contiguous().stride()
    (2, 1)
    """
    check_format("contiguous", memory_format)
    return input if input._array.flags.c_contiguous else clone(input, memory_format=contiguous_format)


def _parse_to(args: tuple[Any, ...], device: Any, d: Any) -> tuple[Any, Any]:
    """The forms to(dtype), to(device, dtype), to(other)."""
    for value in args:
        if isinstance(value, dtype):
            d = value
        elif isinstance(value, _C.TensorBase):
            device, d = value.device, value.dtype
        elif isinstance(value, (str, int, _device.device)) and not isinstance(value, bool):
            device = _device.device(value)
        elif not isinstance(value, bool) and value is not None:
            raise TypeError(f"to() received an invalid argument of type {type(value).__name__}")
    return (None if device is None else _device.device(device)), d


_C.register_cpu(_device.device("cpu"))


@op(function=False)
@quick("cast", ToCopyBackward0)
def to(
    input: Tensor,
    *args: Any,
    device: Any = None,
    dtype: Any = None,
    non_blocking: bool = False,
    copy: bool = False,
    memory_format: Any = preserve_format,
) -> Tensor:
    """The tensor in another dtype, on another device; itself when nothing changes and ``copy`` is False.

    >>> import pytensor as torch
    >>> torch.tensor([1.7, -1.7]).to(torch.int64)
    tensor([ 1, -1])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.to.html
    """
    check_format("to", memory_format)
    target, d = _parse_to(args, device, dtype)
    copy = copy or any(a is True for a in args[2:])
    target = input.device if target is None or _same(target, input.device) else target
    d = input.dtype if d is None else d
    if d is input.dtype and target == input.device:
        return clone(input) if copy else input
    array = move(input._array, target)
    if array.dtype != d.numpy:
        array = cast(array, d)
    return record(ToCopyBackward0, (input,), array, ctx=(input.device, input.dtype))


def _same(wanted: Any, current: Any) -> bool:
    return wanted.type == current.type and wanted.index in (None, current.index)


def cast(array: Any, d: dtype) -> Any:
    """``array`` as another dtype; complex to real drops the imaginary part, as PyTorch does."""
    return backend_of(array).cast(array, d.numpy)


def move(array: Any, target: Any) -> Any:
    """``array`` on a device."""
    if target.type == "cpu":
        return array if isinstance(array, np.ndarray) else array.get()
    if target.type != "cuda":
        raise NotImplementedError(f"tensors on device '{target}' are not there yet")
    cupy = cuda_module()
    with cupy.cuda.Device(target.index or 0):
        return cupy.asarray(array)


def cuda_module() -> Any:
    """CuPy, or the reason why there is no CUDA."""
    try:
        import cupy
    except ImportError:
        raise AssertionError(
            "Torch not compiled with CUDA enabled: pytensor's CUDA tensors need CuPy (pip install "
            "'pytensor-engine[cuda12]' or '[cuda13]')"
        ) from None
    return cupy


@op(function=False)
@quick("cast", ToCopyBackward0, params=(-1.0,))
def cpu(input: Tensor, memory_format: Any = preserve_format) -> Tensor:
    """The tensor on the CPU: itself when it is there.

    >>> import pytensor as torch
    >>> x = torch.ones(2)
    >>> x.cpu() is x
    True
    """
    return to(input, device="cpu", memory_format=memory_format)


@op(function=False)
def cuda(input: Tensor, device: Any = None, non_blocking: bool = False, memory_format: Any = preserve_format) -> Tensor:
    """The tensor on a CUDA device. AssertionError without CuPy.

    >>> import pytensor as torch
    >>> torch.ones(2).cuda()  # doctest: +SKIP
    tensor([1., 1.], device='cuda:0')
    """
    return to(input, device=_device.device("cuda", 0) if device is None else device, memory_format=memory_format)


@op(function=False, name="type")
def type_(input: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """The old type name, or the tensor converted to a type.

    >>> import pytensor as torch
    >>> torch.ones(2).type()
    'torch.FloatTensor'
    >>> torch.ones(2).type(torch.int64)
    tensor([1, 1])
    """
    if dtype is None:
        return type_string(input.dtype, cuda=input.is_cuda)
    if isinstance(dtype, str):
        for d in dtypes.ALL:
            if type_string(d) == dtype:
                return to(input, d)
        raise ValueError(f"invalid type: '{dtype}'")
    return to(input, dtype)


@op(function=False)
def type_as(input: Tensor, other: Tensor) -> Tensor:
    """The tensor as the type of another one.

    >>> import pytensor as torch
    >>> torch.ones(2).type_as(torch.arange(1))
    tensor([1, 1])
    """
    return to(input, other.dtype)


def _define_casts() -> None:
    """float(), long() and the other conversions by name."""
    names = {
        "float": dtypes.float32,
        "double": dtypes.float64,
        "half": dtypes.float16,
        "bfloat16": dtypes.bfloat16,
        "bool": dtypes.bool,
        "byte": dtypes.uint8,
        "char": dtypes.int8,
        "short": dtypes.int16,
        "int": dtypes.int32,
        "long": dtypes.int64,
        "cfloat": dtypes.complex64,
        "cdouble": dtypes.complex128,
    }

    def define(name: str, d: dtype) -> None:
        def convert(input: Tensor, memory_format: Any = preserve_format) -> Tensor:
            return to(input, dtype=d, memory_format=memory_format)

        convert.__name__ = convert.__qualname__ = name
        convert.__doc__ = (
            f"The tensor as {d}; itself when it is of that dtype.\n\n"
            f"    >>> import pytensor as torch\n    >>> torch.ones(2).{name}().dtype\n    {d}\n    "
        )
        number = float(dtypes.ALL.index(d))
        op(name=name, function=False)(quick("cast", ToCopyBackward0, params=(number,))(convert))

    for name, d in names.items():
        define(name, d)


_define_casts()


@op(function=False)
@quick("write", tensors_only=True)
def copy_(input: Tensor, other: Tensor, non_blocking: bool = False) -> Tensor:
    """Stores ``other``, broadcast and cast, in the tensor, in place.

    >>> import pytensor as torch
    >>> torch.zeros(2, 2).copy_(torch.tensor([1, 2]))
    tensor([[1., 2.],
            [1., 2.]])
    """
    if not isinstance(other, _C.TensorBase):
        raise TypeError(f"copy_(): argument 'other' (position 1) must be Tensor, not {type(other).__name__}")
    check_inplace(input)
    return store(input, _copied(input, other))


def _copied(input: Tensor, src: Tensor) -> Tensor:
    """src with the shape and dtype of input, recorded as replacing it."""
    shape = tuple(input.shape)
    if tuple(src.shape) != shape:
        extra = src.ndim - len(shape)
        if extra > 0 or any(n not in (1, m) for n, m in zip(src.shape[::-1], shape[::-1], strict=False)):
            raise RuntimeError(_mismatch(shape, tuple(src.shape)))
    array = move(src._array, input.device)
    if array.dtype != input._array.dtype:
        array = cast(array, input.dtype)
    xp = array_module(array)
    array = xp.broadcast_to(array, shape)
    return record(CopyBackwards, (input if input._requires_grad else None, src), array)


def _mismatch(target: tuple[int, ...], source: tuple[int, ...]) -> str:
    if len(source) > len(target):
        return (
            f"expand({list(source)}, size={list(target)}): the number of sizes provided ({len(target)}) must be greater "
            f"or equal to the number of dimensions in the tensor ({len(source)})"
        )
    for i in range(1, len(source) + 1):
        if source[-i] not in (1, target[-i]):
            return (
                f"The expanded size of the tensor ({target[-i]}) must match the existing size ({source[-i]}) at "
                f"non-singleton dimension {len(target) - i}.  Target sizes: {list(target)}.  Tensor sizes: {list(source)}"
            )
    return "shapes do not match"


class FillBackward0(Node):
    def backward(self, grad: Tensor) -> Any:
        return grad * 0, grad.sum() if self.needs_input_grad[1] else None


class ZeroBackward0(Node):
    def backward(self, grad: Tensor) -> Any:
        return (grad * 0,)


@op(inplace=True, inplace_function=True, inplace_kind="write")
def fill(input: Tensor, value: Any) -> Tensor:
    """A tensor like ``input`` with every element ``value`` (a number or a 0-d tensor).

    >>> import pytensor as torch
    >>> torch.zeros(2).fill_(3)
    tensor([3., 3.])
    """
    if isinstance(value, _C.TensorBase):
        if value.ndim != 0:
            raise RuntimeError(
                f"fill_ only supports 0-dimension value tensor but got tensor with {value.ndim} dimensions."
            )
        number = value._array.item()
    else:
        number = value
        if isinstance(number, (int, float)):
            check_representable(number, input.dtype)
    array = input._array
    with np.errstate(over="ignore"):
        out = array_module(array).full(array.shape, number, dtype=array.dtype)
    return record(FillBackward0, (input, value), out)


def _zeroed(input: Tensor) -> Tensor:
    array = input._array
    return record(ZeroBackward0, (input,), array_module(array).zeros(array.shape, dtype=array.dtype))


@op()
@quick("write", params=(0.0,))
def zero_(input: Tensor) -> Tensor:
    """Sets every element to zero, in place.

    >>> import pytensor as torch
    >>> torch.ones(2).zero_()
    tensor([0., 0.])
    """
    check_inplace(input)
    if not _C.will_record(input):
        input._array.fill(0)
        input._bump_version()
        return input
    return store(input, _zeroed(input))
