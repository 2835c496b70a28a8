"""Specs of reductions: sums, products, order statistics, variances, norms."""

from __future__ import annotations

import numpy as np

from pytensor.testing.spec import ANY, REALS, OpSpec


def dims_argument(s, x):
    """None, one axis, or several."""
    kind = s.choose("all", "one", "some")
    if kind == "all":
        return None
    return s.dim(x) if kind == "one" else s.dims(x, min_size=min(x.ndim, 1))


def axes_of(x, dim) -> tuple[int, ...]:
    if dim is None or (isinstance(dim, tuple) and not dim) or x.ndim == 0:
        return tuple(range(x.ndim))
    return tuple(d % x.ndim for d in ((dim,) if isinstance(dim, int) else dim))


def over(reduce):
    """A reference ``f(x, dim, keepdim)`` from a NumPy reduction."""

    def reference(x, dim=None, keepdim=False, **kwargs):
        return np.asarray(reduce(x, axis=axes_of(x, dim), keepdims=keepdim, **kwargs))

    return reference


def count(x, dim) -> int:
    return int(np.prod([x.shape[a] for a in axes_of(x, dim)], dtype=np.int64))


def reduced(values: str = "any", min_side: int = 0):
    def samples(s):
        x = s.array(values="distinct" if s.gradient and values == "distinct" else values, min_side=min_side)
        return s.sample(x, dims_argument(s, x), s.flag())

    return samples


def along(values: str = "any", min_side: int = 1):
    def samples(s):
        x = s.array(values=values, min_side=min_side)
        return s.sample(x, s.dim(x), s.flag())

    return samples


def whole(values: str = "any", min_side: int = 0):
    return lambda s: s.sample(s.array(values=values, min_side=min_side))


def magnitudes(x, dim=None, keepdim=False):
    return np.abs(x).sum(axis=axes_of(x, dim), keepdims=keepdim)


def mean_magnitudes(x, dim=None, keepdim=False):
    return magnitudes(x, dim, keepdim) / max(count(x, dim), 1)


def total(x, dim=None, keepdim=False):
    return over(np.sum)(x.astype(np.int64) if x.dtype.kind in "biu" else x, dim, keepdim)


def product(x, dim=None, keepdim=False):
    return over(np.prod)(x.astype(np.int64) if x.dtype.kind in "biu" else x, dim, keepdim)


def mean(x, dim=None, keepdim=False):
    with np.errstate(all="ignore"):
        return over(np.sum)(x, dim, keepdim) / np.float64(count(x, dim))


def truth(name):
    def reference(x, dim=None, keepdim=False):
        result = np.asarray(getattr(np, name)(x != 0, axis=axes_of(x, dim), keepdims=keepdim))
        return result.astype(np.uint8) if x.dtype == np.uint8 else result

    return reference


def extreme_along(name):
    def reference(x, dim, keepdim):
        places = place(f"arg{name}")(x, dim, True)
        values = np.take_along_axis(x, places, dim) if x.ndim else x
        return (values, places) if keepdim or not x.ndim else (values.squeeze(dim), places.squeeze(dim))

    return reference


def place(name):
    def reference(x, dim=None, keepdim=False):
        return np.asarray(getattr(np, name)(x, axis=dim if x.ndim else None, keepdims=keepdim)).astype(np.int64)

    return reference


def close_pairs(x, *args, **kwargs):
    """Distances between the elements: an order statistic has a kink where two are equal."""
    flat = np.sort(x.reshape(-1))
    return np.diff(flat) if flat.size > 1 else np.ones(1)


def argument_samples(s):
    x = s.array(min_side=1)
    return s.sample(x, s.dim(x) if s.flag() else None, s.flag())


def variance_samples(s):
    x = s.array(values="finite", min_side=1)  # no elements: NaN and a warning, see tests/test_reduce.py
    dim = dims_argument(s, x)
    return s.sample(x, dim, correction=s.integer(0, max(count(x, dim) - 1, 0)), keepdim=s.flag())


