"""Tensors of existing data: Python numbers and lists, NumPy arrays, buffers, DLPack."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from pytensor import _C, dtypes
from pytensor.autograd.node import wrap
from pytensor.device import device as Device
from pytensor.device import of_array
from pytensor.ops.create import Options, module_of, new_array, number_for
from pytensor.ops.pointwise_core import factory
from pytensor.ops.registry import op
from pytensor.typename import scalar_type_name

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["tensor_from"]

_NUMBERS = frozenset((bool, int, float, complex))
_MAX_DEPTH = 128
_LARGE = 1e38  # far enough from float32's limit: no overflow to care about


def tensor_from(data: Any, options: Options) -> Tensor:
    """A tensor with a copy of the data. Without ``options.dtype`` the data's own type is taken."""
    if isinstance(data, _C.TensorBase):
        array, dtype = data._array, data.dtype
    elif isinstance(data, np.ndarray):
        array, dtype = _checked(data), dtypes.from_numpy_dtype(data.dtype)
    elif type(data).__module__.partition(".")[0] == "cupy":
        array, dtype = data, dtypes.from_numpy_dtype(data.dtype)
    else:
        array, dtype = _array_of_python(data, options.dtype)
        if options.requires_grad:
            options.check_grad(dtype)
        xp = module_of(options.device)
        return options.finish(array if xp is np else xp.asarray(array))
    dtype = options.dtype or dtype
    if options.requires_grad:
        options.check_grad(dtype)
    return options.finish(_copied(array, dtype, options.device))


def _copied(array: Any, dtype: dtypes.dtype, device: Device) -> Any:
    """A copy of the array in the order its elements have in memory."""
    xp = module_of(device)
    with np.errstate(over="ignore", invalid="ignore"):
        if xp is np and not isinstance(array, np.ndarray):
            array = array.get()
        if xp is np and array.flags.c_contiguous:
            # Into memory of the pool, which begins with a cache line: NumPy's own begins 16 bytes behind one, and
            # every vector that a kernel reads from there lies in two lines.
            result = new_array(array.shape, dtype, device)
            np.copyto(result, array, casting="unsafe")
            return result
        return xp.array(array, dtype=dtype.numpy, order="K", copy=True)


def _checked(array: np.ndarray) -> np.ndarray:
    """The array, when PyTorch takes arrays like it."""
    if array.dtype.byteorder == (">" if np.little_endian else "<"):
        raise ValueError(
            "given numpy array has byte order different from the native byte order. Conversion between byte orders is "
            "currently not supported."
        )
    if any(s % array.itemsize for s, n in zip(array.strides, array.shape, strict=True) if n > 1):
        raise ValueError(
            "given numpy array strides not a multiple of the element byte size. Copy the numpy array to reallocate the "
            "memory."
        )
    return array


# --- Python numbers and sequences --------------------------------------------------------------------------------


