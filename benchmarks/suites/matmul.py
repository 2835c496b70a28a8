"""Matrix products: square, skinny, matrix-vector, batched, transposed, and linear layers."""

from __future__ import annotations

import math

from benchmarks import Row, randn


def product(name: str, a: tuple[int, ...], b: tuple[int, ...], dtype: str = "float32", transposed: str = "") -> Row:
    """``a @ b``; an operand named in ``transposed`` lies the other way round in memory."""

    def operands(lib):
        def operand(shape, seed, turned):
            if not turned:
                return randn(lib, *shape, seed=seed, dtype=dtype)
            return randn(lib, *shape[:-2], shape[-1], shape[-2], seed=seed, dtype=dtype).mT

        return operand(a, 0, "a" in transposed), operand(b, 1, "b" in transposed)

    def setup(lib):
        x, y = operands(lib)
        return lambda: x @ y

    def array(xp):
        return xp.matmul, operands(xp)

    columns = b[-1] if len(b) > 1 else 1
    flops = 2 * math.prod(a) * columns
    if len(b) > len(a):
        flops = 2 * math.prod(b) * a[-2]
    tolerance = 1e-4 if dtype == "float32" else 1e-12
    return Row(name, setup, flops=flops, tolerance=tolerance, dtype=dtype, array=array)


def linear(batch: int, ins: int, outs: int, backward: bool) -> Row:
    def setup(lib):
        x = randn(lib, batch, ins, requires_grad=backward)
        weight = randn(lib, outs, ins, seed=1, requires_grad=backward)
        bias = randn(lib, outs, seed=2, requires_grad=backward)
        forward = lib.nn.functional.linear
        if not backward:
            return lambda: forward(x, weight, bias)
        g = randn(lib, batch, outs, seed=3)
        return lambda: lib.autograd.grad(forward(x, weight, bias), (x, weight, bias), g)

    def array(xp):
        operands = randn(xp, batch, ins), randn(xp, outs, ins, seed=1), randn(xp, outs, seed=2)
        return lambda x, weight, bias: x @ weight.T + bias, operands

    flops = 2 * batch * ins * outs * (3 if backward else 1)
    name = f"linear {batch}x{ins}->{outs}{', forward and backward' if backward else ''}"
    return Row(name, setup, flops=flops, array=None if backward else array)


def matrices(m: int, k: int, n: int, **options) -> Row:
    suffix = "".join(f" {x}.T" for x in options.get("transposed", ""))
    kind = " float64" if options.get("dtype") == "float64" else ""
    return product(f"{m}x{k}x{n}{suffix}{kind}", (m, k), (k, n), **options)


def integers(n: int, dtype: str) -> Row:
    def setup(lib):
        a, b = ((randn(lib, n, n, seed=seed) * 100).to(getattr(lib, dtype)) for seed in (0, 1))
        return lambda: a @ b

    return Row(f"{n}x{n}x{n} {dtype}", setup, flops=2 * n**3, tolerance=0, dtype=dtype)


def halves(m: int, k: int, n: int, dtype: str, transposed: bool = False) -> Row:
    """``a @ b`` of float16 or bfloat16."""

    def setup(lib):
        a = randn(lib, m, k).to(getattr(lib, dtype))
        b = randn(lib, n, k, seed=1).to(getattr(lib, dtype)).t() if transposed else None
        if b is None:
            b = randn(lib, k, n, seed=1).to(getattr(lib, dtype))
        return lambda: a @ b

    name = f"{m}x{k}x{n}{' b.T' if transposed else ''} {dtype}"
    return Row(name, setup, flops=2 * m * k * n, tolerance=1e-2, dtype=dtype)


def affine_activation(batch: int, ins: int, outs: int, use_gelu: bool) -> Row:
    """Bias, product and activation in one call."""

    def setup(lib):
        x, weight, bias = randn(lib, batch, ins), randn(lib, ins, outs, seed=1), randn(lib, outs, seed=2)
        return lambda: lib._addmm_activation(bias, x, weight, use_gelu=use_gelu)

    name = f"_addmm_activation {batch}x{ins}->{outs} {'gelu' if use_gelu else 'relu'}"
    return Row(name, setup, flops=2 * batch * ins * outs)


ROWS = [
    *(matrices(n, n, n) for n in (4, 16, 32, 64, 128, 256, 512, 1024)),
    matrices(512, 512, 512, dtype="float64"),
    *(matrices(512, 512, 512, transposed=which) for which in ("a", "b", "ab")),
    # DeepBench's shapes (m, k, n), the large ones at a quarter of each side
    *(matrices(1760, 1760, n) for n in (16, 32, 64, 128)),
    *(matrices(16, 1760, 1760, transposed=which) for which in ("", "b")),
    matrices(2560, 2560, 64),
    matrices(1281, 640, 2281),
    matrices(35, 640, 2112),
    *(matrices(8, 1024, 1024, transposed=which) for which in ("", "b")),
    *(matrices(m, 1024, 1024, transposed=which) for m in (2, 4, 16, 32) for which in ("", "b")),
    # DeepBench's inference on a server: weights by few columns
    *(matrices(3072, 1024, n) for n in (1, 2, 4, 128)),
    matrices(7680, 2560, 4),
    matrices(35, 2560, 1500),
    matrices(2048, 2048, 32),
    matrices(1024, 16, 1024),
    product("matrix 1024x1024 by vector", (1024, 1024), (1024,)),
    product("transposed matrix 1024x1024 by vector", (1024, 1024), (1024,), transposed="a"),
    product("vector by matrix 1024x1024", (1, 1024), (1024, 1024)),
    product("vector by transposed matrix 1024x1024", (1, 1024), (1024, 1024), transposed="b"),
    product("matrix 4096x4096 by vector", (4096, 4096), (4096,)),
    product("1000 products 4x4x4", (1000, 4, 4), (1000, 4, 4)),
    product("64 products 32x32x32", (64, 32, 32), (64, 32, 32)),
    product("attention scores 16x8 of 128x64x128", (16, 8, 128, 64), (16, 8, 64, 128), transposed="b"),
    product("32 matrices 128x64 by one 64x64", (32, 128, 64), (64, 64)),
    *(halves(n, n, n, "bfloat16") for n in (64, 512, 1024)),
    halves(32, 1024, 1024, "bfloat16", transposed=True),
    halves(64, 64, 64, "float16"),
    halves(32, 1024, 1024, "float16", transposed=True),
    *(
        halves(rows, 1024, 1024, dtype, transposed)
        for rows in (1, 32)
        for dtype in ("bfloat16", "float16")
        for transposed in (False, True)
        if rows == 1 or not transposed
    ),
    integers(256, "int32"),
    integers(256, "int64"),
    *(affine_activation(64, 768, 3072, use_gelu) for use_gelu in (False, True)),
    linear(32, 784, 128, backward=False),
    linear(64, 784, 512, backward=False),
    linear(64, 784, 512, backward=True),
]
