"""Specs of copies and conversions."""

from __future__ import annotations

import numpy as np

from pytensor.testing.spec import ANY, FLOATS, DType, OpSpec

CASTS = {
    "float": "float32",
    "double": "float64",
    "half": "float16",
    "bool": "bool",
    "byte": "uint8",
    "char": "int8",
    "short": "int16",
    "int": "int32",
    "long": "int64",
    "cfloat": "complex64",
    "cdouble": "complex128",
}


def castable(s):
    """Numbers that every dtype can hold: what happens to others is the platform's affair."""
    return s.array(values="finite", only=(0, 100))


def cast(name: str, target: str) -> OpSpec:
    return OpSpec(
        f"Tensor.{name}",
        lambda s: s.sample(castable(s)),
        lambda x: x.astype(target),
        dtypes=ANY,
        tolerance=0,
        upcast=False,
        differentiable=target in ("float64",),
    )


def to_bfloat16(x):
    import ml_dtypes

    return x.astype(ml_dtypes.bfloat16)


def copy_samples(s):
    shape = s.shape()
    source = shape[s.integer(0, len(shape)) :]
    kept = tuple(1 if s.flag() else side for side in source)
    return s.sample(s.array(shape, read_only=False, layouts=("contiguous", "transposed")), s.array(kept))


def same(name: str) -> OpSpec:
    return OpSpec(name, lambda s: s.sample(s.array()), lambda x: x, dtypes=ANY, tolerance=0, upcast=False)


SPECS = [
    *(cast(name, target) for name, target in CASTS.items()),
    OpSpec(
        "Tensor.bfloat16",
        lambda s: s.sample(castable(s)),
        to_bfloat16,
        tolerance=0,
        upcast=False,
        differentiable=False,
    ),
    same("clone"),
    same("Tensor.contiguous"),
    same("Tensor.cpu"),
    OpSpec(
        "Tensor.to",
        lambda s: s.sample(castable(s), DType(s.choose("float32", "float64", "int64", "bool"))),
        lambda x, dtype: x.astype(dtype),
        dtypes=ANY,
        tolerance=0,
        upcast=False,
        differentiable=False,
    ),
    OpSpec(
        "Tensor.to",
        lambda s: s.sample(s.array(), "cpu", DType("float64")),
        lambda x, device, dtype: x.astype(dtype),
        variant="device",
        tolerance=0,
        upcast=False,
    ),
    OpSpec(
        "Tensor.type",
        lambda s: s.sample(castable(s), DType(s.choose("float32", "float64", "int64", "bool"))),
        lambda x, dtype: x.astype(dtype),
        dtypes=ANY,
        tolerance=0,
        upcast=False,
        differentiable=False,
    ),
    OpSpec(
        "Tensor.type_as",
        lambda s: s.sample(castable(s), s.array(dtype=s.choose("float32", "float64", "int64"))),
        lambda x, other: x.astype(other.dtype),
        dtypes=ANY,
        tolerance=0,
        upcast=False,
        differentiable=False,
    ),
    OpSpec(
        "Tensor.copy_",
        copy_samples,
        lambda x, source: np.broadcast_to(source, x.shape),
        mutates=True,
        dtypes=ANY,
        tolerance=0,
        upcast=False,
    ),
    OpSpec(
        "Tensor.zero_",
        lambda s: s.sample(s.array(read_only=False)),
        np.zeros_like,
        mutates=True,
        dtypes=ANY,
        tolerance=0,
        upcast=False,
        differentiable=False,
    ),
    OpSpec(
        "fill",
        lambda s: s.sample(s.array(), s.integer(0, 9)),
        np.full_like,
        dtypes=ANY,
        tolerance=0,
        upcast=False,
    ),
    OpSpec(
        "fill",
        lambda s: s.sample(s.array(), s.array(())),
        lambda x, value: np.full_like(x, value),
        variant="tensor",
        dtypes=FLOATS,
        tolerance=0,
        upcast=False,
    ),
]
