"""Padding and copying kernels against plain NumPy, at every level, with one thread and two."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytensor import _C
from pytensor.backend import cpu, reference
from pytensor.testing.levels import SETTINGS
from pytensor.testing.strategies import arrays, shapes

DTYPES = ("float32", "float64", "bool", "uint8", "int16", "int64", "complex128", "float16")


@pytest.fixture(params=SETTINGS, ids=str)
def setting(request):
    before = _C.get_num_threads(), _C.cpu_level()
    _C.set_cpu_level(request.param[0])
    _C.set_num_threads(request.param[1])
    yield
    _C.set_num_threads(before[0])
    _C.set_cpu_level(before[1])


def width(draw, size, mode):
    if mode == "constant":
        before, after = draw(st.integers(-3, 4)), draw(st.integers(-3, 4))
        return (before, after) if size + min(before, 0) + min(after, 0) >= 0 else (0, 0)
    most = {"reflect": size - 1, "circular": size, "replicate": 5}[mode]
    before = draw(st.integers(-(size // 3), most))
    after = draw(st.integers(-(size // 3), most))
    kept = size + min(before, 0) + min(after, 0)
    return (before, after) if mode != "circular" or max(before, after) <= kept else (0, 0)


@given(st.data(), st.sampled_from(["constant", "reflect", "replicate", "circular"]))
def check_pad(data, mode):
    draw = data.draw
    x = draw(st.sampled_from(DTYPES).flatmap(lambda d: arrays(d, shapes(1, 4, min_side=mode != "constant"), "any")))
    widths = [width(draw, n, mode) for n in x.shape]
    if mode == "constant":
        value = draw(st.sampled_from([0, 1, -0.0]))
        got, want = cpu.pad_constant(x, widths, value), reference.pad_constant(x, widths, value)
    else:
        got, want = cpu.pad_mirrored(x, widths, mode), reference.pad_mirrored(x, widths, mode)
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got, want)


def test_against_numpy(setting):
    check_pad()


@pytest.mark.parametrize("mode", ["constant", "reflect", "replicate", "circular"])
def test_planes_and_parts(setting, mode):
    """More than one thread's worth, cut within planes; rows shorter and longer than a vector."""
    for shape in ((3, 5, 33, 61), (2, 3, 401, 7), (90_001,), (1, 300, 257)):
        x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
        widths = [(0, 0)] * (x.ndim - 2) + [(2, 3)] * min(x.ndim, 2)
        if mode == "constant":
            got, want = cpu.pad_constant(x, widths, 0.5), reference.pad_constant(x, widths, 0.5)
        else:
            got, want = cpu.pad_mirrored(x, widths, mode), reference.pad_mirrored(x, widths, mode)
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("size", [*range(1, 70), 127, 128, 129, 300, 1000])
def test_lines_of_any_length(setting, size):
    """Copies write their lines and nothing between them."""
    x = np.random.default_rng(size).integers(0, 255, (9, size + 3), dtype=np.uint8)
    out = np.full((9, size + 5), 77, np.uint8)
    cpu.store(out[:, 2 : 2 + size], x[:, 1 : 1 + size])
    np.testing.assert_array_equal(out[:, 2 : 2 + size], x[:, 1 : 1 + size])
    assert (out[:, :2] == 77).all()
    assert (out[:, 2 + size :] == 77).all()


def test_what_the_kernel_refuses():
    x, zero = np.ones((2, 3), np.float32), np.zeros((), np.float32)
    with pytest.raises(ValueError, match="a width and a size"):
        _C.index_pad(x, [0], [2, 3], 0, zero)
    with pytest.raises(ValueError, match="one element"):
        _C.index_pad(x, [0, 0], [2, 3], 0, np.zeros(2, np.float32))
    with pytest.raises(ValueError, match="not enough elements"):
        _C.index_pad(x, [0, 3], [2, 6], 1, zero)
    with pytest.raises(ValueError, match="contiguous along"):
        _C.index_pad(x[:, ::2], [0, 0], [2, 2], 0, zero)
