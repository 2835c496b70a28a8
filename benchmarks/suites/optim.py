"""Optimizer steps: over the 535,818 parameters of a 784-512-256-10 perceptron, the 99 of a tiny network, and the
100 tensors of a deep and narrow one, where calls cost more than arithmetic."""

from __future__ import annotations

from benchmarks import Row, randn

PERCEPTRON = [(512, 784), (512,), (256, 512), (256,), (10, 256), (10,)]
TINY = [(16, 2), (16,), (3, 16), (3,)]
DEEP = [(32, 32), (32,)] * 50
SIZES = {"536k": PERCEPTRON, "99": TINY, "100 tensors": DEEP}


def step(name: str, optimizer: str, shapes: list[tuple[int, ...]], **options) -> Row:
    """A step along constant gradients. Returns the parameters' sum after the first step."""

    def setup(lib):
        params = [lib.nn.Parameter(randn(lib, *shape, seed=i)) for i, shape in enumerate(shapes)]
        for i, param in enumerate(params):
            param.grad = randn(lib, *param.shape, seed=100 + i)
        stepper = getattr(lib.optim, optimizer)(params, lr=1e-3, **options)

        def run():
            stepper.step()
            return params[-1]

        return run

    return Row(name, setup)


def clip(name: str, function: str, bound: float, shapes: list[tuple[int, ...]]) -> Row:
    """Clipping of gradients, to a norm that they don't reach or to values that some of them do."""

    def setup(lib):
        params = [lib.nn.Parameter(randn(lib, *shape, seed=i)) for i, shape in enumerate(shapes)]
        for i, param in enumerate(params):
            param.grad = randn(lib, *param.shape, seed=100 + i)
        method = getattr(lib.nn.utils, function)

        def run():
            norm = method(params, bound)
            return params[-1].grad if norm is None else norm

        return run

    return Row(name, setup)


KINDS = [
    ("SGD", "SGD", {}),
    ("SGD momentum", "SGD", {"momentum": 0.9}),
    ("SGD Nesterov, weight decay", "SGD", {"momentum": 0.9, "nesterov": True, "weight_decay": 1e-4}),
    ("Adam", "Adam", {}),
    ("Adam amsgrad", "Adam", {"amsgrad": True}),
    ("AdamW", "AdamW", {}),
    ("RMSprop", "RMSprop", {}),
    ("RMSprop centered, momentum", "RMSprop", {"centered": True, "momentum": 0.9}),
    ("Adagrad", "Adagrad", {}),
    ("Adadelta", "Adadelta", {}),
    ("Adamax", "Adamax", {}),
    ("NAdam", "NAdam", {}),
    ("RAdam", "RAdam", {}),
    ("Rprop", "Rprop", {}),
    ("ASGD", "ASGD", {}),
]
ROWS = [
    *(
        step(f"{name} {size}", optimizer, shapes, **options)
        for name, optimizer, options in KINDS
        for size, shapes in SIZES.items()
    ),
    *(clip(f"clip_grad_norm_ {size}", "clip_grad_norm_", 1e4, shapes) for size, shapes in SIZES.items()),
    *(clip(f"clip_grad_value_ {size}", "clip_grad_value_", 1.0, shapes) for size, shapes in SIZES.items()),
]
