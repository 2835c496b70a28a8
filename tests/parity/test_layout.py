"""Strides of element-by-element results against PyTorch, over tensors of many layouts."""

from __future__ import annotations

import random

import numpy as np
import pytest

import pytensor

torch = pytest.importorskip("torch")

UNARY = {
    "neg": lambda lib, x: -x,
    "exp": lambda lib, x: lib.exp(x),
    "add a number": lambda lib, x: x + 1,
    "elu": lambda lib, x: lib.nn.functional.elu(x, 2.0),
    "clamp": lambda lib, x: x.clamp(-1, 1),
    "power": lambda lib, x: x**3,
    "compare": lambda lib, x: x < 0,
    "clone": lambda lib, x: x.clone(),
    "zeros_like": lambda lib, x: lib.zeros_like(x),
    "double": lambda lib, x: x.double(),
    "long": lambda lib, x: x.long(),
    "half": lambda lib, x: x.half() + x.half(),
    "reflected": lambda lib, x: 1 / (x + 9),
    "where": lambda lib, x: lib.where(x > 0, x, 0.0),
    "masked_fill": lambda lib, x: x.masked_fill(x > 0, 0.0),
}
BINARY = {
    "add": lambda lib, a, b: a + b,
    "compare": lambda lib, a, b: a < b,
    "add scaled": lambda lib, a, b: lib.add(a, b, alpha=3),
    "int": lambda lib, a, b: a.int() + b.int(),
    "where": lambda lib, a, b: lib.where(a > 0, a, b),
    "atan2": lambda lib, a, b: lib.atan2(a, b),
}
TERNARY = {
    "where": lambda lib, a, b, c: lib.where(a > 0, b, c),
    "addcmul": lambda lib, a, b, c: lib.addcmul(a, b, c, value=0.5),
    "lerp": lambda lib, a, b, c: lib.lerp(a, b, c),
}


def pair(shape, rng):
    """The same strided tensor in both libraries: permuted, stepped, expanded."""
    order = list(range(len(shape)))
    if rng.random() < 0.6:
        rng.shuffle(order)
    step = [rng.choice([1, 1, 1, 2]) for _ in shape]
    expanded = [rng.random() < 0.12 for _ in shape]
    data = np.ones([1 if expanded[i] else shape[i] * step[i] for i in order], np.float32)
    tensors = []
    for lib in (torch, pytensor):
        tensor = lib.tensor(data)
        if shape:
            tensor = tensor.permute([order.index(i) for i in range(len(shape))])
            tensor = tensor[tuple(slice(None, None, 1 if e else s) for e, s in zip(expanded, step, strict=True))]
        tensors.append(tensor.expand(*shape) if shape else tensor)
    return tensors


def significant(tensor):
    """The strides that address something."""
    return [s for s, n in zip(tensor.stride(), tensor.shape, strict=True) if n > 1 and tensor.numel()]


def check(functions, operands):
    for name, function in functions.items():
        theirs = function(torch, *(a for a, _ in operands))
        ours = function(pytensor, *(b for _, b in operands))
        assert tuple(ours.shape) == tuple(theirs.shape)
        assert significant(ours) == significant(theirs), (name, [(a.shape, a.stride()) for a, _ in operands])


@pytest.mark.parametrize("seed", range(60))
def test_strides(seed):
    rng = random.Random(seed)
    shape = [rng.choice([1, 2, 3, 4]) for _ in range(rng.randint(0, 5))]
    part = [1 if rng.random() < 0.2 else n for n in shape]
    a, b, c = (pair(shape, rng) for _ in range(3))
    check(UNARY, (a,))
    check(BINARY, (a, b))
    check(TERNARY, (a, b, c))
    check(BINARY, (pair(part, rng), a))
