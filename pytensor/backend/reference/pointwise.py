"""Every pointwise op by its definition, over an array module. The kernels' oracle, and what runs the dtypes that
have no kernel: half precision is computed in float32 and rounded once, as PyTorch does."""

from __future__ import annotations

import math

import numpy as np

from pytensor.backend.reference.array_module import array_module
from pytensor.backend.reference.special import special_function

__all__ = ["binary", "cast", "pointwise", "unary"]


# In half precision the second input of these, where it is a number, may be a float32: it is not rounded.
FULL_NUMBERS = frozenset({"div", "floor_divide", "mul", "trunc_divide"})
# In half precision the scalars of these are rounded.
_ROUNDED_PARAMS = frozenset({"add_scaled", "clamp", "clamp_max", "clamp_min", "hardshrink", "hardshrink_backward"})


def pointwise(name, inputs, params=(), out=None):
    """The op `name` on broadcast inputs of one dtype (but see FULL_NUMBERS); `where` takes a boolean first input."""
    xp = array_module(inputs[-1])
    dtype = inputs[0 if name in FULL_NUMBERS else -1].dtype
    if _is_half(dtype):
        inputs = tuple(x if x.dtype.kind == "b" else x.astype("float32") for x in inputs)
        if name in _ROUNDED_PARAMS:
            params = tuple(float(dtype.type(p)) for p in params)
    with np.errstate(all="ignore"):
        result = xp.asarray(_OPS[name](xp, *inputs, *params))
        if result.dtype.kind != "b" or dtype.kind == "b":
            result = result.astype(dtype, copy=False) if result.dtype != dtype else result
    if result is inputs[0]:
        result = result.copy()
    if out is None:
        return result
    out[...] = result
    return out


def _is_half(dtype):
    return dtype.itemsize == 2 and dtype.kind not in "iu"  # float16; bfloat16's kind is "V" or "f"


def unary(name, x, out=None):
    return pointwise(name, (x,), (), out)


def binary(name, a, b, out=None):
    return pointwise(name, (a, b), (), out)


def cast(x, dtype):
    """A copy of `x` as another dtype. Out-of-range floats give integers as undefined as in C."""
    if x.dtype.kind == "c" and dtype.kind != "c" and dtype.kind != "b":
        x = x.real
    with np.errstate(invalid="ignore", over="ignore"):
        if _is_half(dtype) and x.dtype.itemsize > 4:
            x = x.astype("float32")  # rounded twice, as PyTorch does
        return x.astype(dtype)


def _remainder(xp, a, b):
    """Python's %: the sign of the divisor."""
    if a.dtype.kind in "iub":
        return xp.remainder(a, b)
    m = xp.fmod(a, b)
    return xp.where((m != 0) & ((b < 0) != (m < 0)), m + b, m)


def _trunc_divide(xp, a, b):
    """C's division: towards zero."""
    if a.dtype.kind == "f":
        return xp.trunc(xp.true_divide(a, b))
    quotient = xp.floor_divide(a, b)
    return quotient + ((quotient < 0) & (quotient * b != a)).astype(a.dtype)


def _sign(xp, x):
    return (x > 0).astype(x.dtype) - (x < 0).astype(x.dtype) if x.dtype.kind != "b" else x


def _softplus(xp, x):
    """log(1 + exp(x)) without overflow."""
    return xp.log1p(xp.exp(-xp.abs(x))) + xp.maximum(x, 0)


def _sigmoid(xp, x):
    if x.dtype.kind == "c":
        return 1 / (1 + xp.exp(-x))
    e = xp.exp(-xp.abs(x))
    return xp.where(x < 0, e, 1) / (1 + e)


def _cdf(xp, x):
    return 0.5 * (1 + special_function("erf", x * math.sqrt(0.5)))


def _pdf(xp, x):
    return xp.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)


def _gelu_u(x):
    return 2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)


def _relu6(xp, x):
    return xp.clip(x, 0, 6)


