"""Element types and type promotion.

PyTorch's rules: categories bool < integer < floating < complex; Python numbers and 0-d tensors only raise the
category, never the size within one (https://docs.pytorch.org/docs/stable/tensor_attributes.html).
"""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

__all__ = [
    "bfloat16",
    "bool",
    "can_cast",
    "cdouble",
    "cfloat",
    "complex64",
    "complex128",
    "double",
    "dtype",
    "finfo",
    "float",
    "float16",
    "float32",
    "float64",
    "get_default_dtype",
    "half",
    "iinfo",
    "int",
    "int8",
    "int16",
    "int32",
    "int64",
    "long",
    "promote_types",
    "set_default_dtype",
    "short",
    "uint8",
]

BOOL, INTEGER, FLOATING, COMPLEX = range(4)


class dtype:
    """An element type. There is one object per type: compare with ``is`` or ``==``.

    Prints under PyTorch's name, so that programs print the same text.

    >>> import pytensor as torch
    >>> torch.float32
    torch.float32
    >>> torch.float32.is_floating_point, torch.int64.itemsize
    (True, 8)
    """

    __slots__ = ("_numpy", "category", "itemsize", "name")

    def __init__(self, name: str, category: builtins.int, itemsize: builtins.int, numpy_type: Any) -> None:
        self.name = name
        self.category = category
        self.itemsize = itemsize
        self._numpy = None if numpy_type is None else np.dtype(numpy_type)

    @property
    def numpy(self) -> np.dtype:
        """The NumPy dtype of arrays of this type. bfloat16 needs the package ml_dtypes (ImportError)."""
        if self._numpy is None:
            self._numpy = _numpy_bfloat16()
        return self._numpy

    @property
    def is_floating_point(self) -> builtins.bool:
        return self.category == FLOATING

    @property
    def is_complex(self) -> builtins.bool:
        return self.category == COMPLEX

    @property
    def is_signed(self) -> builtins.bool:
        return self.name not in ("bool", "uint8")

    def to_real(self) -> dtype:
        """The real type of a complex type's parts; other types are their own."""
        return {"complex64": float32, "complex128": float64}.get(self.name, self)

    def to_complex(self) -> dtype:
        """The complex type whose parts are of this type (float32 and smaller: complex64)."""
        if self.category == COMPLEX:
            return self
        return complex128 if self is float64 else complex64

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> str:
        return self.name


def _numpy_bfloat16() -> np.dtype:
    try:
        import ml_dtypes
    except ImportError:
        raise ImportError("bfloat16 needs the package ml_dtypes: pip install 'pytensor-engine[bfloat16]'") from None
    from pytensor import _C

    numpy_type = np.dtype(ml_dtypes.bfloat16)
    _C.register_bfloat16(numpy_type.num)
    return numpy_type


bool = dtype("bool", BOOL, 1, np.bool_)
uint8 = dtype("uint8", INTEGER, 1, np.uint8)
int8 = dtype("int8", INTEGER, 1, np.int8)
int16 = short = dtype("int16", INTEGER, 2, np.int16)
int32 = int = dtype("int32", INTEGER, 4, np.int32)
int64 = long = dtype("int64", INTEGER, 8, np.int64)
float16 = half = dtype("float16", FLOATING, 2, np.float16)
bfloat16 = dtype("bfloat16", FLOATING, 2, None)
float32 = float = dtype("float32", FLOATING, 4, np.float32)
float64 = double = dtype("float64", FLOATING, 8, np.float64)
complex64 = cfloat = dtype("complex64", COMPLEX, 8, np.complex64)
complex128 = cdouble = dtype("complex128", COMPLEX, 16, np.complex128)

# In the order of csrc/base/dtype.h.
ALL = (bool, uint8, int8, int16, int32, int64, float16, bfloat16, float32, float64, complex64, complex128)
_BY_NUMPY = {d._numpy: d for d in ALL if d._numpy is not None}


def from_numpy_dtype(numpy_dtype: np.dtype) -> dtype:
    """The dtype of arrays of a NumPy type.

    Raises:
        TypeError: for types that tensors do not have (strings, objects, unsigned integers above 8 bits ...).
    """
    found = _BY_NUMPY.get(numpy_dtype)
    if found is None and numpy_dtype.name == "bfloat16":
        found = bfloat16
        _ = bfloat16.numpy
    if found is None and isinstance(numpy_dtype, np.dtype):
        found = _BY_NUMPY.get(numpy_dtype.newbyteorder("="))
    if found is None:
        raise TypeError(
            f"can't convert np.ndarray of type {numpy_dtype}. The only supported types are: float64, float32, float16, "
            "complex64, complex128, int64, int32, int16, int8, uint8, and bool."
        )
    return found


_default_dtype = float32


