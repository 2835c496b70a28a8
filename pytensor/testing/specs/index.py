"""Specs of gathering and scattering: by axis, by slices, by place, by mask."""

from __future__ import annotations

import numpy as np

from pytensor.testing.spec import ANY, FLOATS, OpSpec
from pytensor.testing.specs.reduce import close_pairs, exact


def indices(s, shape, size, repeats=True):
    """int64 indices below ``size``; without repeats, different ones."""
    if repeats:
        return s.array(shape, dtype="int64", only=(0, size - 1))
    return np.argsort(s.array((size,), dtype="int64", values="distinct"))[: shape[0]]


def grid(index, dim):
    places = list(np.ogrid[tuple(slice(0, n) for n in index.shape)])
    places[dim] = index
    return tuple(places)


def part(x, index):
    return x[tuple(slice(0, n) for n in index.shape)]


def index_for(s, x, dim):
    """An index tensor no larger than x except along ``dim``."""
    shape = [s.integer(1, n) for n in x.shape]
    shape[dim] = s.integer(1, 5)
    return indices(s, tuple(shape), x.shape[dim])


def gather_samples(s):
    x = s.array(dims=(1, 3), min_side=1)
    dim = s.dim(x)
    return s.sample(x, dim, index_for(s, x, dim))


def take_along_samples(s):
    x = s.array(dims=(1, 3), min_side=1)
    dim = s.dim(x)
    shape = list(x.shape)
    shape[dim] = s.integer(1, 5)
    return s.sample(x, indices(s, tuple(shape), x.shape[dim]), dim)


def scatter_samples(values="any"):
    def samples(s):
        x = s.array(dims=(1, 3), min_side=1, values=values)
        dim = s.dim(x)
        index = index_for(s, x, dim)
        return s.sample(x, dim, index, s.array(tuple(n + s.integer(0, 1) for n in index.shape), values=values))

    return samples


def unique_scatter_samples(s):
    x = s.array(dims=(1, 3), min_side=1)
    dim = s.dim(x)
    n = s.integer(1, x.shape[dim])
    shape = tuple(n if d == dim % x.ndim else k for d, k in enumerate(x.shape))
    order = np.argsort(s.array(x.shape, dtype="int64", values="distinct"), axis=dim)
    return s.sample(x, dim, np.take(order, range(n), dim), s.array(shape))


def scatter(x, dim, index, source):
    out = x.copy()
    out[grid(index, dim)] = part(source, index)
    return out


def scatter_number_samples(s):
    x = s.array(dims=(1, 3), min_side=1)
    dim = s.dim(x)
    return s.sample(x, dim, index_for(s, x, dim), 3)


def scatter_number(x, dim, index, value):
    out = x.copy()
    out[grid(index, dim)] = value
    return out


def combine(ufunc):
    def reference(x, dim, index, source, *args):
        out = x.copy()
        ufunc.at(out, grid(index, dim), part(source, index))
        return out

    return reference


def sums(x, dim, index, source, *args):
    return combine(np.add)(np.abs(x), dim, index, np.abs(source))


REDUCTIONS = {"sum": np.add, "prod": np.multiply, "amax": np.maximum, "amin": np.minimum}


def scatter_reduce_samples(s):
    sample = scatter_samples("smooth")(s)
    return s.sample(*sample.args, s.choose("sum", "prod", "amax", "amin", "mean"), include_self=s.flag())


def scatter_reduce(x, dim, index, source, reduce, include_self):
    reached = np.zeros(x.shape, bool)
    reached[grid(index, dim)] = True
    start = x.copy()
    if not include_self:
        start[reached] = {"prod": 1, "amax": -np.inf, "amin": np.inf}.get(reduce, 0)
    if reduce != "mean":
        return combine(REDUCTIONS[reduce])(start, dim, index, source)
    total = combine(np.add)(start, dim, index, source)
    counts = combine(np.add)(np.full(x.shape, float(include_self)), dim, index, np.ones(source.shape))
    return total / np.maximum(counts, 1)


def scatter_reduce_scale(x, dim, index, source, *args, **kwargs):
    return 1 + (1 + np.abs(x).max()) * (1 + np.abs(source).max()) ** 2 + np.abs(source).sum()


def scatter_reduce_kinks(x, dim, index, source, reduce, include_self):
    every = np.concatenate([x.reshape(-1), source.reshape(-1)])
    return np.append(close_pairs(every), np.abs(every))


def rows_samples(s):
    x = s.array(dims=(1, 3), min_side=1)
    dim = s.dim(x)
    return s.sample(x, dim, indices(s, (s.integer(0, 5),), x.shape[dim]))


def row_key(x, dim, index):
    return (slice(None),) * (dim % x.ndim) + (index,)


def source_samples(repeats=True, values="any", extra=()):
    def samples(s):
        x = s.array(dims=(1, 3), min_side=1, values=values)
        dim = s.dim(x)
        n = s.integer(1, 5 if repeats else x.shape[dim])
        shape = tuple(n if d == dim % x.ndim else k for d, k in enumerate(x.shape))
        return s.sample(x, dim, indices(s, (n,), x.shape[dim], repeats), s.array(shape, values=values), *extra)

    return samples


