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


SPECS = [
    exact("real", any_array, np.real),
    exact("imag", any_array, np.imag),
    exact("conj", any_array, np.conj),
    exact("conj_physical", any_array, np.conj),
    exact("view_as_real", any_array, lambda x: np.stack([x.real, x.imag], -1)),
    exact("view_as_complex", pairs, lambda x: np.ascontiguousarray(x).view(f"c{2 * x.itemsize}")[..., 0]),
]