def get_default_dtype() -> dtype:
    """The dtype of tensors made from Python floats.

    >>> import pytensor as torch
    >>> torch.get_default_dtype()
    torch.float32
    """
    return _default_dtype


def set_default_dtype(d: dtype) -> None:
    """Sets the dtype of tensors made from Python floats: a floating type.

    >>> import pytensor as torch
    >>> torch.set_default_dtype(torch.float64)
    >>> torch.tensor(1.5).dtype
    torch.float64
    >>> torch.set_default_dtype(torch.float32)
    """
    global _default_dtype
    if not isinstance(d, dtype):
        raise TypeError("invalid dtype object")
    if d.category != FLOATING:
        raise TypeError(f"only floating-point types are supported as the default type, got {d}")
    _default_dtype = d
    from pytensor import _C

    _C.set_default_dtype(d.numpy.num)


def _promote(a: dtype, b: dtype) -> dtype:
    if a is b:
        return a
    low, high = (a, b) if (a.category, a.itemsize) <= (b.category, b.itemsize) else (b, a)
    if high.category == COMPLEX:
        return complex128 if low is float64 else high
    if high.category != low.category:
        return high
    if high.category == INTEGER and low is uint8 and high is int8:
        return int16
    if high.category == INTEGER and low is int8 and high is uint8:
        return int16
    if high.category == FLOATING and {low, high} == {float16, bfloat16}:
        return float32
    return high


_PROMOTED = {(a, b): _promote(a, b) for a in ALL for b in ALL}


def promote_types(type1: dtype, type2: dtype) -> dtype:
    """The smallest type that holds both, as PyTorch has it.

    >>> import pytensor as torch
    >>> torch.promote_types(torch.int32, torch.float16)
    torch.float16
    >>> torch.promote_types(torch.uint8, torch.int8)
    torch.int16
    """
    return _PROMOTED[type1, type2]


def category_default(category: builtins.int) -> dtype:
    """The type that a Python number of this category makes by itself."""
    return (bool, int64, _default_dtype, _default_dtype.to_complex())[category]


def number_category(value: Any) -> builtins.int:
    """The category of a Python or NumPy number."""
    if isinstance(value, (builtins.bool, np.bool_)):
        return BOOL
    if isinstance(value, (builtins.int, np.integer)):
        return INTEGER
    if isinstance(value, (builtins.float, np.floating)):
        return FLOATING
    return COMPLEX


def can_cast(from_: dtype, to: dtype) -> builtins.bool:
    """Whether PyTorch's rules allow this conversion in an in-place op: not to a lower category.

    >>> import pytensor as torch
    >>> torch.can_cast(torch.float64, torch.float32), torch.can_cast(torch.float32, torch.int64)
    (True, False)
    """
    return from_.category <= to.category


class _TypeInfo:
    """Shared by finfo and iinfo: the limits of a type."""

    def __init__(self, type: dtype, numpy_info: Any) -> None:
        self.dtype = type.name
        self.bits = builtins.int(numpy_info.bits)


class finfo(_TypeInfo):
    """Limits of a floating type (of the default type without an argument).

    >>> import pytensor as torch
    >>> torch.finfo(torch.float32).eps
    1.1920928955078125e-07
    """

    def __init__(self, type: dtype | None = None) -> None:
        type = _default_dtype if type is None else type
        if not isinstance(type, dtype):
            raise TypeError("finfo(): argument 'type' (position 1) must be torch.dtype")
        if type.category < FLOATING:
            raise TypeError(f"torch.finfo() requires a floating point input type. Use torch.iinfo to handle '{type}'")
        real = type.to_real()
        if real is bfloat16:
            import ml_dtypes

            info: Any = ml_dtypes.finfo(real.numpy)
        else:
            info = np.finfo(real.numpy)
        super().__init__(real, info)
        self.eps = builtins.float(info.eps)
        self.max = builtins.float(info.max)
        self.min = builtins.float(info.min)
        self.tiny = self.smallest_normal = builtins.float(info.smallest_normal)
        self.resolution = builtins.float(info.resolution)

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, eps={self.eps:g}, "
            f"smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, dtype={self.dtype})"
        )


class iinfo(_TypeInfo):
    """Limits of an integer type.

    >>> import pytensor as torch
    >>> torch.iinfo(torch.int16).max
    32767
    """

    def __init__(self, type: dtype) -> None:
        if not isinstance(type, dtype):
            raise TypeError("iinfo(): argument 'type' (position 1) must be torch.dtype")
        if type.category >= FLOATING:
            raise TypeError(f"torch.iinfo() requires an integer input type. Use torch.finfo to handle '{type}'")
        if type.category == BOOL:
            raise TypeError("torch.bool is not supported by torch.iinfo")
        info = np.iinfo(type.numpy)
        super().__init__(type, info)
        self.max = builtins.int(info.max)
        self.min = builtins.int(info.min)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"
