"""Specs of Python's operators. Values at the edges are the business of the functions they stand for."""

from __future__ import annotations

import functools
import operator

import numpy as np

from pytensor.testing.spec import FLOATS, INTEGERS, REALS, OpSpec

ARITHMETIC = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "truediv": operator.truediv,
    "floordiv": operator.floordiv,
    "mod": operator.mod,
    "pow": operator.pow,
}
DIVIDES = {"truediv", "floordiv", "mod"}
STEPS = {"floordiv", "mod"}  # jump where the quotient is an integer
COMPARISONS = {name: getattr(operator, name) for name in ("eq", "ne", "lt", "le", "gt", "ge")}
LOGIC = {"and": operator.and_, "or": operator.or_, "xor": operator.xor}
SHIFTS = {"lshift": operator.lshift, "rshift": operator.rshift}

spec = functools.partial(OpSpec, inplace=False, out=False)


def bounds(s, name: str, right: bool):
    """Operands for which PyTorch and NumPy define the same result, and which have derivatives."""
    if name == "pow":
        return (0, 3) if s.dtype in INTEGERS else (0.5, 2)
    if name in DIVIDES and right:
        return 1, 9
    return (0, 9) if s.dtype == "uint8" else (-9, 9)


def number(s, name: str, right: bool):
    low, high = bounds(s, name, right)
    if s.dtype in INTEGERS and name != "truediv":
        return s.integer(int(low), int(high))
    return s.integer(int(np.ceil(8 * low)), int(8 * high)) / 8  # exact in every float dtype


def forward(name: str):
    def samples(s):
        a, b = s.broadcastable(2)
        x = s.array(a, values="finite", only=bounds(s, name, False))
        if s.flag():
            return s.sample(x, number(s, name, True))
        return s.sample(x, s.array(b, values="finite", only=bounds(s, name, True)))

    return samples


def reflected(name: str):
    def samples(s):
        x = s.array(values="finite", only=bounds(s, name, True))
        return s.sample(x, number(s, name, False))

    return samples


def to_next_integer(x, y):
    """Distance of a quotient from the integers, where floor division and remainder jump."""
    quotient = np.asarray(x / y)
    return quotient - np.round(quotient)


def swapped(function):
    return lambda x, y: function(y, x)


def arithmetic(name: str, function) -> list[OpSpec]:
    exact = not STEPS & {name}
    fields = {
        "dtypes": REALS if exact and name != "truediv" else FLOATS,
        "tolerance": 4 if name == "pow" else 1,
        "upcast": exact,
        "scale": (lambda x, y: np.abs(x) + np.abs(y)) if not exact else None,
        "kinks": to_next_integer if not exact else None,
        "differentiable": name != "floordiv",
    }
    back = dict(fields, kinks=swapped(to_next_integer) if not exact else None)
    return [
        spec(f"Tensor.__{name}__", forward(name), function, **fields),
        spec(f"Tensor.__r{name}__", reflected(name), swapped(function), **back),
    ]


def anything(s):
    a, b = s.broadcastable(2)
    return s.sample(s.array(a), s.array(b))


def shifted(s):
    a, b = s.broadcastable(2)
    return s.sample(s.array(a, only=(0, 99)), s.array(b, only=(0, 6)))


def with_number(s):
    return s.sample(s.array(only=(0, 6)), s.integer(0, 6))


def matrices(flip: bool):
    def samples(s):
        m, k, n = (s.integer(0, 5) for _ in range(3))
        pair = s.array((m, k), values="finite"), s.array((k, n), values="finite")
        return s.sample(*(reversed(pair) if flip else pair))

    return samples


product = functools.partial(spec, tolerance=8)
discrete = functools.partial(spec, tolerance=0, differentiable=False)
SPECS = [
    product("Tensor.__matmul__", matrices(False), np.matmul, scale=lambda x, y: np.abs(x) @ np.abs(y)),
    product("Tensor.__rmatmul__", matrices(True), swapped(np.matmul), scale=lambda x, y: np.abs(y) @ np.abs(x)),
    *(each for name, function in ARITHMETIC.items() for each in arithmetic(name, function)),
    *(discrete(f"Tensor.__{name}__", anything, f, dtypes=(*REALS, "bool")) for name, f in COMPARISONS.items()),
    *(discrete(f"Tensor.__{name}__", anything, f, dtypes=(*INTEGERS, "bool")) for name, f in LOGIC.items()),
    *(discrete(f"Tensor.__r{name}__", with_number, swapped(f), dtypes=INTEGERS) for name, f in LOGIC.items()),
    *(discrete(f"Tensor.__{name}__", shifted, f, dtypes=INTEGERS) for name, f in SHIFTS.items()),
    *(discrete(f"Tensor.__r{name}__", with_number, swapped(f), dtypes=INTEGERS) for name, f in SHIFTS.items()),
]
