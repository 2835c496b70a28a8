"""The matrix products at every level and thread count against the NumPy reference."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pytensor as torch
from pytensor import _C
from pytensor.backend import cpu, reference
from pytensor.testing.levels import LEVELS, SETTINGS
from pytensor.testing.strategies import arrays

sides = st.sampled_from([0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 15, 16, 17, 24, 31, 32, 33, 48, 63, 64, 65, 97])


@st.composite
def batches(draw, count: int):
    """Batch shapes that broadcast with each other."""
    full = draw(st.lists(st.integers(0, 3), max_size=2))
    result = []
    for _ in range(count):
        kept = full[draw(st.integers(0, len(full))) :]
        result.append([1 if draw(st.booleans()) else side for side in kept])
    return result


@st.composite
def products(draw, values="finite"):
    """(a, b, bias) of a product."""
    m, n, k = draw(sides), draw(sides), draw(sides | st.sampled_from([255, 256, 257, 520]))
    batch_a, batch_b = draw(batches(2))
    dtype = draw(st.sampled_from(["float32", "float64"]))
    a = draw(arrays(dtype, (*batch_a, m, k), values))
    b = draw(arrays(dtype, (*batch_b, k, n), values))
    return a, b, draw(st.none() | arrays(dtype, (n,), "smooth"))


def assert_close(actual, a, b, bias=None, activation=None):
    """A product against the reference in double; the error is relative to the sum of magnitudes."""
    wide = [None if x is None else x.astype(np.float64) for x in (a, b, bias)]
    expected = reference.matmul(*wide, activation)
    scale = reference.matmul(*(None if x is None else np.abs(x) for x in wide))
    assert actual.dtype == a.dtype
    assert actual.shape == expected.shape
    # One chain of roundings per block of the depth, longest 256.
    allowed = 64 * np.finfo(a.dtype).eps * scale + np.finfo(a.dtype).tiny
    assert (np.abs(actual - expected) <= allowed).all(), float(np.abs(actual - expected).max())


ACTIVATIONS = [None, "relu", "gelu", "gelu_tanh"]


@given(products(), st.sampled_from(ACTIVATIONS))
def test_matmul(product, activation):
    a, b, bias = product
    for level, threads in SETTINGS:
        _C.set_cpu_level(level)
        _C.set_num_threads(threads)
        actual = cpu.matmul(a, b, bias, activation)
        assert actual.flags.c_contiguous
        assert_close(actual, a, b, bias, activation)


@st.composite
def places(draw, shape, dtype):
    """A view of any layout and the whole buffer around it, filled with a mark."""
    axes = draw(st.permutations(range(len(shape))))
    steps = [draw(st.sampled_from([1, 1, 2, -1])) for _ in shape]
    room = np.full([(shape[axis] + 2) * abs(step) for axis, step in zip(axes, steps, strict=True)], 77.0, dtype)
    inner = room[tuple(slice(abs(s), abs(s) * (shape[x] + 1), abs(s)) for x, s in zip(axes, steps, strict=True))]
    inner = inner[tuple(slice(None, None, -1 if s < 0 else 1) for s in steps)]
    return inner.transpose(np.argsort(axes)), room


@given(products(), st.data())
def test_any_layout_of_the_result_and_nothing_beside_it(product, data):
    a, b, bias = product
    shape = reference.matmul(a, b).shape
    for level, threads in SETTINGS:
        _C.set_cpu_level(level)
        _C.set_num_threads(threads)
        out, room = data.draw(places(shape, a.dtype))
        assert cpu.matmul(a, b, bias, None, out) is out
        assert_close(out.copy(), a, b, bias)
        out[...] = 77.0
        assert (room == 77.0).all()


@given(products("any"))
def test_special_values(product):
    """NaN and infinities come out where they do in the reference, and nowhere else."""
    a, b, bias = product
    with np.errstate(all="ignore"):
        wide = [None if x is None else np.nan_to_num(x.astype(np.float64), nan=np.nan) for x in (a, b, bias)]
        expected = reference.matmul(*wide)
        magnitude = reference.matmul(*(None if x is None else np.abs(x) for x in wide))
    quiet = np.isfinite(a.astype(np.float64)).all(-1)[..., None] & np.isfinite(b).all(-2)[..., None, :]
    safe = quiet & (magnitude < np.finfo(a.dtype).max / 2)
    for level, threads in SETTINGS:
        _C.set_cpu_level(level)
        _C.set_num_threads(threads)
        with np.errstate(all="ignore"):
            actual = cpu.matmul(a, b, bias)
        assert np.isnan(actual[np.isnan(expected)]).all()
        assert not np.isfinite(actual[~quiet & ~np.isfinite(expected)]).any()
        assert np.isfinite(actual[safe]).all()
        rectified = cpu.matmul(a, b, bias, "relu")
        np.testing.assert_array_equal(np.isnan(rectified), np.isnan(actual))


@given(products())
def test_threads_do_not_change_results(product):
    a, b, bias = product
    for level in LEVELS:
        _C.set_cpu_level(level)
        results = []
        for threads in (1, 2, 3):
            _C.set_num_threads(threads)
            results.append(cpu.matmul(a, b, bias))
        np.testing.assert_array_equal(results[0], results[1])
        np.testing.assert_array_equal(results[0], results[2])


@pytest.mark.parametrize("sizes", [(300, 97, 1300), (97, 300, 641), (290, 290, 33)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_transposed_operands(sizes, dtype):
    """Blocks of A are turned as a whole, several of them, and the last ones ragged."""
    m, n, k = sizes
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((k, m)).astype(dtype), rng.standard_normal((n, k)).astype(dtype)
    for level, threads in SETTINGS:
        _C.set_cpu_level(level)
        _C.set_num_threads(threads)
        for x in (a.T, np.ascontiguousarray(a.T)):
            for y in (b.T, np.ascontiguousarray(b.T)):
                assert_close(cpu.matmul(x, y), x, y)


@given(st.data())
def test_small_batched_products(data):
    """Of up to a vector of columns: one call for a row of products, whatever lies between them."""
    small = st.sampled_from([1, 2, 3, 4, 5, 8, 9, 15, 16, 17])
    m, n, k = data.draw(small), data.draw(small), data.draw(small | st.sampled_from([0, 31, 32, 33]))
    dtype, count = data.draw(st.sampled_from(["float32", "float64"])), data.draw(st.sampled_from([1, 2, 19]))
    a = data.draw(arrays(dtype, (2, count, m, k), "finite"))
    b = data.draw(
        arrays(dtype, data.draw(st.sampled_from([(2, count, k, n), (1, count, k, n), (2, 1, k, n)])), "finite")
    )
    bias = data.draw(st.none() | arrays(dtype, (n,), "smooth"))
    for level, threads in SETTINGS:
        _C.set_cpu_level(level)
        _C.set_num_threads(threads)
        assert_close(cpu.matmul(a, b, bias, "relu"), a, b, bias, "relu")


@pytest.mark.parametrize("m", range(1, 14))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dot_products_of_rows(m, dtype):
    rng = np.random.default_rng(m)
    a = rng.standard_normal((m, 300)).astype(dtype)
    for n in (1, 2, 7, 33):
        b, bias = rng.standard_normal((n, 300)).astype(dtype), rng.standard_normal(n).astype(dtype)
        for level, threads in SETTINGS:
            _C.set_cpu_level(level)
            _C.set_num_threads(threads)
            assert_close(cpu.matmul(a, b.T, bias, "relu"), a, b.T, bias, "relu")
            assert_close(cpu.matmul(np.asfortranarray(a), b.T, bias), a, b.T, bias)


@st.composite
def packed_products(draw):
    """(a, b, bias, what c holds before or None) for a packed b."""
    m, n = draw(st.sampled_from([0, 1, 2, 3, 4, 5, 6, 7, 12, 13, 40, 65])), draw(sides | st.sampled_from([130, 160]))
    k, count = draw(sides | st.sampled_from([255, 256, 257, 520])), draw(st.integers(0, 2))
    dtype = draw(st.sampled_from(["float32", "float64"]))
    a, b = draw(arrays(dtype, (count, m, k), "finite")), draw(arrays(dtype, (k, n), "finite"))
    bias = draw(st.none() | arrays(dtype, (n,), "smooth"))
    return a, b, None if bias is None else bias.copy(), draw(st.none() | arrays(dtype, (count, m, n), "finite"))


@given(packed_products(), st.sampled_from(ACTIVATIONS))
def test_packed_products(product, activation):
    a, b, bias, before = product
    wide = [None if x is None else x.astype(np.float64) for x in (a, b, before, bias)]
    expected, scale = reference.matmul(*wide[:2]), reference.matmul(np.abs(wide[0]), np.abs(wide[1]))
    for term in wide[2:]:
        if term is not None:
            expected, scale = expected + term, scale + np.abs(term)
    if activation is not None:
        expected = reference.pointwise(activation, (expected,))
    allowed = 64 * np.finfo(a.dtype).eps * scale + np.finfo(a.dtype).tiny
    for level in LEVELS:
        _C.set_cpu_level(level)
        results = []
        for threads in (1, 2):
            _C.set_num_threads(threads)
            out = None if before is None else np.array(before, order="C")
            results.append(_C.matmul_packed(a, b, out, bias, activation or ""))
            assert (np.abs(results[-1] - expected) <= allowed).all(), float(np.abs(results[-1] - expected).max())
        np.testing.assert_array_equal(results[0], results[1])


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_packed_products_of_large_sizes(level, dtype):
    """Results do not depend on the number of rows: each row alone gives the same numbers."""
    _C.set_cpu_level(level)
    rng = np.random.default_rng(2)
    for m, n, k in [(200, 300, 600), (70, 1000, 520), (5, 900, 700)]:
        a, b = rng.normal(size=(1, m, k)).astype(dtype), rng.normal(size=(n, k)).astype(dtype).T
        _C.set_num_threads(1)
        whole = _C.matmul_packed(a, b)
        assert_close(whole[0], a[0], b)
        _C.set_num_threads(2)
        np.testing.assert_array_equal(_C.matmul_packed(a, b), whole)
        np.testing.assert_array_equal(_C.matmul_packed(a[:, 3:4], b), whole[:, 3:4])
        np.testing.assert_array_equal(_C.matmul_packed(a[:, :5], b), whole[:, :5])
        np.testing.assert_array_equal(_C.matmul_packed(a[:, : m // 3], b), whole[:, : m // 3])


LARGE = [
    (200, 300, 600),
    (1, 700, 900),
    (700, 1, 900),
    (3, 500, 800),
    (500, 5, 800),
    (16, 400, 700),
    (400, 16, 700),
    (31, 33, 2000),
    (130, 2200, 30),
    (150, 40, 1),
]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("level", LEVELS[1:])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layout", ["nn", "nt", "tn", "gg"])
def test_large_products(level, threads, dtype, layout):
    """Sizes that need several blocks, and those of the special roads; g: a matrix with gaps."""
    _C.set_cpu_level(level)
    _C.set_num_threads(threads)
    rng = np.random.default_rng(7)

    def matrix(rows, columns, how):
        if how == "t":
            return rng.normal(size=(columns, rows)).astype(dtype).T
        step = 2 if how == "g" else 1
        return rng.normal(size=(rows, columns * step)).astype(dtype)[:, ::step]

    for m, n, k in LARGE:
        a, b = matrix(m, k, layout[0]), matrix(k, n, layout[1])
        assert_close(cpu.matmul(a, b), a, b)


@pytest.mark.parametrize("level", LEVELS)
def test_random_projection(level):
    """A large product, checked by a vector: (a @ b) @ x = a @ (b @ x)."""
    _C.set_cpu_level(level)
    rng = np.random.default_rng(3)
    side = 100 if level == "plain" else 700
    a, b, x = rng.normal(size=(side, side)), rng.normal(size=(side, side)), rng.normal(size=(side, 1))
    np.testing.assert_allclose(cpu.matmul(cpu.matmul(a, b), x), cpu.matmul(a, cpu.matmul(b, x)), rtol=0, atol=1e-9)


@pytest.mark.parametrize("dtype", ["int64", "int32", "int16", "uint8", "int8"])
@given(data=st.data())
def test_integers_wrap_around(dtype, data):
    m, n, k = data.draw(sides), data.draw(sides), data.draw(sides)
    batch_a, batch_b = data.draw(batches(2))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    limits = np.iinfo(dtype)

    def matrix(*shape):
        full = rng.integers(limits.min, limits.max, [2 * side for side in shape], dtype, endpoint=True)
        cut = full[tuple(slice(None, None, data.draw(st.sampled_from([2, -2]))) for _ in shape)]
        return cut if data.draw(st.booleans()) else np.ascontiguousarray(cut.swapaxes(-1, -2)).swapaxes(-1, -2)

    a, b = matrix(*batch_a, m, k), matrix(*batch_b, k, n)
    bias = data.draw(st.sampled_from([None, matrix(n, 1)[:, 0]]))
    expected = reference.matmul(a, b, bias)
    for level, threads in SETTINGS:
        _C.set_cpu_level(level)
        _C.set_num_threads(threads)
        actual = cpu.matmul(a, b, bias)
        assert actual.dtype == expected.dtype
        np.testing.assert_array_equal(actual, expected)
        out, room = data.draw(places(expected.shape, dtype))
        cpu.matmul(a, b, bias, None, out)
        np.testing.assert_array_equal(out, expected)
        out[...] = 77
        assert (room == 77).all()


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_complex(dtype):
    rng = np.random.default_rng(5)
    a, b = rng.integers(0, 9, (2, 5, 40)).astype(dtype), rng.integers(0, 9, (40, 7)).astype(dtype)
    actual = cpu.matmul(a, b, np.ones(7, dtype))
    assert actual.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(actual, reference.matmul(a.astype("complex128"), b.astype("complex128")) + 1)


HALVES = {"float16": torch.float16.numpy, "bfloat16": torch.bfloat16.numpy}


@pytest.mark.parametrize("kind", HALVES)
@given(data=st.data())
def test_half_precision(kind, data):
    """float16 and bfloat16: sums in float32, rounded once."""
    dtype = HALVES[kind]
    m, n = data.draw(sides), data.draw(sides)
    k, batch = data.draw(sides | st.sampled_from([257, 1300])), data.draw(st.sampled_from([(), (2,)]))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))

    def matrix(*shape):
        how = data.draw(st.sampled_from(["plain", "transposed", "stepped", "odd"]))
        if how == "transposed":
            return rng.normal(size=(*shape[:-2], shape[-1], shape[-2])).astype(dtype).swapaxes(-1, -2)
        if how == "odd":  # rows that do not begin at multiples of 4 bytes
            return rng.normal(size=(*shape[:-1], shape[-1] + 3)).astype(dtype)[..., 1:-2]
        return rng.normal(size=(*shape[:-1], shape[-1] * (1 + (how == "stepped")))).astype(dtype)[
            ..., :: 1 + (how == "stepped")
        ]

    a, b = matrix(*batch, m, k), matrix(k, n)
    bias = data.draw(st.sampled_from([None, rng.normal(size=n).astype(dtype)]))
    activation = data.draw(st.sampled_from(ACTIVATIONS))
    wide = [None if x is None else x.astype(np.float64) for x in (a, b, bias)]
    expected = reference.matmul(*wide, activation)
    scale = reference.matmul(*(None if x is None else np.abs(x) for x in wide))
    allowed = float(ml_dtypes.finfo(dtype).eps) * np.abs(expected) + 64 * np.finfo("float32").eps * scale + 1e-7
    for level, threads in SETTINGS:
        _C.set_cpu_level(level)
        _C.set_num_threads(threads)
        actual = cpu.matmul(a, b, bias, activation)
        assert actual.dtype == dtype
        error = np.abs(actual.astype(np.float64) - expected)
        assert (error <= allowed).all(), (level, float(error.max()))
        out, room = data.draw(places(actual.shape, dtype))
        cpu.matmul(a, b, bias, activation, out)
        np.testing.assert_allclose(out.astype(np.float32), actual.astype(np.float32), rtol=2e-2, atol=1e-5)
        out[...] = 77
        assert (room == 77).all()


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("kind", HALVES)
def test_half_precision_special_values(level, kind):
    """Rounding to nearest even, overflow, NaN, infinities; denormal numbers where the format has no float32 range."""
    _C.set_cpu_level(level)
    dtype = HALVES[kind]
    x = np.array([1.0, -2.5, 0.0, np.inf, -np.inf, np.nan, 60000.0, 1.0078125, 3e-5], np.float32).astype(dtype)
    with np.errstate(all="ignore"):
        for factor in (1.0, 1.0078125, 3.0, 1e-3):
            f = np.array([[factor]], np.float32).astype(dtype)
            expected = (x.astype(np.float32) * f.astype(np.float32)[0]).astype(dtype)
            actual = cpu.matmul(x[:, None], f)[:, 0]
            np.testing.assert_array_equal(actual.astype(np.float64), expected.astype(np.float64))
    if kind == "float16":
        tiny = (np.arange(1, 40) * 2.0**-24).astype(dtype)
        np.testing.assert_array_equal(cpu.matmul(tiny[:, None], np.ones((1, 1), dtype))[:, 0], tiny)


@pytest.mark.parametrize("kind", HALVES)
def test_scaled_sums_of_half_precision_are_rounded_once(kind):
    rng = np.random.default_rng(0)
    dtype = getattr(torch, kind)
    c, a, b = (torch.tensor(rng.normal(size=(20, 20))).to(dtype) for _ in range(3))
    wide = [x.to(torch.float64) for x in (c, a, b)]
    found = {
        "addmm": (torch.addmm(c, a, b, beta=0.3, alpha=1.7), 0.3 * wide[0] + 1.7 * (wide[1] @ wide[2])),
        "addmm of one": (torch.addmm(c[0, :1], a, b), wide[0][0, 0] + wide[1] @ wide[2]),
        "addmv": (torch.addmv(c[0], a, b[0], alpha=0.1), wide[0][0] + 0.1 * (wide[1] @ wide[2][0])),
        "addr": (torch.addr(c, a[0], b[0], beta=0.1), 0.1 * wide[0] + torch.outer(wide[1][0], wide[2][0])),
    }
    for name, (actual, exact) in found.items():
        assert actual.dtype is dtype
        exact = exact.numpy()
        allowed = float(ml_dtypes.finfo(HALVES[kind]).eps) / 2 * np.abs(exact) + 1e-5
        assert (np.abs(actual.to(torch.float64).numpy() - exact) <= allowed).all(), name


def test_bindings_refuse_what_does_not_fit():
    a, b = np.zeros((3, 4), "float32"), np.zeros((4, 5), "float32")
    with pytest.raises(ValueError, match="sizes"):
        _C.matmul(a, a)
    with pytest.raises(ValueError, match="dtype"):
        _C.matmul(a, b.astype("float64"))
    with pytest.raises(ValueError, match="bias"):
        _C.matmul(a, b, None, np.zeros(3, "float32"))
    with pytest.raises(ValueError, match="out"):
        _C.matmul(a, b, np.zeros((3, 4), "float32"))
    with pytest.raises(ValueError, match="batch"):
        _C.matmul(np.zeros((2, 3, 4), "float32"), np.zeros((3, 4, 5), "float32"))
    with pytest.raises(ValueError, match="read-only"):
        out = np.zeros((3, 5), "float32")
        out.flags.writeable = False
        _C.matmul(a, b, out)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_products_of_nothing_are_zero_whatever_the_strides(level, dtype):
    _C.set_cpu_level(level)
    memory = np.ones(64, dtype)[32:]
    for m, n in [(1, 2), (2, 1), (3, 2), (20, 2), (2, 20), (20, 20)]:
        for a_strides in [(8, 8), (4, -16), (0, 0), (16, 8)]:
            for b_strides in [(8, 8), (0, 0), (-8, 8), (4, 8), (8, 16)]:
                a = np.lib.stride_tricks.as_strided(memory, (m, 0), a_strides)
                b = np.lib.stride_tricks.as_strided(memory, (0, n), b_strides)
                out = np.full((m, n), np.nan, dtype)
                _C.matmul(a, b, out)
                assert (out == 0).all()
