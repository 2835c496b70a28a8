"""Reductions and scans of a 1024x1024 matrix: over rows, over columns, over everything."""

from __future__ import annotations

from benchmarks import Row, randint, randn

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


def shaped(name: str, shape: tuple[int, ...], *arguments, label: str = "", **named) -> Row:
    """A reduction of another shape: logits of a batch, activations of a transformer, channels of an image."""

    def setup(lib):
        x = randn(lib, *shape)
        method = getattr(x, name)

        def run():
            result = method(*arguments, **named)
            return result if isinstance(result, lib.Tensor) else result[0]

        return run

    size = 1
    for n in shape:
        size *= n
    return Row(f"{name} {label or arguments or named} of {'x'.join(map(str, shape))}", setup, bytes=4 * size)


def some_missing(name: str, *arguments) -> Row:
    """Of a matrix in which one element in six is NaN."""

    def setup(lib):
        x = randn(lib, N, N)
        method = getattr(x.masked_fill(x > 1, float("nan")), name)
        return lambda: method(*arguments)

    return Row(f"{name}{arguments}", setup, bytes=4 * N * N)


def whole_numbers(name: str, *arguments) -> Row:
    def setup(lib):
        x = randint(lib, 1000, N, N)
        method = getattr(x, name)
        return lambda: method(*arguments)

    return Row(f"int64 {name}{arguments}", setup, bytes=8 * N * N)


def truth(name: str, *arguments) -> Row:
    def setup(lib):
        method = getattr(randn(lib, N, N) > -9, name)
        return lambda: method(*arguments)

    return Row(f"bool {name}{arguments}", setup, bytes=N * N)


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
    shaped("sum", (32, 128, 768), -1),
    shaped("mean", (32, 128, 768), 0),
    shaped("mean", (64, 256, 14, 14), (2, 3)),
    shaped("sum", (64, 64, 32, 32), (0, 2, 3)),
    shaped("argmax", (128, 10), 1),
    shaped("argmax", (32, 1000), 1),
    shaped("argmax", (32, 50257), 1),
    shaped("norm", (4096, 64), dim=1),
    shaped("std", (256, 3072), 1),
    shaped("amax", (32, 12, 128, 128), -1),
    shaped("cummax", (N, N), 1),
    shaped("logcumsumexp", (256, N), 1),
    shaped("cumsum", (N * N,), 0),
    shaped("count_nonzero", (N, N)),
    shaped("median", (N, N), 1),
    shaped("aminmax", (N, N)),
    some_missing("nansum"),
    some_missing("nansum", 1),
    some_missing("nanmean", 0),
    shaped("histc", (N, N), 100),
    shaped("mode", (256, N), 1),
    shaped("unique", (256, N)),
    shaped("topk", (8, 50257), 50),
    shaped("topk", (256, 1000), 5),
    shaped("sort", (N * N,)),
    shaped("sort", (N, 64), 1),
    shaped("argsort", (100_000,), descending=True, stable=True),
    whole_numbers("sum"),
    whole_numbers("sum", 1),
    whole_numbers("max"),
    truth("any", 1),
    truth("all"),
    truth("sum"),
]