def index_add(x, dim, index, source):
    out = x.copy()
    np.add.at(out, row_key(x, dim, index), source)
    return out


def index_copy(x, dim, index, source):
    out = x.copy()
    out[row_key(x, dim, index)] = source
    return out


def fill_samples(s):
    x = s.array(dims=(1, 3), min_side=1)
    dim = s.dim(x)
    return s.sample(
        x, dim, indices(s, (s.integer(0, 5),), x.shape[dim]), s.array((), values="finite") if s.flag() else 2
    )


def index_reduce(x, dim, index, source, reduce):
    shape = [len(index) if d == dim % x.ndim else 1 for d in range(x.ndim)]
    return scatter_reduce(x, dim, np.broadcast_to(index.reshape(shape), source.shape), source, reduce, True)


def masked_samples(s):
    shape, mask = s.broadcastable(2)
    return s.array(shape), s.array(mask, dtype="bool")


def masked_fill_samples(s):
    x, mask = masked_samples(s)
    return s.sample(x, mask, s.array((), values="finite") if s.flag() else 2)


def masked_scatter_samples(s):
    x, mask = masked_samples(s)
    n = int(np.prod(np.broadcast_shapes(x.shape, mask.shape)))
    return s.sample(x, mask, s.array((n + s.integer(0, 2),)))


def masked_scatter(x, mask, source):
    shape = np.broadcast_shapes(x.shape, mask.shape)
    out, where = np.broadcast_to(x, shape).copy(), np.broadcast_to(mask, shape)
    out[where] = source.reshape(-1)[: int(where.sum())]
    return out


def masked_select(x, mask):
    shape = np.broadcast_shapes(x.shape, mask.shape)
    return np.broadcast_to(x, shape)[np.broadcast_to(mask, shape)]


def nonzero(x):
    return np.argwhere(x != 0).astype(np.int64) if x.ndim else np.zeros((int(x != 0), 0), np.int64)


def nonzero_static(x, size):
    places = nonzero(x)[:size]
    return np.concatenate([places, np.full((size - len(places), x.ndim), -1, np.int64)])


def one_hot(x, classes):
    return (x[..., None] == np.arange(classes)).astype(np.int64)


def take_samples(s):
    x = s.array(min_side=1)
    return s.sample(x, s.array(dtype="int64", only=(-x.size, x.size - 1)))


def put_samples(s):
    x = s.array(min_side=1, values="finite")
    index = indices(s, (s.integer(1, x.size),), x.size, repeats=False)
    return s.sample(x, index, s.array(index.shape, values="finite"), s.flag())


def put(x, index, source, accumulate):
    out = x.reshape(-1).copy()
    out[index] = source + (out[index] if accumulate else 0)
    return out.reshape(x.shape)


def index_put_samples(s):
    x = s.array(dims=(1, 3), min_side=1, values="finite")
    rows = indices(s, (s.integer(1, x.shape[0]),), x.shape[0], repeats=False)
    return s.sample(x, (rows,), s.array((len(rows), *x.shape[1:]), values="finite"), s.flag())


def index_put(x, index, values, accumulate):
    out = x.copy()
    out[index] = values + (out[index] if accumulate else 0)
    return out


def embedding_samples(s):
    table = s.array((s.integer(1, 6), s.integer(1, 5)))
    return s.sample(indices(s, s.shape(dims=(0, 2)), len(table)), table)


def bag_samples(s):
    table = s.array((s.integer(1, 6), s.integer(1, 5)), values="distinct")
    numbers = indices(s, (s.integer(1, 4), s.integer(1, 4)), len(table))
    mode = s.choose("sum", "mean", "max", "weighted")
    if mode == "weighted":
        return s.sample(numbers, table, mode="sum", per_sample_weights=s.array(numbers.shape))
    if s.choose(True, False):
        return s.sample(numbers, table, mode=mode)
    bounds = np.sort(np.append(np.int64(0), [s.integer(0, numbers.size) for _ in range(s.integer(0, 3))])).astype(
        np.int64
    )
    return s.sample(numbers.reshape(-1), table, bounds, mode=mode, padding_idx=s.choose(None, 0))


def bag(numbers, table, offsets=None, mode="mean", per_sample_weights=None, padding_idx=None):
    out = []
    for place in np.split(np.arange(numbers.size), offsets[1:]) if offsets is not None else _rows_of(numbers):
        place = place[numbers.reshape(-1)[place] != (-1 if padding_idx is None else padding_idx)]
        rows = table[numbers.reshape(-1)[place]]
        if per_sample_weights is not None:
            rows = rows * per_sample_weights.reshape(-1, 1)[place]
        out.append(getattr(rows, mode)(axis=0) if len(rows) else np.zeros_like(table[0]))
    return np.stack(out)


def _rows_of(numbers):
    return np.arange(numbers.size).reshape(numbers.shape)


