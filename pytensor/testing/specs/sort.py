"""Specs of sorting, order statistics, searching and counting."""

from __future__ import annotations

import numpy as np

from pytensor.testing.spec import ANY, INTEGERS, REALS, OpSpec
from pytensor.testing.specs.reduce import close_pairs, exact


def order(x, dim, descending=False, stable=True):
    """Stable, NaN greatest."""
    if x.ndim == 0:
        return np.zeros((), np.int64)
    ranks = np.unique(x, return_inverse=True)[1].reshape(x.shape).astype(np.int64)
    return np.argsort(-ranks if descending else ranks, axis=dim, kind="stable")


def sort_samples(s):
    x = s.array(values="distinct" if s.gradient else "any")
    return s.sample(x, dim=s.dim(x), descending=s.flag(), stable=True)


def take(x, places, dim):
    return np.take_along_axis(x, places, dim) if x.ndim else x


def sort(x, dim, descending, stable=True):
    places = order(x, dim, descending)
    return take(x, places, dim), places


# Which of several equal elements is picked is not defined: no ties here, and `picked` for samples with ties.
UNTIED = ("float32", "float64", "int32", "int64")


def untied(s):
    return s.array(values="distinct", min_side=1, layouts=("contiguous", "reversed", "stepped", "transposed", "offset"))


def topk_samples(s):
    x = untied(s)
    dim = s.dim(x)
    return s.sample(x, s.integer(0, x.shape[dim] if x.ndim else 1), dim, s.flag())


def topk(x, k, dim, largest):
    values, places = sort(x, dim, largest)
    if x.ndim == 0:
        return values, places
    return np.take(values, range(k), dim), np.take(places, range(k), dim)


def kth_samples(s):
    x = untied(s)
    dim = s.dim(x)
    return s.sample(x, s.integer(1, x.shape[dim] if x.ndim else 1), dim, s.flag())


def kth(x, k, dim, keepdim):
    places = order(x, dim)
    if x.ndim == 0:
        return x, places
    places = np.take(places, [k - 1], dim)
    values = take(x, places, dim)
    return (values, places) if keepdim else (values.squeeze(dim), places.squeeze(dim))


