"""What one call costs when there is nothing to compute: operations on 4x4 tensors, with and without a graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks import Row, randn

REPEAT = 200  # operations per timed call, so that the loop around them does not count


def repeated(name: str, operation: Callable[..., Any], graph: bool) -> Row:
    """``operation(lib, a, b)`` returns a function of no arguments that runs the op REPEAT times."""

    def setup(lib):
        a = randn(lib, 4, 4, requires_grad=graph)
        b = randn(lib, 4, 4, seed=1, requires_grad=graph)
        return operation(lib, a, b)

    return Row(f"{name} 4x4{', graph' if graph else ''}", setup, calls=REPEAT)


# The loops are spelled out: a call of a Python function per operation would be a large part of what is timed.
def add(lib, a, b):
    def run():
        for _ in range(REPEAT - 1):
            a + b
        return a + b

    return run


def mul_scalar(lib, a, b):
    def run():
        for _ in range(REPEAT - 1):
            a * 2.0
        return a * 2.0

    return run


def matmul(lib, a, b):
    def run():
        for _ in range(REPEAT - 1):
            a @ b
        return a @ b

    return run


def relu(lib, a, b):
    function = lib.relu

    def run():
        for _ in range(REPEAT - 1):
            function(a)
        return function(a)

    return run


def total(lib, a, b):
    def run():
        for _ in range(REPEAT - 1):
            a.sum()
        return a.sum()

    return run


def index_row(lib, a, b):
    def run():
        for _ in range(REPEAT - 1):
            a[1]
        return a[1]

    return run


def index_slice(lib, a, b):
    def run():
        for _ in range(REPEAT - 1):
            a[1:3, 0]
        return a[1:3, 0]

    return run


def reshape(lib, a, b):
    def run():
        for _ in range(REPEAT - 1):
            a.reshape(2, 8)
        return a.reshape(2, 8)

    return run


def transpose(lib, a, b):
    def run():
        for _ in range(REPEAT - 1):
            a.t()
        return a.t()

    return run


def chain(a, b):
    """Ten small operations."""
    x = (a @ b + b).relu()
    x = (x * 2.0 + a).tanh()
    x = (x - b) * a
    return (x @ b).sum()


def chain_forward(lib):
    a, b = randn(lib, 4, 4), randn(lib, 4, 4, seed=1)
    return lambda: chain(a, b)


def chain_backward(lib):
    a = randn(lib, 4, 4, requires_grad=True)
    b = randn(lib, 4, 4, seed=1, requires_grad=True)

    def run():
        a.grad = b.grad = None
        chain(a, b).backward()
        return a.grad, b.grad

    return run


OPERATIONS = {
    "add": add,
    "mul by a scalar": mul_scalar,
    "matmul": matmul,
    "relu": relu,
    "sum": total,
    "index [1]": index_row,
    "index [1:3, 0]": index_slice,
    "reshape": reshape,
    "t": transpose,
}


def small(name: str, operation: Callable[..., Any]) -> Row:
    """``operation(lib, a, b)`` is one call; the function around it is part of what is timed, in both libraries."""

    def setup(lib):
        a, b = randn(lib, 4, 4), randn(lib, 4, 4, seed=1)

        def run():
            for _ in range(REPEAT - 1):
                operation(lib, a, b)
            return operation(lib, a, b)

        return run

    return Row(name, setup, calls=REPEAT)


SMALL = {
    "clamp 4x4": lambda lib, a, b: a.clamp(-1, 1),
    "compare and where 4x4": lambda lib, a, b: lib.where(a > 0, a, b),
    "leaky_relu 4x4": lambda lib, a, b: lib.nn.functional.leaky_relu(a, 0.2),
    "gelu tanh 4x4": lambda lib, a, b: lib.nn.functional.gelu(a, approximate="tanh"),
    "addcmul 4x4": lambda lib, a, b: lib.addcmul(a, a, b),
    "power 4x4": lambda lib, a, b: a**3,
    "zeros 4x4": lambda lib, a, b: lib.zeros(4, 4),
    "arange 10": lambda lib, a, b: lib.arange(10),
    "tensor of a list": lambda lib, a, b: lib.tensor([[1.0, 2.0], [3.0, 4.0]]),
    "zeros_like 4x4": lambda lib, a, b: lib.zeros_like(a),
    "mul_ 4x4": lambda lib, a, b: b.mul_(1.0),
}

ROWS = [
    *(small(name, operation) for name, operation in SMALL.items()),
    *(repeated(name, operation, graph) for graph in (False, True) for name, operation in OPERATIONS.items()),
    Row("chain of 10 ops 4x4, forward", chain_forward),
    Row("chain of 10 ops 4x4, forward and backward", chain_backward),
]