def variance(x, dim, correction, keepdim):
    deviation = x - np.asarray(mean(x, dim, True)).reshape(
        [1 if a in axes_of(x, dim) else n for a, n in enumerate(x.shape)]
    )
    squares = (deviation**2).sum(axis=axes_of(x, dim), keepdims=keepdim)
    return np.asarray(squares / np.float64(count(x, dim) - correction if count(x, dim) > correction else 0))


def deviation(x, dim, correction, keepdim):
    return np.sqrt(variance(x, dim, correction, keepdim))


def variance_scale(x, dim, correction, keepdim):
    largest = np.abs(x).max(axis=axes_of(x, dim), keepdims=keepdim, initial=0)
    return variance(x, dim, correction, keepdim) + 1e-6 * largest**2


def deviation_scale(x, dim, correction, keepdim):
    largest = np.abs(x).max(axis=axes_of(x, dim), keepdims=keepdim, initial=0)
    return deviation(x, dim, correction, keepdim) + 1e-2 * largest


def with_mean(f, mean_scale=mean):
    return lambda x, dim, correction, keepdim: (
        f(x, dim, correction, keepdim),
        mean_scale(x, dim, keepdim),
    )


def deviations(x, dim, correction, keepdim):
    with np.errstate(all="ignore"):
        return np.nan_to_num(deviation(x, dim, correction, keepdim), nan=1.0)


def nan_total(x, dim=None, keepdim=False):
    return over(np.nansum)(x, dim, keepdim)


def nan_mean(x, dim=None, keepdim=False):
    with np.errstate(all="ignore"):
        return nan_total(x, dim, keepdim) / np.asarray(over(np.sum)(x == x, dim, keepdim), np.float64)


def with_nans(s):
    x = s.array(values="finite", layouts=("contiguous",), read_only=False)
    if not s.gradient:
        x = x.copy()
        x.reshape(-1)[:: s.integer(2, 4)] = np.nan
    return x


def nan_samples(s):
    x = with_nans(s)
    return s.sample(x, dims_argument(s, x), s.flag())


def nan_magnitudes(x, dim=None, keepdim=False):
    return magnitudes(np.nan_to_num(x), dim, keepdim)


def nan_mean_scale(x, dim=None, keepdim=False):
    return nan_magnitudes(x, dim, keepdim)


def factors(s):
    """Numbers whose products neither overflow nor vanish."""
    return s.array(only=(0.5, 2.0), values="finite")


def product_samples(s):
    x = factors(s)
    return s.sample(x, s.dim(x), s.flag()) if s.flag() else s.sample(x)


def logsumexp(x, dim, keepdim):
    if count(x, dim) == 0:
        return np.log(over(np.sum)(x, dim, keepdim))
    axes = axes_of(x, dim)
    peak = x.max(axis=axes, keepdims=True)
    peak = np.where(np.isfinite(peak), peak, 0)
    result = np.log(np.exp(x - peak).sum(axis=axes, keepdims=True)) + peak
    return result if keepdim else result.squeeze(axes)


def logsumexp_samples(s):
    x = s.array(values="any", min_side=int(s.gradient))  # of no elements the result is -inf
    return s.sample(x, s.dim(x) if s.flag() else s.dims(x, min_size=min(x.ndim, 1)) or s.dim(x), s.flag())


def logsumexp_scale(x, dim, keepdim):
    finite = np.where(np.isfinite(x), np.abs(x), 0)
    return 2 + finite.max(axis=axes_of(x, dim), keepdims=keepdim, initial=0)


def exact(name, samples, reference, **fields) -> OpSpec:
    return OpSpec(name, samples, reference, tolerance=0, upcast=False, **fields)


