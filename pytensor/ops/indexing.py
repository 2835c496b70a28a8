"""x[key] and x[key] = value, in every form of PyTorch and NumPy.

Basic keys (ints, slices, None, Ellipsis) give views; a key with a tensor, list or array in it gathers a copy. The C
core reads plain keys itself (csrc/core/index_key.cpp) and makes the same nodes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pytensor import _C
from pytensor.autograd.node import Node, record, view
from pytensor.backend.reference.array_module import array_module
from pytensor.dtypes import BOOL, FLOATING
from pytensor.ops.pick import IndexBackward0, Place, pick, place_of, put_at_
from pytensor.ops.pointwise_core import make_op, quick
from pytensor.ops.registry import op

__all__ = ["AliasBackward0", "SelectBackward0", "SliceBackward0", "UnsqueezeIndexBackward0", "getitem", "setitem"]


class IndexView(Node):
    """Basic indexing; ctx = (input shape, key)."""

    def backward(self, grad: Any) -> Any:
        shape, key = self.ctx
        return (place(grad, shape, key),)


class SelectBackward0(IndexView):
    pass


class SliceBackward0(IndexView):
    pass


class UnsqueezeIndexBackward0(IndexView):
    def name(self) -> str:
        return "UnsqueezeBackward0"


class AliasBackward0(IndexView):
    pass


class PlaceBackward0(Node):
    """The gradient of place(): the same part of the gradient."""

    def backward(self, grad: Any) -> Any:
        return (getitem(grad, self.ctx),)


def place(part: Any, shape: Any, key: Any) -> Any:
    """Zeros of a shape with ``part`` at a basic key: the adjoint of indexing."""
    array = part._array
    whole = array_module(array).zeros(tuple(shape), dtype=array.dtype)
    whole[key] = array
    return record(PlaceBackward0, (part,), whole, ctx=key)


def _slice(key: slice) -> slice:
    """Bounds may be tensors; steps are positive."""
    bounds = [b if b is None else b.__index__() for b in (key.start, key.stop, key.step)]
    if bounds[2] is not None and bounds[2] <= 0:
        raise ValueError("step must be greater than zero")
    return slice(*bounds)


def _array_index(key: Any) -> Any:
    """An index tensor as an array: integers or a mask."""
    if key.dtype.category >= FLOATING or key.dtype.name in ("int8", "int16"):
        raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
    array = key._array
    return array.astype(bool) if key.dtype.name == "uint8" else array


def _convert(item: Any) -> Any:
    """One part of a key, as NumPy takes it."""
    if item is None or item is Ellipsis:
        return item
    if isinstance(item, slice):
        return _slice(item)
    if isinstance(item, bool):
        return np.asarray(item)
    if isinstance(item, (int, np.integer)):
        return int(item)
    if isinstance(item, _C.TensorBase):
        if item.ndim == 0 and item.dtype.category not in (BOOL, FLOATING) and item.dtype.name != "uint8":
            return int(item.item())
        return _array_index(item)
    if isinstance(item, (list, tuple, range, np.ndarray)):
        array = np.asarray([_plain(i) for i in item] if not isinstance(item, np.ndarray) else item)
        if array.size == 0:
            array = array.astype(np.int64)
        if array.dtype.kind not in "biu":
            raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
        return array
    if hasattr(item, "__index__"):
        return item.__index__()
    if isinstance(item, str):
        raise TypeError("new(): invalid data type 'str'")
    raise IndexError(
        "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices "
        f"(got {type(item).__name__})"
    )


def _plain(item: Any) -> Any:
    if isinstance(item, _C.TensorBase):
        return item.tolist()
    return [_plain(i) for i in item] if isinstance(item, (list, tuple)) else item


def convert_key(key: Any) -> tuple[Any, bool]:
    """A key as NumPy takes it, and whether it is basic (gives a view)."""
    # A list of slices or Nones is a tuple in disguise, as in old NumPy; a list of numbers is an index array.
    parts = key if isinstance(key, tuple) else (key,)
    converted = tuple(_convert(part) for part in parts)
    basic = all(part is None or part is Ellipsis or isinstance(part, (int, slice)) for part in converted)
    return converted, basic


def _check_bounds(input: Any, key: tuple[Any, ...]) -> None:
    """IndexError, worded as PyTorch's, for a number or mask that does not fit; integer arrays are checked where they
    are used."""
    shape = input.shape
    consumed = sum(_axes(part) for part in key)
    if consumed > len(shape):
        raise IndexError(
            f"too many indices for tensor of dimension {len(shape)}"
            if shape or consumed > 1
            else "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to "
            "convert a 0-dim tensor to a number"
        )
    axis = 0
    for part in key:
        if isinstance(part, int) and not isinstance(part, bool) and not -shape[axis] <= part < shape[axis]:
            raise IndexError(f"index {part} is out of bounds for dimension {axis} with size {shape[axis]}")
        if not isinstance(part, (int, slice)) and part is not None:
            _check_mask(part, shape, axis)
        axis += _axes(part)


def _axes(part: Any) -> int:
    """How many axes of the input a part of the key uses."""
    if part is None or part is Ellipsis:
        return 0
    return part.ndim if not isinstance(part, (int, slice)) and part.dtype == np.bool_ else 1


def _check_mask(part: Any, shape: Any, axis: int) -> None:
    if part.dtype == np.bool_:
        for i, size in enumerate(part.shape):
            if size != shape[axis + i]:
                raise IndexError(
                    f"The shape of the mask {list(part.shape)} at index {i} does not match the shape of the indexed "
                    f"tensor {list(shape)} at index {axis + i}"
                )


def _last_node(key: tuple[Any, ...]) -> type[Node]:
    """The class of the last step of a basic key, whose name PyTorch would show."""
    node: type[Node] = AliasBackward0
    for part in key:
        if isinstance(part, int):
            node = SelectBackward0
        elif part is None:
            node = UnsqueezeIndexBackward0
        elif isinstance(part, slice) and (part.start, part.stop, part.step) not in ((None,) * 3, (None, None, 1)):
            node = SliceBackward0
    return node


def _getitem(self: Any, key: Any) -> Any:
    converted, basic = convert_key(key)
    converted = _expand(self, converted)
    if basic:
        return _basic_view(self, converted)
    target, place = _target_and_place(self, key, converted)
    return pick(target, place)


def _target_and_place(self: Any, key: Any, converted: tuple[Any, ...]) -> tuple[Any, Place]:
    """A view of ``self`` by the basic part of the key, and the place in it that the rest names."""
    first, rest = _split_key(converted)
    target = _basic_view(self, first) if first else self
    parts = key if isinstance(key, tuple) else (key,)
    tensors = tuple(part for part in parts if isinstance(part, _C.TensorBase) and part.ndim)
    return target, place_of(target.ndim, rest, tensors)


def place_in(self: Any, indices: Any) -> tuple[Any, Place]:
    """A view of ``self``, nearly always itself, and the place in it that a tuple of index tensors names."""
    converted = tuple(_array_index(index) for index in indices)
    _check_bounds(self, converted)
    return _target_and_place(self, tuple(indices), converted)


def _basic_view(self: Any, key: tuple[Any, ...]) -> Any:
    # With an Ellipsis NumPy gives a view also where the key names a single element.
    return view(self, self._array[(*key, Ellipsis)], _last_node(key), (self.shape, key))


def _expand(self: Any, key: tuple[Any, ...]) -> tuple[Any, ...]:
    """The key with its Ellipsis written out (a second one stands for nothing), checked against the shape."""
    places = [i for i, part in enumerate(key) if part is Ellipsis]
    if places:
        missing = self.ndim - sum(_axes(part) for part in key)
        if missing < 0:
            raise IndexError(f"too many indices for tensor of dimension {self.ndim}")
        rest = tuple(part for part in key[places[0] + 1 :] if part is not Ellipsis)
        key = (*key[: places[0]], *(slice(None),) * missing, *rest)
    _check_bounds(self, key)
    return key


def _split_key(key: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """A mixed key as a basic one and, for the view it gives, one of arrays and full slices.

    PyTorch applies ints, slices and None first. NumPy counts ints beside arrays as arrays, which puts the gathered
    axes elsewhere. The first key is empty when it would change nothing.
    """
    first: list[Any] = []
    rest: list[Any] = []
    for part in key:
        if isinstance(part, int):
            first.append(part)
        elif part is None or isinstance(part, slice):
            first.append(part)
            rest.append(slice(None))
        elif part.ndim == 0 and part.dtype == np.bool_:  # all or nothing: along an axis of its own
            first.append(None)
            rest.append(np.zeros(int(part), dtype=np.int64))
        else:
            first.extend([slice(None)] * _axes(part))
            rest.append(part)
    trivial = all(isinstance(part, slice) and part == slice(None) for part in first)
    return (() if trivial else tuple(first)), tuple(rest)


getitem = make_op("index", _getitem, node=IndexBackward0, alternate=Place)


@quick("set_index")
def setitem(self: Any, key: Any, value: Any) -> None:
    """``self[key] = value``: written through a view for basic keys, scattered for others."""
    converted, basic = convert_key(key)
    converted = _expand(self, converted)
    if not isinstance(value, _C.TensorBase):
        value = _value_tensor(value, self)
    if basic:
        target = _basic_view(self, converted)
        target.copy_(_without_leading_ones(value, target.ndim))
        return
    target, place = _target_and_place(self, key, converted)
    put_at_(target, place, _without_leading_ones(value, place.ndim_in(target.ndim)), False)


def _value_tensor(value: Any, like: Any) -> Any:
    if not isinstance(value, (bool, int, float, complex, np.number, np.ndarray, np.bool_)):
        raise TypeError(f"can't assign a {type(value).__name__} to a {like.type()}")
    array = np.asarray(value)
    if array.ndim == 0:
        array = array.astype(like.dtype.numpy)
    tensor = _C.wrap(array)
    return tensor if like.is_cpu else tensor.to(like.device)


def _without_leading_ones(value: Any, ndim: int) -> Any:
    """A value may have leading axes of size 1 that the target lacks."""
    extra = value.ndim - ndim
    return value.reshape(value.shape[extra:]) if extra > 0 and all(n == 1 for n in value.shape[:extra]) else value


op(name="__getitem__", function=False)(getitem)
op(name="__setitem__", function=False)(setitem)
