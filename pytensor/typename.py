"""The old type names: torch.FloatTensor and its kin, which Tensor.type() and some errors speak."""

from __future__ import annotations

from pytensor.dtypes import dtype

_NAMES = {
    "bool": "Bool",
    "uint8": "Byte",
    "int8": "Char",
    "int16": "Short",
    "int32": "Int",
    "int64": "Long",
    "float16": "Half",
    "bfloat16": "BFloat16",
    "float32": "Float",
    "float64": "Double",
    "complex64": "ComplexFloat",
    "complex128": "ComplexDouble",
}


def scalar_type_name(d: dtype) -> str:
    """``Float`` for float32, as error messages have it."""
    return _NAMES[d.name]


def c_type_name(d: dtype) -> str:
    """``float`` for float32, as other error messages have it."""
    names = {"int16": "short", "int32": "int", "int64": "long long", "float32": "float", "float64": "double"}
    names |= {"bool": "bool", "uint8": "unsigned char", "int8": "signed char", "float16": "c10::Half"}
    return names.get(d.name, f"c10::{_NAMES[d.name]}")


def type_string(d: dtype, cuda: bool = False) -> str:
    """``torch.FloatTensor`` for float32."""
    return f"torch.{'cuda.' if cuda else ''}{_NAMES[d.name]}Tensor"