def _is_sequence(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return True
    if isinstance(value, (str, bytes, dict, _C.TensorBase, np.generic)):
        return False
    return hasattr(value, "__len__") and hasattr(value, "__getitem__") and getattr(value, "shape", None) != ()


def _sequence_shape(data: Any) -> tuple[int, ...]:
    """The lengths along the first elements; the others are held against them when they are read."""
    shape = []
    while _is_sequence(data):
        shape.append(len(data))
        if len(shape) > _MAX_DEPTH:
            raise ValueError(f"too many dimensions '{type(data).__name__}'")
        if not shape[-1]:
            break
        data = data[0]
    if shape and isinstance(data, str):
        raise ValueError("too many dimensions 'str'")
    return tuple(shape)


def _leaves(data: Any, shape: tuple[int, ...], axis: int, result: list[Any]) -> None:
    """Appends the elements in order. ValueError for lengths that differ."""
    if not _is_sequence(data):
        raise TypeError("not a sequence")
    if len(data) != shape[axis]:
        raise ValueError(f"expected sequence of length {shape[axis]} at dim {axis} (got {len(data)})")
    if axis + 1 == len(shape):
        result.extend(data)
        return
    for part in data:
        _leaves(part, shape, axis + 1, result)


def _type_of_leaf(leaf: Any) -> dtypes.dtype:
    if isinstance(leaf, _C.TensorBase):
        return leaf.dtype
    if isinstance(leaf, (np.generic, np.ndarray)):
        return dtypes.from_numpy_dtype(leaf.dtype)
    if isinstance(leaf, (int, float, complex)):
        return dtypes.category_default(dtypes.number_category(leaf))
    if _is_sequence(leaf):
        return _inferred(leaf)
    raise RuntimeError(f"Could not infer dtype of {type(leaf).__name__}")


def _inferred(leaves: Iterable[Any]) -> dtypes.dtype:
    """The smallest type that holds all elements; the default type when there are none."""
    leaves = list(leaves)
    kinds = set(map(type, leaves))
    if kinds <= _NUMBERS:
        highest = max((dtypes.number_category(kind()) for kind in kinds), default=dtypes.FLOATING)
        return dtypes.category_default(highest)
    result = None
    for leaf in leaves:
        found = _type_of_leaf(leaf)
        result = found if result is None else dtypes.promote_types(result, found)
    return result if result is not None else dtypes.get_default_dtype()


def _array_of_python(data: Any, dtype: dtypes.dtype | None) -> tuple[np.ndarray, dtypes.dtype]:
    """A new array of the data, and its type: ``dtype``, or the data's own."""
    if type(data) is float and dtype is None and -_LARGE < data < _LARGE:
        default = dtypes.get_default_dtype()
        if default.itemsize >= 4:
            return np.array(data, default.numpy), default
    if isinstance(data, (str, bytes)):
        raise TypeError(f"new(): invalid data type '{type(data).__name__}'")
    leaves: list[Any] = []
    shape = _sequence_shape(data)
    if not shape:
        leaves.append(data)
    else:
        _leaves(data, shape, 0, leaves)
    target = dtype or _inferred(leaves)
    # Half types round from float32, as PyTorch's numbers do.
    half = target in (dtypes.float16, dtypes.bfloat16)
    numpy_type = np.dtype(np.float32) if half else target.numpy
    array = _array_of_leaves(leaves, target, numpy_type)
    if half:
        with np.errstate(over="ignore"):
            array = array.astype(target.numpy)
    return array if len(shape) == 1 else array.reshape(shape), target


def _array_of_leaves(leaves: list[Any], target: dtypes.dtype, numpy_type: np.dtype) -> np.ndarray:
    plain = set(map(type, leaves)) <= _NUMBERS
    if plain and (target.category >= dtypes.FLOATING or target in (dtypes.bool, dtypes.int64)):
        try:
            if target.category < dtypes.FLOATING or numpy_type == np.float64:
                return np.array(leaves, dtype=numpy_type)  # nothing can overflow to infinity
            with np.errstate(over="ignore"):
                return np.array(leaves, dtype=numpy_type)
        except (OverflowError, TypeError, ValueError):
            pass  # the slow road names the culprit
    with np.errstate(over="ignore"):
        return np.array([_element(leaf, target) for leaf in leaves], dtype=numpy_type)


def _element(leaf: Any, target: dtypes.dtype) -> Any:
    if isinstance(leaf, _C.TensorBase):
        if leaf.numel() != 1:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        leaf = leaf.item()
    elif isinstance(leaf, (np.generic, np.ndarray)):
        leaf = leaf.item()
    if not isinstance(leaf, (int, float, complex)):
        if target.category == dtypes.INTEGER:
            raise TypeError(f"'{type(leaf).__name__}' object cannot be interpreted as an integer")
        raise TypeError(f"must be real number, not {type(leaf).__name__}")
    if isinstance(leaf, complex) and target.category < dtypes.COMPLEX and target is not dtypes.bool:
        raise TypeError("must be real number, not complex")
    if isinstance(leaf, int) and target.category == dtypes.INTEGER and not -(2**63) <= leaf < 2**63:
        raise ValueError("Overflow when unpacking long long")
    return number_for(leaf, target)


# --- public functions --------------------------------------------------------------------------------------------


@op(method=False)
@factory("tensor")
def tensor(
    data: Any,
    *,
    dtype: dtypes.dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A tensor with a copy of the data: numbers, nested lists and tuples, arrays.

    Integers become int64, floats the default type, arrays keep their type.

    Raises:
        ValueError: for lists of unequal lengths.
        RuntimeError: for objects that are no numbers, and numbers outside the type's range.

    >>> import pytensor as torch
    >>> torch.tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    >>> torch.tensor(0.5, dtype=torch.float64)
    tensor(0.5000, dtype=torch.float64)
    """
    if isinstance(data, _C.TensorBase):
        warnings.warn(
            "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
            "sourceTensor.detach().clone().requires_grad_(True), rather than torch.tensor(sourceTensor).",
            stacklevel=2,
        )
        device = data.device if device is None else device
    return tensor_from(data, Options("tensor", None, dtype, None, device, requires_grad, pin_memory))


@op(method=False)
def as_tensor(data: Any, dtype: dtypes.dtype | None = None, device: Any = None) -> Tensor:
    """The data as a tensor: tensors themselves, arrays without a copy, where type and device allow.

    >>> import numpy as np
    >>> import pytensor as torch
    >>> a = np.zeros(2)
    >>> t = torch.as_tensor(a)
    >>> t[0] = 5
    >>> float(a[0])
    5.0
    """
    if isinstance(data, _C.TensorBase):
        where = data.device if device is None else Device(device)
        if (dtype is None or dtype is data.dtype) and where == data.device:
            return data
        return data.to(device=where, dtype=dtype if dtype is not None else data.dtype)
    if isinstance(data, np.ndarray):
        return as_tensor(from_numpy(data), dtype=dtype, device=device)
    return tensor(data, dtype=dtype, device=device)


@op(method=False)
def asarray(
    obj: Any,
    *,
    dtype: dtypes.dtype | None = None,
    device: Any = None,
    copy: bool | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of a tensor, an array, an object with DLPack or a buffer, a number or a sequence.

    Shares memory when it can; ``copy=True`` forbids that, ``copy=False`` insists on it.

    Raises:
        ValueError: with ``copy=False`` when a copy would be needed.

    >>> import pytensor as torch
    >>> torch.asarray([1, 2])
    tensor([1, 2])
    """
    shared = _shared(obj, dtype)
    if shared is None:
        if copy is False:
            raise ValueError("can't alias arbitrary sequence into a tensor.")
        return tensor(obj, dtype=dtype, device=device, requires_grad=requires_grad)
    result = as_tensor(shared, dtype=dtype, device=device)
    if copy is False and result is not shared:
        if dtype is not None and dtype is not shared.dtype:
            names = scalar_type_name(shared.dtype), scalar_type_name(dtype)
            raise ValueError("can't alias tensor with dtype '{}' into dtype '{}'.".format(*names))
        raise ValueError(f"can't alias tensor from device '{shared.device}' to '{device}'.")
    if copy and result is shared:
        result = result.clone()
    if requires_grad:
        Options.check_grad(result.dtype)
        result = result if result._requires_grad else result.detach()
        result._requires_grad = True
    elif result._requires_grad and not requires_grad:
        result = result.detach()
    return result


def _shared(obj: Any, dtype: dtypes.dtype | None) -> Tensor | None:
    """The object's memory as a tensor, when it has any to share."""
    if isinstance(obj, _C.TensorBase):
        return obj
    if isinstance(obj, np.generic):
        return None
    if isinstance(obj, np.ndarray):
        return from_numpy(obj)
    if hasattr(obj, "__dlpack__"):
        return from_dlpack(obj)
    try:
        size = memoryview(obj).nbytes
    except TypeError:
        return None
    return frombuffer(obj, dtype=dtype if dtype is not None else dtypes.get_default_dtype()) if size else None


@op(method=False)
def from_numpy(ndarray: np.ndarray) -> Tensor:
    """A tensor on the memory of a NumPy array. Writing to one changes the other.

    Raises:
        TypeError: for anything but an array of a type that tensors have.
        ValueError: for arrays of foreign byte order.

    >>> import numpy as np
    >>> import pytensor as torch
    >>> torch.from_numpy(np.arange(3))
    tensor([0, 1, 2])
    """
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    dtypes.from_numpy_dtype(ndarray.dtype)
    array = _checked(ndarray)
    return wrap(array if type(array) is np.ndarray else array.view(np.ndarray))


@op(method=False)
def frombuffer(
    buffer: Any, *, dtype: dtypes.dtype, count: int = -1, offset: int = 0, requires_grad: bool = False
) -> Tensor:
    """A 1-d tensor on the memory of an object with Python's buffer protocol.

    Args:
        count: elements to take; all by default.
        offset: bytes to skip.

    >>> import pytensor as torch
    >>> torch.frombuffer(bytearray(b"abcd"), dtype=torch.uint8)
    tensor([ 97,  98,  99, 100], dtype=torch.uint8)
    """
    options = Options("frombuffer", None, dtype, requires_grad=requires_grad)
    size, item = memoryview(buffer).nbytes, dtype.itemsize
    if size == 0 or count == 0:
        raise ValueError(f"both buffer length ({size}) and count ({count}) must not be 0")
    if not 0 <= offset < size:
        raise ValueError(
            f"offset ({offset} bytes) must be non-negative and no greater than buffer length ({size} bytes) minus 1"
        )
    if count > 0 and offset + count * item > size:
        raise ValueError(
            f"requested buffer length ({count} * {item} bytes) after offset ({offset} bytes) must not be greater than "
            f"actual buffer length ({size} bytes)"
        )
    if count < 0 and (size - offset) % item != 0:
        raise ValueError(
            f"buffer length ({size - offset} bytes) after offset ({offset} bytes) must be a multiple of element size "
            f"({item})"
        )
    return options.finish(np.frombuffer(buffer, dtype.numpy, count, offset))


class _Capsule:
    """A bare DLPack capsule with the methods that consumers ask for."""

    def __init__(self, capsule: Any) -> None:
        self._capsule = capsule

    def __dlpack__(self, **_: Any) -> Any:
        return self._capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)


@op(method=False)
def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor on the memory of another library's tensor, by the DLPack protocol
    (https://dmlc.github.io/dlpack/latest/python_spec.html).

    >>> import numpy as np
    >>> import pytensor as torch
    >>> torch.from_dlpack(np.ones(2))
    tensor([1., 1.], dtype=torch.float64)
    """
    if isinstance(ext_tensor, _C.TensorBase):
        if ext_tensor._requires_grad:
            raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
        array = ext_tensor._array
    else:
        source = ext_tensor if hasattr(ext_tensor, "__dlpack__") else _Capsule(ext_tensor)
        kind, number = source.__dlpack_device__()
        xp = module_of(Device("cpu") if kind in (1, 3) else Device("cuda", number))
        array = xp.from_dlpack(source)
    dtypes.from_numpy_dtype(array.dtype)
    if device is not None and Device(device) != of_array(array):
        if copy is False:
            raise ValueError("cannot move DLPack tensor to a different device without a copy")
        return wrap(array).to(device)
    return wrap(array.copy() if copy else array)
