"""Specs of the shape ops that give views."""

from __future__ import annotations

import functools
import math

import numpy as np

from pytensor.testing.spec import ANY, DType, OpSpec

exact = functools.partial(OpSpec, dtypes=ANY, tolerance=0, upcast=False)


def regrouped(s, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Another shape with as many elements, perhaps with one side to be inferred."""
    new = list(shape)
    if len(new) > 1 and s.flag():
        axis = s.integer(0, len(new) - 2)
        new[axis : axis + 2] = [new[axis] * new[axis + 1]]
    if s.flag():
        new.insert(s.integer(0, len(new)), 1)
    if new and math.prod(new) and s.flag():
        new[s.integer(0, len(new) - 1)] = -1
    return tuple(new)


def view_samples(s):
    x = s.array(layouts=("contiguous", "offset") if s.flag() else ("contiguous",))
    x = np.ascontiguousarray(x) if x.ndim else x
    return s.sample(x, regrouped(s, x.shape))


def view_dtype_samples(s):
    return s.sample(s.array(dtype="float32", layouts=("contiguous",)), DType("int32"))


def reshape_samples(s):
    x = s.array()
    return s.sample(x, regrouped(s, x.shape))


def like_samples(s):
    x = s.array(layouts=("contiguous",))
    return s.sample(x, np.zeros(x.reshape(regrouped(s, x.shape)).shape, x.dtype))


def flatten_samples(s):
    x = s.array()
    first, last = sorted(s.integer(0, max(x.ndim - 1, 0)) for _ in range(2))
    return s.sample(x, first, last - x.ndim if x.ndim and s.flag() else last)


def flatten(x, first, last):
    if x.ndim == 0:
        return x.reshape(1)
    last %= x.ndim
    return x.reshape(*x.shape[:first], math.prod(x.shape[first : last + 1]), *x.shape[last + 1 :])


def unflatten_samples(s):
    x = s.array(dims=(1, 3))
    dim = s.dim(x)
    side = x.shape[dim]
    factors = [f for f in range(1, side + 1) if side % f == 0] or [1]
    factor = s.choose(*factors)
    return s.sample(x, dim, (factor, -1 if side and s.flag() else side // factor))


def unflatten(x, dim, sizes):
    dim %= x.ndim
    known = math.prod(n for n in sizes if n != -1)
    filled = [x.shape[dim] // known if n == -1 else n for n in sizes]
    return x.reshape(*x.shape[:dim], *filled, *x.shape[dim + 1 :])


def permute_samples(s):
    x = s.array()
    order = sorted(range(x.ndim), key=lambda _: s.integer(0, 9))
    return s.sample(x, tuple(d - x.ndim if s.flag() else d for d in order))


def two_dims(s):
    x = s.array()
    return s.sample(x, s.dim(x), s.dim(x))


def swapped(x, a, b):
    return np.swapaxes(x, a, b) if x.ndim else x


def movedim_samples(s):
    x = s.array(dims=(1, 4))
    if s.flag():
        return s.sample(x, s.dim(x), s.dim(x))
    source = s.dims(x)
    order = sorted(range(x.ndim), key=lambda _: s.integer(0, 9))
    return s.sample(x, source, tuple(order[: len(source)]))


def squeeze_samples(s):
    x = s.array()
    return s.sample(x, s.dims(x) if s.flag() else s.dim(x))


def squeeze(x, dim):
    dims = {d % max(x.ndim, 1) for d in (dim if isinstance(dim, tuple) else (dim,))}
    return x.reshape([n for d, n in enumerate(x.shape) if n != 1 or d not in dims])


def unsqueeze_samples(s):
    x = s.array()
    return s.sample(x, s.dim(x.ndim + 1))


def expand_samples(s):
    small, full = s.broadcastable(2)
    shape = np.broadcast_shapes(small, full)
    return s.sample(s.array(small), tuple(shape))


def expand_method_samples(s):
    sample = expand_samples(s)
    x, shape = sample.args
    missing = len(shape) - x.ndim
    return s.sample(x, tuple(-1 if d >= missing and s.flag() else n for d, n in enumerate(shape)))


def expand(x, shape):
    missing = len(shape) - x.ndim
    return np.broadcast_to(x, [x.shape[d - missing] if n == -1 else n for d, n in enumerate(shape)])


def expand_as_samples(s):
    x, shape = expand_samples(s).args
    return s.sample(x, np.zeros(shape, x.dtype))


def sum_to_size_samples(s):
    small, full = s.broadcastable(2, min_side=1)
    shape = np.broadcast_shapes(small, full)
    return s.sample(s.array(shape, values="finite"), tuple(small))


def sum_to(x, shape):
    out = x.sum(axis=tuple(range(x.ndim - len(shape))))
    axes = tuple(d for d, n in enumerate(shape) if n == 1 and out.shape[d] != 1)
    return out.sum(axis=axes, keepdims=True) if axes else out


def narrow_samples(s):
    x = s.array(dims=(1, 4))
    dim = s.dim(x)
    start = s.integer(0, x.shape[dim])
    return s.sample(x, dim, start, s.integer(0, x.shape[dim] - start))


def narrow(x, dim, start, length):
    return x.take(range(start, start + length), axis=dim)


def select_samples(s):
    x = s.array(dims=(1, 4), min_side=1)
    dim = s.dim(x)
    return s.sample(x, dim, s.integer(-x.shape[dim], x.shape[dim] - 1))


def diagonal_samples(s):
    x = s.array(dims=(2, 4))
    first = s.integer(0, x.ndim - 1)
    second = s.choose(*(d for d in range(x.ndim) if d != first))
    offset = s.integer(-x.shape[first], x.shape[second])
    return s.sample(x, offset, first, second - x.ndim if s.flag() else second)


def as_strided_samples(s):
    x = s.array((s.integer(6, 30),), layouts=("contiguous",))
    rows, columns = s.integer(1, 2), s.integer(1, 3)
    return s.sample(x, (rows, columns), (s.integer(0, 2), s.integer(0, 1)), s.integer(0, 1))


def as_strided(x, size, stride, offset):
    index = offset + sum(np.indices(size)[d] * stride[d] for d in range(len(size)))
    return x[index]


def unfold_samples(s):
    x = s.array(dims=(1, 3))
    dim = s.dim(x)
    return s.sample(x, dim, s.integer(0, x.shape[dim]), s.integer(1, 3))


def unfold(x, dim, size, step):
    windows = np.lib.stride_tricks.sliding_window_view(x, size, axis=dim) if size else None
    if windows is None:
        count = x.shape[dim] // step + 1
        dim %= x.ndim
        return np.zeros((*x.shape[:dim], count, *x.shape[dim + 1 :], 0), x.dtype)
    return windows[(slice(None),) * (dim % x.ndim) + (slice(None, None, step),)]


def adjoint_samples(s):
    return s.sample(s.array(dims=(2, 4)))


SPECS = [
    exact("Tensor.view", view_samples, lambda x, shape: x.reshape(shape)),
    exact(
        "Tensor.view",
        view_dtype_samples,
        lambda x, dtype: x.view(dtype),
        variant="dtype",
        dtypes=("float32",),
        differentiable=False,
    ),
    exact("reshape", reshape_samples, lambda x, shape: x.reshape(shape)),
    exact("Tensor.view_as", like_samples, lambda x, y: x.reshape(y.shape), differentiable=(0,)),
    exact("Tensor.reshape_as", like_samples, lambda x, y: x.reshape(y.shape), differentiable=(0,)),
    exact("flatten", flatten_samples, flatten),
    exact("ravel", lambda s: s.sample(s.array()), np.ravel),
    exact("unflatten", unflatten_samples, unflatten),
    exact("permute", permute_samples, lambda x, dims: x.transpose([d % x.ndim for d in dims])),
    exact("transpose", two_dims, swapped),
    exact("t", lambda s: s.sample(s.array(dims=(0, 2))), np.transpose),
    exact("adjoint", adjoint_samples, lambda x: np.swapaxes(x, -1, -2)),
    exact("movedim", movedim_samples, np.moveaxis),
    exact("squeeze", lambda s: s.sample(s.array()), np.squeeze),
    exact("squeeze", squeeze_samples, squeeze, variant="dim"),
    exact("unsqueeze", unsqueeze_samples, np.expand_dims),
    exact("Tensor.expand", expand_method_samples, expand),
    exact("Tensor.expand_as", expand_as_samples, lambda x, y: np.broadcast_to(x, y.shape), differentiable=(0,)),
    exact("broadcast_to", expand_samples, np.broadcast_to),
    OpSpec(
        "Tensor.sum_to_size",
        sum_to_size_samples,
        sum_to,
        tolerance=8,
        scale=lambda x, shape: sum_to(np.abs(x), shape),
    ),
    exact("narrow", narrow_samples, narrow),
    exact("select", select_samples, lambda x, dim, index: x.take(index, axis=dim)),
    exact("diagonal", diagonal_samples, np.diagonal),
    exact("as_strided", as_strided_samples, as_strided),
    exact("Tensor.unfold", unfold_samples, unfold),
]