SPECS = [
    OpSpec("sum", reduced("finite"), total, dtypes=ANY, scale=magnitudes, flops=lambda x, *a: x.size),
    OpSpec("sum", whole("finite"), total, dtypes=ANY, scale=magnitudes, variant="all"),
    OpSpec("mean", reduced("finite"), mean, scale=mean_magnitudes),
    OpSpec("prod", product_samples, product, tolerance={"float32": 16, "float64": 16}),
    OpSpec("nansum", nan_samples, nan_total, scale=nan_magnitudes),
    OpSpec("nanmean", nan_samples, nan_mean, scale=nan_mean_scale),
    *(exact(n, reduced(), truth(n), dtypes=ANY, differentiable=False) for n in ("any", "all")),
    exact(
        "count_nonzero",
        lambda s: s.sample(s.array()),
        lambda x: np.asarray(np.count_nonzero(x)).astype(np.int64),
        dtypes=ANY,
        differentiable=False,
    ),
    *(exact(name, whole("any", 1), over(getattr(np, name)), dtypes=ANY, kinks=close_pairs) for name in ("max", "min")),
    *(
        exact(name, along(), extreme_along(name), dtypes=ANY, kinks=close_pairs, variant="along")
        for name in ("max", "min")
    ),
    *(exact(f"a{n}", reduced(min_side=1), over(getattr(np, n)), dtypes=ANY, kinks=close_pairs) for n in ("max", "min")),
    exact(
        "aminmax",
        lambda s: s.sample(s.array(min_side=1)),
        lambda x: (np.asarray(x.min()), np.asarray(x.max())),
        dtypes=ANY,
        kinks=close_pairs,
    ),
    *(exact(n, argument_samples, place(n), dtypes=REALS, differentiable=False) for n in ("argmax", "argmin")),
    OpSpec("var", variance_samples, variance, scale=variance_scale, tolerance=8),
    OpSpec("std", variance_samples, deviation, scale=deviation_scale, tolerance=8, kinks=deviations),
    OpSpec(
        "var_mean", variance_samples, with_mean(variance), scale=lambda x, *a, **k: 1 + np.abs(x).max(initial=0) ** 2
    ),
    OpSpec(
        "std_mean",
        variance_samples,
        with_mean(deviation),
        scale=lambda x, *a, **k: 1 + np.abs(x).max(initial=0),
        kinks=deviations,
    ),
    OpSpec("logsumexp", logsumexp_samples, logsumexp, scale=logsumexp_scale),
]


# ---- norms ----


def order_norm(x, order, dim=None, keepdim=False):
    axes = axes_of(x, dim)
    size = np.abs(x)
    with np.errstate(all="ignore"):
        if order == 0:
            return np.asarray((x != 0).sum(axis=axes, keepdims=keepdim).astype(np.float64))
        if np.isinf(order):
            return np.asarray((size.max if order > 0 else size.min)(axis=axes, keepdims=keepdim))
        return np.asarray((size**order).sum(axis=axes, keepdims=keepdim) ** (1 / order))


def norm_samples(s):
    x = s.array(values="finite", min_side=1)
    order = s.choose(2, 1, 3, 0, 0.5, 1.5, np.inf, -np.inf, 2.0)
    return s.sample(x, order, dims_argument(s, x), s.flag())


def norm_kinks(x, order=2, dim=None, keepdim=False):
    return np.concatenate([np.abs(x).reshape(-1), close_pairs(np.abs(x))])


def matrix_samples(s):
    shape = (*s.shape(dims=(0, 2), min_side=1), s.integer(1, 4), s.integer(1, 4))
    return s.sample(s.array(shape, values="finite"), s.choose("fro", 1, -1, np.inf, -np.inf), keepdim=s.flag())


def matrix_norm(x, order="fro", keepdim=False):
    return np.asarray(np.linalg.norm(x, ord=order, axis=(-2, -1), keepdims=keepdim))


def singular_samples(s):
    x = s.array((s.integer(1, 4), s.integer(1, 4)), values="smooth")
    return s.sample(x, s.choose("nuc", 2, -2))


