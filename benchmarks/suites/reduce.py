"""Reductions and scans of a 1024x1024 matrix: over rows, over columns, over everything."""

from __future__ import annotations

from benchmarks import Row, randn

N = 1024
ARRAYS_TOO = ("sum", "mean", "var", "argmax", "amax", "prod", "any")  # the same in NumPy's API


def reduction(name: str, axis: int | None, **arguments) -> Row:
    where = {None: "all", 0: "columns", 1: "rows"}[axis]

    def setup(lib):
        x = randn(lib, N, N)
        method = getattr(x, name)
        if axis is None:
            return lambda: method(**arguments)
        return lambda: method(dim=axis, **arguments)

    def array(xp):
        method = getattr(xp, name)
        options = {"ddof": 1} if name == "var" else {}
        return lambda x: method(x, axis=axis, **options), (randn(xp, N, N),)

    known = name in ARRAYS_TOO and not arguments
    return Row(f"{name} {where}", setup, bytes=4 * N * N, array=array if known else None)


def scan(name: str, axis: int) -> Row:
    def setup(lib):
        x = randn(lib, N, N) * 0.01 + 1
        return lambda: getattr(x, name)(axis)

    def array(xp):
        return lambda x: getattr(xp, name)(x, axis=axis), (randn(xp, N, N) * 0.01 + 1,)

    return Row(f"{name} along {'columns' if axis == 0 else 'rows'}", setup, bytes=8 * N * N, array=array)


def backward(name: str, axis: int) -> Row:
    def setup(lib):
        x = randn(lib, N, N, requires_grad=True)
        y = getattr(x, name)(axis)
        y = y if isinstance(y, lib.Tensor) else y[0]
        g = lib.ones_like(y)
        return lambda: lib.autograd.grad(y, x, g, retain_graph=True)

    return Row(f"{name} backward", setup, bytes=4 * N * N)


def sort(name: str, *arguments) -> Row:
    def setup(lib):
        x = randn(lib, N, N)
        return lambda: getattr(x, name)(*arguments)[0]

    return Row(f"{name}{arguments}", setup, bytes=4 * N * N)


ROWS = [
    *(reduction(name, axis) for name in ("sum", "mean", "argmax", "var", "norm") for axis in (None, 1, 0)),
    *(reduction("amax", axis) for axis in (1, 0)),
    *(reduction(name, axis) for name in ("max", "min") for axis in (None, 1, 0)),
    *(reduction("prod", axis) for axis in (1, 0)),
    *(reduction(name, axis) for name in ("any", "logsumexp") for axis in (1, 0)),
    *(scan(name, axis) for name in ("cumsum", "cumprod") for axis in (1, 0)),
    *(
        backward(name, axis)
        for name, axis in (("sum", 1), ("mean", 0), ("amax", 1), ("max", 1), ("var", 1), ("cumsum", 1))
    ),
    sort("topk", 10, 1),
    sort("sort", 1),
    sort("kthvalue", 100, 1),
]