def _clamp_min(xp, x, low):
    return xp.maximum(x, xp.asarray(low).astype(x.dtype))


def _clamp_max(xp, x, high):
    return xp.minimum(x, xp.asarray(high).astype(x.dtype))


def _gelu_tanh_backward(xp, g, x):
    s = _sigmoid(xp, _gelu_u(x))
    return g * (s + x * s * (1 - s) * 2 * math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x * x))


def _silu_backward(xp, g, x):
    s = _sigmoid(xp, x)
    return g * s * (1 + x * (1 - s))


def _mish_backward(xp, g, x):
    t = xp.tanh(_softplus(xp, x))
    return g * (t + x * _sigmoid(xp, x) * (1 - t * t))


def _lerp(xp, a, b, w):
    return xp.where(xp.abs(w) < 0.5, a + w * (b - a), b - (b - a) * (1 - w))


def _softshrink(xp, x, k):
    return xp.where(x > k, x - k, xp.where(x < -k, x + k, x * 0))


def _elu_backward(xp, g, x, alpha, scale, input_scale):
    return xp.where(x <= 0, g * input_scale * alpha * scale * xp.exp(xp.minimum(x, 0) * input_scale), g * scale)


def _reciprocal(xp, x):
    return xp.true_divide(1, x)


_OPS = {
    "add": lambda xp, a, b: xp.add(a, b),
    "sub": lambda xp, a, b: xp.subtract(a, b),
    "mul": lambda xp, a, b: xp.multiply(a, b),
    "add_scaled": lambda xp, a, b, alpha: xp.add(a, b * xp.asarray(alpha).astype(b.dtype)),
    "div": lambda xp, a, b: xp.true_divide(a, b),
    "mul_number": lambda xp, x, number: x * xp.asarray(number).astype(x.dtype),
    "div_number": lambda xp, x, number: x / xp.asarray(number).astype(x.dtype),
    "pow": lambda xp, a, b: xp.power(a, b),
    "maximum": lambda xp, a, b: xp.maximum(a, b),
    "minimum": lambda xp, a, b: xp.minimum(a, b),
    "fmax": lambda xp, a, b: xp.fmax(a, b),
    "fmin": lambda xp, a, b: xp.fmin(a, b),
    "fmod": lambda xp, a, b: xp.fmod(a, b),
    "remainder": _remainder,
    "floor_divide": lambda xp, a, b: xp.floor_divide(a, b),
    "trunc_divide": _trunc_divide,
    "atan2": lambda xp, a, b: xp.arctan2(a, b),
    "hypot": lambda xp, a, b: xp.hypot(a, b),
    "copysign": lambda xp, a, b: xp.copysign(a, b),
    "nextafter": lambda xp, a, b: xp.nextafter(a, b),
    "logaddexp": lambda xp, a, b: xp.logaddexp(a, b),
    "logaddexp2": lambda xp, a, b: xp.logaddexp2(a, b),
    "xlogy": lambda xp, a, b: xp.where((a == 0) & ~xp.isnan(b), xp.zeros((), a.dtype), a * xp.log(b)),
    "gcd": lambda xp, a, b: xp.gcd(a, b),
    "lcm": lambda xp, a, b: xp.abs(xp.lcm(a, b)),
    "heaviside": lambda xp, a, b: xp.where(a == 0, b, (a > 0).astype(a.dtype)),
    "eq": lambda xp, a, b: xp.equal(a, b),
    "ne": lambda xp, a, b: xp.not_equal(a, b),
    "lt": lambda xp, a, b: xp.less(a, b),
    "le": lambda xp, a, b: xp.less_equal(a, b),
    "gt": lambda xp, a, b: xp.greater(a, b),
    "ge": lambda xp, a, b: xp.greater_equal(a, b),
    "logical_and": lambda xp, a, b: (a != 0) & (b != 0),
    "logical_or": lambda xp, a, b: (a != 0) | (b != 0),
    "logical_xor": lambda xp, a, b: (a != 0) ^ (b != 0),
    "logical_not": lambda xp, x: x == 0,
    "bitwise_and": lambda xp, a, b: xp.bitwise_and(a, b),
    "bitwise_or": lambda xp, a, b: xp.bitwise_or(a, b),
    "bitwise_xor": lambda xp, a, b: xp.bitwise_xor(a, b),
    "bitwise_not": lambda xp, x: xp.invert(x),
    "bitwise_left_shift": lambda xp, a, b: xp.left_shift(a, b),
    "bitwise_right_shift": lambda xp, a, b: xp.right_shift(a, b),
    "isnan": lambda xp, x: xp.isnan(x),
    "isinf": lambda xp, x: xp.isinf(x),
    "isfinite": lambda xp, x: xp.isfinite(x),
    "signbit": lambda xp, x: xp.signbit(x) if x.dtype.kind == "f" else x < 0,
    "neg": lambda xp, x: xp.negative(x),
    "abs": lambda xp, x: xp.abs(x),
    "sign": _sign,
    "square": lambda xp, x: x * x,
    "cube": lambda xp, x: x * x * x,
    "reciprocal": _reciprocal,
    "sqrt": lambda xp, x: xp.sqrt(x),
    "rsqrt": lambda xp, x: xp.true_divide(1, xp.sqrt(x)),
    "exp": lambda xp, x: xp.exp(x),
    "exp2": lambda xp, x: xp.exp2(x),
    "expm1": lambda xp, x: xp.expm1(x),
    "log": lambda xp, x: xp.log(x),
    "log2": lambda xp, x: xp.log2(x),
    "log10": lambda xp, x: xp.log10(x),
    "log1p": lambda xp, x: xp.log1p(x),
    "sin": lambda xp, x: xp.sin(x),
    "cos": lambda xp, x: xp.cos(x),
    "tan": lambda xp, x: xp.tan(x),
    "sinh": lambda xp, x: xp.sinh(x),
    "cosh": lambda xp, x: xp.cosh(x),
    "tanh": lambda xp, x: xp.tanh(x),
    "asin": lambda xp, x: xp.arcsin(x),
    "acos": lambda xp, x: xp.arccos(x),
    "atan": lambda xp, x: xp.arctan(x),
    "asinh": lambda xp, x: xp.arcsinh(x),
    "acosh": lambda xp, x: xp.arccosh(x),
    "atanh": lambda xp, x: xp.arctanh(x),
    "erf": lambda xp, x: special_function("erf", x),
    "erfc": lambda xp, x: special_function("erfc", x),
    "erfinv": lambda xp, x: special_function("erfinv", x),
    "lgamma": lambda xp, x: special_function("lgamma", x),
    "digamma": lambda xp, x: special_function("digamma", x),
    "i0": lambda xp, x: xp.i0(x),
    "sinc": lambda xp, x: xp.sinc(x),
    "sigmoid": _sigmoid,
    "floor": lambda xp, x: xp.floor(x),
    "ceil": lambda xp, x: xp.ceil(x),
    "round": lambda xp, x: xp.rint(x),
    "trunc": lambda xp, x: xp.trunc(x),
    "frac": lambda xp, x: x - xp.trunc(x),
    "relu": lambda xp, x: xp.where(x < 0, xp.zeros((), x.dtype), x),
    "leaky_relu": lambda xp, x, slope: xp.where(x > 0, x, x * slope),
    "elu": lambda xp, x, alpha, scale, input_scale: xp.where(
        x < 0, alpha * scale * xp.expm1(xp.minimum(x, 0) * input_scale), x * scale
    ),
    "celu": lambda xp, x, alpha: xp.where(x < 0, alpha * xp.expm1(xp.minimum(x, 0) / alpha), x),
    "prelu": lambda xp, x, weight: xp.where(x > 0, x, weight * x),
    "glu": lambda xp, a, b: a * _sigmoid(xp, b),
    "gelu": lambda xp, x: x * _cdf(xp, x),
    "gelu_tanh": lambda xp, x: x * _sigmoid(xp, _gelu_u(x)),
    "silu": lambda xp, x: x / (1 + xp.exp(-x)),
    "mish": lambda xp, x: x * xp.tanh(_softplus(xp, x)),
    "softplus": lambda xp, x, beta, threshold: xp.where(x * beta > threshold, x, xp.log1p(xp.exp(x * beta)) / beta),
    "hardtanh": lambda xp, x, low, high: xp.where(x < low, low, xp.where(x > high, high, x)),
    "hardsigmoid": lambda xp, x: _relu6(xp, x + 3) / 6,
    "hardswish": lambda xp, x: x * _relu6(xp, x + 3) / 6,
    "logsigmoid": lambda xp, x: xp.minimum(x, 0) - xp.log1p(xp.exp(-xp.abs(x))),
    "softsign": lambda xp, x: x / (1 + xp.abs(x)),
    "deg2rad": lambda xp, x: xp.deg2rad(x),
    "rad2deg": lambda xp, x: xp.rad2deg(x),
    "tanhshrink": lambda xp, x: x - xp.tanh(x),
    "hardshrink": lambda xp, x, k: xp.where((x >= -k) & (x <= k), xp.zeros((), x.dtype), x),
    "softshrink": _softshrink,
    "clamp": lambda xp, x, low, high: _clamp_max(xp, _clamp_min(xp, x, low), high),
    "clamp_min": _clamp_min,
    "clamp_max": _clamp_max,
    "threshold": lambda xp, x, threshold, value: xp.where(x <= threshold, xp.asarray(value).astype(x.dtype), x),
    "nan_to_num": lambda xp, x, nan, posinf, neginf: xp.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf),
    "where": lambda xp, condition, a, b: xp.where(condition, a, b),
    "lerp": _lerp,
    "lerp_number": lambda xp, a, b, w: _lerp(xp, a, b, xp.asarray(w).astype(a.dtype)),
    "scaled_difference": lambda xp, a, b, c: (a - b) * c,
    "addcmul": lambda xp, a, b, c, value: a + xp.asarray(value).astype(a.dtype) * b * c,
    "addcdiv": lambda xp, a, b, c, value: a + xp.asarray(value).astype(a.dtype) * b / c,
    "tanh_backward": lambda xp, g, y: g * (1 - y * y),
    "sigmoid_backward": lambda xp, g, y: g * (1 - y) * y,
    "threshold_backward": lambda xp, g, x, threshold: xp.where(x <= threshold, xp.zeros((), g.dtype), g),
    "leaky_relu_backward": lambda xp, g, x, slope: xp.where(x > 0, g, g * slope),
    "elu_backward": _elu_backward,
    "celu_backward": lambda xp, g, x, alpha: xp.where(
        x <= 0, g * (1 / np.float64(alpha) * alpha) * xp.exp(xp.minimum(x, 0) / alpha), g
    ),
    "gelu_backward": lambda xp, g, x: g * (_cdf(xp, x) + x * _pdf(xp, x)),
    "gelu_tanh_backward": _gelu_tanh_backward,
    "silu_backward": _silu_backward,
    "mish_backward": _mish_backward,
    "softplus_backward": lambda xp, g, x, beta, threshold: xp.where(
        x * beta > threshold, g, g * _sigmoid(xp, x * beta)
    ),
    "hardtanh_backward": lambda xp, g, x, low, high: xp.where((x > low) & (x < high), g, xp.zeros((), g.dtype)),
    "hardsigmoid_backward": lambda xp, g, x: xp.where((x > -3) & (x < 3), g / 6, xp.zeros((), g.dtype)),
    "hardswish_backward": lambda xp, g, x: xp.where(
        x <= -3, xp.zeros((), g.dtype), xp.where(x < 3, g * (x / 3 + 0.5), g)
    ),
    "logsigmoid_backward": lambda xp, g, x: g * _sigmoid(xp, -x),
    "hardshrink_backward": lambda xp, g, x, k: xp.where((x < -k) | (x > k), g, xp.zeros((), g.dtype)),
}
