"""Specs of pointwise functions of two and three tensors."""

from __future__ import annotations

import numpy as np

from pytensor.testing.spec import ANY, FLOATS, INTEGERS, REALS, OpSpec
from pytensor.testing.specs.pointwise import silent


def two(values="any", **arguments):
    def samples(s):
        a, b = s.broadcastable(2)
        return s.sample(s.array(a, values=values, **arguments), s.array(b, values=values, **arguments))

    return samples


def nonzero_divisor(s):
    a, b = s.broadcastable(2)
    only = (1, 9) if np.dtype(s.dtype).kind in "iu" else (0.5, 4.0)
    return s.sample(s.array(a, values="finite"), s.array(b, values="finite", only=only))


def with_number(low=-3.0, high=3.0, values="any"):
    return lambda s: s.sample(s.array(values=values), s.number(low, high))


def binary(name, function, samples=None, **fields):
    fields = {"flops": lambda a, b: np.broadcast(a, b).size, **fields}
    return OpSpec(name, samples or two(), silent(function), **fields)


def remainder(a, b):
    m = np.fmod(a, b)
    return np.where((m != 0) & ((b < 0) != (m < 0)), m + b, m)


def from_jump(a, b):
    """Distance of a / b from whole numbers."""
    return a / b - np.round(a / b)


def difference(a, b):
    return a - b


def both(a, b):
    return np.abs(a) + np.abs(b)


COMPARISONS = {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
}
BITWISE = {"bitwise_and": np.bitwise_and, "bitwise_or": np.bitwise_or, "bitwise_xor": np.bitwise_xor}


def base_and_exponent(s):
    a, b = s.broadcastable(2)
    return s.sample(s.array(a, only=(0.2, 3.0), values="finite"), s.array(b, only=(-3.0, 3.0), values="finite"))


def shifts(s):
    a, b = s.broadcastable(2)
    return s.sample(s.array(a, only=(0, 15)), s.array(b, only=(0, 3)))


def three(**last):
    def samples(s):
        a, b, c = s.broadcastable(3)
        finite = {"values": "finite"}
        return s.sample(s.array(a, **finite), s.array(b, **finite), s.array(c, **finite, **last))

    return samples


def where_samples(s):
    m, a, b = s.broadcastable(3)
    return s.sample(s.array(m, dtype="bool"), s.array(a), s.array(b))


def heaviside_samples(s):
    a, b = s.broadcastable(2)
    return s.sample(s.array(a, values="finite"), s.array(b, values="finite"))


def clamp_by_tensors(s):
    x, low, high = s.broadcastable(3)
    return s.sample(s.array(x, values="finite"), s.array(low, values="finite"), s.array(high, values="finite"))


def clamp(x, min=None, max=None):
    y = x if min is None else np.maximum(x, min)
    return y if max is None else np.minimum(y, max)


def with_value(s, *arrays):
    return s.sample(*arrays, value=s.number(-2, 2))


def scaled(samples):
    def drawn(s):
        sample = samples(s)
        return s.sample(*sample.args, value=s.number(-2.0, 2.0))

    return drawn


