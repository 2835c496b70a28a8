"""Activations as NumPy functions, and the special functions that NumPy lacks."""

from __future__ import annotations

import math

import numpy as np

from pytensor.testing.spec import OpSpec, at

erf = np.vectorize(math.erf, otypes=["float64"])
erfc = np.vectorize(math.erfc, otypes=["float64"])


def _lgamma(x):
    if x != x or math.isinf(x):
        return abs(x)
    if x > 2.5e305 or (x <= 0 and x == math.floor(x)):
        return math.inf
    return math.lgamma(x)


lgamma = np.vectorize(_lgamma, otypes=["float64"])


def sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


def elu(x, alpha=1.0, scale=1.0):
    return np.where(x > 0, scale * x, scale * alpha * np.expm1(np.minimum(x, 0)))


def softplus(x, beta=1.0, threshold=20.0):
    return np.where(x * beta > threshold, x, np.log1p(np.exp(np.minimum(x * beta, 500))) / beta)


def gelu(x):
    return x * erfc(-x * math.sqrt(0.5)) / 2


def gelu_tanh(x):
    return x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2


def one(s):
    return s.sample(s.array())


def finite(s):
    return s.sample(s.array(values="finite"))


def magnitude(x, *args, **kwargs):
    return 1 + np.abs(x)


_SELU = (1.6732632423543772848170429916717, 1.0507009873554804934193349852946)
_F = "nn.functional."

# name, samples, function, other fields of the spec
FUNCTIONS = [
    (_F + "relu", one, lambda x: np.where(x < 0, 0, x), {"kinks": at(0.0), "tolerance": 0}),
    (_F + "relu6", one, lambda x: np.clip(x, 0, 6), {"kinks": at(0.0, 6.0), "tolerance": 0}),
    (_F + "elu", lambda s: s.sample(s.array(), s.number(0.3, 2)), elu, {"kinks": at(0.0), "scale": magnitude}),
    (_F + "selu", one, lambda x: elu(x, *_SELU), {"kinks": at(0.0), "scale": magnitude}),
    (
        _F + "celu",
        lambda s: s.sample(s.array(), s.number(0.3, 2)),
        lambda x, alpha: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / alpha)),
        {"kinks": at(0.0), "scale": magnitude},
    ),
    (_F + "gelu", finite, gelu, {"scale": magnitude}),
    (_F + "gelu", lambda s: s.sample(s.array(values="finite"), approximate="tanh"),
     lambda x, approximate: gelu_tanh(x), {"scale": magnitude, "variant": "tanh"}),
    (_F + "silu", finite, lambda x: x * sigmoid(x), {"scale": magnitude}),
    (_F + "mish", finite, lambda x: x * np.tanh(softplus(x)), {"scale": magnitude}),
    (_F + "softplus", one, softplus, {"scale": magnitude}),
    (_F + "softplus", lambda s: s.sample(s.array(values="finite"), s.number(0.5, 2), 20), softplus,
     {"scale": magnitude, "variant": "beta"}),
    (_F + "softsign", finite, lambda x: x / (1 + np.abs(x)), {"kinks": at(0.0)}),
    (_F + "tanhshrink", finite, lambda x: x - np.tanh(x), {"scale": magnitude}),
    (_F + "hardtanh", lambda s: s.sample(s.array(), -1.5, 0.5), lambda x, low, high: np.clip(x, low, high),
     {"kinks": at(-1.5, 0.5), "tolerance": 0}),
    (_F + "hardswish", finite, lambda x: x * np.clip(x + 3, 0, 6) / 6, {"kinks": at(-3.0, 3.0), "scale": magnitude}),
    (_F + "hardsigmoid", one, lambda x: np.clip(x + 3, 0, 6) / 6,
     {"kinks": at(-3.0, 3.0), "scale": lambda x: 1 + 0 * x, "second_order": False}),
    (_F + "hardshrink", lambda s: s.sample(s.array(), 0.25), lambda x, k: np.where(np.abs(x) <= k, 0, x),
     {"kinks": at(-0.25, 0.25), "tolerance": 0}),
    ("hardshrink", lambda s: s.sample(s.array(), 0.25), lambda x, k: np.where(np.abs(x) <= k, 0, x),
     {"kinks": at(-0.25, 0.25), "tolerance": 0}),
    (_F + "softshrink", lambda s: s.sample(s.array(), 0.25),
     lambda x, k: np.where(x > k, x - k, np.where(x < -k, x + k, x * 0)), {"kinks": at(-0.25, 0.25)}),
    (_F + "logsigmoid", one, lambda x: np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x))), {}),
    (_F + "leaky_relu", lambda s: s.sample(s.array(), s.number(0.01, 0.5)), lambda x, k: np.where(x > 0, x, k * x),
     {"kinks": at(0.0)}),
    (_F + "threshold", lambda s: s.sample(s.array(), 0.5, 7.0), lambda x, t, v: np.where(x <= t, v, x),
     {"kinks": at(0.5), "tolerance": 0}),
    (_F + "sigmoid", one, sigmoid, {}),
    (_F + "tanh", one, np.tanh, {}),
]  # fmt: skip

SPECS: list[OpSpec] = []
