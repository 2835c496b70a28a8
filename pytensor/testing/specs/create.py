"""Specs of factories: from nothing, from data, in the form of another tensor, ranges and grids."""

from __future__ import annotations

import functools
import itertools

import numpy as np

from pytensor.testing.numpy_dtypes import numpy_dtype
from pytensor.testing.spec import ANY, DType, OpSpec

exact = functools.partial(OpSpec, tolerance=0, upcast=False, differentiable=False, dtypes=("float32",))
DTYPES = ("float32", "float64", "int64", "int32", "uint8", "bool")


def drawn_dtype(s) -> DType:
    return DType(s.choose(*DTYPES))


def sizes_and_dtype(s):
    return s.sample(s.shape(), dtype=drawn_dtype(s))


def filled_with(value):
    return lambda size, dtype: np.full(size, value, dtype)


FLOAT32 = DType("float32")


def has_form(result, size, dtype=FLOAT32):
    """For uninitialised tensors: shape and dtype are all there is to say."""
    assert result.shape == tuple(size) and result.dtype == numpy_dtype(dtype.name)


def strided_samples(s):
    shape = s.shape(dims=(0, 3), min_side=1)
    order = sorted(range(len(shape)), key=lambda _: s.integer(0, 9))
    strides, step = [0] * len(shape), 1
    for d in order:
        strides[d] = step
        step *= shape[d] + s.integer(0, 1)
    return s.sample(shape, tuple(strides))


