"""Specs of pointwise functions of one tensor."""

from __future__ import annotations

import importlib
import math

import numpy as np

from pytensor.testing.spec import ANY, INTEGERS, REALS, OpSpec, at
from pytensor.testing.specs.pointwise_functions import FUNCTIONS, erf, erfc, lgamma, sigmoid


def one(s):
    return s.sample(s.array())


def finite(s):
    return s.sample(s.array(values="finite"))


def silent(function):
    """The function without NumPy's warnings."""

    def reference(*args, **kwargs):
        with np.errstate(all="ignore"):
            return function(*args, **kwargs)

    return reference


def positive(s):
    return s.sample(s.array(only=(0.1, 9.0), values="finite"))


def scipy(name):
    """A function of scipy.special."""

    def reference(*args):
        return getattr(importlib.import_module("scipy.special"), name)(*args)

    return reference


def unary(name, function, domain=(-np.inf, np.inf), **fields):
    return OpSpec(name, one, silent(function), domain=domain, **{"flops": lambda x: x.size, **fields})


def steep(function):
    """For functions whose argument's rounding to float shows: relative to |x f'(x)| as well."""
    return lambda x: np.abs(function(x)) + 1


SPECS = [
    unary("exp", np.exp),
    unary("exp2", np.exp2),
    unary("expm1", np.expm1),
    unary("log", np.log, (0.1, np.inf)),
    unary("log2", np.log2, (0.1, np.inf)),
    unary("log10", np.log10, (0.1, np.inf)),
    unary("log1p", np.log1p, (-0.9, np.inf)),
    unary("sin", np.sin),
    unary("cos", np.cos),
    unary("tan", np.tan, (-1.3, 1.3)),
    unary("asin", np.arcsin, (-0.95, 0.95)),
    unary("acos", np.arccos, (-0.95, 0.95)),
    unary("atan", np.arctan),
    unary("sinh", np.sinh),
    unary("cosh", np.cosh),
    unary("tanh", np.tanh),
    unary("asinh", np.arcsinh),
    unary("acosh", np.arccosh, (1.1, np.inf)),
    unary("atanh", np.arctanh, (-0.9, 0.9)),
    unary("sqrt", np.sqrt, (0.1, np.inf)),
    unary("rsqrt", lambda x: 1 / np.sqrt(x), (0.1, np.inf)),
    unary("reciprocal", lambda x: 1 / x, (0.2, np.inf)),
    unary("deg2rad", np.deg2rad),
    unary("rad2deg", np.rad2deg),
    unary("erf", erf),
    unary("erfc", erfc, tolerance=6),
    # Negative numbers go through the reflection formula, a difference of terms as large as lgamma(|x|).
    unary("lgamma", lgamma, (0.3, np.inf), scale=lambda x: 1 + np.abs(lgamma(x)) + np.abs(lgamma(np.abs(x)))),
    OpSpec(
        "erfinv", lambda s: s.sample(s.array(only=(-1.0, 1.0), values="finite")), scipy("erfinv"), domain=(-0.9, 0.9)
    ),
    OpSpec("digamma", positive, scipy("psi"), domain=(0.5, np.inf), scale=lambda x: 1 + np.abs(np.log(x)) + 1 / x),
    OpSpec(
        "polygamma",
        lambda s: s.sample(s.integer(0, 3), s.array(only=(0.1, 9.0), values="finite")),
        scipy("polygamma"),
        scale=lambda n, x: 1 + x ** -(n + 1.0) * 6,
        differentiable=(1,),
        inplace=False,
    ),
    OpSpec("i0", lambda s: s.sample(s.array(only=(-9.0, 9.0), values="finite")), scipy("i0")),
    unary("sigmoid", sigmoid),
    unary("square", lambda x: x * x, dtypes=REALS),
    unary("neg", np.negative, dtypes=REALS),
    unary("abs", np.abs, dtypes=REALS, kinks=at(0.0)),
    unary("sign", lambda x: np.where(np.isnan(x), 0, np.sign(x)), dtypes=REALS, kinks=at(0.0)),
    unary("sgn", lambda x: np.where(np.isnan(x), 0, np.sign(x)), dtypes=REALS, kinks=at(0.0)),
    unary("floor", np.floor, kinks=lambda x: x - np.round(x), tolerance=0),
    unary("ceil", np.ceil, kinks=lambda x: x - np.round(x), tolerance=0),
    unary("trunc", np.trunc, kinks=lambda x: x - np.round(x), tolerance=0),
    unary("round", np.rint, kinks=lambda x: x - np.floor(x) - 0.5, tolerance=0),
    unary("frac", lambda x: x - np.trunc(x), kinks=lambda x: x - np.round(x)),
    unary("relu", lambda x: np.where(x < 0, 0, x), dtypes=REALS, kinks=at(0.0), tolerance=0),
    unary("positive", lambda x: x, dtypes=REALS, tolerance=0, inplace=False, out=False),
    unary("isnan", np.isnan, differentiable=False),
    unary("isinf", np.isinf, differentiable=False),
    unary("isfinite", np.isfinite, differentiable=False),
    unary("isposinf", np.isposinf, differentiable=False),
    unary("isneginf", np.isneginf, differentiable=False),
    unary("isreal", lambda x: np.ones(x.shape, bool), differentiable=False),
    unary("signbit", np.signbit, differentiable=False),
    unary("logical_not", lambda x: x == 0, dtypes=ANY, differentiable=False),
    unary("bitwise_not", np.invert, dtypes=(*INTEGERS, "bool"), differentiable=False),
    unary("angle", lambda x: np.where(np.isnan(x), x, np.where(x < 0, math.pi, 0)), kinks=at(0.0)),
    OpSpec("sinc", finite, np.sinc, scale=lambda x: 1 + 0 * x, domain=(0.2, 3.0)),
    OpSpec("nan_to_num", finite, lambda x: x, tolerance=0),
    OpSpec(
        "nan_to_num",
        lambda s: s.sample(s.array(), s.number(-2, 2), posinf=s.number(1, 9), neginf=s.number(-9, -1)),
        lambda x, nan, posinf, neginf: np.where(
            np.isnan(x), nan, np.where(x == np.inf, posinf, np.where(x == -np.inf, neginf, x))
        ),
        variant="values",
    ),
    OpSpec(
        "round",
        lambda s: s.sample(s.array(values="finite", only=(-50, 50)), decimals=s.integer(-1, 3)),
        None,
        verify=lambda y, x, decimals: check_decimals(y, x, decimals),
        differentiable=False,
        inplace=False,
        out=False,
        variant="decimals",
    ),
    OpSpec(
        "logit",
        lambda s: s.sample(s.array(only=(0.05, 0.95), values="finite")),
        silent(lambda x: np.log(x / (1 - x))),
        scale=lambda x: 1 + np.abs(np.log(x / (1 - x))),
        domain=(0.1, 0.9),
    ),
    OpSpec(
        "logit",
        lambda s: s.sample(s.array(only=(0.0, 1.0), values="finite"), 0.1),
        silent(lambda x, eps: np.log(np.clip(x, eps, 1 - eps) / (1 - np.clip(x, eps, 1 - eps)))),
        scale=lambda x, eps: 3 + 0 * x,
        kinks=lambda x, eps: np.stack([x - eps, x - (1 - eps)]),
        domain=(0.02, 0.98),
        variant="eps",
    ),
    *[OpSpec(name, samples, silent(function), **fields) for name, samples, function, fields in FUNCTIONS],
]


def check_decimals(y, x, decimals):
    """Within half a unit of the last decimal, and on the grid of that many decimals."""
    unit = 10.0**-decimals
    error = np.abs(np.asarray(y, float) - np.asarray(x, float))
    assert (error <= unit * (0.5 + 1e-5) + 1e-5 * np.abs(x)).all()
    steps = np.asarray(y, float) / unit
    assert np.allclose(steps, np.round(steps), atol=1e-2)
