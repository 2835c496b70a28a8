"""Normalisation, softmax and losses, forward and backward."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
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

    return both_ways(f"batch_norm {'x'.join(map(str, shape))}", make, prod(shape))


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


def cross_entropy(batch: int, classes: int, smoothing: float = 0.0) -> list[Row]:
    def make(lib):
        x = randn(lib, batch, classes, requires_grad=True)
        target = randint(lib, classes, batch)
        return lambda: lib.nn.functional.cross_entropy(x, target, label_smoothing=smoothing), [x]

    smoothed = f" smoothing {smoothing}" if smoothing else ""
    return both_ways(f"cross_entropy {batch}x{classes}{smoothed}", make, batch * classes)


def pair_loss(function: str, elements: int) -> list[Row]:
    """A loss of two tensors; the target's sign makes it a class where the loss wants one."""

    def make(lib):
        x = randn(lib, elements, requires_grad=True)
        target = randn(lib, elements, seed=1)
        if function.startswith("binary"):
            target = (target > 0).float()
        call = getattr(lib.nn.functional, function)
        return lambda: call(x, target), [x]

    return both_ways(f"{function} {elements}", make, elements)


def kl_div(rows: int, width: int) -> list[Row]:
    def make(lib):
        x = randn(lib, rows, width).log_softmax(1).requires_grad_(True)
        target = randn(lib, rows, width, seed=1).softmax(1)
        return lambda: lib.nn.functional.kl_div(x, target, reduction="batchmean"), [x]

    return both_ways(f"kl_div {rows}x{width}", make, rows * width)


def multi_label(argument: str, batch: int, classes: int) -> list[Row]:
    """Binary cross-entropy of many labels, each with a weight of its own or with one for its positive part."""

    def make(lib):
        x = randn(lib, batch, classes, requires_grad=True)
        target = (randn(lib, batch, classes, seed=1) > 1).float()
        given = {argument: randn(lib, classes, seed=2).abs() + 0.5}
        return lambda: lib.nn.functional.binary_cross_entropy_with_logits(x, target, **given), [x]

    return both_ways(f"bce_with_logits {argument} {batch}x{classes}", make, batch * classes)


def gaussian_nll(batch: int, width: int) -> list[Row]:
    def make(lib):
        x = randn(lib, batch, width, requires_grad=True)
        target = randn(lib, batch, width, seed=1)
        var = (randn(lib, batch, width, seed=2).abs() + 0.1).requires_grad_(True)
        return lambda: lib.nn.functional.gaussian_nll_loss(x, target, var), [x, var]

    return both_ways(f"gaussian_nll {batch}x{width}", make, batch * width)


def poisson_nll(batch: int, width: int) -> list[Row]:
    def make(lib):
        x = randn(lib, batch, width, requires_grad=True)
        target = randn(lib, batch, width, seed=1).abs().floor()
        return lambda: lib.nn.functional.poisson_nll_loss(x, target), [x]

    return both_ways(f"poisson_nll {batch}x{width}", make, batch * width)


def embeddings(function: str, batch: int, width: int, inputs: int, signs: bool, **arguments: Any) -> list[Row]:
    """Losses that compare rows, of metric learning."""

    def make(lib):
        rows = [randn(lib, batch, width, seed=i, requires_grad=True) for i in range(inputs)]
        sign = [(randn(lib, batch, seed=9) > 0).float() * 2 - 1] if signs else []
        call = getattr(lib.nn.functional, function)
        return lambda: call(*rows, *sign, **arguments), rows

    return both_ways(f"{function} {batch}x{width}", make, inputs * batch * width)


def margin_ranking(pairs: int) -> list[Row]:
    def make(lib):
        scores = [randn(lib, pairs, seed=i, requires_grad=True) for i in (0, 1)]
        sign = (randn(lib, pairs, seed=9) > 0).float() * 2 - 1
        return lambda: lib.nn.functional.margin_ranking_loss(*scores, sign, 0.1), scores

    return both_ways(f"margin_ranking {pairs}", make, 2 * pairs)


def class_margin(function: str, batch: int, classes: int, targets: int) -> list[Row]:
    def make(lib):
        x = randn(lib, batch, classes, requires_grad=True)
        target = randint(lib, classes, batch, max(targets, 1))
        target = lib.nn.functional.pad(target, (0, classes - targets), value=-1) if targets else target[:, 0]
        return lambda: getattr(lib.nn.functional, function)(x, target), [x]

    return both_ways(f"{function} {batch}x{classes}", make, batch * classes)


def nll_loss(*shape: int) -> list[Row]:
    def make(lib):
        x = randn(lib, *shape).log_softmax(1).requires_grad_(True)
        target = randint(lib, shape[1], shape[0], *shape[2:])
        return lambda: lib.nn.functional.nll_loss(x, target), [x]

    return both_ways(f"nll_loss {'x'.join(map(str, shape))}", make, prod(shape))


