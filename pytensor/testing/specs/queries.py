"""Specs of questions about tensors, of dtypes and shapes, and of changes of size."""

from __future__ import annotations

import functools

import numpy as np

from pytensor.testing.spec import ANY, FLOATS, OpSpec

ask = functools.partial(OpSpec, dtypes=ANY, differentiable=False, inplace=False, out=False, tolerance=0, upcast=False)


def one(s):
    return s.sample(s.array())


def two(s):
    a, b = s.broadcastable(2)
    return s.sample(s.array(a), s.array(b))


def resized(x, size):
    """Row-major elements of the old storage, as far as they go."""
    out = np.zeros(int(np.prod(size)), x.dtype)
    return x.ravel()[: out.size].reshape(size)


def resize_samples(s):
    """To as many elements or fewer: what comes beyond the old ones is not defined."""
    x = s.array((s.integer(0, 4), 6), read_only=False, layouts=("contiguous",))
    return s.sample(x, (s.integer(0, max(x.shape[0], 0)), s.integer(0, 6)))


def resize_as_samples(s):
    x, size = resize_samples(s).args
    return s.sample(x, np.zeros(size, np.float32))


def set_samples(s):
    return s.sample(s.array(read_only=False, layouts=("contiguous",)), s.array())


SPECS = [
    ask("numel", one, lambda x: x.size),
    ask("is_floating_point", one, lambda x: x.dtype.kind == "f"),
    ask("is_complex", one, lambda x: x.dtype.kind == "c", dtypes=(*ANY, "complex64")),
    ask("is_signed", one, lambda x: x.dtype.kind in "if"),
    ask("is_conj", one, lambda x: False),
    ask("is_neg", one, lambda x: False),
    ask("is_inference", one, lambda x: False),
    ask("get_device", one, lambda x: -1),
    ask("detach", one, lambda x: x),
    ask("is_same_size", two, lambda x, y: x.shape == y.shape),
    ask("is_nonzero", lambda s: s.sample(s.array(s.choose((), (1,), (1, 1)))), lambda x: bool(x.item() != 0)),
    ask(
        "broadcast_shapes",
        lambda s: s.sample(*s.broadcastable(s.integer(1, 3))),
        lambda *shapes: np.broadcast_shapes(*shapes),
        dtypes=FLOATS,
    ),
    ask("Tensor.resize_", resize_samples, resized, mutates=True),
    ask("Tensor.resize_as_", resize_as_samples, lambda x, y: resized(x, y.shape), mutates=True),
    ask("Tensor.set_", set_samples, lambda x, source: source, mutates=True),
]
