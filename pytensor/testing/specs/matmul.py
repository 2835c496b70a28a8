"""Specs of matrix products and what is made of them."""

from __future__ import annotations

import itertools

import numpy as np

from pytensor.backend.reference.pointwise import pointwise
from pytensor.testing.spec import FLOATS, OpSpec

KINDS = (*FLOATS, "int64", "int32")
SIDES = (0, 1, 1, 2, 3, 4, 5, 7, 8, 16, 17, 33)


def side(s):
    """A size of one axis: now and then one that needs several tiles."""
    return s.choose(1, 2, 3) if s.gradient else s.choose(*SIDES)


def sides(s, count):
    return tuple(side(s) for _ in range(count))


def finite(s, shape, **options):
    return s.array(shape, values="finite", **options)


def magnitudes(reference):
    """What errors are relative to: the same sum of the absolute values."""

    def scale(*args, **kwargs):
        positive = [np.abs(x) if isinstance(x, np.ndarray) else x for x in args]
        return reference(*positive, **{k: abs(v) for k, v in kwargs.items()})

    return scale


def product(name, samples, reference, **options):
    """A spec of sums of products. A float32 sum of n terms is one chain of n roundings: hence the tolerance."""
    options = {"dtypes": KINDS, "tolerance": 16, "scale": magnitudes(reference), **options}
    return OpSpec(name, samples, reference, **options)


def matmul_samples(s):
    m, n, k = sides(s, 3)
    batch_a, batch_b = s.broadcastable(2)
    batch_a, batch_b = batch_a[-2:], batch_b[-2:]
    form = s.choose("matrices", "matrices", "batches", "batches", "vector left", "vector right", "vectors")
    if form == "matrices":
        return s.sample(finite(s, (m, k)), finite(s, (k, n)))
    if form == "batches":
        return s.sample(finite(s, (*batch_a, m, k)), finite(s, (*batch_b, k, n)))
    if form == "vector left":
        return s.sample(finite(s, (k,)), finite(s, (*batch_b, k, n)))
    if form == "vector right":
        return s.sample(finite(s, (*batch_a, m, k)), finite(s, (k,)))
    return s.sample(finite(s, (k,)), finite(s, (k,)))


def of_shapes(shapes):
    """Samples whose shapes are functions of drawn sizes: ``of_shapes(lambda m, n, k: ((m, k), (k, n)))``."""

    def draw(s):
        return s.sample(*(finite(s, shape) for shape in shapes(*sides(s, 4))))

    return draw


def added(shapes):
    """Samples of the products that are added to something, with beta and alpha."""

    def draw(s):
        target, *operands = shapes(*sides(s, 4))
        kept = tuple(1 if s.flag() else n for n in target[s.integer(0, len(target)) :])
        factors = {}
        if s.flag():
            factors = {"beta": s.choose(0, 1, 2), "alpha": s.choose(1, -2, 3)}
        return s.sample(finite(s, kept), *(finite(s, shape) for shape in operands), **factors)

    return draw


def adding(multiply):
    def reference(x, a, b, beta=1, alpha=1):
        return beta * x + alpha * multiply(a, b)

    return reference


def addmm_activation_samples(s):
    m, n, k = sides(s, 3)
    bias = (n,) if s.flag() else tuple(1 if s.flag() else size for size in (m, n))
    factors = {"beta": s.choose(0, 1, 2), "alpha": s.choose(1, -2)} if s.flag() else {}
    return s.sample(finite(s, bias), finite(s, (m, k)), finite(s, (k, n)), use_gelu=s.flag(), **factors)


def addmm_activation(x, a, b, beta=1, alpha=1, use_gelu=False):
    y = beta * x + alpha * (a @ b)
    return pointwise("gelu", (y,)) if use_gelu else np.maximum(y, 0)


def addmm_activation_scale(x, a, b, beta=1, alpha=1, use_gelu=False):
    return abs(beta) * np.abs(x) + abs(alpha) * (np.abs(a) @ np.abs(b))


def linear_samples(s):
    batch = s.shape()[:2]
    outs, ins = sides(s, 2)
    operands = [finite(s, (*batch, ins)), finite(s, (outs, ins))]
    if s.flag():
        operands.append(finite(s, (outs,)))
    return s.sample(*operands)


def linear(x, w, b=0):
    return x @ w.T + b


def addmv_samples(s):
    # An input of another shape than (m,) makes PyTorch return that shape when m is 0, and warn when m is 1.
    m, k = sides(s, 2)
    kept = (1,) if m > 1 and s.flag() else (m,)
    return s.sample(finite(s, kept), finite(s, (m, k)), finite(s, (k,)), beta=s.choose(0, 1, 2), alpha=s.choose(1, -2))


def bilinear_samples(s):
    batch = s.shape()[:2]
    outs, a, b = (s.integer(1, 5) for _ in range(3))  # PyTorch refuses features of size 0
    operands = [finite(s, (*batch, a)), finite(s, (*batch, b)), finite(s, (outs, a, b))]
    if s.flag():
        operands.append(finite(s, (outs,)))
    return s.sample(*operands)


def bilinear(x, y, w, b=0):
    return np.einsum("...i,oij,...j->...o", x, w, y) + b


