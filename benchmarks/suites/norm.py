"""Normalisation, softmax and losses, forward and backward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks import Row, randint, randn

FLOAT = 4  # bytes


def both_ways(name: str, make: Callable[[Any], tuple[Callable[[], Any], list[Any]]], elements: int) -> list[Row]:
    """Rows for a forward call and for the gradients of its inputs.

    ``make(lib)`` gives the call and the tensors whose gradients are taken.
    """

    def forward(lib):
        call, _ = make(lib)
        return call

    def backward(lib):
        call, inputs = make(lib)
        y = call()
        g = randn(lib, *y.shape, seed=9)
        return lambda: lib.autograd.grad(y, inputs, g, retain_graph=True)

    return [
        Row(name, forward, bytes=2 * FLOAT * elements),
        Row(f"{name}, backward", backward, bytes=3 * FLOAT * elements),
    ]


def batch_norm(*shape: int) -> list[Row]:
    def make(lib):
        x = randn(lib, *shape, requires_grad=True)
        weight = randn(lib, shape[1], seed=1, requires_grad=True)
        bias = randn(lib, shape[1], seed=2, requires_grad=True)
        mean, var = lib.zeros(shape[1]), lib.ones(shape[1])
        call = lib.nn.functional.batch_norm
        return lambda: call(x, mean, var, weight, bias, training=True), [x, weight, bias]

    elements = 1
    for n in shape:
        elements *= n
    return both_ways(f"batch_norm {'x'.join(map(str, shape))}", make, elements)


def layer_norm(rows: int, width: int) -> list[Row]:
    def make(lib):
        x = randn(lib, rows, width, requires_grad=True)
        weight = randn(lib, width, seed=1, requires_grad=True)
        bias = randn(lib, width, seed=2, requires_grad=True)
        return lambda: lib.nn.functional.layer_norm(x, (width,), weight, bias), [x, weight, bias]

    return both_ways(f"layer_norm {rows}x{width}", make, rows * width)


def softmax(function: str, rows: int, columns: int, dim: int) -> list[Row]:
    def make(lib):
        x = randn(lib, rows, columns, requires_grad=True)
        op = getattr(lib, function)
        return lambda: op(x, dim), [x]

    return both_ways(f"{function} {rows}x{columns} dim {dim}", make, rows * columns)


def cross_entropy(batch: int, classes: int) -> list[Row]:
    def make(lib):
        x = randn(lib, batch, classes, requires_grad=True)
        target = randint(lib, classes, batch)
        return lambda: lib.nn.functional.cross_entropy(x, target), [x]

    return both_ways(f"cross_entropy {batch}x{classes}", make, batch * classes)


def mse_loss(elements: int) -> list[Row]:
    def make(lib):
        x = randn(lib, elements, requires_grad=True)
        target = randn(lib, elements, seed=1)
        return lambda: lib.nn.functional.mse_loss(x, target), [x]

    return both_ways(f"mse_loss {elements}", make, elements)


ROWS = [
    *batch_norm(16, 64, 56, 56),
    *batch_norm(64, 256, 7, 7),
    *batch_norm(256, 512),
    *layer_norm(1024, 1024),
    *layer_norm(64, 64),
    *softmax("softmax", 1024, 1024, 1),
    *softmax("softmax", 1024, 1024, 0),
    *softmax("log_softmax", 1024, 1024, 1),
    *softmax("softmax", 64, 10, 1),
    *cross_entropy(1024, 1000),
    *cross_entropy(64, 10),
    *mse_loss(1_000_000),
    *mse_loss(96),
]
