"""Specs of scans, differences and trapezoids."""

from __future__ import annotations

import numpy as np

from pytensor.testing.spec import ANY, REALS, OpSpec
from pytensor.testing.specs.reduce import close_pairs


def scanned(values: str = "finite", min_side: int = 0):
    def samples(s):
        x = s.array(values=values, min_side=min_side)
        return s.sample(x, s.dim(x))

    return samples


def along(scan):
    def reference(x, dim):
        wide = x.astype(np.int64) if x.dtype.kind in "biu" else x
        return np.asarray(scan(wide, axis=dim)) if x.ndim else wide

    return reference


def running_magnitudes(x, dim):
    return np.abs(x).cumsum(axis=dim) if x.ndim else np.abs(x)


def factors(s):
    x = s.array(only=(0.5, 2.0), values="finite")
    return s.sample(x, s.dim(x))


def extreme(name):
    def reference(x, dim):
        if x.ndim == 0:
            return x, np.zeros((), np.int64)
        lines = np.moveaxis(x, dim, -1)
        values, places = lines.copy(), np.zeros(lines.shape, np.int64)
        for i in range(1, lines.shape[-1]):
            now, before = lines[..., i], values[..., i - 1]
            wins = (now >= before) if name == "cummax" else (now <= before)
            wins = (wins & (before == before)) | (now != now)
            values[..., i] = np.where(wins, now, before)
            places[..., i] = np.where(wins, i, places[..., i - 1])
        return np.moveaxis(values, -1, dim), np.moveaxis(places, -1, dim)

    return reference


def running_logsumexp(x, dim):
    return np.logaddexp.accumulate(x, axis=dim) if x.ndim and x.size else x


def diff_samples(s):
    x = s.array(dims=(1, 3), values="finite")
    return s.sample(x, s.integer(0, 3), s.dim(x))


def difference_scale(x, n, dim):
    return np.abs(x).max(initial=0) * 2.0**n


def trapezoid_samples(s):
    y = s.array(dims=(1, 3), values="finite", min_side=1)
    dim = s.dim(y)
    if s.flag():
        return s.sample(y, dim=dim, dx=s.number(0.1, 2))
    return s.sample(y, s.array((y.shape[dim],), values="finite"), dim=dim)


def trapezoid(y, x=None, dx=1.0, dim=-1):
    y, last = np.moveaxis(y, dim, -1), y.shape[dim]
    widths = np.full(last - 1, dx) if x is None else np.diff(x)
    return ((y[..., 1:] + y[..., :-1]) / 2 * widths).sum(-1)


def cumulative_trapezoid(y, x=None, dx=1.0, dim=-1):
    lines, last = np.moveaxis(y, dim, -1), y.shape[dim]
    widths = np.full(last - 1, dx) if x is None else np.diff(x)
    return np.moveaxis(((lines[..., 1:] + lines[..., :-1]) / 2 * widths).cumsum(-1), -1, dim)


def area(y, x=None, dx=1.0, dim=-1):
    return 2 * np.abs(y).sum() * (dx if x is None else 2 * np.abs(x).max(initial=0)) + 1


SPECS = [
    OpSpec("cumsum", scanned(), along(np.cumsum), dtypes=ANY, scale=running_magnitudes, inplace=False),
    OpSpec("cumprod", factors, along(np.cumprod), dtypes=REALS[:2], tolerance=8),
    OpSpec("cumprod", scanned(), along(np.cumprod), dtypes=REALS[2:], variant="integers", inplace=False),
    *(
        OpSpec(n, scanned("any"), extreme(n), dtypes=REALS, tolerance=0, upcast=False, kinks=close_pairs)
        for n in ("cummax", "cummin")
    ),
    OpSpec(
        "logcumsumexp",
        scanned("any"),
        running_logsumexp,
        tolerance=16,
        scale=lambda x, dim: 2 + np.maximum.accumulate(np.abs(x), axis=dim) if x.ndim and x.size else 2 + np.abs(x),
    ),
    OpSpec("diff", diff_samples, lambda x, n, dim: np.diff(x, n, axis=dim), scale=difference_scale),
    OpSpec("trapezoid", trapezoid_samples, trapezoid, scale=area),
    OpSpec("cumulative_trapezoid", trapezoid_samples, cumulative_trapezoid, scale=area),
]
