"""One optimizer step over the 535,818 parameters of a 784-512-256-10 perceptron, and over a tiny network's."""

from __future__ import annotations

from benchmarks import Row, randn

PERCEPTRON = [(512, 784), (512,), (256, 512), (256,), (10, 256), (10,)]
TINY = [(16, 2), (16,), (3, 16), (3,)]


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


def clip(shapes: list[tuple[int, ...]]) -> Row:
    """Clipping by norm, to a bound that is not reached after the first call."""

    def setup(lib):
        params = [lib.nn.Parameter(randn(lib, *shape, seed=i)) for i, shape in enumerate(shapes)]
        for i, param in enumerate(params):
            param.grad = randn(lib, *param.shape, seed=100 + i)
        return lambda: lib.nn.utils.clip_grad_norm_(params, 1e4)

    return Row("clip_grad_norm_ 536k", setup)


ROWS = [
    step("SGD 536k", "SGD", PERCEPTRON),
    step("SGD momentum 536k", "SGD", PERCEPTRON, momentum=0.9),
    step("SGD Nesterov, weight decay 536k", "SGD", PERCEPTRON, momentum=0.9, nesterov=True, weight_decay=1e-4),
    step("Adam 536k", "Adam", PERCEPTRON),
    step("Adam amsgrad 536k", "Adam", PERCEPTRON, amsgrad=True),
    step("AdamW 536k", "AdamW", PERCEPTRON),
    step("SGD 99", "SGD", TINY),
    step("SGD momentum 99", "SGD", TINY, momentum=0.9),
    step("Adam 99", "Adam", TINY),
    clip(PERCEPTRON),
]
