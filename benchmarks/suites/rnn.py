"""Recurrent networks: DeepBench's shapes, character models, stacks in both directions, packed sequences, cells.

Source of the first: https://github.com/baidu-research/DeepBench (speech recognition, machine translation, language
models); character models as in https://karpathy.github.io/2015/05/21/rnn-effectiveness/.
"""

from __future__ import annotations

from typing import Any

from benchmarks import Row, randn

GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}


def flops_of(kind: str, input: int, hidden: int, batch: int, steps: int, layers: int, directions: int) -> int:
    """Multiplications and additions of the products, forward."""
    first = GATES[kind] * hidden * (input + hidden)
    other = GATES[kind] * hidden * (directions + 1) * hidden
    return 2 * batch * steps * directions * (first + (layers - 1) * other)


def model_of(lib: Any, kind: str, input: int, hidden: int, **options: Any) -> Any:
    module = getattr(lib.nn, kind)(input, hidden, **options)
    with lib.no_grad():  # the same weights, small enough for long sequences to stay tame
        for i, p in enumerate(module.parameters()):
            p.copy_(randn(lib, *p.shape, seed=i + 1) * (0.5 / hidden**0.5))
    return module


def both_ways(name: str, kind: str, sizes: tuple[int, int, int, int], make_input: Any = None, **options: Any) -> Any:
    """Rows for inference, and for forward and backward. ``sizes``: (input, hidden, batch, steps)."""
    input, hidden, batch, steps = sizes
    directions = 2 if options.get("bidirectional") else 1
    flops = flops_of(kind, input, hidden, batch, steps, options.get("num_layers", 1), directions)

    def given(lib):
        return randn(lib, steps, batch, input) if make_input is None else make_input(lib)

    def inference(lib):
        module, x = model_of(lib, kind, input, hidden, **options), given(lib)

        def run():
            with lib.no_grad():
                y = module(x)[0]
            return y if make_input is None else y.data

        return run

    def training(lib):
        module, x = model_of(lib, kind, input, hidden, **options), given(lib)
        y = module(x)[0]
        grad = randn(lib, *(y if make_input is None else y.data).shape, seed=99)
        parameters = list(module.parameters())

        def run():
            y = module(x)[0]
            return lib.autograd.grad(y if make_input is None else y.data, parameters, grad)

        return run

    return [
        Row(f"{name}, inference", inference, flops=flops),
        Row(f"{name}, forward and backward", training, flops=3 * flops),
    ]


def deepbench(kind: str, hidden: int, batch: int, steps: int) -> Any:
    return both_ways(f"{kind} {hidden} batch {batch} steps {steps}", kind, (hidden, hidden, batch, steps))


def characters(kind: str, hidden: int, batch: int) -> Any:
    """A character model: one layer over an embedding, 64 steps."""
    return both_ways(f"{kind} chars {hidden} batch {batch} steps 64", kind, (hidden // 2, hidden, batch, 64))


def stacked(kind: str, hidden: int, batch: int, steps: int) -> Any:
    name = f"{kind} {hidden} 2 layers both directions batch {batch} steps {steps}"
    return both_ways(name, kind, (hidden // 2, hidden, batch, steps), num_layers=2, bidirectional=True)


def packed(kind: str, hidden: int, batch: int, longest: int) -> Any:
    lengths = [longest - i * (longest - 5) // batch for i in range(batch)]

    def make(lib):
        return lib.nn.utils.rnn.pack_padded_sequence(randn(lib, longest, batch, hidden), lengths)

    name = f"{kind} {hidden} packed batch {batch} steps 5..{longest}"
    return both_ways(name, kind, (hidden, hidden, batch, sum(lengths) // batch), make)


def cell(kind: str, batch: int, input: int, hidden: int) -> Any:
    """Ten steps by a cell, as a decoder takes them."""

    def setup(lib, training):
        module, x = model_of(lib, f"{kind}", input, hidden), randn(lib, batch, input)
        state = lib.zeros(batch, hidden)
        state = (state, state) if kind == "LSTMCell" else state
        grad, parameters = randn(lib, batch, hidden, seed=99), list(module.parameters())

        def run():
            s = state
            for _ in range(10):
                s = module(x, s)
            return s[0] if kind == "LSTMCell" else s

        def infer():
            with lib.no_grad():
                return run()

        return (lambda: lib.autograd.grad(run(), parameters, grad)) if training else infer

    name = f"{kind} {batch}x{input} to {hidden}, 10 steps"
    return [
        Row(f"{name}, inference", lambda lib: setup(lib, False), calls=10),
        Row(f"{name}, forward and backward", lambda lib: setup(lib, True), calls=10),
    ]


ROWS = [
    *deepbench("RNN", 1760, 16, 50),
    *deepbench("LSTM", 512, 16, 25),
    *deepbench("LSTM", 512, 32, 25),
    *deepbench("LSTM", 512, 64, 25),
    *deepbench("GRU", 1024, 4, 25),
    *characters("RNN", 128, 64),
    *characters("RNN", 256, 32),
    *characters("LSTM", 128, 32),
    *characters("LSTM", 256, 64),
    *characters("GRU", 128, 32),
    *characters("GRU", 256, 64),
    *stacked("LSTM", 128, 16, 40),
    *stacked("GRU", 128, 16, 40),
    *packed("LSTM", 128, 32, 50),
    *packed("GRU", 200, 16, 40),
    *both_ways("LSTM 16 batch 1 steps 10", "LSTM", (16, 16, 1, 10)),
    *both_ways("GRU 16 batch 1 steps 10", "GRU", (16, 16, 1, 10)),
    *cell("LSTMCell", 4, 8, 8),
    *cell("LSTMCell", 32, 128, 128),
    *cell("GRUCell", 4, 8, 8),
    *cell("RNNCell", 4, 8, 8),
]