def has_strides(result, size, stride):
    assert result.shape == tuple(size)
    assert tuple(n // result.itemsize for n in result.strides) == tuple(stride)


def permuted_samples(s):
    shape = s.shape(dims=(1, 3))
    return s.sample(shape, tuple(sorted(range(len(shape)), key=lambda _: s.integer(0, 9))))


def eye_samples(s):
    if s.flag():
        return s.sample(s.integer(0, 9), dtype=drawn_dtype(s))
    return s.sample(s.integer(0, 9), s.integer(0, 9), dtype=drawn_dtype(s))


def arange_samples(s):
    step = s.choose(-3, -1, 1, 2, 0.25, -0.5)
    start = s.integer(-5, 5)
    return s.sample(start, start + step * s.integer(0, 40), step)


def arange(start, end, step):
    return np.arange(start, end, step, np.float32 if isinstance(step, float) else np.int64)


def spaced_samples(s):
    return s.sample(s.number(-100, 100), s.number(-100, 100), s.integer(0, 40), dtype=DType("float64"))


def nested(s):
    """Data as users write it: a number, or lists in lists."""
    return s.array(values="finite", only=(-9, 9), layouts=("contiguous",), dtype=s.choose("float32", "int64", "bool"))


def tensor_samples(s):
    return s.sample(nested(s).tolist())


def tensor_of(data):
    array = np.asarray(data)
    default = np.float32 if array.size == 0 or array.dtype == np.float64 else array.dtype
    return array.astype(default)


def like_samples(s):
    return s.sample(s.array())


def new_samples(s):
    return s.sample(s.array(), s.shape())


def one_dimensional(s):
    return s.array(dims=(1, 1), values="finite")


def axes_samples(s):
    return s.sample(*(one_dimensional(s) for _ in range(s.integer(1, 3))), indexing=s.choose("ij", "xy"))


def short(s):
    return s.array((s.integer(0, 5),), values="finite")


def product_of(*arrays):
    if len(arrays) == 1:
        return arrays[0]
    rows = list(itertools.product(*arrays))
    return np.array(rows, arrays[0].dtype).reshape(len(rows), len(arrays))


def combined(x, r, repeated):
    chosen = (itertools.combinations_with_replacement if repeated else itertools.combinations)(range(len(x)), r)
    index = np.array(list(chosen), np.int64).reshape(-1, r)
    return x[index]


def triangle_samples(s):
    return s.sample(s.integer(0, 7), s.integer(0, 7), s.integer(-4, 4))


def vander(x, n, increasing):
    return x[..., None] ** (np.arange(n) if increasing else np.arange(n)[::-1])


def buffer_samples(s):
    data = s.array((s.integer(1, 9),), dtype="int32", layouts=("contiguous",))
    return s.sample(bytearray(data.tobytes()), dtype=DType("int32"))


MADE = [
    exact("empty", sizes_and_dtype, verify=has_form),
    exact("empty_strided", strided_samples, verify=has_strides),
    exact("empty_permuted", permuted_samples, verify=lambda result, size, order: has_form(result, size)),
    exact("zeros", sizes_and_dtype, filled_with(0)),
    exact("ones", sizes_and_dtype, filled_with(1)),
    exact(
        "full",
        lambda s: s.sample(s.shape(), s.integer(0, 9), dtype=drawn_dtype(s)),
        lambda size, value, dtype: np.full(size, value, dtype),
    ),
    exact("scalar_tensor", lambda s: s.sample(s.number(-9, 9)), np.float32),
    exact("eye", eye_samples, lambda n, m=None, dtype=None: np.eye(n, m, dtype=dtype)),
]
RANGES = [
    exact("arange", arange_samples, arange),
    exact("arange", lambda s: s.sample(s.integer(0, 99)), np.arange, variant="end"),
    exact(
        "linspace",
        spaced_samples,
        lambda start, end, steps, dtype: np.linspace(start, end, steps, dtype=dtype),
        scale=lambda start, end, steps, dtype: abs(start) + abs(end),
    ).but(tolerance=2),
    exact(
        "logspace",
        lambda s: s.sample(s.number(-2, 2), s.number(-2, 2), s.integer(0, 20), dtype=DType("float64")),
        lambda start, end, steps, dtype: np.logspace(start, end, steps, dtype=dtype),
    ).but(tolerance=16),
    exact("tril_indices", triangle_samples, lambda n, m, k: np.stack(np.tril_indices(n, k, m))),
    exact("triu_indices", triangle_samples, lambda n, m, k: np.stack(np.triu_indices(n, k, m))),
    exact("meshgrid", axes_samples, lambda *xs, indexing: tuple(np.meshgrid(*xs, indexing=indexing))).but(
        differentiable=True
    ),
    exact("cartesian_prod", lambda s: s.sample(*(short(s) for _ in range(s.integer(1, 3)))), product_of).but(
        differentiable=True
    ),
    exact("combinations", lambda s: s.sample(short(s), s.integer(1, 3), s.flag()), combined).but(differentiable=True),
    OpSpec(
        "vander",
        lambda s: s.sample(one_dimensional(s), s.integer(0, 5), s.flag()),
        vander,
        tolerance=16,
        domain=(0.5, 2),
    ),
]
FROM_DATA = [
    exact("tensor", tensor_samples, tensor_of),
    exact("as_tensor", tensor_samples, tensor_of),
    exact("asarray", tensor_samples, tensor_of),
    exact("frombuffer", buffer_samples, lambda data, dtype: np.frombuffer(data, dtype)),
    exact("from_dlpack", lambda s: s.sample(s.array(read_only=False, layouts=("contiguous",))), lambda x: x),
]
LIKE = [
    exact("empty_like", like_samples, verify=lambda result, x: has_form(result, x.shape, DType(x.dtype.name))),
    exact("zeros_like", like_samples, np.zeros_like),
    exact("ones_like", like_samples, np.ones_like),
    exact("full_like", lambda s: s.sample(s.array(), s.integer(0, 9)), np.full_like),
    exact("Tensor.new_empty", new_samples, verify=lambda result, x, size: has_form(result, size, DType(x.dtype.name))),
    exact(
        "Tensor.new_empty_strided",
        lambda s: s.sample(s.array(), *strided_samples(s).args),
        verify=lambda result, x, size, stride: has_strides(result, size, stride),
    ),
    exact("Tensor.new_zeros", new_samples, lambda x, size: np.zeros(size, x.dtype)),
    exact("Tensor.new_ones", new_samples, lambda x, size: np.ones(size, x.dtype)),
    exact(
        "Tensor.new_full",
        lambda s: s.sample(s.array(), s.shape(), s.integer(0, 9)),
        lambda x, size, value: np.full(size, value, x.dtype),
    ),
    exact(
        "Tensor.new_tensor",
        lambda s: s.sample(s.array(), nested(s).tolist()),
        lambda x, data: np.asarray(data).astype(x.dtype),
    ),
]
SPECS = MADE + RANGES + FROM_DATA + [spec.but(dtypes=ANY) for spec in LIKE]
