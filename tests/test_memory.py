"""Memory over many steps of training: reused, bounded, given back."""

import gc
import itertools
import resource
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

import pytensor as torch
from pytensor import nn

MB = 1 << 20
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def resident() -> int:
    """Bytes that the process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def allocated_blocks() -> int:
    """Small blocks of the interpreter in use, less what it keeps of freed tuples and the like (some thousands)."""
    gc.collect()
    return sys.getallocatedblocks()


def page_faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


@contextmanager
def empty_pool():
    """Without blocks of earlier tests, and without the cycle collector: what is not freed at once counts."""
    gc.collect()
    torch.cpu.empty_cache()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def perceptron(*sizes):
    layers = [layer for ins, outs in itertools.pairwise(sizes) for layer in (nn.Linear(ins, outs), nn.ReLU())]
    return nn.Sequential(*layers[:-1])


def convnet():
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.1),
        nn.Flatten(),
        nn.Linear(128, 4),
    )


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.lstm, self.out = nn.Embedding(9, 8), nn.LSTM(8, 8, batch_first=True), nn.Linear(8, 4)

    def forward(self, text):
        return self.out(self.lstm(self.embedding(text))[0][:, -1])


def training(model, x, optimizer="Adam"):
    """A function that makes one step."""
    stepper = getattr(torch.optim, optimizer)(model.parameters())
    labels = torch.arange(len(x)) % 3

    def step():
        stepper.zero_grad()
        loss = nn.functional.cross_entropy(model(x), labels)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        stepper.step()
        return loss.item()

    return step


CASES = {
    "perceptron": lambda: training(perceptron(2, 16, 3), torch.randn(32, 2)),
    "convolutional": lambda: training(convnet(), torch.randn(8, 1, 8, 8)),
    "recurrent": lambda: training(Recurrent(), torch.randint(0, 9, (4, 5))),
}


def failing(model, x):
    """A function that begins a step and does not end it: by an error somewhere, or by letting go of the graph."""
    turns = itertools.cycle(("rule", "hook", "shape", "dropped", "second"))

    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        def backward(ctx, grad):
            raise ValueError("rule")

    def refuse(grad):
        raise ValueError("hook")

    def step():
        turn = next(turns)
        out = model(x)
        try:
            if turn == "rule":
                (Wrong.apply(out) + out).sum().backward()
            elif turn == "hook":
                out.register_hook(refuse)
                (out * out).sum().backward()
            elif turn == "shape":
                model(x) @ torch.ones(5, 7)
            elif turn == "second":
                loss = out.sum()
                torch.autograd.grad(loss, list(model.parameters()))
                loss.backward()
        except (ValueError, RuntimeError):
            pass
        return turn

    return step


CASES["failing"] = lambda: failing(perceptron(2, 16, 3), torch.randn(32, 2))


@linux
@pytest.mark.parametrize("name", CASES)
def test_nothing_leaks_over_ten_thousand_steps(name):
    with empty_pool():
        step = CASES[name]()
        for _ in range(100):
            step()
        objects, held, before = len(gc.get_objects()), resident(), torch.cpu.memory_stats()
        blocks = allocated_blocks()
        for _ in range(10_000):
            step()
        after = torch.cpu.memory_stats()
        assert after["in_use_bytes"] == before["in_use_bytes"]
        assert after["cached_bytes"] == before["cached_bytes"]
        assert after["misses"] == before["misses"], "a step asked the system for memory that an earlier one had used"
        assert len(gc.get_objects()) - objects < 50
        assert resident() - held < 2 * MB, "two arenas of the interpreter: 200 bytes a step"
        assert allocated_blocks() - blocks < 1000, "one object in ten steps"


@linux
def test_steps_cause_no_page_faults_once_their_memory_is_there():
    with empty_pool():
        step = training(perceptron(784, 512, 256, 10), torch.randn(64, 784))
        for _ in range(10):
            step()
        before = page_faults()
        for _ in range(20):
            step()
        assert page_faults() - before < 20, "per step PyTorch has hundreds"


@linux
def test_the_cache_goes_back_to_the_system():
    with empty_pool():
        before = resident()
        tensors = [torch.ones(MB) for _ in range(16)]
        full = resident()
        assert full - before > 60 * MB
        del tensors
        assert resident() > full - 8 * MB  # kept for reuse
        assert torch.cpu.memory_stats()["cached_bytes"] >= 64 * MB
        torch.cpu.empty_cache()
        assert resident() < before + 8 * MB


@linux
def test_no_more_than_the_limit_is_kept():
    limit = torch.cpu.memory_stats()["limit_bytes"]
    with empty_pool():
        try:
            torch.cpu.set_memory_limit(8 * MB)
            before = resident()
            for size in (1, 3, 2, 5, 1):
                tensors = [torch.ones(size * MB // 4) for _ in range(12)]
                del tensors
                assert torch.cpu.memory_stats()["cached_bytes"] <= 8 * MB
            assert resident() < before + 16 * MB
        finally:
            torch.cpu.set_memory_limit(limit)