def bag_scale(numbers, table, offsets=None, mode="mean", per_sample_weights=None, padding_idx=None):
    weight = 1 if per_sample_weights is None else np.abs(per_sample_weights).max(initial=0)
    return np.abs(table).max(initial=0) * numbers.size * weight


def select_samples(s):
    x = s.array(dims=(1, 3), min_side=1)
    dim = s.dim(x)
    index = s.integer(-x.shape[dim], x.shape[dim] - 1)
    return s.sample(x, s.array(np.take(x, index, dim).shape), dim, index)


def select_scatter(x, source, dim, index):
    out = x.copy()
    out[row_key(x, dim, index)] = source
    return out


def slice_samples(s):
    x = s.array(dims=(1, 3), min_side=1)
    dim = s.dim(x)
    bounds = (s.integer(-3, 3), s.integer(-3, 7), s.integer(1, 3))
    return s.sample(x, s.array(x[row_key(x, dim, slice(*bounds))].shape), dim, *bounds)


def slice_scatter(x, source, dim, start, end, step):
    out = x.copy()
    out[row_key(x, dim, slice(start, end, step))] = source
    return out


def diagonal_samples(s):
    x = s.array((s.integer(1, 4), s.integer(1, 4)))
    offset = s.integer(-1, 1)
    return s.sample(x, s.array(np.diagonal(x, offset).shape), offset)


def diagonal_scatter(x, source, offset):
    rows = np.arange(len(source)) + max(-offset, 0)
    out = x.copy()
    out[rows, rows + offset] = source
    return out


def index_reduce_samples(s):
    return source_samples(values="smooth", extra=(s.choose("prod", "amax", "amin", "mean"),))(s)


def masked_fill(x, mask, value):
    return np.where(mask, np.asarray(value).astype(x.dtype), x)


def index_fill(x, dim, index, value):
    out = x.copy()
    out[row_key(x, dim, index)] = np.asarray(value).astype(x.dtype)
    return out


SPECS = [
    exact("gather", gather_samples, lambda x, dim, index: x[grid(index, dim)], dtypes=ANY),
    exact("take_along_dim", take_along_samples, lambda x, i, dim: np.take_along_axis(x, i, dim), dtypes=ANY),
    exact("scatter", unique_scatter_samples, scatter, dtypes=ANY),
    exact("scatter", scatter_number_samples, scatter_number, variant="number"),
    OpSpec("scatter_add", scatter_samples("finite"), combine(np.add), scale=sums),
    OpSpec(
        "scatter_reduce", scatter_reduce_samples, scatter_reduce, scale=scatter_reduce_scale, kinks=scatter_reduce_kinks
    ),
    exact("index_select", rows_samples, lambda x, dim, index: np.take(x, index, dim), dtypes=ANY),
    OpSpec(
        "index_add",
        source_samples(values="finite"),
        index_add,
        scale=lambda x, dim, index, source: index_add(np.abs(x), dim, index, np.abs(source)),
    ),
    exact("index_copy", source_samples(repeats=False), index_copy, dtypes=ANY),
    exact("index_fill", fill_samples, index_fill, dtypes=FLOATS),
    OpSpec(
        "index_reduce",
        index_reduce_samples,
        index_reduce,
        scale=scatter_reduce_scale,
        kinks=lambda x, dim, index, source, r: scatter_reduce_kinks(x, dim, index, source, r, True),
    ),
    exact("masked_fill", masked_fill_samples, masked_fill, inplace=None),
    exact("masked_scatter", masked_scatter_samples, masked_scatter, dtypes=ANY),
    exact("masked_select", lambda s: s.sample(*masked_samples(s)), masked_select, dtypes=ANY),
    *(
        exact(n, lambda s: s.sample(s.array()), nonzero, dtypes=ANY, differentiable=False)
        for n in ("nonzero", "argwhere")
    ),
    exact(
        "nonzero_static",
        lambda s: s.sample(s.array(), size=s.integer(0, 9)),
        nonzero_static,
        dtypes=ANY,
        differentiable=False,
    ),
    exact(
        "nn.functional.one_hot",
        lambda s: s.sample(s.array(dtype="int64", only=(0, 5)), 6),
        one_hot,
        dtypes=("int64",),
        differentiable=False,
    ),
    exact("take", take_samples, lambda x, i: x.reshape(-1)[i], dtypes=ANY),
    OpSpec("put", put_samples, put),
    OpSpec("index_put", index_put_samples, index_put, inplace=False),
    OpSpec("Tensor.index_put_", index_put_samples, index_put, inplace=False, mutates=True, differentiable=False),
    exact("nn.functional.embedding", embedding_samples, lambda i, table: table[i]),
    OpSpec(
        "nn.functional.embedding_bag",
        bag_samples,
        bag,
        scale=bag_scale,
        kinks=lambda i, table, *_, **__: close_pairs(table),
    ),
    exact("select_scatter", select_samples, select_scatter),
    exact("slice_scatter", slice_samples, slice_scatter),
    exact("diagonal_scatter", diagonal_samples, diagonal_scatter),
]
