"""Random fills in plain NumPy, from the generator's 32-bit outputs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pytensor import _C
from pytensor.backend.reference.array_module import array_module

__all__ = [
    "dropout",
    "masked_scale",
    "random_bernoulli",
    "random_binomial",
    "random_integers",
    "random_multinomial",
    "random_normal",
    "random_permutation",
    "random_poisson",
    "random_transformed",
    "random_uniform",
    "random_weights_fault",
]


def _words(generator: _C.RandomGenerator, n: int) -> np.ndarray:
    return np.frombuffer(generator.raw(n), np.uint32)


def _words64(generator: _C.RandomGenerator, n: int) -> np.ndarray:
    pairs = _words(generator, 2 * n).astype(np.uint64)
    return pairs[::2] << np.uint64(32) | pairs[1::2]


def _units(generator: _C.RandomGenerator, n: int, dtype: Any) -> np.ndarray:
    """Uniforms on [0, 1): 24 bits for float32, 53 for float64."""
    if dtype == np.float32:
        return (_words(generator, n) & np.uint32(2**24 - 1)).astype(np.float32) * np.float32(2.0**-24)
    return (_words64(generator, n) & np.uint64(2**53 - 1)).astype(np.float64) * 2.0**-53


def _put(out: Any, numbers: np.ndarray) -> None:
    out[...] = array_module(out).asarray(numbers.astype(out.dtype, copy=False).reshape(out.shape))


def random_uniform(generator: _C.RandomGenerator, out: Any, low: float, high: float) -> None:
    real = out.dtype.type
    span = np.float64(real(high) - real(low))
    numbers = (_units(generator, out.size, out.dtype) * span + np.float64(real(low))).astype(out.dtype)
    if (low, high) != (0, 1):
        numbers[numbers == real(high)] = real(low)
    _put(out, numbers)


def _box_muller(blocks: np.ndarray) -> np.ndarray:
    real = blocks.dtype.type
    radius = np.sqrt(real(-2) * np.log(real(1) - blocks[:, :8]))
    angle = blocks[:, 8:] * real(2 * math.pi)
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def _normals(generator: _C.RandomGenerator, n: int) -> np.ndarray:
    """Standard normals one by one; an odd one's twin stays with the generator."""
    kept = [generator.next_normal] if n and generator.next_normal is not None else []
    rest = n - len(kept)
    uniforms = _units(generator, rest + rest % 2, np.float64).reshape(-1, 2)
    radius, angle = np.sqrt(-2.0 * np.log1p(-uniforms[:, 1])), 2.0 * math.pi * uniforms[:, 0]
    numbers = np.concatenate([kept, np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1).ravel()])
    if n:
        generator.next_normal = float(numbers[n]) if len(numbers) > n else None
    return numbers[:n]


def random_normal(generator: _C.RandomGenerator, out: Any, mean: float, std: float, serial: bool) -> None:
    n, dtype = out.size, out.dtype
    if serial or n < 16:
        _put(out, _normals(generator, n) * std + mean)
        return
    units = _units(generator, n, dtype)
    whole = n - n % 16
    numbers = np.empty(n, dtype)
    numbers[:whole] = _box_muller(units[:whole].reshape(-1, 16)).ravel()
    if whole < n:
        numbers[n - 16 :] = _box_muller(_units(generator, 16, dtype).reshape(1, 16)).ravel()
    _put(out, numbers * dtype.type(std) + dtype.type(mean))


def random_transformed(generator: _C.RandomGenerator, out: Any, kind: int, a: float, b: float) -> None:
    if kind == 3:
        _put(out, np.exp(_normals(generator, out.size) * b + a))
        return
    u = _units(generator, out.size, np.float64)
    with np.errstate(divide="ignore"):
        if kind == 0:
            _put(out, -1.0 / a * np.log1p(-u))
        elif kind == 1:
            _put(out, np.ceil(np.log(u) / math.log1p(-a)))
        else:
            _put(out, a + b * np.tan(math.pi * (u - 0.5)))


def random_bernoulli(generator: _C.RandomGenerator, out: Any, p: float) -> None:
    _put(out, _units(generator, out.size, np.float64) < p)


def random_integers(generator: _C.RandomGenerator, out: Any, range: int, base: int, wide: bool) -> None:
    words = _words64(generator, out.size) if wide else _words(generator, out.size).astype(np.uint64)
    rest = words % np.uint64(range) if range else words
    _put(out, (rest + np.uint64(base % 2**64)).astype(np.int64))


def random_permutation(generator: _C.RandomGenerator, out: Any) -> None:
    n = out.size
    numbers = np.arange(n)
    for i, word in enumerate(_words(generator, max(n - 1, 0)).tolist()):
        j = i + word % (n - i)
        numbers[[i, j]] = numbers[[j, i]]
    _put(out, numbers)


