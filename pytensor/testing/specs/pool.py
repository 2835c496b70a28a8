"""Specs of pooling. The windows are walked tap by tap in NumPy (pytensor/backend/reference/pool.py)."""

from __future__ import annotations

import math

import numpy as np

from pytensor.backend.reference import pool as plain
from pytensor.testing.spec import OpSpec


def per_axis(value, axes: int) -> tuple[int, ...]:
    return (value,) * axes if isinstance(value, int) else tuple(value)


def numbers(s, axes: int, low: int, high: int):
    """One number for all axes, or one per axis."""
    return s.integer(low, high) if s.flag() else tuple(s.integer(low, high) for _ in range(axes))


def output_size(size, kernel, stride, padding, dilation, ceil_mode):
    span = size + 2 * padding - dilation * (kernel - 1) - 1
    out = (-(-span // stride) if ceil_mode else span // stride) + 1
    return out - 1 if ceil_mode and (out - 1) * stride >= size + padding else out


def window(x, axes, kernel, stride, padding, dilation, ceil_mode):
    """(out, kernel, stride, padding, dilation), one entry per axis."""
    kernel = per_axis(kernel, axes)
    stride = kernel if stride is None else per_axis(stride, axes)
    parts = kernel, stride, per_axis(padding, axes), per_axis(dilation, axes)
    numbers = zip(x.shape[x.ndim - axes :], *parts, strict=True)
    return (tuple(output_size(*n, ceil_mode) for n in numbers), *parts)


def images(s, axes: int, least: tuple[int, ...], values: str):
    """(batch, channels, *size) or without the batch, at least so large; now and then wider than a vector."""
    most = 3 if s.gradient else {1: 40, 2: 18, 3: 7}[axes]
    size = tuple(max(n, s.integer(1, most)) for n in least)
    lead = (s.integer(1, 2),) if s.flag() else (s.integer(0 if not s.gradient else 1, 2), s.integer(1, 2))
    return s.array((*lead, *size), values=values)


def drawn_window(s, axes: int, dilated: bool):
    """(kernel, stride, padding, dilation, least size)"""
    kernel = numbers(s, axes, 1, 2 if s.gradient else 4)
    stride = None if s.flag() else numbers(s, axes, 1, 3)
    dilation = numbers(s, axes, 1, 2) if dilated and not s.gradient else 1
    padding = tuple(s.integer(0, k // 2) for k in per_axis(kernel, axes))
    if len(set(padding)) == 1 and s.flag():
        padding = padding[0]
    parts = (per_axis(v, axes) for v in (kernel, padding, dilation))
    least = tuple(max(1, d * (k - 1) + 1 - p) for k, p, d in zip(*parts, strict=True))
    return kernel, stride, padding, dilation, least


def max_pool(axes: int, always_indices: bool):
    def reference(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=always_indices):
        where = window(x, axes, kernel_size, stride, padding, dilation, ceil_mode)
        return plain.max_pool(x, *where, "indices" if return_indices else "none")

    return reference


def max_pool_samples(axes: int, indices: bool | None):
    def samples(s):
        kernel, stride, padding, dilation, least = drawn_window(s, axes, dilated=True)
        x = images(s, axes, least, "distinct" if s.gradient else "any")
        kwargs = {"ceil_mode": s.flag()}
        if indices is None and not s.gradient:
            kwargs["return_indices"] = s.flag()
        return s.sample(x, kernel, stride, padding, dilation, **kwargs)

    return samples


def avg_pool(axes: int):
    def reference(
        x, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None
    ):
        where = window(x, axes, kernel_size, stride, padding, 1, ceil_mode)
        return plain.avg_pool(x, *where[:4], count_include_pad, divisor_override or 0)

    return reference


def avg_pool_samples(axes: int):
    def samples(s):
        kernel, stride, padding, _, least = drawn_window(s, axes, dilated=False)
        least = per_axis(kernel, 3) if axes == 3 else least
        x = images(s, axes, least, "finite")
        kwargs = {"ceil_mode": s.flag(), "count_include_pad": s.flag()}
        if axes > 1 and s.flag():
            kwargs["divisor_override"] = s.choose(1, 3, 7)
        return s.sample(x, kernel, stride, padding, **kwargs)

    return samples


def of_magnitudes(reference):
    def scale(x, *args, **kwargs):
        return reference(np.abs(x), *args, **kwargs)

    return scale


def lp_pool(axes: int):
    def reference(x, norm_type, kernel_size, stride=None, ceil_mode=False):
        if math.isinf(norm_type):
            return max_pool(axes, False)(np.abs(x), kernel_size, stride, 0, 1, ceil_mode)
        mean = avg_pool(axes)(x**norm_type, kernel_size, stride, 0, ceil_mode)
        count = math.prod(per_axis(kernel_size, axes))
        return (np.sign(mean) * np.maximum(np.abs(mean), 0) * count) ** (1 / norm_type)

    return reference


def lp_pool_samples(axes: int):
    def samples(s):
        kernel, stride, _, _, least = drawn_window(s, axes, dilated=False)
        least = per_axis(kernel, axes)
        kernel = kernel if axes > 1 else least[0]
        norms = (1.0, 2.0, 3.0) if s.gradient else (1.0, 2.0, 3.0, math.inf)
        x = images(s, axes, least, "smooth")
        return s.sample(np.abs(x) + x.dtype.type(0.25), s.choose(*norms), kernel, stride, s.flag())

    return samples


def adaptive_size(s, axes: int):
    if axes == 1:
        return s.integer(1, 5)
    return s.integer(1, 4) if s.flag() else tuple(s.choose(None, 1, 2, 3, 5) for _ in range(axes))


def adaptive_samples(axes: int, values: str, indices: bool | None = False):
    def samples(s):
        x = images(s, axes, (1,) * axes, "distinct" if s.gradient and values == "any" else values)
        kwargs = {"return_indices": s.flag()} if indices is None and not s.gradient else {}
        return s.sample(x, adaptive_size(s, axes), **kwargs)

    return samples


def full_size(x, axes, output_size):
    wanted = (output_size,) * axes if output_size is None or isinstance(output_size, int) else output_size
    size = x.shape[x.ndim - axes :]
    return tuple(n if o is None else o for n, o in zip(size, wanted, strict=True))


def adaptive_avg(axes: int):
    return lambda x, output_size: plain.adaptive_avg_pool(x, full_size(x, axes, output_size))


def adaptive_max(axes: int, always_indices: bool):
    def reference(x, output_size, return_indices=always_indices):
        values, indices = plain.adaptive_max_pool(x, full_size(x, axes, output_size))
        return (values, indices) if return_indices else values

    return reference


def max_unpool(axes: int):
    def reference(x, indices, kernel_size, stride=None, padding=0, output_size=None):
        kernel = per_axis(kernel_size, axes)
        stride = kernel if stride is None else per_axis(stride, axes)
        if output_size is None:
            numbers = zip(x.shape[x.ndim - axes :], stride, kernel, per_axis(padding, axes), strict=True)
            output_size = tuple((n - 1) * s + k - 2 * p for n, s, k, p in numbers)
        lead = x.shape[: x.ndim - axes]
        result = np.zeros((math.prod(lead), math.prod(output_size)), x.dtype)
        for plane, at, value in zip(result, indices.reshape(len(result), -1), x.reshape(len(result), -1), strict=True):
            plane[at] = value
        return result.reshape(*lead, *output_size)

    return reference


def max_unpool_samples(axes: int):
    def samples(s):
        kernel = tuple(s.integer(1, 3) for _ in range(axes))
        size = tuple(k * s.integer(1, 2) + s.integer(0, k - 1) for k in kernel)
        full = s.array((2, *size), values="distinct")
        x, indices = max_pool(axes, True)(full, kernel)
        given = size if s.flag() or any(n % k for n, k in zip(size, kernel, strict=True)) else None
        return s.sample(x, indices, kernel, None, 0, given)

    return samples


SPECS = []
for n in (1, 2, 3):
    functional = f"nn.functional.max_pool{n}d"
    SPECS += [
        OpSpec(functional, max_pool_samples(n, None), max_pool(n, False), tolerance=0),
        OpSpec(f"{functional}_with_indices", max_pool_samples(n, True), max_pool(n, True), tolerance=0),
        OpSpec(f"max_pool{n}d", max_pool_samples(n, False), max_pool(n, False), tolerance=0),
        OpSpec(
            f"nn.functional.avg_pool{n}d",
            avg_pool_samples(n),
            avg_pool(n),
            scale=of_magnitudes(avg_pool(n)),
            tolerance=16,
        ),
        OpSpec(f"nn.functional.lp_pool{n}d", lp_pool_samples(n), lp_pool(n), tolerance=32, domain=(0.1, 4)),
        OpSpec(
            f"nn.functional.adaptive_avg_pool{n}d",
            adaptive_samples(n, "finite"),
            adaptive_avg(n),
            scale=of_magnitudes(adaptive_avg(n)),
            tolerance=16,
        ),
        OpSpec(
            f"nn.functional.adaptive_max_pool{n}d",
            adaptive_samples(n, "any", None),
            adaptive_max(n, False),
            tolerance=0,
        ),
        OpSpec(
            f"nn.functional.adaptive_max_pool{n}d_with_indices",
            adaptive_samples(n, "any"),
            adaptive_max(n, True),
            tolerance=0,
        ),
        OpSpec(f"nn.functional.max_unpool{n}d", max_unpool_samples(n), max_unpool(n), tolerance=0, differentiable=(0,)),
    ]
SPECS += [
    OpSpec("max_pool1d_with_indices", max_pool_samples(1, True), max_pool(1, True), tolerance=0),
    OpSpec("avg_pool1d", avg_pool_samples(1), avg_pool(1), scale=of_magnitudes(avg_pool(1)), tolerance=16),
    OpSpec(
        "adaptive_avg_pool1d",
        adaptive_samples(1, "finite"),
        adaptive_avg(1),
        scale=of_magnitudes(adaptive_avg(1)),
        tolerance=16,
    ),
    OpSpec("adaptive_max_pool1d", adaptive_samples(1, "any"), adaptive_max(1, True), tolerance=0),
]


def fractional_starts(samples, size, kernel, out):
    """The sequence of Graham's paper as PyTorch rounds it: in the dtype of the samples."""
    if out <= 1:
        return np.full((samples.size, out), size - kernel)
    alpha = samples.dtype.type(size - kernel) / samples.dtype.type(out - 1)
    u = samples.reshape(-1, 1)
    starts = ((np.arange(out, dtype=samples.dtype) + u) * alpha).astype(int) - (u * alpha).astype(int)
    starts[:, -1] = size - kernel
    return starts


def fractional_max(axes: int, indices: bool):
    def reference(x, kernel_size, output_size, _random_samples, return_indices=False):
        out, size = per_axis(output_size, axes), x.shape[x.ndim - axes :]
        kernel = per_axis(kernel_size, axes)
        columns = (1, 0) if axes == 2 else (0, 1, 2)
        drawn = [_random_samples[: x.shape[0] if x.ndim == axes + 2 else 1, :, c] for c in columns]
        starts = [fractional_starts(*n) for n in zip(drawn, size, kernel, out, strict=True)]
        both = plain.max_pool_at(x, starts, kernel)
        return both if indices or return_indices else both[0]

    return reference


def fractional_samples(axes: int):
    def samples(s):
        kernel = numbers(s, axes, 1, 2 if s.gradient else 3)
        out = numbers(s, axes, 1, 2 if s.gradient else 4)
        both = zip(per_axis(kernel, axes), per_axis(out, axes), strict=True)
        x = images(s, axes, tuple(k + n for k, n in both), "distinct")
        batch = x.shape[0] if x.ndim == axes + 2 else 1
        drawn = s.array((batch, x.shape[x.ndim - axes - 1], axes), values="smooth", only=(0, 0.99))
        return s.sample(x, kernel, out, _random_samples=drawn)

    return samples


SPECS += [
    OpSpec(
        f"nn.functional.fractional_max_pool{n}d{suffix}",
        fractional_samples(n),
        fractional_max(n, bool(suffix)),
        tolerance=0,
        upcast=False,
        dtypes=("float32", "float64"),
        differentiable=(0,),
    )
    for n in (2, 3)
    for suffix in ("", "_with_indices")
]