SPECS = [
    binary("add", np.add, dtypes=REALS),
    binary("sub", np.subtract, dtypes=REALS),
    binary("mul", np.multiply, dtypes=REALS),
    binary("div", np.true_divide, nonzero_divisor),
    binary("true_divide", np.true_divide, nonzero_divisor),
    OpSpec(
        "add",
        lambda s: s.sample(*two("finite")(s).args, alpha=s.number(-2, 2)),
        lambda a, b, alpha: a + alpha * b,
        scale=lambda a, b, alpha: np.abs(a) + np.abs(alpha * b),
        variant="alpha",
    ),
    OpSpec(
        "sub",
        lambda s: s.sample(*two("finite")(s).args, alpha=s.number(-2, 2)),
        lambda a, b, alpha: a - alpha * b,
        scale=lambda a, b, alpha: np.abs(a) + np.abs(alpha * b),
        variant="alpha",
    ),
    OpSpec("rsub", two(), silent(lambda a, b: b - a), dtypes=REALS),
    *[
        OpSpec(n, with_number(values="finite"), silent(f), variant="number")
        for n, f in (("add", np.add), ("mul", np.multiply))
    ],
    OpSpec("div", with_number(0.5, 3.0), silent(np.true_divide), variant="number"),
    OpSpec(
        "div",
        lambda s: s.sample(*nonzero_divisor(s).args, rounding_mode="floor"),
        silent(lambda a, b, rounding_mode: np.floor_divide(a, b)),
        upcast=False,
        dtypes=REALS,
        kinks=lambda a, b, rounding_mode: from_jump(a, b),
        variant="floor",
    ),
    OpSpec(
        "div",
        lambda s: s.sample(*nonzero_divisor(s).args, rounding_mode="trunc"),
        silent(lambda a, b, rounding_mode: np.trunc(np.true_divide(a, b)).astype(a.dtype)),
        upcast=False,
        dtypes=FLOATS,
        kinks=lambda a, b, rounding_mode: from_jump(a, b),
        variant="trunc",
    ),
    binary("floor_divide", np.floor_divide, nonzero_divisor, upcast=False, dtypes=REALS, differentiable=False),
    binary("remainder", np.remainder, nonzero_divisor, upcast=False, dtypes=REALS, kinks=from_jump),
    binary("fmod", np.fmod, nonzero_divisor, upcast=False, dtypes=REALS, kinks=from_jump),
    binary("pow", np.power, base_and_exponent),
    binary("float_power", np.power, base_and_exponent, dtypes=("float64",)),
    OpSpec(
        "pow",
        lambda s: s.sample(s.array(only=(0.2, 3.0), values="finite"), s.choose(0, 1, 2, 3, 0.5, -0.5, -1, -2, 1.7)),
        np.power,
        variant="number",
    ),
    binary("maximum", np.maximum, dtypes=REALS, kinks=difference, tolerance=0),
    binary("minimum", np.minimum, dtypes=REALS, kinks=difference, tolerance=0),
    binary("fmax", np.fmax, dtypes=REALS, kinks=difference, tolerance=0),
    binary("fmin", np.fmin, dtypes=REALS, kinks=difference, tolerance=0),
    binary("atan2", np.arctan2, kinks=both),
    binary("hypot", np.hypot, kinks=both),
    binary("copysign", np.copysign, kinks=lambda a, b: np.minimum(np.abs(a), np.abs(b)), tolerance=0),
    binary("nextafter", np.nextafter, upcast=False, differentiable=False, tolerance=0),
    binary("logaddexp", np.logaddexp, two("finite"), scale=lambda a, b: 1 + both(a, b)),
    binary("logaddexp2", np.logaddexp2, two("finite"), scale=lambda a, b: 1 + both(a, b)),
    binary("xlogy", lambda a, b: a * np.log(b), two("finite", only=(0.2, 3.0)), scale=lambda a, b: np.abs(a)),
    OpSpec("heaviside", heaviside_samples, np.heaviside, differentiable=False),
    binary("gcd", np.gcd, dtypes=("int32", "int64"), differentiable=False),
    binary("lcm", np.lcm, lambda s: two(only=(-40, 40))(s), dtypes=("int32", "int64"), differentiable=False),
    OpSpec(
        "ldexp",
        lambda s: s.sample(
            *[
                s.array(shape, dtype=d, only=(-9, 9))
                for shape, d in zip(s.broadcastable(2), (None, "int64"), strict=True)
            ]
        ),
        lambda x, n: x * 2.0**n,
        differentiable=(0,),
    ),
    OpSpec("frexp", lambda s: s.sample(s.array(values="finite")), np.frexp, differentiable=False),
    *[binary(n, f, dtypes=ANY, differentiable=False) for n, f in COMPARISONS.items()],
    *[
        OpSpec(
            n,
            lambda s: s.sample(s.array(), s.choose(-1, 0, 0.5, 2)),
            silent(f),
            dtypes=FLOATS,
            differentiable=False,
            variant="number",
        )
        for n, f in COMPARISONS.items()
        if not n.startswith("logical")
    ],
    *[binary(n, f, dtypes=(*INTEGERS, "bool"), differentiable=False) for n, f in BITWISE.items()],
    binary("bitwise_left_shift", np.left_shift, shifts, dtypes=INTEGERS, differentiable=False),
    binary("bitwise_right_shift", np.right_shift, shifts, dtypes=INTEGERS, differentiable=False),
    OpSpec("where", where_samples, np.where, dtypes=ANY, tolerance=0),
    OpSpec(
        "clamp",
        lambda s: s.sample(s.array(), s.number(-1.5, 0), s.number(0.1, 2)),
        clamp,
        kinks=lambda x, low, high: np.stack([x - low, x - high]),
        tolerance=1,
    ),
    OpSpec(
        "clamp",
        clamp_by_tensors,
        clamp,
        kinks=lambda x, low, high: np.stack(np.broadcast_arrays(x - low, x - high, low - high)),
        tolerance=0,
        variant="tensors",
    ),
    OpSpec("clamp_min", lambda s: s.sample(s.array(), s.number(-1, 1)), np.maximum, kinks=difference, tolerance=1),
    OpSpec("clamp_max", lambda s: s.sample(s.array(), s.number(-1, 1)), np.minimum, kinks=difference, tolerance=1),
    OpSpec(
        "lerp",
        three(),
        lambda a, b, w: a + w * (b - a),
        scale=lambda a, b, w: both(a, b) * (1 + np.abs(w)),
    ),
    OpSpec(
        "lerp",
        lambda s: s.sample(*two("finite")(s).args, s.number(-0.5, 1.5)),
        lambda a, b, w: a + w * (b - a),
        scale=lambda a, b, w: both(a, b) * (1 + abs(w)),
        variant="number",
    ),
    OpSpec(
        "addcmul",
        scaled(three()),
        lambda a, b, c, value: a + value * b * c,
        scale=lambda a, b, c, value: np.abs(a) + np.abs(value * b * c),
    ),
    OpSpec(
        "addcdiv",
        scaled(three(only=(0.5, 3.0))),
        lambda a, b, c, value: a + value * b / c,
        scale=lambda a, b, c, value: np.abs(a) + np.abs(value * b / c),
    ),
    OpSpec("isclose", two("finite"), lambda a, b: np.isclose(a, b), upcast=False, differentiable=False),
    OpSpec("allclose", two("finite"), lambda a, b: np.allclose(a, b), upcast=False, differentiable=False),
    OpSpec("equal", two("finite"), lambda a, b: np.array_equal(a, b), differentiable=False),
    OpSpec(
        "nn.functional.prelu",
        lambda s: s.sample(s.array(values="finite"), s.array((1,), values="finite")),
        lambda x, w: np.where(x > 0, x, w[0] * x),
        kinks=lambda x, w: x,
    ),
    OpSpec(
        "prelu",
        lambda s: prelu_channels(s),
        lambda x, w: np.where(x > 0, x, w.reshape(-1, *[1] * (x.ndim - 2)) * x),
        kinks=lambda x, w: x,
    ),
    OpSpec(
        "nn.functional.glu",
        lambda s: glu_samples(s),
        lambda x, dim: np.split(x, 2, dim)[0] / (1 + np.exp(-np.split(x, 2, dim)[1])),
    ),
    OpSpec(
        "nn.functional.rrelu",
        lambda s: s.sample(s.array(values="finite"), 0.25, 0.75),
        lambda x, lower, upper: np.where(x > 0, x, 0.5 * x),
        kinks=lambda x, lower, upper: x,
    ),
]


