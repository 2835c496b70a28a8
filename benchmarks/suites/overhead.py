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
    "add_ with alpha 4x4": lambda lib, a, b: b.add_(a, alpha=0.0),
    "copy_ 4x4": lambda lib, a, b: b.copy_(a),
    "view, permute, unsqueeze, expand 4x4": lambda lib, a, b: a.view(2, 8).permute(1, 0).unsqueeze(0).expand(3, 8, 2),
    "split and cat 4x4": lambda lib, a, b: lib.cat(a.split(2), 1),
    "stack 4x4": lambda lib, a, b: lib.stack([a, b]),
    "flip 4x4": lambda lib, a, b: a.flip(0),
    "pad 4x4": lambda lib, a, b: lib.nn.functional.pad(a, (1, 1, 1, 1)),
    "sum and mean along an axis 4x4": lambda lib, a, b: a.sum(1, keepdim=True) + a.mean(dim=0),
    "var along an axis 4x4": lambda lib, a, b: a.var(dim=1, unbiased=False),
    "max along an axis 4x4": lambda lib, a, b: a.max(dim=1)[0],
    "softmax 4x4": lambda lib, a, b: lib.nn.functional.softmax(a, dim=1),
    "topk 4x4": lambda lib, a, b: a.topk(2)[0],
    "sort 4x4": lambda lib, a, b: a.sort(1)[0],
    "nonzero 4x4": lambda lib, a, b: a.nonzero(),
    "masked_fill 4x4": lambda lib, a, b: a.masked_fill(a > 0, 0.0),
    "clone and detach 4x4": lambda lib, a, b: a.clone().detach(),
    "item": lambda lib, a, b: lib.tensor(a[0, 0].item()),
    "to float64 4x4": lambda lib, a, b: a.to(lib.float64),
    "randn 4x4": lambda lib, a, b: lib.randn(4, 4) * 0,
}


def indexed(name: str, operation: Callable[..., Any]) -> Row:
    """``operation(lib, a, rows, labels, mask)`` is one call with index tensors."""

    def setup(lib):
        a, rows, labels = randn(lib, 4, 4), lib.arange(4), lib.tensor([1, 0, 3, 2])
        mask = a > 0

        def run():
            for _ in range(REPEAT - 1):
                operation(lib, a, rows, labels, mask)
            return operation(lib, a, rows, labels, mask)

        return run

    return Row(name, setup, calls=REPEAT)


def store(lib, a, rows, labels, mask):
    a[rows, labels] = 1.0
    a[0] = 2.0
    return a


INDEXED = {
    "index [rows, labels] 4x4": lambda lib, a, rows, labels, mask: a[rows, labels],
    "index [labels] 4x4": lambda lib, a, rows, labels, mask: a[labels],
    "index [mask] 4x4": lambda lib, a, rows, labels, mask: a[mask],
    "store [rows, labels] and [0] 4x4": store,
    "one_hot 4": lambda lib, a, rows, labels, mask: lib.nn.functional.one_hot(labels, 4),
    "cross_entropy 4x4": lambda lib, a, rows, labels, mask: lib.nn.functional.cross_entropy(a, labels),
}


def clip_norm(lib):
    """Four small parameters, gradients below the limit."""
    parameters = [randn(lib, 4, 4, seed=i, requires_grad=True) for i in range(4)]
    for p in parameters:
        p.grad = p.detach() * 0.01
    return lambda: lib.nn.utils.clip_grad_norm_(parameters, 1.0)


def module_step(make: Callable[..., Any], *shape: int) -> Callable[[Any], Callable[[], Any]]:
    """Forward and backward of a small module made by ``make(nn)``."""

    def setup(lib):
        module, x = make(lib.nn), randn(lib, *shape)
        with lib.no_grad():
            for i, p in enumerate(module.parameters()):
                p.copy_(randn(lib, *p.shape, seed=i))

        def run():
            module.zero_grad()
            y = module(x)
            (y[0] if isinstance(y, tuple) else y).sum().backward()
            return [p.grad for p in module.parameters()]

        return run

    return setup


MODULES = {
    "Linear 4x4": (lambda nn: nn.Linear(4, 4), (4, 4)),
    "LayerNorm 4x4": (lambda nn: nn.LayerNorm(4), (4, 4)),
    "Conv2d 1x1x8x8": (lambda nn: nn.Conv2d(1, 2, 3), (1, 1, 8, 8)),
    "LSTMCell 1x8": (lambda nn: nn.LSTMCell(8, 8), (1, 8)),
    "GRUCell 1x8": (lambda nn: nn.GRUCell(8, 8), (1, 8)),
}

ROWS = [
    *(small(name, operation) for name, operation in SMALL.items()),
    *(repeated(name, operation, graph) for graph in (False, True) for name, operation in OPERATIONS.items()),
    *(indexed(name, operation) for name, operation in INDEXED.items()),
    Row("clip_grad_norm_ of 4 parameters 4x4", clip_norm),
    *(Row(f"{name}, forward and backward", module_step(make, *shape)) for name, (make, shape) in MODULES.items()),
    Row("chain of 10 ops 4x4, forward", chain_forward),
    Row("chain of 10 ops 4x4, forward and backward", chain_backward),
]