def column_sums(x, *args, **kwargs):
    """Where two columns, or two rows, have equal sums, a norm made of their extreme has a kink."""
    sums = [np.abs(x).sum(axis=a).reshape(-1) for a in (-1, -2)]
    return np.concatenate([np.abs(x).reshape(-1), *(close_pairs(t) for t in sums)])


def norm_scale(x, *args, **kwargs):
    return np.abs(x).sum() + 1


def distance_samples(s):
    shape = s.shape(min_side=1)
    return s.sample(s.array(shape, values="finite"), s.array(shape, values="finite"), s.choose(1, 2, 3, np.inf))


def renorm_samples(s):
    x = s.array(values="finite", dims=(2, 3), min_side=1)
    return s.sample(x, s.choose(1, 2, 3), s.dim(x), s.number(0.5, 3))


def renorm(x, p, dim, maxnorm):
    axes = tuple(a for a in range(x.ndim) if a != dim % x.ndim)
    size = (np.abs(x) ** p).sum(axis=axes, keepdims=True) ** (1 / p)
    return x * np.where(size > maxnorm, maxnorm / (size + 1e-7), 1)


def renorm_kinks(x, p, dim, maxnorm):
    axes = tuple(a for a in range(x.ndim) if a != dim % x.ndim)
    size = (np.abs(x) ** p).sum(axis=axes) ** (1 / p)
    return np.concatenate([np.abs(x).reshape(-1), np.atleast_1d(size - maxnorm).reshape(-1)])


def covariance_samples(s):
    return s.sample(s.array((s.integer(1, 4), s.integer(2, 5)), values="smooth"))


def covariance(x):
    centred = x - x.mean(axis=1, keepdims=True)
    c = centred @ centred.T / (x.shape[1] - 1)
    return c.squeeze() if c.size == 1 else c


def correlation(x):
    c = np.atleast_2d(covariance(x))
    d = np.sqrt(np.diagonal(c))
    r = np.clip(c / d[:, None] / d[None, :], -1, 1)
    return r.squeeze() if r.size == 1 else r


def covariance_scale(x):
    return 1 + (np.abs(x) ** 2).sum()


SPECS += [
    OpSpec("norm", norm_samples, order_norm, scale=norm_scale, kinks=norm_kinks),
    OpSpec("linalg.vector_norm", norm_samples, order_norm, scale=norm_scale, kinks=norm_kinks),
    OpSpec("linalg.norm", whole("finite", 1), lambda x: order_norm(x, 2), scale=norm_scale, kinks=norm_kinks),
    OpSpec("linalg.matrix_norm", matrix_samples, matrix_norm, scale=norm_scale, kinks=column_sums),
    OpSpec(
        "linalg.matrix_norm",
        singular_samples,
        matrix_norm,
        variant="singular",
        tolerance=32,
        scale=norm_scale,
        second_order=False,
        kinks=lambda x, o: close_pairs(np.append(np.linalg.svd(x, compute_uv=False), 0)),
    ),
    OpSpec(
        "dist",
        distance_samples,
        lambda x, y, p: order_norm(x - y, p),
        scale=lambda x, y, p: 1 + norm_scale(x) + norm_scale(y),
        kinks=lambda x, y, p: norm_kinks(x - y),
    ),
    OpSpec("renorm", renorm_samples, renorm, scale=lambda x, *a: np.abs(x), tolerance=16, kinks=renorm_kinks),
    OpSpec("cov", covariance_samples, covariance, scale=covariance_scale),
    OpSpec(
        "corrcoef",
        lambda s: s.sample(s.array((s.integer(2, 3), s.integer(4, 5)), values="distinct")),
        correlation,
        scale=lambda x: 16.0,
        kinks=lambda x: np.concatenate([x.std(axis=1), (1 - np.abs(np.corrcoef(x)))[~np.eye(len(x), dtype=bool)]]),
        gradient_tolerance=1e-5,
    ),
]