def _poisson(generator: _C.RandomGenerator, rate: float) -> int:
    def uniform() -> float:
        return float(_units(generator, 1, np.float64)[0])

    if rate < 10:
        if rate == 0:
            return 0
        count, product, limit = 0, uniform(), math.exp(-rate)
        while product > limit:
            count, product = count + 1, product * uniform()
        return count
    b = 0.931 + 2.53 * math.sqrt(rate)
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    while True:
        u, v = uniform() - 0.5, uniform()
        us = 0.5 - abs(u)
        k = math.floor((2 * a / us + b) * u + rate + 0.43) if us else -1
        if us >= 0.07 and v <= 0.9277 - 3.6224 / (b - 2):
            return k
        if k < 0 or (us < 0.013 and v > us):
            continue
        if math.log(v) + math.log(inverse_alpha) - math.log(a / (us * us) + b) <= (
            -rate + k * math.log(rate) - math.lgamma(k + 1)
        ):
            return k


def random_poisson(generator: _C.RandomGenerator, rate: Any) -> Any:
    xp = array_module(rate)
    host = rate if xp is np else rate.get()
    counts = [_poisson(generator, r) for r in host.ravel().tolist()]
    return xp.asarray(np.array(counts, np.float64).reshape(rate.shape))


def _stirling_tail(k: float) -> float:
    """log(k!) less Stirling's approximation of it."""
    first = (0.0810614667953272, 0.0413406959554092, 0.0276779256849983, 0.02079067210376509, 0.0166446911898211)
    second = (0.0138761288230707, 0.0118967099458917, 0.0104112652619720, 0.00925546218271273, 0.00833056343336287)
    if k <= 9:
        return (first + second)[int(k)]
    square = (k + 1) * (k + 1)
    return (1 / 12 - (1 / 360 - 1 / 1260 / square) / square) / (k + 1)


def _binomial(uniform: Any, n: Any, p: Any) -> Any:
    """Of NumPy numbers of the result's type: where PyTorch rounds to it, so does this. 0 < p <= 0.5."""
    log, wide = math.log, float
    if n * p < 10:
        log_q, trials, successes = wide(np.log1p(-p)), 0.0, 0
        while True:
            u = uniform()
            trials += math.ceil(log(u) / log_q) if u > 0 else math.inf
            if trials > n:
                return successes
            successes += 1
    deviation, c, r = wide(np.sqrt(n * p * (1 - p))), wide(n * p) + 0.5, wide(p / (1 - p))
    b = 1.15 + 2.53 * deviation
    a, v_r, alpha = -0.0873 + 0.0248 * b + 0.01 * wide(p), 0.92 - 4.2 / b, (2.83 + 5.1 / b) * deviation
    m, after, n = math.floor((n + 1) * p), wide(n + 1), wide(n)
    while True:
        u, v = uniform() - 0.5, uniform()
        us = 0.5 - abs(u)
        k = math.floor((2 * a / us + b) * u + c) if us else -1
        if not 0 <= k <= n:
            continue
        if us >= 0.07 and v <= v_r:
            return k
        ratio = (m + 0.5) * log((m + 1) / (r * (n - m + 1))) + after * log((n - m + 1) / (n - k + 1))
        ratio += (k + 0.5) * log(r * (n - k + 1) / (k + 1)) + _stirling_tail(m) + _stirling_tail(n - m)
        if v == 0 or log(v * alpha / (a / (us * us) + b)) <= ratio - _stirling_tail(k) - _stirling_tail(n - k):
            return k


def random_binomial(generator: _C.RandomGenerator, count: Any, p: Any) -> Any:
    xp = array_module(count)
    hosts = [x if xp is np else x.get() for x in (count, p)]
    out = np.empty(count.shape, count.dtype)
    for i, (n, q) in enumerate(zip(*(x.ravel() for x in hosts), strict=True)):
        if n <= 0 or q <= 0:
            out.flat[i] = 0
        elif q >= 1 or np.isnan(q) or not np.isfinite(n):
            out.flat[i] = q if np.isnan(q) else n
        elif q <= 0.5:
            out.flat[i] = _binomial(lambda: float(_units(generator, 1, np.float64)[0]), n, q)
        else:
            out.flat[i] = n - _binomial(lambda: float(_units(generator, 1, np.float64)[0]), n, 1 - q)
    return xp.asarray(out)


def random_weights_fault(weights: Any) -> int:
    xp = array_module(weights)
    if not bool(((weights >= 0) & (weights < xp.inf)).all()):
        return 1
    return 2 if bool((weights.sum(axis=1) == 0).any()) else 0


def random_multinomial(generator: _C.RandomGenerator, weights: Any, samples: int) -> Any:
    xp = array_module(weights)
    result = np.empty((weights.shape[0], samples), np.int64)
    for row, probabilities in zip(result, weights if xp is np else weights.get(), strict=True):
        cumulative = np.cumsum(probabilities)
        cumulative /= cumulative[-1]
        cumulative[-1] = 1
        row[:] = np.searchsorted(cumulative.astype(np.float64), _units(generator, samples, np.float64))
    return xp.asarray(result)


def dropout(generator: _C.RandomGenerator, x: Any, keep: float) -> tuple[Any, Any]:
    mask = array_module(x).empty(x.shape, bool)
    random_bernoulli(generator, mask, keep)
    return masked_scale(x, mask, float(x.dtype.type(1) / x.dtype.type(keep))), mask


def masked_scale(x: Any, mask: Any, scale: float) -> Any:
    return x * (mask * x.dtype.type(scale)).astype(x.dtype)