def median(x, dim, keepdim):
    return kth(x, (x.shape[dim] - 1) // 2 + 1 if x.ndim else 1, dim, keepdim)


def median_samples(s):
    x = untied(s)
    return s.sample(x, s.dim(x), s.flag())


def picked(expected, dim_at):
    """Values as expected; the indices are places where the input has them. ``dim_at``: which argument is dim."""

    def verify(results, x, *args):
        values, places = results
        np.testing.assert_array_equal(values, expected(x, *args)[0])
        assert places.dtype == np.int64 and places.shape == values.shape
        if x.ndim:
            dim = args[dim_at]
            if values.ndim < x.ndim:
                values, places = np.expand_dims(values, dim), np.expand_dims(places, dim)
            np.testing.assert_array_equal(take(x, places, dim), values)

    return verify


def with_ties(samples):
    """The samples of a spec with ties among the elements."""

    def draw(s):
        sample = samples(s)
        x = np.asarray(np.round(sample.args[0] * 3 / max(sample.args[0].size, 1))).astype(s.dtype)
        return s.sample(x, *sample.args[1:])

    return draw


def tied(name, samples, expected, dim_at) -> OpSpec:
    return OpSpec(
        name, with_ties(samples), verify=picked(expected, dim_at), dtypes=REALS, differentiable=False, variant="ties"
    )


def mode_samples(s):
    x = s.array(values="finite", only=(-2, 2), min_side=1)
    if not s.gradient:
        x = np.asarray(np.round(x)).astype(x.dtype)
    return s.sample(np.asarray(x), s.dim(x), s.flag())


def mode(x, dim, keepdim):
    if x.ndim == 0:
        return x, np.zeros((), np.int64)
    lines = np.moveaxis(x, dim, -1)
    same = lines[..., :, None] == lines[..., None, :]
    often = same.sum(-1)
    best = np.where(often == often.max(-1, keepdims=True), lines, np.inf).min(-1, keepdims=True)
    places = lines.shape[-1] - 1 - (lines == best)[..., ::-1].argmax(-1, keepdims=True)
    best, places = np.moveaxis(best.astype(x.dtype), -1, dim), np.moveaxis(places.astype(np.int64), -1, dim)
    return (best, places) if keepdim else (best.squeeze(dim), places.squeeze(dim))


METHODS = ("linear", "lower", "higher", "midpoint", "nearest")


def quantile_samples(s):
    x = s.array(values="distinct" if s.gradient else "finite", min_side=1)
    q = s.choose(0.0, 0.25, 0.5, 0.75, 1.0)
    return s.sample(x, q, s.dim(x) if s.flag() else None, s.flag(), interpolation=s.choose(*METHODS))


def quantile(x, q, dim, keepdim, interpolation):
    if x.ndim == 0:
        dim = None
    return np.asarray(np.quantile(x, q, axis=dim, keepdims=keepdim, method=interpolation))


def quantile_scale(x, *args, **kwargs):
    return np.abs(x).max()


def sorted_rows(s):
    x = s.array(dims=(1, 2), values="finite", min_side=1)
    return np.sort(x, axis=-1)


def search_samples(s):
    rows = sorted_rows(s)
    return s.sample(rows, s.array((*rows.shape[:-1], s.integer(1, 5)), values="finite"), right=s.flag())


def search(rows, values, right):
    later = rows[..., None, :] <= values[..., :, None] if right else rows[..., None, :] < values[..., :, None]
    return later.sum(-1).astype(np.int64)


def bucket_samples(s):
    return s.sample(s.array(values="finite"), np.sort(s.array((s.integer(0, 6),), values="finite")), right=s.flag())


def whole_numbers(s, dims=(0, 3), top=6):
    return s.array(dims=dims, dtype="int64", only=(0, top))


def unique_samples(s):
    x = s.array(values="finite", only=(-3, 3))
    return s.sample(np.asarray(np.round(x), x.dtype), return_inverse=True, return_counts=True)


def unique(x, return_inverse, return_counts):
    values, inverse, counts = np.unique(x.reshape(-1), return_inverse=True, return_counts=True)
    return values, inverse.reshape(x.shape).astype(np.int64), counts.astype(np.int64)


def unique_along_samples(s):
    x = np.round(s.array(dims=(1, 3), min_side=1, values="finite", only=(0, 2)))
    return s.sample(x.astype(s.dtype), return_inverse=True, return_counts=True, dim=s.dim(x))


def unique_along(x, return_inverse, return_counts, dim):
    values, inverse, counts = np.unique(x, axis=dim, return_inverse=True, return_counts=True)
    return values, inverse.reshape(-1).astype(np.int64), counts.astype(np.int64)


def runs(x, return_inverse, return_counts):
    flat = x.reshape(-1)
    starts = np.ones(flat.size, bool)
    starts[1:] = flat[1:] != flat[:-1]
    first = np.flatnonzero(starts)
    inverse = (np.cumsum(starts) - 1).reshape(x.shape).astype(np.int64)
    return flat[first], inverse, np.diff(np.append(first, flat.size)).astype(np.int64)


def bincount_samples(s):
    x = whole_numbers(s, dims=(1, 1))
    weights = s.array(x.shape, dtype="float64", values="finite") if s.flag() else None
    return s.sample(x, weights, s.integer(0, 9))


def bincount(x, weights, minlength):
    n = max(minlength, int(x.max(initial=-1)) + 1)
    hits = x[:, None] == np.arange(n)
    if weights is None or x.size == 0:
        return hits.sum(0).astype(np.int64)
    return (hits * weights[:, None]).sum(0)


def histogram_samples(s):
    return s.sample(s.array(values="finite", only=(-4, 4)), s.integer(1, 8), -4.0, 4.0)


def check_histogram(result, x, bins, low, high):
    """Which of two bins an element on an edge falls in is rounding; the total and nearly all counts are not."""
    assert result.sum() == ((x >= low) & (x <= high)).sum()
    edges = np.linspace(low, high, bins + 1)
    for i in range(bins):
        inner = ((x > edges[i] + 1e-5) & (x < edges[i + 1] - 1e-5)).sum()
        outer = ((x >= edges[i] - 1e-5) & (x <= edges[i + 1] + 1e-5)).sum()
        assert inner <= result[i] <= outer


def check_histogram_and_edges(results, x, bins, range):
    counts, edges = results
    np.testing.assert_allclose(edges, np.linspace(*range, bins + 1), atol=1e-5)
    check_histogram(counts, x, bins, *range)


SPECS = [
    exact("sort", sort_samples, sort, dtypes=ANY, kinks=close_pairs),
    exact("argsort", sort_samples, order, dtypes=ANY, differentiable=False),
    exact(
        "msort", lambda s: s.sample(s.array(dims=(1, 4))), lambda x: np.sort(x, axis=0), dtypes=ANY, kinks=close_pairs
    ),
    exact("topk", topk_samples, topk, dtypes=UNTIED, kinks=close_pairs),
    exact("kthvalue", kth_samples, kth, dtypes=UNTIED, kinks=close_pairs),
    exact("median", median_samples, median, dtypes=UNTIED, kinks=close_pairs),
    exact("nanmedian", median_samples, median, dtypes=UNTIED, kinks=close_pairs),
    tied("topk", topk_samples, topk, 1),
    tied("kthvalue", kth_samples, kth, 1),
    tied("median", median_samples, median, 0),
    tied("nanmedian", median_samples, median, 0),
    OpSpec("mode", mode_samples, verify=picked(mode, 0), upcast=False, kinks=close_pairs),
    OpSpec("quantile", quantile_samples, quantile, scale=quantile_scale, kinks=close_pairs),
    OpSpec("nanquantile", quantile_samples, quantile, scale=quantile_scale, kinks=close_pairs),
    exact("searchsorted", search_samples, search, differentiable=False),
    exact(
        "bucketize",
        bucket_samples,
        lambda x, edges, right: search(edges, x.reshape(-1), right).reshape(x.shape),
        differentiable=False,
    ),
    exact(
        "isin",
        lambda s: s.sample(whole_numbers(s), whole_numbers(s), invert=s.flag()),
        lambda x, y, invert: (x[..., None] == y.reshape(-1)).any(-1) ^ invert,
        dtypes=INTEGERS,
        differentiable=False,
    ),
    exact("unique", unique_samples, unique, dtypes=REALS, differentiable=False),
    exact("unique", unique_along_samples, unique_along, dtypes=REALS, differentiable=False, variant="along"),
    exact("unique_consecutive", unique_samples, runs, dtypes=REALS, differentiable=False),
    OpSpec("bincount", bincount_samples, bincount, dtypes=("int64",), differentiable=False, scale=lambda x, *a: 100.0),
    OpSpec("histc", histogram_samples, verify=check_histogram, differentiable=False),
    OpSpec(
        "histogram",
        lambda s: s.sample(s.array(values="finite", only=(-4, 4)), s.integer(1, 8), range=(-4.0, 4.0)),
        verify=check_histogram_and_edges,
        differentiable=False,
    ),
]