def prelu_channels(s):
    x = s.array(dims=(2, 4), min_side=1, values="finite")
    return s.sample(x, s.array((x.shape[1],), values="finite"))


def glu_samples(s):
    shape = list(s.shape(dims=(1, 3)))
    dim = s.integer(0, len(shape) - 1)
    shape[dim] *= 2
    return s.sample(s.array(tuple(shape), values="finite"), dim)


def in_place_pair(**arguments):
    def samples(s):
        shape = s.shape()
        return s.sample(s.array(shape, values="finite"), s.array(shape, values="finite", **arguments))

    return samples


def augmented(method, function, samples=None, **fields):
    return OpSpec(f"Tensor.{method}", samples or in_place_pair(), silent(function), mutates=True, **fields)


SPECS += [
    augmented("__iadd__", np.add, dtypes=REALS),
    augmented("__isub__", np.subtract, dtypes=REALS),
    augmented("__imul__", np.multiply, dtypes=REALS),
    augmented("__itruediv__", np.true_divide, in_place_pair(only=(0.5, 4.0))),
    augmented("__ifloordiv__", np.floor_divide, in_place_pair(only=(0.5, 4.0)), upcast=False, differentiable=False),
    augmented("__imod__", np.remainder, in_place_pair(only=(0.5, 4.0)), upcast=False, differentiable=False),
    augmented(
        "__ipow__",
        np.power,
        lambda s: s.sample(s.array(only=(0.2, 3.0), values="finite"), s.choose(0, 1, 2, 3, 0.5, -1)),
    ),
    augmented("__iand__", np.bitwise_and, dtypes=INTEGERS, differentiable=False),
    augmented("__ior__", np.bitwise_or, dtypes=INTEGERS, differentiable=False),
    augmented("__ixor__", np.bitwise_xor, dtypes=INTEGERS, differentiable=False),
    augmented("__ilshift__", np.left_shift, lambda s: in_place_shifts(s), dtypes=INTEGERS, differentiable=False),
    augmented("__irshift__", np.right_shift, lambda s: in_place_shifts(s), dtypes=INTEGERS, differentiable=False),
    OpSpec(
        "nn.functional.relu_",
        lambda s: s.sample(s.array()),
        lambda x: np.where(x < 0, 0, x),
        kinks=lambda x: x,
        mutates=True,
        tolerance=0,
    ),
]


def in_place_shifts(s):
    shape = s.shape()
    return s.sample(s.array(shape, only=(0, 15)), s.array(shape, only=(0, 3)))
