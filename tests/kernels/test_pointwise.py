"""Every pointwise kernel at every level and thread count against the NumPy reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pytensor as torch
from pytensor import _C
from pytensor.backend import cpu, reference
from pytensor.testing.levels import LEVELS, SETTINGS
from pytensor.testing.strategies import arrays, broadcastable_shapes

DTYPES = ["bool", "uint8", "int32", "int64", "float32", "float64", "int8", "int16", "float16"]
OPS = {name: (arity, params) for name, arity, params in _C.pointwise_ops()}
PREDICATES = {
    "eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor", "logical_not",
    "isnan", "isinf", "isfinite",
}  # fmt: skip
# Parameters where any number would not do; the default is 0.5, 1.5, 2.5, ...
PARAMS = {
    "add_scaled": (3,),
    "clamp": (-1, 2),
    "clamp_min": (1,),
    "clamp_max": (1,),
    "hardtanh": (-1, 1.5),
    "hardtanh_backward": (-1, 1.5),
}
# What the error is relative to, besides the result: for ops that cancel, and that put a rounded product into exp.
SCALES = {
    "gelu": np.abs,
    "gelu_tanh": np.abs,
    "tanhshrink": np.abs,
    "elu": lambda x: 3 + np.minimum(np.abs(x), 1),
    "celu": lambda x: 3 + np.minimum(np.abs(x), 1),
    "lgamma": lambda x: 1 + 0 * x,  # near its zeros math.lgamma is off
    "digamma": lambda x: 1 + 0 * x,  # the same, and the reflection formula cancels
    "softplus": lambda x: 1 + 0 * x,
    "logaddexp": lambda a, b: 1 + np.abs(np.maximum(a, b)),
    "logaddexp2": lambda a, b: 1 + np.abs(np.maximum(a, b)),
    "lerp": lambda a, b, w: (np.abs(a) + np.abs(b)) * (1 + np.abs(w)),
    "addcmul": lambda a, b, c: np.abs(a) + np.abs(b * c),
    "addcdiv": lambda a, b, c: np.abs(a) + np.abs(b / c),
    "tanh_backward": lambda g, y: np.abs(g) * (1 + y * y),
    "sigmoid_backward": lambda g, y: np.abs(g) * (1 + np.abs(y)) * np.abs(y),
    "elu_backward": lambda g, x: 10 * np.abs(g),
    "celu_backward": lambda g, x: 10 * np.abs(g),
    "gelu_backward": lambda g, x: np.abs(g) * (1 + np.abs(x)),
    "gelu_tanh_backward": lambda g, x: np.abs(g) * (1 + np.abs(x)),
    "silu_backward": lambda g, x: np.abs(g) * (1 + np.abs(x)),
    "mish_backward": lambda g, x: np.abs(g) * (1 + np.abs(x)),
    "softplus_backward": lambda g, x: np.abs(g),
    "add_scaled": lambda a, b: np.abs(a) + 3 * np.abs(b),
}


def params_of(name):
    return PARAMS.get(name, tuple(0.5 + i for i in range(OPS[name][1])))


def kernels():
    for name in OPS:
        for dtype in DTYPES:
            if _C.pointwise_supports(name, np.dtype(dtype)):
                yield name, dtype


def assert_agrees(name, actual, inputs, expected):
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    if expected.dtype.kind != "f":
        np.testing.assert_array_equal(actual, expected)
        return
    info = np.finfo(expected.dtype)
    with np.errstate(all="ignore"):
        scale = np.maximum(np.abs(expected), info.tiny)
        if name in SCALES:
            scale = scale + SCALES[name](*inputs)
            clear = np.abs(scale) < info.max / 16  # beyond, the order of products decides what overflows
        else:
            clear = np.ones(expected.shape, bool)
        same = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
        close = np.abs(actual - expected) <= 8 * info.eps * scale
    wrong = clear & ~same & ~close
    if wrong.any():
        at = tuple(np.argwhere(wrong)[0])
        values = [np.broadcast_to(x, expected.shape)[at] for x in inputs]
        raise AssertionError(f"{name}{values} = {actual[at]!r}, expected {expected[at]!r} at {at}")


def operand_dtypes(name, dtype):
    return ["bool", dtype, dtype] if name == "where" else [dtype] * OPS[name][0]


@pytest.mark.parametrize(("name", "dtype"), list(kernels()))
@given(data=st.data())
def test_against_reference(name, dtype, data):
    shapes = data.draw(broadcastable_shapes(OPS[name][0]))
    inputs = tuple(
        data.draw(arrays(d, shape, "any")) for d, shape in zip(operand_dtypes(name, dtype), shapes, strict=True)
    )
    params = params_of(name)
    expected = reference.pointwise(name, inputs, params)
    for level, threads in SETTINGS:
        _C.set_cpu_level(level)
        _C.set_num_threads(threads)
        assert_agrees(name, cpu.pointwise(name, inputs, params), inputs, expected)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 127, 129])
@pytest.mark.parametrize(("name", "dtype"), [("add", d) for d in DTYPES[1:]] + [("exp", "float16"), ("lt", "int8"), ("exp", "float32"), ("lt", "float64"),
                                             ("where", "float32"), ("where", "int64"), ("eq", "uint8")])  # fmt: skip
def test_writes_nothing_beyond(name, dtype, size):
    """Guard bytes around the result, for contiguous and strided ones."""
    rng = np.random.default_rng(size)
    inputs = tuple(rng.integers(0, 2, size).astype(d) for d in operand_dtypes(name, dtype))
    expected = reference.pointwise(name, inputs)
    for level in LEVELS:
        _C.set_cpu_level(level)
        for step in (1, 3):
            buffer = np.full(size * step + 128, 77, expected.dtype) if expected.dtype != bool else None
            if buffer is None:
                buffer = np.ones(size * step + 128, bool)
            untouched = buffer.copy()
            out = buffer[64 : 64 + size * step : step]
            cpu.pointwise(name, inputs, (), out)
            assert_agrees(name, out.copy(), inputs, expected)
            out[...] = untouched[0]
            np.testing.assert_array_equal(buffer, untouched)


LAYOUTS = {
    "contiguous": lambda x: x,
    "transposed": lambda x: np.ascontiguousarray(x.swapaxes(-1, -2)).swapaxes(-1, -2),
    "reversed": lambda x: np.ascontiguousarray(x[..., ::-1, ::-1])[..., ::-1, ::-1],
    "stepped": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
    "row": lambda x: np.broadcast_to(x[..., :1, :], x.shape),
    "column": lambda x: np.broadcast_to(x[..., :1], x.shape),
    "axes moved": lambda x: np.ascontiguousarray(np.moveaxis(x, 0, -1)).transpose(2, 0, 1),
}


@pytest.mark.parametrize("shape", [(3, 67, 130), (2, 300, 3), (5, 33, 31), (1, 1000, 1000)])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("other", LAYOUTS)
def test_layouts(shape, layout, other):
    """The walks over large operands: rows, tiles, short rows, cut between threads anywhere."""
    rng = np.random.default_rng(0)
    for dtype in ("float32", "uint8") if shape[1] < 1000 else ("float32",):
        a = LAYOUTS[layout](rng.integers(0, 100, shape).astype(dtype))
        b = LAYOUTS[other](rng.integers(0, 100, shape).astype(dtype))
        expected = a + b
        for threads in (1, 2):
            _C.set_num_threads(threads)
            np.testing.assert_array_equal(cpu.binary("add", a, b), expected)
            out = LAYOUTS["transposed"](np.zeros(shape, dtype))
            cpu.binary("add", a, b, out)
            np.testing.assert_array_equal(out, expected)


def test_in_place():
    """out may be an input itself, whatever its strides."""
    rng = np.random.default_rng(0)
    for arrange in LAYOUTS.values():
        x = np.array(arrange(rng.standard_normal((3, 40, 50))), order="K")
        y = rng.standard_normal((3, 40, 50))
        expected = x * y
        cpu.binary("mul", x, y, x)
        np.testing.assert_array_equal(x, expected)


def test_refuses_what_it_cannot_take():
    x = np.ones(3, "float32")
    with pytest.raises(ValueError, match="there is no op"):
        _C.pointwise("nonsense", (x,))
    with pytest.raises(ValueError, match="do not broadcast"):
        _C.pointwise("add", (x, np.ones(4, "float32")))
    with pytest.raises(ValueError, match="differ in dtype"):
        _C.pointwise("add", (x, np.ones(3)))
    with pytest.raises(ValueError, match="another shape"):
        _C.pointwise("add", (x, x), (), np.ones(4, "float32"))
    with pytest.raises(ValueError, match="wrong number of parameters"):
        _C.pointwise("leaky_relu", (x,))
    x.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        _C.pointwise("add", (x, x), (), x)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", ["add", "mul", "div", "maximum", "neg", "relu", "addcmul"])
def test_half_precision_is_rounded_once_at_every_level(name, dtype):
    """Whether operands are widened in registers or cast piece by piece: the same bits."""
    rng = np.random.default_rng(0)
    function = getattr(torch, name)
    arity = 3 if name == "addcmul" else 1 if name in ("neg", "relu") else 2
    level = _C.cpu_level()
    for n in (0, 1, 15, 16, 17, 33, 1000):
        values = rng.standard_normal((3, n)).astype(np.float32) * 100
        values[:, 5:8] = np.float32([[np.nan, 1e-7, 6e4]] * 3)[:, : max(0, n - 5)]
        inputs = [torch.tensor(v).to(dtype) for v in values[:arity]]
        expected = function(*(x.float() for x in inputs)).to(dtype).float().numpy()
        for used in LEVELS:
            _C.set_cpu_level(used)
            found = function(*inputs).float().numpy()
            strided = function(*(x[::2] for x in inputs)).float().numpy()
            _C.set_cpu_level(level)
            np.testing.assert_array_equal(found, expected)
            np.testing.assert_array_equal(strided, expected[::2])


NUMBERS = [1.7, 0.3, -0.1, 1 / 3, 3.0, 1e5, 1e-8]
LAYOUTS_OF_BITS = {
    "contiguous": lambda x: x,
    "transposed": lambda x: x.reshape(256, 256).T,
    "stepped": lambda x: x[::3],
    "reversed": lambda x: x[::-1],
    "short": lambda x: x[1000:1005],
}


@pytest.mark.parametrize("layout", LAYOUTS_OF_BITS)
@pytest.mark.parametrize("name", ["mul", "div", "add", "sub", "lt"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_numbers_beside_half_precision(dtype, name, layout):
    """All bit patterns: a factor or divisor is not rounded to half precision, other numbers are."""
    half = getattr(torch, dtype).numpy
    x = LAYOUTS_OF_BITS[layout](np.arange(65536, dtype=np.uint16).view(half))
    for value in NUMBERS:
        number = np.array(value, "float32")
        with np.errstate(all="ignore"):
            given = number if name in ("mul", "div") else number.astype(half)
            rounded = given.astype("float32")
            expected = reference.pointwise(name, (x.astype("float32"), rounded)).astype(bool if name == "lt" else half)
        for level, threads in SETTINGS:
            _C.set_cpu_level(level)
            _C.set_num_threads(threads)
            actual = cpu.pointwise(name, (x, given))
            same = (actual == expected) | ((actual != actual) & (expected != expected))
            assert same.all(), (value, level, x[~same][:3], actual[~same][:3], expected[~same][:3])


@pytest.mark.parametrize("name", ["add_scaled", "hardshrink", "hardshrink_backward", "clamp", "clamp_min"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_scalars_rounded_to_half_precision(dtype, name):
    half = getattr(torch, dtype).numpy
    x = np.arange(65536, dtype=np.uint16).view(half)
    inputs = (x, x[::-1].copy())[: OPS[name][0]]
    for value in NUMBERS[:5]:
        params = (value, 10 * abs(value))[: OPS[name][1]]
        with np.errstate(all="ignore"):
            rounded = tuple(float(np.float32(np.array(p).astype(half))) for p in params)
            wide = tuple(v.astype("float32") for v in inputs)
            expected = reference.pointwise(name, wide, rounded)
            if name == "add_scaled":  # one rounding
                product = wide[1].astype("float64") * rounded[0]
                expected = (wide[0] + product).astype("float32")
            expected = expected.astype(half)
        for level in LEVELS:
            _C.set_cpu_level(level)
            actual = cpu.pointwise(name, inputs, params)
            wrong = (actual != expected) & ~((actual != actual) & (expected != expected))
            if name == "add_scaled" and level in ("plain", "baseline"):  # no fused multiply-add: now and then a tie
                assert wrong.mean() < 1e-3
            else:
                assert not wrong.any(), (value, level, x[wrong][:3], actual[wrong][:3], expected[wrong][:3])
