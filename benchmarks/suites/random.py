"""Random numbers: fills of a million elements, dropout, small calls. Both libraries draw the same numbers."""

from __future__ import annotations

import numpy as np

from benchmarks import Row, randn

N = 1_000_000
REPEAT = 200


def fill(name: str, dtype: str, *args, tolerance: float = 1e-6) -> Row:
    """An in-place fill, seeded before the first call so that both libraries draw the same."""

    def setup(lib):
        x = lib.empty(N, dtype=getattr(lib, dtype))
        lib.manual_seed(0)
        method = getattr(x, name)
        return lambda: method(*args)

    return Row(
        f"{name}{args or ''} {dtype} 1M", setup, bytes=N * (8 if dtype.endswith("64") else 4), tolerance=tolerance
    )


def dropout(backward: bool) -> Row:
    def setup(lib):
        x = randn(lib, 1000, 1000, requires_grad=backward)
        gradient = randn(lib, 1000, 1000, seed=1)
        lib.manual_seed(0)

        def run():
            y = lib.nn.functional.dropout(x, 0.5)
            return lib.autograd.grad(y, x, gradient)[0] if backward else y

        return run

    return Row(f"dropout{' with backward' if backward else ''} 1M", setup)


def permutation(n: int) -> Row:
    def setup(lib):
        lib.manual_seed(0)
        return lambda: lib.randperm(n)

    return Row(f"randperm {n}", setup)


def drawn(name: str, call, **options) -> Row:
    """``call(lib)`` gives the function to time; both libraries draw the same numbers."""

    def setup(lib):
        function = call(lib)
        lib.manual_seed(0)
        return function

    return Row(name, setup, **options)


def multinomial(categories: int, samples: int, replacement: bool) -> Row:
    def call(lib):
        weights = lib.tensor(np.random.default_rng(0).random((16, categories)).astype("float32"))
        return lambda: lib.multinomial(weights, samples, replacement)

    kind = "with" if replacement else "without"
    return drawn(f"multinomial 16x{categories}, {samples} {kind} replacement", call)


def poisson(rate: float) -> Row:
    def call(lib):
        rates = lib.full((100_000,), rate)
        return lambda: lib.poisson(rates)

    return drawn(f"poisson({rate}) 100k", call)


def binomial(trials: float, p: float) -> Row:
    def call(lib):
        counts, chances = lib.full((100_000,), float(trials)), lib.full((100_000,), p)
        return lambda: lib.binomial(counts, chances)

    return drawn(f"binomial({trials:g}, {p}) 100k", call)


def initialised(name: str) -> Row:
    """An initialisation of a 1024 x 1024 weight."""

    def call(lib):
        weight = lib.empty(1024, 1024)
        function = getattr(lib.nn.init, name)
        return lambda: function(weight)

    return drawn(f"init.{name} 1024x1024", call)


def dropped(function: str, *shape: int) -> Row:
    def call(lib):
        x = randn(lib, *shape)
        op = getattr(lib.nn.functional, function)
        return lambda: op(x, 0.3, True)

    return drawn(f"{function} {'x'.join(map(str, shape))}", call)


def small(name: str, *args) -> Row:
    def setup(lib):
        function = getattr(lib, name)
        lib.manual_seed(0)

        def run():
            for _ in range(REPEAT - 1):
                function(*args)
            return function(*args)

        return run

    return Row(f"{name}{args}", setup, calls=REPEAT)


ROWS = [
    fill("uniform_", "float32"),
    fill("uniform_", "float64"),
    fill("normal_", "float32"),
    fill("normal_", "float64"),
    fill("random_", "int64", 10),
    fill("bernoulli_", "float32", 0.5),
    fill("exponential_", "float32"),
    fill("geometric_", "float32", 0.3),
    fill("log_normal_", "float32", 0, 1),
    dropout(False),
    dropout(True),
    permutation(100_000),
    permutation(1_000_000),
    drawn("randint(1000, (1000000,))", lambda lib: lambda: lib.randint(1000, (N,))),
    drawn("cauchy_ float32 1M", lambda lib: lib.empty(N).cauchy_),
    drawn("exponential_ float64 1M", lambda lib: lib.empty(N, dtype=lib.float64).exponential_),
    multinomial(1000, 64, True),
    multinomial(1000, 64, False),
    poisson(3.0),
    poisson(50.0),
    binomial(10, 0.5),
    binomial(100, 0.3),
    initialised("kaiming_uniform_"),
    initialised("kaiming_normal_"),
    initialised("xavier_uniform_"),
    initialised("trunc_normal_"),
    dropped("dropout2d", 32, 64, 28, 28),
    dropped("alpha_dropout", 1000, 1000),
    small("rand", 4),
    small("randn", 4),
    small("randint", 10, (4,)),
    small("zeros", 4),
    small("tensor", [1.0, 2.0, 3.0]),
    small("arange", 4),
]
