"""Casts between all real types, at every level and thread count, against NumPy."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pytensor as torch
from pytensor import _C
from pytensor.backend import cpu, reference
from pytensor.testing.levels import SETTINGS
from pytensor.testing.strategies import arrays, shapes

DTYPES = [np.dtype(d) for d in ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64")]
DTYPES.append(np.dtype(ml_dtypes.bfloat16))
assert torch.bfloat16.numpy == DTYPES[-1]  # which makes the type known to the kernels


def is_float(dtype):
    return dtype.kind == "f" or dtype == ml_dtypes.bfloat16


def representable(x, dtype):
    """Floats to integers: only those in range have a value in C."""
    if not is_float(x.dtype) or is_float(dtype) or dtype.kind == "b":
        return x
    limits = np.iinfo(dtype)
    wide = x.astype(np.float64)
    with np.errstate(invalid="ignore"):
        return np.where((wide > limits.min) & (wide < limits.max), x, x.dtype.type(0)).astype(x.dtype)


def assert_same(actual, expected):
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    if is_float(expected.dtype):
        actual, expected = actual.astype(np.float64), expected.astype(np.float64)
        assert ((np.signbit(actual) == np.signbit(expected)) | np.isnan(expected)).all()
    np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("to", DTYPES, ids=str)
@pytest.mark.parametrize("source", DTYPES, ids=str)
@given(data=st.data())
def test_against_reference(source, to, data):
    x = data.draw(arrays("float32" if source == ml_dtypes.bfloat16 else source.name, data.draw(shapes()), "any"))
    with np.errstate(over="ignore", invalid="ignore"):
        x = representable(x.astype(source, copy=False), to)
    expected = reference.cast(x, to)
    for level, threads in SETTINGS:
        _C.set_cpu_level(level)
        _C.set_num_threads(threads)
        assert_same(cpu.cast(x, to), expected)


@pytest.mark.parametrize("size", [1, 7, 8, 15, 16, 17, 33, 255, 256, 257, 100_000])
@pytest.mark.parametrize("to", DTYPES, ids=str)
@pytest.mark.parametrize("source", DTYPES, ids=str)
def test_sizes(source, to, size):
    rng = np.random.default_rng(size)
    x = representable((rng.standard_normal(size) * 100).astype(np.float32), source).astype(source)
    x = representable(x, to)
    expected = reference.cast(x, to)
    for level, threads in SETTINGS:
        _C.set_cpu_level(level)
        _C.set_num_threads(threads)
        assert_same(cpu.cast(x, to), expected)


def test_every_half():
    """All float16 numbers to float32 and back, and the numbers between them, ties included."""
    half = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    half = half[~np.isnan(half)]
    between = (half.astype(np.float64)[:-1] + half[1:]) / 2
    between = between[np.isfinite(between)].astype(np.float32)
    near = np.concatenate([between, np.nextafter(between, np.float32(-9e9)), np.nextafter(between, np.float32(9e9))])
    for level, _ in SETTINGS:
        _C.set_cpu_level(level)
        assert_same(cpu.cast(half, np.dtype(np.float32)), half.astype(np.float32))
        assert_same(cpu.cast(half.astype(np.float32), half.dtype), half)
        with np.errstate(over="ignore"):
            assert_same(cpu.cast(near, half.dtype), near.astype(np.float16))


@pytest.mark.parametrize("shape", [(3, 67, 130), (2, 300, 3), (64, 1000)])
def test_layouts(shape):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 100, shape).astype(np.float32)
    for view in (x.T, x[..., ::2], x[..., ::-1], np.broadcast_to(x[..., :1], shape)):
        for to in DTYPES:
            for threads in (1, 2):
                _C.set_num_threads(threads)
                assert_same(cpu.cast(view, to), view.astype(to))
