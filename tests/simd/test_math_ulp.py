"""The error bounds that csrc/simd/math.h states, in units of the last place, at every level."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pytensor import _C
from pytensor.backend import cpu
from pytensor.backend.reference.special import special_function

ORDER = ["plain", "baseline", "avx2", "avx512"]
LEVELS = ORDER[1 : ORDER.index(_C.best_cpu_level()) + 1]


def sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


# name: (function, bound for float32, bound for float64)
FUNCTIONS = {
    "exp": (np.exp, 2, 2),
    "exp2": (np.exp2, 2, 2),
    "expm1": (np.expm1, 2, 2),
    "log": (np.log, 2, 2),
    "log2": (np.log2, 2, 2),
    "log10": (np.log10, 2, 2),
    "log1p": (np.log1p, 2, 2),
    "sin": (np.sin, 2, 2),
    "cos": (np.cos, 2, 2),
    "tan": (np.tan, 4, 4),
    "asin": (np.arcsin, 2.5, 2.5),
    "acos": (np.arccos, 2.5, 2.5),
    "atan": (np.arctan, 2.5, 2.5),
    "sinh": (np.sinh, 2.5, 2.5),
    "cosh": (np.cosh, 2.5, 2.5),
    "tanh": (np.tanh, 2, 2.5),
    "sigmoid": (sigmoid, 2.5, 2.5),
    "erf": (lambda x: special_function("erf", x), 2, 2),
    "erfc": (lambda x: special_function("erfc", x), 4.5, 4.5),
}


@pytest.fixture(autouse=True)
def restore_level():
    level = _C.cpu_level()
    yield
    _C.set_cpu_level(level)


def sampled_floats(step: int) -> np.ndarray:
    """Every step-th float32 bit pattern: all exponents, both signs, denormals, infinities and NaNs."""
    return np.arange(0, 1 << 32, step, dtype=np.uint64).astype(np.uint32).view(np.float32)


def ulp_error(actual, exact, dtype):
    """|actual - exact| in units of the last place of ``exact`` rounded to ``dtype``; infinity where one is special."""
    info = np.finfo(dtype)
    with np.errstate(all="ignore"):
        rounded = exact.astype(dtype)
        place = np.maximum(np.ldexp(1.0, np.frexp(np.abs(exact))[1] - (info.nmant + 1)), info.smallest_subnormal)
        error = np.abs(actual.astype(exact.dtype) - exact) / place
    special = ~np.isfinite(rounded) | ~np.isfinite(actual)
    same = (actual == rounded) | (np.isnan(actual) & np.isnan(rounded))
    # A result that rounds to just beyond the largest number may come out as either.
    edge = np.isinf(rounded) & np.isfinite(exact) & (np.abs(actual) == info.max)
    return np.where(special, np.where(same | edge, 0, np.inf), error)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_float32_over_the_whole_domain(name):
    x = sampled_floats(1021)
    function, bound, _ = FUNCTIONS[name]
    with np.errstate(all="ignore"):
        exact = function(x.astype(np.float64))
    for level in LEVELS:
        _C.set_cpu_level(level)
        error = ulp_error(cpu.unary(name, x), exact, np.float32)
        worst = error.argmax()
        assert error[worst] <= bound, f"{level}: {error[worst]} ulp at {x[worst]!r}"


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 63, reason="needs a wider type to compare with")
@pytest.mark.parametrize("name", [n for n in FUNCTIONS if n not in ("erf", "erfc")])
def test_float64(name):
    function, _, bound = FUNCTIONS[name]
    rng = np.random.default_rng(0)
    x = np.concatenate(
        [
            rng.integers(-(2**63), 2**63 - 1, 20000).view(np.float64),
            rng.uniform(-3, 3, 20000),
            rng.uniform(-750, 750, 20000),
            np.ldexp(rng.uniform(-1, 1, 20000), rng.integers(-60, 17, 20000)),
        ]
    )
    with np.errstate(all="ignore"):
        exact = function(x.astype(np.longdouble))
    for level in LEVELS:
        _C.set_cpu_level(level)
        error = ulp_error(cpu.unary(name, x), exact, np.float64)
        worst = error.argmax()
        assert error[worst] <= bound, f"{level}: {error[worst]} ulp at {x[worst]!r}"


@pytest.mark.parametrize("name", ["erf", "erfc"])
def test_float64_erf(name):
    """Against the C library, which is within 1 ulp itself."""
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(-7, 7, 20000), rng.uniform(0, 28, 5000), rng.uniform(-1e-3, 1e-3, 2000)])
    exact = np.array([getattr(math, name)(v) for v in x])
    for level in LEVELS:
        _C.set_cpu_level(level)
        assert ulp_error(cpu.unary(name, x), exact, np.float64).max() <= FUNCTIONS[name][2] + 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_huge_angles(name, dtype):
    rng = np.random.default_rng(0)
    x = np.ldexp(rng.uniform(-1, 1, 1000), rng.integers(10, 127, 1000)).astype(dtype)
    exact = np.array([getattr(math, name)(v) for v in x.astype(float)])
    for level in LEVELS:
        _C.set_cpu_level(level)
        assert ulp_error(cpu.unary(name, x), exact, dtype).max() <= FUNCTIONS[name][1]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_signs_of_zero(dtype):
    for level in ["plain", *LEVELS]:
        _C.set_cpu_level(level)
        for name in (
            "expm1",
            "log1p",
            "tanh",
            "sinh",
            "sin",
            "tan",
            "asin",
            "atan",
            "erf",
            "floor",
            "ceil",
            "round",
            "trunc",
        ):
            result = cpu.unary(name, np.array([0.0, -0.0], dtype))
            np.testing.assert_array_equal(result, [0, 0])
            np.testing.assert_array_equal(np.signbit(result), [False, True], err_msg=f"{name} at {level}")


def test_powers_of_the_base_are_exact():
    for dtype in ("float32", "float64"):
        exponents = np.arange(-20, 21)
        x = np.ldexp(np.ones(len(exponents), dtype), exponents)
        for level in LEVELS:
            _C.set_cpu_level(level)
            np.testing.assert_array_equal(cpu.unary("log2", x), exponents)
            np.testing.assert_array_equal(cpu.unary("exp2", exponents.astype(dtype)), x)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_atan2(dtype):
    rng = np.random.default_rng(0)
    special = np.array([0.0, -0.0, 1, -1, np.inf, -np.inf, np.nan, 1e-40, -1e-40, 3e38, 2])
    pairs = np.array([(a, b) for a in special for b in special])
    y = np.concatenate([pairs[:, 0], rng.standard_normal(50000), np.exp(rng.uniform(-60, 60, 20000))]).astype(dtype)
    x = np.concatenate([pairs[:, 1], rng.standard_normal(50000), np.exp(rng.uniform(-60, 60, 20000))]).astype(dtype)
    wide = np.float64 if dtype == "float32" else np.longdouble
    exact = np.arctan2(y.astype(wide), x.astype(wide))
    for level in LEVELS:
        _C.set_cpu_level(level)
        result = cpu.binary("atan2", y, x)
        error = ulp_error(result, exact, dtype)
        worst = error.argmax()
        assert error[worst] <= 2.5, f"{level}: {error[worst]} ulp at {y[worst]!r}, {x[worst]!r}"
        zero = exact == 0
        np.testing.assert_array_equal(np.signbit(result[zero]), np.signbit(exact[zero]))


@pytest.mark.parametrize("name", ["fmod", "remainder"])
def test_fmod_is_exact(name):
    rng = np.random.default_rng(0)
    special = np.array([0.0, -0.0, 1, -1, np.inf, -np.inf, np.nan, 1e-40, 3e38, 2, 6, -3, 16777216])
    pairs = np.array([(a, b) for a in special for b in special])
    x = np.concatenate([pairs[:, 0], rng.uniform(-1e6, 1e6, 50000), rng.integers(-99, 99, 9000)]).astype("float32")
    y = np.concatenate([pairs[:, 1], rng.uniform(-30, 30, 50000), rng.integers(1, 9, 9000)]).astype("float32")
    _C.set_cpu_level("plain")
    exact = cpu.binary(name, x, y)
    for level in LEVELS:
        _C.set_cpu_level(level)
        result = cpu.binary(name, x, y)
        np.testing.assert_array_equal(result, exact)
        np.testing.assert_array_equal(np.signbit(result), np.signbit(exact))


def test_pow_float32():
    rng = np.random.default_rng(0)
    special = np.array(
        [0.0, -0.0, 1, -1, np.inf, -np.inf, np.nan, 2, -2, 0.5, 3, -3, 1e-40, -1e-40, 3e38, 2**24 - 1, 2**25, 1.5, 2.5]
    )
    pairs = np.array([(a, b) for a in special for b in special])
    x = np.concatenate(
        [pairs[:, 0], rng.uniform(0, 4, 50000), np.exp(rng.uniform(-80, 80, 50000)), -rng.uniform(0, 9, 5000)]
    )
    y = np.concatenate([pairs[:, 1], rng.uniform(-60, 60, 50000), rng.uniform(-2, 2, 50000), rng.integers(-9, 9, 5000)])
    x, y = x.astype("float32"), y.astype("float32")
    with np.errstate(all="ignore"):
        exact = np.power(x.astype(np.float64), y.astype(np.float64))
    for level in LEVELS:
        _C.set_cpu_level(level)
        result = cpu.binary("pow", x, y)
        error = ulp_error(result, exact, np.float32)
        worst = error.argmax()
        assert error[worst] <= 0.6, f"{level}: {error[worst]} ulp at {x[worst]!r}, {y[worst]!r}"
        signed = ~np.isnan(exact)
        np.testing.assert_array_equal(np.signbit(result[signed]), np.signbit(exact[signed]))


@pytest.mark.parametrize(("name", "exact", "bound"), [("hypot", np.hypot, 0.6), ("floor_divide", np.floor_divide, 0)])
def test_binary_float32(name, exact, bound):
    rng = np.random.default_rng(0)
    special = np.array([0.0, -0.0, 1, -1, np.inf, -np.inf, np.nan, 1e-40, 3e38, 2, 6, -3, 16777216, 0.1])
    pairs = np.array([(a, b) for a in special for b in special]).astype("float32")
    a = np.concatenate([pairs[:, 0], rng.standard_normal(50000), np.exp(rng.uniform(-60, 60, 20000))]).astype("float32")
    b = np.concatenate([pairs[:, 1], rng.standard_normal(50000), np.exp(rng.uniform(-60, 60, 20000))]).astype("float32")
    with np.errstate(all="ignore"):
        expected = exact(a, b) if bound == 0 else exact(a.astype(np.float64), b.astype(np.float64))
    for level in LEVELS:
        _C.set_cpu_level(level)
        result = cpu.binary(name, a, b)
        error = ulp_error(result, expected, np.float32)
        worst = error.argmax()
        assert error[worst] <= bound, f"{level}: {error[worst]} ulp at {a[worst]!r}, {b[worst]!r}"
        zero = expected == 0
        np.testing.assert_array_equal(np.signbit(result[zero]), np.signbit(expected[zero]))


def test_erfinv():
    """erf takes the result back, with an error in its argument of a few units of the last place."""
    t = 1 - np.exp(-np.linspace(1e-3, 16, 20000))
    y = np.concatenate([t, -t, [0.0, -0.0, 1, -1, 1.5, np.nan], np.linspace(-1e-3, 1e-3, 999)])
    for dtype, tolerance in (("float32", 6e-7), ("float64", 1e-14)):
        given = y.astype(dtype)
        exact = special_function("erfinv", given.astype(np.float64))
        for level in ["plain", *LEVELS]:
            _C.set_cpu_level(level)
            np.testing.assert_allclose(cpu.unary("erfinv", given), exact, rtol=tolerance, err_msg=level)
