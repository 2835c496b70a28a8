"""Whole training steps: forward, backward, optimizer. The networks are in benchmarks/models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks import Row, randint, randn
from benchmarks.models import convolutional as conv
from benchmarks.models.attention import gpt, translator
from benchmarks.models.recurrent import character_model
from benchmarks.models.simple import graph_network, perceptron, skip_gram, variational_autoencoder

# The same batch comes thousands of times. With a learning rate that learns it by heart the gradients die out into
# subnormal numbers, on which a CPU is many times slower: no real training is like that.
LR = 1e-7


def training_step(name: str, build: Callable[[Any], tuple[Any, Callable[[], Any]]], **how) -> Row:
    """One step; returns the loss. ``build(lib)`` returns the parameters and the function that computes the loss.

    ``optimizer`` (default Adam): how they are trained.
    """
    optimizer = how.get("optimizer", "Adam")

    def setup(lib):
        parameters, compute_loss = build(lib)
        stepper = getattr(lib.optim, optimizer)(parameters, lr=LR)

        def run():
            stepper.zero_grad()
            loss = compute_loss()
            loss.backward()
            stepper.step()
            return loss

        return run

    return Row(name, setup)


def classifier(
    name: str, make: Callable[[Any], Any], image: tuple[int, ...], classes: int, batch: int, **how: Any
) -> Row:
    """A step of cross-entropy on a batch of pictures (or other arrays)."""

    def build(lib):
        model = make(lib)
        inputs, labels = randn(lib, batch, *image), randint(lib, classes, batch)
        loss_fn = lib.nn.CrossEntropyLoss()
        return model.parameters(), lambda: loss_fn(model(inputs), labels)

    return training_step(name, build, **how)


def linear_regression(lib):
    model, loss_fn = lib.nn.Linear(13, 1), lib.nn.MSELoss()
    inputs, targets = randn(lib, 64, 13), randn(lib, 64, 1, seed=1)
    return model.parameters(), lambda: loss_fn(model(inputs), targets)


def characters(kind: str) -> Row:
    """A step of a character model over 32 sequences of 64."""

    def build(lib):
        model, loss_fn = character_model(lib, kind), lib.nn.CrossEntropyLoss()
        text = randint(lib, 65, 32, 65)
        return model.parameters(), lambda: loss_fn(model(text[:, :-1]), text[:, 1:])

    return training_step(f"character {kind} 64-128, 32x64, Adam", build)


def language_model(lib):
    model, cross_entropy = gpt(lib), lib.nn.functional.cross_entropy
    text = randint(lib, 65, 16, 65)

    def compute_loss():
        scores = model(text[:, :-1])
        return cross_entropy(scores.view(-1, 65), text[:, 1:].reshape(-1))

    return model.parameters(), compute_loss


def translation(lib):
    model, cross_entropy = translator(lib), lib.nn.functional.cross_entropy
    source, target = randint(lib, 1000, 32, 20), randint(lib, 1000, 32, 17, seed=1)

    def compute_loss():
        scores = model(source, target[:, :-1])
        return cross_entropy(scores.flatten(0, 1), target[:, 1:].flatten())

    return model.parameters(), compute_loss


def word_vectors(lib):
    words, batch, negatives = 5000, 512, 5
    model = skip_gram(lib, words, 100)
    center, context = randint(lib, words, batch), randint(lib, words, batch, seed=1)
    others = randint(lib, words, batch, negatives, seed=2)
    return model.parameters(), lambda: model(center, context, others)


def autoencoder(lib):
    model, functional = variational_autoencoder(lib), lib.nn.functional
    pictures = randn(lib, 128, 784).sigmoid()

    def compute_loss():
        logits, mean, log_variance = model(pictures)
        reconstruction = functional.binary_cross_entropy_with_logits(logits, pictures, reduction="sum")
        divergence = -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum()
        return (reconstruction + divergence) / len(pictures)

    return model.parameters(), compute_loss


def graph(lib):
    nodes, edges = 2708, 10556  # Cora's
    model, loss_fn = graph_network(lib, 128, 16, 7), lib.nn.CrossEntropyLoss()
    features, labels = randn(lib, nodes, 128), randint(lib, 7, nodes)
    source, target = randint(lib, nodes, edges, seed=1), randint(lib, nodes, edges, seed=2)
    weight = randn(lib, edges, 1, seed=3).abs() * 0.1
    return model.parameters(), lambda: loss_fn(model(features, source, target, weight), labels)


def adversarial(batch: int) -> Row:
    """A step of DCGAN: the discriminator on real and generated pictures, then the generator."""

    def setup(lib):
        generator, discriminator = conv.dcgan(lib)
        options = {"lr": LR, "betas": (0.5, 0.999)}
        of_generator = lib.optim.Adam(generator.parameters(), **options)
        of_discriminator = lib.optim.Adam(discriminator.parameters(), **options)
        real, noise = randn(lib, batch, 1, 28, 28).tanh(), randn(lib, batch, 64, 1, 1, seed=1)
        ones, zeros = lib.ones(batch, 1), lib.zeros(batch, 1)
        loss_fn = lib.nn.BCEWithLogitsLoss()

        def run():
            made = generator(noise)
            of_discriminator.zero_grad()
            loss = loss_fn(discriminator(real), ones) + loss_fn(discriminator(made.detach()), zeros)
            loss.backward()
            of_discriminator.step()
            of_generator.zero_grad()
            cheated = loss_fn(discriminator(made), ones)
            cheated.backward()
            of_generator.step()
            return loss, cheated

        return run

    return Row(f"DCGAN 28x28, batch {batch}, Adam", setup)


CIFAR = (3, 32, 32)
SGD = {"optimizer": "SGD"}

ROWS = [
    training_step("linear regression 13-1, batch 64, SGD", linear_regression, **SGD),
    classifier("MLP 2-16-3, batch 32, SGD", perceptron(2, 16, 3), (2,), 3, 32, **SGD),
    classifier("spiral MLP 2-64-64-3, batch 300, Adam", perceptron(2, 64, 64, 3), (2,), 3, 300),
    classifier("MLP 784-512-256-10, batch 64, Adam", perceptron(784, 512, 256, 10), (784,), 10, 64),
    classifier("LeNet 28x28, batch 64, Adam", conv.lenet, (1, 28, 28), 10, 64),
    classifier("digits CNN 8x8, batch 32, Adam", conv.digits_cnn, (1, 8, 8), 10, 32),
    classifier("digits CNN with dropout, batch 32, Adam", conv.digits_cnn_with_dropout, (1, 8, 8), 10, 32),
    classifier("AlexNet-small 32x32, batch 32, SGD", conv.alexnet, CIFAR, 10, 32, **SGD),
    classifier("VGG-11 32x32, batch 16, SGD", conv.vgg11, CIFAR, 10, 16, **SGD),
    classifier("ResNet-18 32x32, batch 8, SGD", conv.resnet18, CIFAR, 10, 8, **SGD),
    classifier("DenseNet-small 32x32, batch 16, SGD", conv.densenet, CIFAR, 10, 16, **SGD),
    classifier("GoogLeNet-small 32x32, batch 16, SGD", conv.googlenet, CIFAR, 10, 16, **SGD),
    *(characters(kind) for kind in ("RNN", "LSTM", "GRU")),
    training_step("small GPT 4x128, 16x64, AdamW", language_model, optimizer="AdamW"),
    training_step("seq2seq GRU 64-128 with attention, 32x20, Adam", translation),
    training_step("word2vec 5000x100, batch 512, 5 negatives, SGD", word_vectors, **SGD),
    training_step("VAE 784-400-20, batch 128, Adam", autoencoder),
    adversarial(32),
    training_step("graph network, 2708 nodes, 10556 edges, Adam", graph),
]
