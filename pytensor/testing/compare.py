"""Agreement of arrays: the same NaN, the same infinities, values within so many eps."""

from __future__ import annotations

from typing import Any

import numpy as np

from pytensor.testing.numpy_dtypes import finfo, is_float


def wide(array: np.ndarray) -> np.ndarray:
    """Floats and complex numbers in double precision; everything else as it is."""
    if is_float(array.dtype):
        return array.astype(np.float64)
    return array.astype(np.complex128) if array.dtype.kind == "c" else array


def round_to(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """``array`` in a dtype, overflow becoming infinity."""
    with np.errstate(all="ignore"):
        return array.astype(dtype)


def assert_agree(actual: np.ndarray, expected: Any, eps: float, scale: Any = None, what: str = "result") -> None:
    """Raises AssertionError unless ``actual`` is ``expected`` within ``eps`` units of actual's eps.

    The allowed error is relative to ``scale`` (default: the magnitude of ``expected``), and never below the
    smallest denormals. NaN must meet NaN and an infinity one of the same sign. Integers and bools must be equal.
    """
    expected = np.asarray(expected)
    if actual.shape != expected.shape:
        raise AssertionError(f"{what}: shape {actual.shape}, expected {expected.shape}")
    if actual.dtype.kind == "c":
        assert_agree(actual.real, expected.real, eps, complex_scale(expected, scale), f"real part of {what}")
        return assert_agree(
            actual.imag, np.imag(expected), eps, complex_scale(expected, scale), f"imaginary part of {what}"
        )
    if not is_float(actual.dtype):
        wrong = np.asarray(actual != expected)
        return report(wrong, actual, expected, np.zeros(()), what)
    info = finfo(actual.dtype)
    unit, largest, least = float(info.eps), float(info.max), float(info.smallest_subnormal)
    with np.errstate(all="ignore"):
        target = wide(round_to(expected, actual.dtype))
        value = wide(actual)
        magnitude = np.abs(target) if scale is None else np.broadcast_to(np.abs(np.asarray(scale, float)), target.shape)
        magnitude = np.where(np.isfinite(magnitude), magnitude, np.abs(target))
        allowed = eps * unit * np.minimum(magnitude, largest) + 2 * eps * least
        # A result within its tolerance of the largest number may have been rounded to infinity, and back.
        clipped = [np.clip(v, -largest, largest) for v in (value, target)]
        near_overflow = (np.abs(clipped[0] - clipped[1]) <= allowed) & (np.abs(expected) >= largest * (1 - eps * unit))
        near_overflow &= np.isfinite(expected) & ~np.isnan(value)
        close = (np.abs(value - target) <= allowed) | (value == target) | (np.isnan(value) & np.isnan(target))
    return report(~(close | near_overflow), actual, target, allowed, what)


def complex_scale(expected: np.ndarray, scale: Any) -> np.ndarray:
    return np.abs(expected) if scale is None else scale


def report(wrong: np.ndarray, actual: np.ndarray, expected: np.ndarray, allowed: np.ndarray, what: str) -> None:
    if not wrong.any():
        return
    first = tuple(int(i) for i in np.argwhere(wrong)[0]) if wrong.ndim else ()
    limit = float(np.broadcast_to(allowed, wrong.shape)[first])
    raise AssertionError(
        f"{what}: {int(wrong.sum())} of {wrong.size} elements differ; first at {first}: "
        f"{actual[first]!r}, expected {expected[first]!r} (allowed error {limit:.3g}, dtype {actual.dtype})"
    )
