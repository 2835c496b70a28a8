"""Pointwise ops on a million float32 elements: contiguous, broadcast, transposed, forward and backward; and on the
activations of a small network's hidden layer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks import Row, randn

N = 1 << 20
SIDE = 1024
ITEM = 4
TENSORS_ONLY = ("add transposed", "add transposed twice", "addcmul", "lerp")  # what NumPy's API says differently


def unary(name: str, path: str | None = None, positive: bool = False, **arguments: Any) -> Row:
    """An op of one tensor; ``path``: where the function stands below the library."""

    def setup(lib):
        x = randn(lib, N)
        if positive:
            x = x.abs() + 0.1
        function = lib
        for part in (path or name).split("."):
            function = getattr(function, part)
        if not arguments:
            return lambda: function(x)
        return lambda: function(x, **arguments)

    def array(xp):
        x = randn(xp, N)
        return getattr(xp, name), (xp.abs(x) + 0.1 if positive else x,)

    known = path is None and not arguments and hasattr(np, name)
    return Row(name, setup, bytes=2 * ITEM * N, array=array if known else None)


def binary(name: str, operation: Callable[[Any, Any, Any], Any], arrays: int = 3) -> Row:
    def setup(lib):
        a, b = randn(lib, SIDE, SIDE), randn(lib, SIDE, SIDE, seed=1)
        return lambda: operation(lib, a, b)

    def array(xp):
        return partial(operation, xp), (randn(xp, SIDE, SIDE), randn(xp, SIDE, SIDE, seed=1))

    return Row(name, setup, bytes=arrays * ITEM * N, array=None if name in TENSORS_ONLY else array)


def power(lib):
    base, exponent = randn(lib, N).abs() + 0.1, randn(lib, N, seed=1)
    return lambda: lib.pow(base, exponent)


def where(lib):
    a, b = randn(lib, N), randn(lib, N, seed=1)
    condition = a > 0
    return lambda: lib.where(condition, a, b)


def typed(name: str, first: str, second: str, operation: Callable[[Any, Any], Any], bytes_per_element: int) -> Row:
    """An op of two tensors of the given dtypes."""

    def setup(lib):
        a = (randn(lib, N) * 50).abs().to(getattr(lib, first))
        b = (randn(lib, N, seed=1) * 50).abs().to(getattr(lib, second))
        return lambda: operation(a, b)

    return Row(name, setup, bytes=bytes_per_element * N)


def cast(source: str, to: str, bytes_per_element: int) -> Row:
    def setup(lib):
        x = (randn(lib, N) * 50).abs().to(getattr(lib, source))
        dtype = getattr(lib, to)
        return lambda: x.to(dtype)

    return Row(f"{source} to {to}", setup, bytes=bytes_per_element * N)


def backward(name: str, path: str) -> Row:
    def setup(lib):
        x = randn(lib, N, requires_grad=True)
        function = lib
        for part in path.split("."):
            function = getattr(function, part)
        y = function(x)
        g = lib.ones_like(y)
        return lambda: lib.autograd.grad(y, x, g, retain_graph=True)

    return Row(f"{name} backward", setup, bytes=3 * ITEM * N)


BATCH, HIDDEN = 64, 512


def hidden(name: str, operation: Callable[[Any, Any, Any], Any], arrays: int) -> Row:
    """An op on the activations of a layer of 512 units, a batch of 64: they stay in the second-level cache."""

    def setup(lib):
        a, b = randn(lib, BATCH, HIDDEN), randn(lib, BATCH, HIDDEN, seed=1)
        return lambda: operation(lib, a, b)

    return Row(f"{name} of 64x512", setup, bytes=arrays * ITEM * BATCH * HIDDEN)


ROWS = [
    binary("add", lambda lib, a, b: a + b),
    binary("sub", lambda lib, a, b: a - b),
    binary("mul", lambda lib, a, b: a * b),
    binary("div", lambda lib, a, b: a / b),
    binary("maximum", lambda lib, a, b: lib.maximum(a, b)),
    binary("less", lambda lib, a, b: a < b),
    binary("mul by number", lambda lib, a, b: a * 2.0, 2),
    binary("add row", lambda lib, a, b: a + b[0], 2),
    binary("add column", lambda lib, a, b: a + b[:, :1], 2),
    binary("add transposed", lambda lib, a, b: a + b.t()),
    binary("add transposed twice", lambda lib, a, b: a.t() + b.t()),
    binary("add every other", lambda lib, a, b: a[:, ::2] + b[:, ::2]),
    binary("addcmul", lambda lib, a, b: lib.addcmul(a, a, b)),
    binary("lerp", lambda lib, a, b: lib.lerp(a, b, 0.3)),
    binary("square", lambda lib, a, b: a**2, 2),
    binary("cube", lambda lib, a, b: a**3, 2),
    binary("atan2", lambda lib, a, b: lib.atan2(a, b)),
    binary("remainder", lambda lib, a, b: a % 0.7, 2),
    typed("int64 add", "int64", "int64", lambda a, b: a + b, 24),
    typed("int32 multiply", "int32", "int32", lambda a, b: a * b, 12),
    typed("int64 times float32", "int64", "float32", lambda a, b: a * b, 16),
    typed("int64 less", "int64", "int64", lambda a, b: a < b, 17),
    typed("bool and", "bool", "bool", lambda a, b: a & b, 3),
    typed("float16 multiply", "float16", "float16", lambda a, b: a * b, 6),
    cast("uint8", "float32", 5),
    cast("int64", "float32", 12),
    cast("float32", "int64", 12),
    cast("float32", "float64", 12),
    cast("float32", "float16", 6),
    cast("float16", "float32", 6),
    cast("float32", "bool", 5),
    Row("pow", power, bytes=3 * ITEM * N),
    Row("where", where, bytes=(3 * ITEM + 1) * N),
    unary("clamp", min=-1.0, max=1.0),
    *[unary(n) for n in ("exp", "expm1", "tanh", "sigmoid", "relu", "erf", "erfc", "sin", "cos", "tan", "abs", "neg")],
    *[unary(n) for n in ("atan", "sinh", "floor", "round")],
    *[unary(n, positive=True) for n in ("sqrt", "rsqrt", "log", "log1p", "log2", "reciprocal")],
    *[
        unary(n, f"nn.functional.{n}")
        for n in ("gelu", "silu", "mish", "softplus", "elu", "leaky_relu", "hardswish", "logsigmoid")
    ],
    unary("gelu tanh", "nn.functional.gelu", approximate="tanh"),
    *[backward(n, n) for n in ("relu", "tanh", "sigmoid", "exp")],
    *[backward(n, f"nn.functional.{n}") for n in ("gelu", "silu", "elu")],
    hidden("add", lambda lib, a, b: a + b, 3),
    hidden("add bias", lambda lib, a, b: a + b[0], 2),
    hidden("mul", lambda lib, a, b: a * b, 3),
    hidden("mul by number", lambda lib, a, b: a * 0.5, 2),
    hidden("in-place mul", lambda lib, a, b: a.mul_(1.0), 2),
    hidden("relu", lambda lib, a, b: lib.relu(a), 2),
    hidden("tanh", lambda lib, a, b: lib.tanh(a), 2),
    hidden("sigmoid", lambda lib, a, b: lib.sigmoid(a), 2),
    hidden("gelu", lambda lib, a, b: lib.nn.functional.gelu(a), 2),
    hidden("exp", lambda lib, a, b: lib.exp(a), 2),
    hidden("square", lambda lib, a, b: a**2, 2),
    hidden("greater", lambda lib, a, b: a > b, 3),
    hidden("clamp", lambda lib, a, b: a.clamp(-1.0, 1.0), 2),
    hidden("floor divide", lambda lib, a, b: a // 0.3, 2),
    hidden("float32 to float64", lambda lib, a, b: a.to(lib.float64), 3),
    hidden("float32 to float16", lambda lib, a, b: a.to(lib.float16), 2),
    hidden("masked_fill", lambda lib, a, b: a.masked_fill(b > 0, 0.0), 2),
    hidden("logaddexp", lambda lib, a, b: lib.logaddexp(a, b), 3),
    hidden("hypot", lambda lib, a, b: lib.hypot(a, b), 3),
]