def ctc_loss(steps: int, batch: int, classes: int, length: int) -> list[Row]:
    """A batch of speech recognition; the gradient of a mean."""

    def make(lib):
        x = randn(lib, steps, batch, classes).log_softmax(2).requires_grad_(True)
        target = randint(lib, classes - 1, batch, length) + 1
        lengths = (steps,) * batch, (length,) * batch
        return lambda: lib.nn.functional.ctc_loss(x, target, *lengths), [x]

    return both_ways(f"ctc_loss {steps}x{batch}x{classes} length {length}", make, steps * batch * classes)


def normalised(function: str, shape: tuple[int, ...], arguments: Callable[[Any], tuple[Any, ...]]) -> list[Row]:
    """``function(x, *arguments(lib), weight, bias)`` with a channel axis 1."""

    def make(lib):
        x = randn(lib, *shape, requires_grad=True)
        weight = randn(lib, shape[1], seed=1, requires_grad=True)
        bias = randn(lib, shape[1], seed=2, requires_grad=True)
        call, given = getattr(lib.nn.functional, function), arguments(lib)
        return lambda: call(x, *given, weight=weight, bias=bias), [x, weight, bias]

    return both_ways(f"{function} {'x'.join(map(str, shape))}", make, prod(shape))


def batch_norm_eval(*shape: int) -> Row:
    def setup(lib):
        x = randn(lib, *shape)
        mean, weight, bias = (randn(lib, shape[1], seed=i) for i in (1, 2, 3))
        var = randn(lib, shape[1], seed=4).abs() + 0.5
        return lambda: lib.nn.functional.batch_norm(x, mean, var, weight, bias)

    return Row(f"batch_norm eval {'x'.join(map(str, shape))}", setup, bytes=2 * FLOAT * prod(shape))


def rms_norm(rows: int, width: int) -> list[Row]:
    def make(lib):
        x = randn(lib, rows, width, requires_grad=True)
        weight = randn(lib, width, seed=1, requires_grad=True)
        return lambda: lib.nn.functional.rms_norm(x, (width,), weight, 1e-6), [x, weight]

    return both_ways(f"rms_norm {rows}x{width}", make, rows * width)


def local_response_norm(*shape: int) -> list[Row]:
    def make(lib):
        x = randn(lib, *shape, requires_grad=True)
        return lambda: lib.nn.functional.local_response_norm(x, 5), [x]

    return both_ways(f"local_response_norm {'x'.join(map(str, shape))}", make, prod(shape))


def masked_softmax(heads: int, length: int) -> list[Row]:
    """Attention scores under a causal mask, as written by hand."""

    def make(lib):
        x = randn(lib, heads, length, length, requires_grad=True)
        mask = lib.ones(length, length, dtype=lib.bool).tril().logical_not()
        return lambda: lib.softmax(x.masked_fill(mask, float("-inf")), -1), [x]

    return both_ways(f"masked_fill + softmax {heads}x{length}x{length}", make, heads * length * length)


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
    *pair_loss("mse_loss", 1_000_000),
    *pair_loss("mse_loss", 96),
    batch_norm_eval(16, 64, 56, 56),
    batch_norm_eval(64, 256, 7, 7),
    *layer_norm(512, 768),
    *normalised("group_norm", (8, 256, 32, 32), lambda lib: (32,)),
    *normalised("instance_norm", (8, 64, 64, 64), lambda lib: ()),
    *rms_norm(2048, 768),
    *local_response_norm(16, 96, 27, 27),
    *softmax("softmax", 12 * 256, 256, 1),
    *masked_softmax(12, 256),
    *cross_entropy(2048, 8000),
    *cross_entropy(1024, 1000, 0.1),
    *nll_loss(1024, 1000),
    *nll_loss(4, 21, 128, 128),
    *pair_loss("binary_cross_entropy_with_logits", 1_000_000),
    *pair_loss("smooth_l1_loss", 1_000_000),
    *pair_loss("l1_loss", 1_000_000),
    *kl_div(1024, 1000),
    *ctc_loss(150, 16, 28, 30),
    *multi_label("pos_weight", 512, 1000),
    *multi_label("weight", 512, 1000),
    *pair_loss("huber_loss", 1_000_000),
    *pair_loss("soft_margin_loss", 1_000_000),
    *gaussian_nll(512, 1000),
    *poisson_nll(512, 1000),
    *embeddings("cosine_embedding_loss", 1024, 128, 2, True, margin=0.2),
    *embeddings("cosine_similarity", 1024, 128, 2, False),
    *embeddings("normalize", 1024, 128, 1, False),
    *embeddings("triplet_margin_loss", 1024, 128, 3, False),
    *margin_ranking(100_000),
    *class_margin("multi_margin_loss", 256, 1000, 0),
    *class_margin("multilabel_margin_loss", 256, 100, 5),
]