EQUATIONS = {
    "ij,jk->ik": ((0, 1), (1, 2)),
    "ij,kj": ((0, 1), (2, 1)),
    "bij,bjk->bik": ((3, 0, 1), (3, 1, 2)),
    "ii->i": ((0, 0),),
    "ii": ((0, 0),),
    "iji->j": ((0, 1, 0),),
    "ij->": ((0, 1),),
    "ba": ((0, 1),),
    "i,j->ij": ((0,), (1,)),
    "ij,ij->j": ((0, 1), (0, 1)),
    "...ij,...jk->...ik": ((3, 0, 1), (1, 2)),
    "i...,j...->ij...": ((0, 3), (1, 3)),
    "ij,jk,kl->li": ((0, 1), (1, 2), (2, 3)),
    "bn,anm,bm->ba": ((0, 1), (3, 1, 2), (0, 2)),
    ",i->i": ((), (0,)),
}


def einsum_samples(s):
    equation = s.choose(*EQUATIONS)
    sizes = tuple(s.integer(0, 4) for _ in range(4))
    return s.sample(equation, *(finite(s, tuple(sizes[i] for i in axes)) for axes in EQUATIONS[equation]))


def einsum(equation, *operands):
    return np.einsum(equation, *operands)


def tensordot_samples(s):
    m, n, k, depth = (s.integer(0, 4) for _ in range(4))
    if s.flag():
        return s.sample(finite(s, (m, k, depth)), finite(s, (k, depth, n)), 2)
    return s.sample(finite(s, (depth, m, k)), finite(s, (k, n, depth)), ([2, -3], [0, 2]))


def power_samples(s):
    n = s.integer(0, 4)
    batch = s.shape()[:1]
    return s.sample(s.array((*batch, n, n), values="finite", only=(-2, 2)), s.integer(1 if s.gradient else 0, 4))


def power(x, n):
    result = np.broadcast_to(np.eye(x.shape[-1], dtype=x.dtype), x.shape)
    for _ in range(n):
        result = result @ x
    return result


def kron_samples(s):
    return s.sample(finite(s, s.shape()[:2]), finite(s, s.shape()[:2]))


def multi_dot(matrices):
    return np.linalg.multi_dot(matrices) if len(matrices) > 2 else matrices[0] @ matrices[1]


def multi_dot_samples(s):
    sizes = [s.integer(1, 5) for _ in range(s.integer(3, 5))]
    return s.sample([finite(s, pair) for pair in itertools.pairwise(sizes)])


def multi_dot_scale(matrices):
    return multi_dot([np.abs(x) for x in matrices])


def inner_flops(a, b):
    return 2 * a.size * (b.shape[-1] if b.ndim > 1 else 1)


SPECS = [
    product("matmul", matmul_samples, np.matmul, flops=inner_flops),
    product("mm", of_shapes(lambda m, n, k, _: ((m, k), (k, n))), np.matmul, flops=inner_flops),
    product("bmm", of_shapes(lambda m, n, k, b: ((b, m, k), (b, k, n))), np.matmul, flops=inner_flops),
    product("mv", of_shapes(lambda m, n, k, _: ((m, k), (k,))), np.matmul, flops=inner_flops),
    product("dot", of_shapes(lambda m, n, k, _: ((k,), (k,))), np.dot, flops=inner_flops),
    product("vdot", of_shapes(lambda m, n, k, _: ((k,), (k,))), np.vdot, flops=inner_flops),
    product("inner", of_shapes(lambda m, n, k, b: ((b, m, k), (n, k))), np.inner),
    product("inner", of_shapes(lambda m, n, k, _: ((), (m, k))), np.inner, variant="number"),
    product("outer", of_shapes(lambda m, n, k, _: ((m,), (n,))), np.outer, tolerance=0),
    product("ger", of_shapes(lambda m, n, k, _: ((m,), (n,))), np.outer, tolerance=0),
    product("addmm", added(lambda m, n, k, _: ((m, n), (m, k), (k, n))), adding(np.matmul)),
    product(
        "_addmm_activation",
        addmm_activation_samples,
        addmm_activation,
        scale=addmm_activation_scale,
        dtypes=FLOATS,
    ),
    product("baddbmm", added(lambda m, n, k, b: ((b, m, n), (b, m, k), (b, k, n))), adding(np.matmul)),
    product(
        "addbmm",
        added(lambda m, n, k, b: ((m, n), (b, m, k), (b, k, n))),
        adding(lambda a, b: np.matmul(a, b).sum(0)),
    ),
    product("addmv", addmv_samples, adding(np.matmul)),
    product("addr", added(lambda m, n, k, _: ((m, n), (m,), (n,))), adding(np.outer)),
    product("nn.functional.linear", linear_samples, linear),
    product("nn.functional.bilinear", bilinear_samples, bilinear, dtypes=FLOATS),
    product("einsum", einsum_samples, einsum),
    product("tensordot", tensordot_samples, np.tensordot),
    product("matrix_power", power_samples, power, tolerance=64),
    product("linalg.matrix_power", power_samples, power, tolerance=64),
    product("linalg.multi_dot", multi_dot_samples, multi_dot, scale=multi_dot_scale),
    product("kron", kron_samples, np.kron, tolerance=4),
]
