"""Specs of the parts of complex tensors."""

from __future__ import annotations

import functools

import numpy as np

from pytensor.testing.spec import OpSpec

COMPLEX = ("complex64", "complex128")
exact = functools.partial(OpSpec, dtypes=COMPLEX, tolerance=0, upcast=False, differentiable=False)


def any_array(s):
    return s.sample(s.array())


def pairs(s):
    return s.sample(s.array((*s.shape(dims=(0, 3)), 2), dtype=s.choose("float32", "float64"), layouts=("contiguous",)))


def parts(s, **options):
    a, b = s.broadcastable(2)
    return s.sample(s.array(a, **options), s.array(b, **options))


def complex_of(real, imag):
    result = np.empty(np.broadcast_shapes(real.shape, imag.shape), f"c{2 * real.itemsize}")
    result.real, result.imag = real, imag
    return result


def polar_of(magnitude, angle):
    return magnitude * np.cos(angle) + 1j * (magnitude * np.sin(angle))


SPECS = [
    exact("complex", parts, complex_of, dtypes=("float32", "float64"), out=False),
    OpSpec(
        "polar",
        functools.partial(parts, values="finite", only=(-10, 10)),
        polar_of,
        scale=lambda magnitude, angle: np.abs(magnitude) + 0 * angle,
        differentiable=False,
        out=False,
    ),
    exact("real", any_array, np.real),
    exact("imag", any_array, np.imag),
    exact("conj", any_array, np.conj),
    exact("conj_physical", any_array, np.conj),
    exact("view_as_real", any_array, lambda x: np.stack([x.real, x.imag], -1)),
    exact("view_as_complex", pairs, lambda x: np.ascontiguousarray(x).view(f"c{2 * x.itemsize}")[..., 0]),
]
