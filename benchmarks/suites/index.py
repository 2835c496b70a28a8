"""Gathering and scattering: embedding tables, rows, elements, masks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks import Row, randint, randn

N = 1024


def integers(lib, high: int, *shape: int):
    return randint(lib, high, *shape)


def embedding(rows: int, columns: int, numbers: int) -> Row:
    def setup(lib):
        table, index = randn(lib, rows, columns), integers(lib, rows, numbers)
        return lambda: lib.nn.functional.embedding(index, table)

    return Row(f"embedding {rows}x{columns}, {numbers} numbers", setup, bytes=8 * columns * numbers)


def embedding_backward(rows: int, columns: int, numbers: int) -> Row:
    def setup(lib):
        table, index = randn(lib, rows, columns, requires_grad=True), integers(lib, rows, numbers)
        y = lib.nn.functional.embedding(index, table)
        g = randn(lib, numbers, columns, seed=1)
        return lambda: lib.autograd.grad(y, table, g, retain_graph=True)

    return Row(f"embedding {rows}x{columns} backward", setup, bytes=4 * columns * (2 * numbers + rows))


def element(name: str, axis: int) -> Row:
    def setup(lib):
        x, index, source = randn(lib, N, N), integers(lib, N, N, N), randn(lib, N, N, seed=1)
        if name == "gather":
            return lambda: x.gather(axis, index)
        return lambda: x.scatter_add(axis, index, source)

    return Row(f"{name} dim {axis}", setup, bytes=16 * N * N)


def rows(name: str, axis: int) -> Row:
    def setup(lib):
        x, index, source = randn(lib, N, N), integers(lib, N, N), randn(lib, N, N, seed=1)
        if name == "index_select":
            return lambda: x.index_select(axis, index)
        return lambda: x.index_add(axis, index, source)

    return Row(f"{name} dim {axis}", setup, bytes=8 * N * N)


def masked(name: str) -> Row:
    def setup(lib):
        x = randn(lib, N, N)
        mask = x > 0
        return (lambda: x.masked_fill(mask, 0.0)) if name == "masked_fill" else (lambda: x.masked_select(mask))

    return Row(name, setup, bytes=9 * N * N)


def of(name: str, work: Callable[[Any, Any], Any], *shape: int, touched: float = 8) -> Row:
    """``work(lib, x)`` on normal random numbers; ``touched``: bytes read and written for each."""

    def setup(lib):
        x = randn(lib, *shape)
        return lambda: work(lib, x)

    size = 1
    for n in shape:
        size *= n
    return Row(f"{name} {'x'.join(map(str, shape))}", setup, bytes=touched * size)


def by_index(name: str, work: Callable[[Any, Any, Any], Any], shape: tuple[int, ...], high: int, *count: int) -> Row:
    """``work(lib, x, index)`` with random indices below ``high``."""

    def setup(lib):
        x, index = randn(lib, *shape), integers(lib, high, *count)
        return lambda: work(lib, x, index)

    return Row(name, setup)


def embedding_bag(mode: str) -> Row:
    def setup(lib):
        table, index = randn(lib, 10000, 128), integers(lib, 10000, 256, 20)
        return lambda: lib.nn.functional.embedding_bag(index, table, mode=mode)

    return Row(f"embedding_bag {mode} 10000x128, 256 bags of 20", setup, bytes=4 * 128 * 256 * 21)


def search(edges: int) -> Row:
    def setup(lib):
        sorted_edges, x = randn(lib, edges).sort()[0], randn(lib, N, N, seed=1)
        return lambda: lib.searchsorted(sorted_edges, x)

    return Row(f"searchsorted of {N}x{N} in {edges}", setup)


def reduced(reduction: str, axis: int) -> Row:
    def setup(lib):
        x, index, source = randn(lib, N, N), integers(lib, N, N, N), randn(lib, N, N, seed=1)
        return lambda: x.scatter_reduce(axis, index, source, reduction)

    return Row(f"scatter_reduce {reduction} dim {axis}", setup, bytes=16 * N * N)


def two_indices(name: str, work: Callable[[Any, Any, Any, Any], Any], *shape: int, count: int = 250_000) -> Row:
    """``work(lib, x, i, j)`` with random places in the last two axes."""

    def setup(lib):
        x = randn(lib, *shape)
        i, j = integers(lib, shape[-2], count), randint(lib, shape[-1], count, seed=1)
        return lambda: work(lib, x, i, j)

    return Row(name, setup)


def _store(x: Any, key: Any, value: Any) -> Any:
    x[key] = value
    return x


def _sum_of_edges(lib: Any, x: Any, index: Any) -> Any:
    return lib.zeros(10000, 64).index_add(0, index, x)


ROWS = [
    embedding(30000, 512, 4096),
    embedding(1000, 64, 8192),
    embedding_backward(30000, 64, 4096),
    embedding_backward(1000, 64, 8192),
    *(element(name, axis) for name in ("gather", "scatter_add") for axis in (1, 0)),
    *(rows(name, axis) for name in ("index_select", "index_add") for axis in (0, 1)),
    masked("masked_fill"),
    masked("masked_select"),
    embedding_backward(10000, 300, 2560),
    embedding_bag("sum"),
    embedding_bag("mean"),
    by_index("graph: sum of 50000 edges x 64 into 10000 nodes", _sum_of_edges, (50000, 64), 10000, 50000),
    by_index("graph: 50000 edges x 64 from 10000 nodes", lambda lib, x, i: x[i], (10000, 64), 10000, 50000),
    by_index("gather 128 targets of 1000 classes", lambda lib, x, i: x.gather(1, i), (128, 1000), 1000, 128, 1),
    by_index("take 250000 of 1M", lambda lib, x, i: x.take(i), (N, N), N * N, 250_000),
    by_index(
        "index_put accumulate 250000 into 1M",
        lambda lib, x, i: x.index_put((i,), lib.ones_like(x[:250_000]), accumulate=True),
        (N * N,),
        N * N,
        250_000,
    ),
    by_index("one_hot 4096 of 1000", lambda lib, x, i: lib.nn.functional.one_hot(i, 1000), (1,), 1000, 4096),
    by_index("unique of 1M below 1000", lambda lib, x, i: lib.unique(i), (1,), 1000, N * N),
    by_index("bincount of 1M below 1000", lambda lib, x, i: lib.bincount(i), (1,), 1000, N * N),
    *(reduced(name, 1) for name in ("amax", "prod", "mean")),
    reduced("amax", 0),
    by_index(
        "graph: maximum of 50000 edges x 64 into 10000 nodes",
        lambda lib, x, i: lib.zeros(10000, 64).index_reduce(0, i, x, "amax", include_self=False),
        (50000, 64),
        10000,
        50000,
    ),
    two_indices("x[i, j]", lambda lib, x, i, j: x[i, j], N, N),
    two_indices("x[:, :, i, j]", lambda lib, x, i, j: x[:, :, i, j], 32, 64, 28, 28, count=4096),
    two_indices("x[i, j] = 1", lambda lib, x, i, j: _store(x, (i, j), 1.0), N, N),
    two_indices(
        "index_put accumulate with two indices",
        lambda lib, x, i, j: x.index_put((i, j), lib.ones_like(x.reshape(-1)[:250_000]), accumulate=True),
        N,
        N,
    ),
    of("x[x > 0] = 0", lambda lib, x: _store(x.clone(), x > 0, 0.0), N, N),
    of("masked_scatter", lambda lib, x: x.masked_scatter(x > 0, x), N, N),
    search(1000),
    of("x[x > 0]", lambda lib, x: x[x > 0], N, N),
    of("nonzero", lambda lib, x: (x > 0).nonzero(), N, N),
    of("transposed copy", lambda lib, x: x.t().contiguous(), N, N),
    of("NCHW to NHWC", lambda lib, x: x.permute(0, 2, 3, 1).contiguous(), 16, 64, 32, 32),
    of("heads of attention, copied", lambda lib, x: x.transpose(1, 2).contiguous(), 8, 128, 12, 64),
    of("cat along rows", lambda lib, x: lib.cat((x, x), 0), N, N, touched=16),
    of("cat along columns", lambda lib, x: lib.cat((x, x), 1), N, N, touched=16),
    of("cat of channels", lambda lib, x: lib.cat((x, x), 1), 16, 32, 32, 32, touched=16),
    of("stack of four", lambda lib, x: lib.stack((x, x, x, x)), 512, 512, touched=32),
    of("flip", lambda lib, x: x.flip(1), N, N),
    of("roll", lambda lib, x: x.roll(5, 1), N, N),
    of("pad", lambda lib, x: lib.nn.functional.pad(x, (1, 1, 1, 1)), 16, 64, 32, 32),
    *(
        of(
            f"pad {mode}",
            lambda lib, x, mode=mode: lib.nn.functional.pad(x, (1, 1, 1, 1), mode=mode),
            16,
            64,
            32,
            32,
        )
        for mode in ("reflect", "replicate", "circular")
    ),
    of("pad of an image", lambda lib, x: lib.nn.functional.pad(x, (4, 4, 4, 4), value=0.5), 32, 3, 224, 224),
    of("tril", lambda lib, x: x.tril(), N, N),
]
