"""Elements where a mask is true, and the places of nonzero elements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytensor.autograd.node import Node, record, wrap
from pytensor.backend import backend_of
from pytensor.backend.reference.array_module import array_module
from pytensor.dtypes import INTEGER, can_cast
from pytensor.ops.axes import fresh_copy, is_tensor, mask_of, zeros_beside
from pytensor.ops.checks import broadcast_shapes_of, check_representable, check_tensor
from pytensor.ops.out import write_out
from pytensor.ops.pointwise_core import quick
from pytensor.ops.registry import op
from pytensor.typename import scalar_type_name

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["argwhere", "masked_fill", "masked_scatter", "masked_select", "nonzero", "nonzero_static", "one_hot"]


class MaskedFillBackward0(Node):
    """saved: (mask array,)."""

    def backward(self, grad: Any) -> Any:
        (mask,) = self.saved
        own = masked_fill(grad, wrap(mask), 0) if self.needs_input_grad[0] else None
        value = masked_fill(grad, wrap(mask).logical_not(), 0).sum() if self.needs_input_grad[1] else None
        return own, value


@op(inplace=True, inplace_kind="masked_fill_")
@quick("masked_fill", MaskedFillBackward0)
def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """``input`` with ``value`` where ``mask`` is true. Both are broadcast; the dtype stays.

    Args:
        value: a number or a 0-d tensor.

    >>> import pytensor as torch
    >>> x = torch.tensor([1.0, 2.0, 3.0])
    >>> x.masked_fill(torch.tensor([True, False, True]), 0)
    tensor([0., 2., 0.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.masked_fill_.html
    """
    check_tensor(input, "masked_fill", "input", 1)
    check_tensor(mask, "masked_fill", "mask", 2)
    if mask.dtype.name != "bool":
        raise RuntimeError(
            f"masked_fill_ only supports boolean masks, but got mask with dtype {_cpp_type(mask.dtype.name)}"
        )
    if is_tensor(value) and value.ndim != 0:
        raise RuntimeError(
            f"masked_fill_ only supports a 0-dimensional value tensor, but got tensor with {value.ndim} dimension(s)."
        )
    if isinstance(value, complex) and not input.dtype.is_complex:
        raise RuntimeError(f"value cannot be converted to type {_cpp_type(input.dtype.name)} without overflow")
    if is_tensor(value) and not can_cast(value.dtype, input.dtype):
        raise RuntimeError(
            f"value cannot be converted to type {_cpp_type(input.dtype.name)} without overflow"
            if not value.dtype.is_complex
            else f"result type {scalar_type_name(value.dtype)} can't be cast to the desired output type "
            f"{scalar_type_name(input.dtype)}"
        )
    if isinstance(value, (int, float)):
        check_representable(value, input.dtype)
    array, where = input._array, mask._array
    shape = broadcast_shapes_of(mask.shape, input.shape)
    out = array_module(array).empty(shape, array.dtype)  # row-major, whatever the input is
    backend_of(array).pointwise("where", (where, _as_scalar(value, array.dtype), array), (), out)
    inputs = (input, value if is_tensor(value) else None)
    if where.shape != shape:
        where = array_module(where).broadcast_to(where, shape)
    return record(MaskedFillBackward0, inputs, out, saved=(where,))


def _as_scalar(value: Any, dtype: Any) -> Any:
    return value._array.astype(dtype) if is_tensor(value) else np.asarray(value).astype(dtype)


_CPP_TYPES = {
    "bool": "bool",
    "uint8": "unsigned char",
    "int8": "signed char",
    "int16": "short int",
    "int32": "int",
    "int64": "long int",
    "float16": "c10::Half",
    "bfloat16": "c10::BFloat16",
    "float32": "float",
    "float64": "double",
    "complex64": "c10::complex<float>",
    "complex128": "c10::complex<double>",
}


def _cpp_type(name: str) -> str:
    return _CPP_TYPES[name]


class MaskedSelectBackward0(Node):
    """saved: (mask,); ctx: shape of the input."""

    def backward(self, grad: Any) -> Any:
        (mask,) = self.saved
        whole = zeros_beside(grad, broadcast_shapes_of(self.ctx, mask.shape))
        return (masked_scatter(whole, mask, grad),)


@op()
def masked_select(input: Tensor, mask: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The elements where ``mask`` is true, in row-major order, as a vector. Both are broadcast.

    >>> import pytensor as torch
    >>> torch.tensor([1.0, 2.0, 3.0]).masked_select(torch.tensor([True, False, True]))
    tensor([1., 3.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.masked_select.html
    """
    check_tensor(input, "masked_select", "input", 1)
    check_tensor(mask, "masked_select", "mask", 2)
    if mask.dtype.name != "bool":
        raise RuntimeError("masked_select: expected BoolTensor for mask")
    shape = broadcast_shapes_of(input.shape, mask.shape)
    xp = array_module(input._array)
    array = backend_of(input._array).compress(xp.broadcast_to(input._array, shape), xp.broadcast_to(mask._array, shape))
    result = record(MaskedSelectBackward0, (input,), array, saved=(mask,), ctx=input.shape)
    return write_out(result, out, "masked_select")


class MaskedScatterBackward0(Node):
    """saved: (mask,); ctx: shape of the source."""

    def backward(self, grad: Any) -> Any:
        (mask,) = self.saved
        own = masked_fill(grad, mask, 0) if self.needs_input_grad[0] else None
        if not self.needs_input_grad[1]:
            return own, None
        used = masked_select(grad, mask)
        flat = zeros_beside(grad, (_numel(self.ctx),)).slice_scatter(used, 0, 0, used.shape[0])
        return own, flat.reshape(tuple(self.ctx))


def _numel(shape: Any) -> int:
    n = 1
    for size in shape:
        n *= size
    return n


@op(inplace=True)
def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """``input`` with the elements of ``source``, one after the other, where ``mask`` is true.

    >>> import pytensor as torch
    >>> torch.zeros(3).masked_scatter(torch.tensor([True, False, True]), torch.tensor([1.0, 2.0, 3.0]))
    tensor([1., 0., 2.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.Tensor.masked_scatter_.html
    """
    check_tensor(input, "masked_scatter", "input", 1)
    check_tensor(mask, "masked_scatter", "mask", 2)
    check_tensor(source, "masked_scatter", "source", 3)
    if input.dtype is not source.dtype:
        raise RuntimeError(
            f"masked_scatter: expected self and source to have same dtypes but got{scalar_type_name(input.dtype)} and "
            f"{scalar_type_name(source.dtype)}"
        )
    if mask.dtype.name != "bool":
        raise RuntimeError(
            f"masked_scatter_ only supports boolean masks, but got mask with dtype {scalar_type_name(mask.dtype)}"
        )
    shape = broadcast_shapes_of(mask.shape, input.shape)
    where = array_module(mask._array).broadcast_to(mask._array, shape)
    array = fresh_copy(array_module(mask._array).broadcast_to(input._array, shape))
    backend = backend_of(array)
    wanted = backend.count_set(where)
    if source.numel() < wanted:
        raise RuntimeError("Number of elements of source < number of ones in mask")
    backend.expand(array, where, source._array.reshape(-1)[:wanted])
    return record(MaskedScatterBackward0, (input, source), array, saved=(mask,), ctx=source.shape)


@op()
@quick("nonzero")
def nonzero(input: Tensor, *, out: Tensor | None = None, as_tuple: bool = False) -> Any:
    """The places of all nonzero elements: a row of indices for each, or with ``as_tuple`` a vector for each axis.

    >>> import pytensor as torch
    >>> torch.tensor([[0, 1], [2, 0]]).nonzero()
    tensor([[0, 1],
            [1, 0]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nonzero.html
    """
    check_tensor(input, "nonzero", "input", 1)
    array = input._array
    mask = array if array.dtype == np.bool_ else mask_of(array, array != 0)
    if as_tuple:
        places = backend_of(array).places(mask.reshape(1) if array.ndim == 0 else mask)
        return tuple(wrap(axis) for axis in places)
    return write_out(wrap(backend_of(array).places(mask).T), out, "nonzero")


@op()
def argwhere(input: Tensor) -> Tensor:
    """The places of all nonzero elements, a row of indices for each.

    >>> import pytensor as torch
    >>> torch.tensor([0, 3, 4]).argwhere()
    tensor([[1],
            [2]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.argwhere.html
    """
    return nonzero(input)


@op()
def nonzero_static(input: Tensor, *, size: int, fill_value: int = -1, out: Tensor | None = None) -> Tensor:
    """:func:`nonzero` with exactly ``size`` rows: cut off, or filled up with ``fill_value``.

    >>> import pytensor as torch
    >>> torch.tensor([0, 3, 4]).nonzero_static(size=3)
    tensor([[ 1],
            [ 2],
            [-1]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nonzero_static.html
    """
    if size < 0:
        raise RuntimeError("nonzero_static: 'size' must be an non-negative integer")
    found = nonzero(input)._array[:size]
    xp = array_module(found)
    places = xp.full((size, input.ndim), fill_value, dtype=np.int64)
    places[: found.shape[0]] = found
    return write_out(wrap(places), out, "nonzero_static")


@op(namespace="nn.functional")
@quick("one_hot", arguments=("num_classes",))
def one_hot(input: Tensor, num_classes: int = -1) -> Tensor:
    """Class numbers as rows of zeros with a one: shape ``(*, num_classes)``, int64.

    Args:
        input: int64 class numbers.
        num_classes: -1 for one more than the greatest.

    >>> import pytensor as torch
    >>> torch.nn.functional.one_hot(torch.tensor([0, 2]))
    tensor([[1, 0, 0],
            [0, 0, 1]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.one_hot.html
    """
    check_tensor(input, "one_hot", "input", 1)
    if input.dtype.category != INTEGER or input.dtype.name != "int64":
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    array = input._array
    xp = array_module(array)
    if array.size == 0:
        if num_classes <= 0:
            raise RuntimeError("Can not infer total number of classes from empty input.")
        return wrap(xp.zeros((*array.shape, num_classes), dtype=np.int64))
    if int(array.min()) < 0:
        raise RuntimeError("Class values must be non-negative.")
    greatest = int(array.max())
    if num_classes == -1:
        num_classes = greatest + 1
    elif num_classes < 1:
        raise RuntimeError("num_classes should be positive")
    elif greatest >= num_classes:
        raise RuntimeError("Class values must be smaller than num_classes.")
    rows = xp.zeros((array.size, num_classes), dtype=np.int64)
    rows[xp.arange(array.size), array.reshape(-1)] = 1
    return wrap(rows.reshape(*array.shape, num_classes))
