"""Whole training steps: forward, backward, optimizer."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from benchmarks import Row, randint, randn


def training_step(
    name: str, make: Callable[[Any], Any], image: tuple[int, ...], classes: int, batch: int, **how
) -> Row:
    """One step of cross-entropy on a batch; returns the loss.

    ``make(lib)`` builds the model; ``optimizer`` (default Adam) and ``lr`` say how it is trained.
    """
    optimizer, lr = how.get("optimizer", "Adam"), how.get("lr", 1e-3)

    def setup(lib):
        model = make(lib)
        inputs = randn(lib, batch, *image)
        labels = randint(lib, classes, batch)
        loss_fn = lib.nn.CrossEntropyLoss()
        stepper = getattr(lib.optim, optimizer)(model.parameters(), lr=lr)

        def run():
            stepper.zero_grad()
            loss = loss_fn(model(inputs), labels)
            loss.backward()
            stepper.step()
            return loss

        return run

    return Row(name, setup)


def perceptron(*sizes: int) -> Callable[[Any], Any]:
    """Linear layers with ReLU between them."""

    def make(lib):
        nn = lib.nn
        layers = []
        for fan_in, fan_out in itertools.pairwise(sizes):
            layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
        return nn.Sequential(*layers[:-1])

    return make


def lenet(lib):
    """LeNet-5 with ReLU and max pooling, for 28x28 pictures."""
    nn = lib.nn
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


def digits_cnn(lib):
    """The network of examples/digits_cnn.py, without dropout: its random numbers are part of other groups."""
    nn = lib.nn
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.Conv2d(32, 32, 3, padding=1, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(256, 10),
    )


def digits_cnn_with_dropout(lib):
    """The network of examples/digits_cnn.py."""
    nn = lib.nn
    layers = list(digits_cnn(lib))
    return nn.Sequential(*layers[:7], nn.Dropout(0.1), *layers[7:12], nn.Dropout(0.3), layers[12])


ROWS = [
    training_step("MLP 2-16-3, batch 32, SGD", perceptron(2, 16, 3), (2,), 3, 32, optimizer="SGD", lr=0.1),
    training_step("MLP 784-512-256-10, batch 64, Adam", perceptron(784, 512, 256, 10), (784,), 10, 64),
    training_step("LeNet 28x28, batch 64, Adam", lenet, (1, 28, 28), 10, 64),
    training_step("digits CNN 8x8, batch 32, Adam", digits_cnn, (1, 8, 8), 10, 32),
    training_step("digits CNN with dropout, batch 32, Adam", digits_cnn_with_dropout, (1, 8, 8), 10, 32),
]
