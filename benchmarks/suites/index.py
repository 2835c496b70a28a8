"""Gathering and scattering: embedding tables, rows, elements, masks."""

from __future__ import annotations

from benchmarks import Row, randn

N = 1024


def integers(lib, high: int, *shape: int):
    return lib.randint(0, high, shape)


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


ROWS = [
    embedding(30000, 512, 4096),
    embedding(1000, 64, 8192),
    embedding_backward(30000, 64, 4096),
    embedding_backward(1000, 64, 8192),
    *(element(name, axis) for name in ("gather", "scatter_add") for axis in (1, 0)),
    *(rows(name, axis) for name in ("index_select", "index_add") for axis in (0, 1)),
    masked("masked_fill"),
    masked("masked_select"),
]
