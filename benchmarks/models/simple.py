"""Perceptrons and what is built from linear layers and embeddings alone."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any


def perceptron(*sizes: int) -> Callable[[Any], Any]:
    """Linear layers with ReLU between them."""

    def make(lib):
        nn = lib.nn
        layers = []
        for fan_in, fan_out in itertools.pairwise(sizes):
            layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
        return nn.Sequential(*layers[:-1])

    return make


def variational_autoencoder(lib):
    """784-400-20-400-784 (Kingma and Welling, https://arxiv.org/abs/1312.6114, as in PyTorch's examples).

    ``model(x)`` returns the reconstruction's logits, means and logarithms of variances.
    """
    nn = lib.nn

    class Autoencoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = nn.Sequential(nn.Linear(784, 400), nn.ReLU())
            self.mean, self.log_variance = nn.Linear(400, 20), nn.Linear(400, 20)
            self.decoder = nn.Sequential(nn.Linear(20, 400), nn.ReLU(), nn.Linear(400, 784))

        def forward(self, x):
            hidden = self.encoder(x)
            mean, log_variance = self.mean(hidden), self.log_variance(hidden)
            noise = lib.randn_like(mean)
            return self.decoder(mean + noise * (0.5 * log_variance).exp()), mean, log_variance

    return Autoencoder()


def skip_gram(lib, words: int, size: int):
    """Word vectors from negative sampling (Mikolov et al., https://arxiv.org/abs/1310.4546).

    ``model(center, context, others)``, indices of shape (batch,), (batch,) and (batch, k), returns the loss.
    """
    nn = lib.nn

    class SkipGram(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.outer = nn.Embedding(words, size), nn.Embedding(words, size)

        def forward(self, center, context, others):
            v = self.inner(center)
            near = (v * self.outer(context)).sum(1)
            far = (self.outer(others) @ v.unsqueeze(2)).squeeze(2)
            log_sigmoid = nn.functional.logsigmoid
            return -(log_sigmoid(near) + log_sigmoid(-far).sum(1)).mean()

    return SkipGram()


def graph_network(lib, features: int, hidden: int, classes: int):
    """Two layers of graph convolution (Kipf and Welling, https://arxiv.org/abs/1609.02907).

    ``model(x, source, target, weight)`` with the normalised weight of each edge from ``source`` to ``target``.
    """
    nn = lib.nn

    class Convolution(nn.Module):
        def __init__(self, ins, outs):
            super().__init__()
            self.linear = nn.Linear(ins, outs)

        def forward(self, x, source, target, weight):
            messages = self.linear(x)[source] * weight
            return lib.zeros(x.shape[0], messages.shape[1]).index_add(0, target, messages)

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = Convolution(features, hidden), Convolution(hidden, classes)

        def forward(self, x, *edges):
            return self.second(self.first(x, *edges).relu(), *edges)

    return Network()
