"""Errors, warnings, printed forms and training steps of pooling, normalisation and losses beside PyTorch's."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import pytensor

torch = pytest.importorskip("torch")

NAMES = {
    "x1": (8,),
    "x2": (3, 8),
    "x3": (2, 3, 8),
    "x4": (2, 3, 8, 8),
    "x5": (1, 2, 4, 4, 4),
    "empty": (0, 3, 8, 8),
}


def values(lib):
    rng = np.random.default_rng(0)
    scope = {name: lib.tensor(rng.standard_normal(shape).astype(np.float32)) for name, shape in NAMES.items()}
    logits = lib.tensor(rng.standard_normal((4, 5)).astype(np.float32))
    return {**scope, "lib": lib, "F": lib.nn.functional, "logits": logits, "classes": lib.tensor([0, 1, 2, 3])}


def outcome(lib, expression: str):
    """What an expression gives: a result's shape and dtype or an error's type and first line, and the warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = eval(expression, values(lib))
            first = result[0] if isinstance(result, tuple) else result
            what = (tuple(first.shape), str(first.dtype))
        except Exception as error:
            what = (type(error).__name__, str(error).split("\n")[0])
    return what, [(w.category.__name__, str(w.message)) for w in caught]


POOLING = """
F.max_pool2d(x1, 2) | F.max_pool2d(x2, 2) | F.max_pool1d(x1, 2) | F.max_pool1d(x2, 2) | F.max_pool1d(x4, 2)
F.max_pool3d(x3, 2) | F.avg_pool1d(x1, 2) | F.avg_pool1d(x4, 2) | F.avg_pool2d(x5, 2) | F.avg_pool3d(x3, 2)
F.max_pool2d(x4, 9) | F.avg_pool2d(x4, 9) | F.max_pool1d(x3, 9) | F.max_pool3d(x5, 9) | F.avg_pool3d(x5, 5)
F.max_pool2d(x4, (1, 2, 3)) | F.max_pool2d(x4, 2, (1, 2, 3)) | F.max_pool2d(x4, 2, 1, (1, 2, 3))
F.max_pool2d(x4, 2, 1, 0, (1, 2, 3)) | F.max_pool2d(x4, 2, 0) | F.max_pool2d(x4, 0) | F.max_pool2d(x4, 2, 1, 2)
F.max_pool2d(x4, 2, 1, -1) | F.max_pool2d(x4, 2, 1, 0, 0) | F.max_pool1d(x3, 2, 0) | F.max_pool1d(x3, 0)
F.max_pool1d(x3, 2, 1, 2) | F.max_pool1d(x3, 2, 1, -1) | F.max_pool1d(x3, 2, 1, 0, 0) | F.max_pool1d(x3, (2, 2))
F.max_pool3d(x5, (2, 2)) | F.max_pool3d(x5, 2, 1, 2) | F.avg_pool2d(x4, 2, 1, 2) | F.avg_pool2d(x4, 2, 0)
F.avg_pool2d(x4, 0) | F.avg_pool2d(x4, (1, 2, 3)) | F.avg_pool2d(x4, 2, divisor_override=0)
F.avg_pool1d(x3, (2, 3)) | F.avg_pool3d(x5, 2, divisor_override=0) | F.max_pool2d(empty, 2) | F.avg_pool2d(empty, 2)
F.max_pool2d(lib.zeros(2, 0, 8, 8), 2) | F.max_pool2d(lib.zeros(2, 3, 0, 8), 2) | F.adaptive_avg_pool2d(empty, 2)
F.adaptive_avg_pool2d(lib.zeros(2, 3, 0, 8), 2) | F.adaptive_avg_pool2d(x4, 0) | F.adaptive_avg_pool2d(x4, (2, 2, 2))
F.adaptive_avg_pool2d(x4, -1) | F.adaptive_avg_pool1d(x1, 2) | F.adaptive_avg_pool2d(x2, 2)
F.adaptive_avg_pool3d(x3, 2) | F.adaptive_max_pool1d(x1, 2) | F.adaptive_max_pool2d(x2, 2)
F.adaptive_max_pool2d(empty, 2) | F.adaptive_max_pool2d(lib.zeros(2, 0, 8, 8), 2) | F.adaptive_max_pool3d(x3, 2)
F.max_pool2d(lib.arange(16).reshape(1, 1, 4, 4), 2) | F.max_pool1d(lib.arange(16).reshape(1, 1, 16), 2)
F.avg_pool2d(lib.arange(16).reshape(1, 1, 4, 4), 2) | F.adaptive_avg_pool2d(lib.arange(16).reshape(1, 1, 4, 4), 2)
F.adaptive_max_pool2d(lib.arange(16).reshape(1, 1, 4, 4), 2) | F.max_pool2d(lib.ones(1, 1, 4, 4).bool(), 2)
F.max_unpool2d(x4, lib.zeros(2, 3, 8, 8), 2) | F.max_unpool2d(x4, lib.zeros(2, 3, 8, 7).long(), 2)
F.max_unpool2d(x4, lib.full((2, 3, 8, 8), 1000), 2) | F.max_unpool2d(lib.zeros(2, 2), lib.zeros(2, 2).long(), 2)
F.max_unpool2d(x4, lib.zeros(2, 3, 8, 8).long(), 2, output_size=(3, 3)) | F.max_pool2d('a', 2) | F.max_pool2d(x4, 'a')
F.max_pool2d(x4, 2.5)
"""
NORMALISATION = """
lib.softmax(x4, 7) | lib.softmax(lib.arange(3), 0) | lib.log_softmax(lib.arange(3), 0) | F.softmax(x4) | F.softmin(x3)
lib.softmax(lib.arange(3), 0, dtype=lib.float64) | lib.softmax(lib.arange(6).reshape(3, 2), 0) | F.log_softmax(x2)
F.batch_norm(x4, None, None) | F.batch_norm(x4, lib.zeros(4), lib.ones(3)) | F.batch_norm(x4, lib.zeros(3), lib.ones(4))
F.batch_norm(x4, lib.zeros(3), None) | F.batch_norm(x4, lib.zeros(3), None, training=True)
F.batch_norm(x4, lib.zeros(3), lib.ones(3), lib.ones(4))
F.batch_norm(x4, lib.zeros(3), lib.ones(3), lib.ones(3), lib.ones(4))
F.batch_norm(x4, lib.zeros(3), lib.ones(3), lib.ones(3).double())
F.batch_norm(x4.double(), lib.zeros(3), lib.ones(3), lib.ones(3)) | F.batch_norm(x1, lib.zeros(8), lib.ones(8))
F.batch_norm(lib.arange(6).reshape(2, 3), lib.zeros(3), lib.ones(3)) | F.batch_norm(lib.ones(1, 3), None, None, training=True)
F.batch_norm(x4, None, None, training=True, eps=0.0) | F.batch_norm(x4, lib.zeros(3), lib.ones(3), eps=-1.0)
F.batch_norm(empty, None, None, training=True) | F.layer_norm(x4, 8) | F.layer_norm(x4, [7]) | F.layer_norm(x4, ())
F.layer_norm(x4, (8,), lib.ones(7)) | F.layer_norm(x4, (8,), None, lib.ones(7)) | F.layer_norm(x4, (8,), lib.ones(8).double())
F.layer_norm(lib.zeros(0, 4), (4,)) | F.layer_norm(lib.zeros(4, 0), (0,)) | F.layer_norm(lib.arange(4), (4,))
F.group_norm(x4, 2) | F.group_norm(x4, 3, lib.ones(2)) | F.group_norm(x1, 2) | F.group_norm(lib.ones(1, 3), 3)
F.group_norm(lib.zeros(0, 4, 2), 2) | F.group_norm(lib.arange(6).reshape(1, 2, 3), 2) | F.instance_norm(lib.ones(2, 3, 1))
F.instance_norm(x4, use_input_stats=False) | F.rms_norm(x4, (7,)) | F.local_response_norm(x2, 2)
lib.nn.GroupNorm(3, 4) | lib.nn.BatchNorm2d(3)(x3) | lib.nn.BatchNorm1d(3)(x4) | lib.nn.InstanceNorm1d(3, affine=True)(x1)
lib.nn.InstanceNorm2d(4, affine=True)(x4) | lib.nn.InstanceNorm2d(4)(x4)
"""
LOSSES = """
F.cross_entropy(logits, classes, reduction='foo') | F.cross_entropy(logits, lib.rand(4, 5), ignore_index=2)
F.cross_entropy(logits, classes[:3]) | F.cross_entropy(logits, lib.tensor([0, 1, 2, 7])) | F.cross_entropy(logits, classes - 1)
F.cross_entropy(logits, classes.int()) | F.cross_entropy(logits, classes.float()) | F.cross_entropy(logits, classes, lib.ones(4))
F.cross_entropy(logits, classes, lib.ones(5).double()) | F.cross_entropy(logits, classes, label_smoothing=1.5)
F.cross_entropy(logits, classes[None]) | F.cross_entropy(lib.tensor(1.0), lib.tensor(0))
F.cross_entropy(lib.zeros(0, 5), lib.zeros(0).long()) | F.cross_entropy(lib.zeros(2, 0), lib.zeros(2).long())
F.cross_entropy(lib.ones(4, 5).long(), classes) | F.cross_entropy(logits, classes, size_average=False)
F.cross_entropy(logits, lib.rand(4, 4)) | F.cross_entropy(lib.ones(4, 5, 2, 2), lib.zeros(4, 2, 3).long())
F.cross_entropy(lib.ones(4, 5, 2), lib.zeros(4, 3).long()) | F.cross_entropy(lib.ones(4, 5, 2, 2), lib.zeros(4, 2).long())
F.nll_loss(logits, classes[:3]) | F.nll_loss(logits, classes.float()) | F.nll_loss(lib.tensor(1.0), lib.tensor(0))
F.nll_loss(logits, classes, reduce=False) | F.mse_loss(x1, x2) | F.mse_loss(x1, lib.ones(3)) | F.mse_loss(x1, x1.double())
F.mse_loss(lib.arange(4), lib.arange(4)) | F.mse_loss(lib.ones(0), lib.ones(0)) | F.mse_loss(x1, x1, weight=lib.ones(3))
F.mse_loss(x1, x1, reduction='foo') | F.mse_loss(x1, x1, weight=x1, reduction='foo') | F.smooth_l1_loss(x1, x1, beta=-1.0)
F.huber_loss(x1, x1, delta=0) | F.binary_cross_entropy(x1 + 9, x1) | F.binary_cross_entropy(x1, x1[:3])
F.binary_cross_entropy(x1 * 0, classes.repeat(2)) | F.binary_cross_entropy_with_logits(x1, x1[:3]) | F.kl_div(x2, x2)
F.margin_ranking_loss(x2, x1, x1) | F.gaussian_nll_loss(x1, x1, -lib.ones(8)) | F.gaussian_nll_loss(x1, x1, lib.ones(3))
F.triplet_margin_loss(x2, x2, x2, margin=0.0) | F.multi_margin_loss(logits, classes, p=3) | lib.nn.MSELoss(reduce=False)(x1, x1)
lib.nn.HuberLoss(delta='a') | lib.nn.TripletMarginLoss(margin=-1.0) | F.poisson_nll_loss(x1, x1, reduction='foo')
"""


def expressions(text: str) -> list[str]:
    return [e.strip() for line in text.strip().splitlines() for e in line.split(" | ")]


@pytest.mark.parametrize("expression", expressions(POOLING) + expressions(NORMALISATION) + expressions(LOSSES))
def test_outcome(expression):
    assert outcome(pytensor, expression) == outcome(torch, expression)


MODULES = """
MaxPool1d(2) | MaxPool2d((3, 2), stride=2, padding=1, ceil_mode=True) | MaxPool3d(2, return_indices=True)
AvgPool1d(2) | AvgPool2d(2, divisor_override=3) | AvgPool3d((1, 2, 2)) | LPPool1d(2, 3) | LPPool2d(1.5, 3, stride=2)
AdaptiveAvgPool2d((1, None)) | AdaptiveAvgPool1d(4) | AdaptiveMaxPool3d(2) | MaxUnpool2d(2, stride=(2, 1))
BatchNorm1d(3) | BatchNorm2d(3, momentum=None, affine=False) | BatchNorm3d(2, track_running_stats=False)
LazyBatchNorm2d() | SyncBatchNorm(4) | InstanceNorm1d(3) | InstanceNorm2d(3, affine=True, track_running_stats=True)
LazyInstanceNorm3d() | LayerNorm(4) | LayerNorm((2, 3), elementwise_affine=False) | LayerNorm(4, bias=False)
GroupNorm(2, 6) | RMSNorm(5) | LocalResponseNorm(3) | CrossMapLRN2d(3) | CrossEntropyLoss() | MSELoss() | HuberLoss()
TripletMarginWithDistanceLoss()
"""


@pytest.mark.parametrize("expression", expressions(MODULES))
def test_modules_print_and_store_alike(expression):
    ours, theirs = (eval(f"nn.{expression}", {"nn": lib.nn}) for lib in (pytensor, torch))
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())


@pytest.mark.parametrize("momentum", [0.1, None])
def test_batch_norm_through_training_and_evaluation(momentum):
    rng = np.random.default_rng(0)
    batches = rng.standard_normal((3, 4, 3, 5, 5)).astype(np.float32)
    results = []
    for lib in (pytensor, torch):
        layer = lib.nn.BatchNorm2d(3, momentum=momentum)
        seen = []
        for batch in batches:
            x = lib.tensor(batch, requires_grad=True)
            y = layer(x)
            (y * y * y).sum().backward()
            seen += [y.detach().numpy(), x.grad.numpy()]
        seen += [layer.weight.grad.numpy(), layer.bias.grad.numpy()]
        layer.eval()
        x = lib.tensor(batches[0], requires_grad=True)
        y = layer(x)
        y.sum().backward()
        state = [v.numpy() for v in layer.state_dict().values()]
        results.append([*seen, y.detach().numpy(), x.grad.numpy(), *state])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-4, atol=2e-4)


def test_instance_norm_updates_running_statistics():
    x = np.random.default_rng(0).standard_normal((4, 3, 6)).astype(np.float32)
    states = []
    for lib in (pytensor, torch):
        layer = lib.nn.InstanceNorm1d(3, affine=True, track_running_stats=True)
        layer(lib.tensor(x))
        layer.eval()
        states.append([*(v.numpy() for v in layer.state_dict().values()), layer(lib.tensor(x)).detach().numpy()])
    for ours, theirs in zip(*states, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_graph_nodes_have_the_same_names():
    calls = """
    F.max_pool1d(x3, 2) | F.max_pool2d(x4, 2) | F.max_pool3d(x5, 2) | F.avg_pool1d(x3, 2) | F.avg_pool2d(x4, 2)
    F.adaptive_avg_pool2d(x4, 1) | F.adaptive_avg_pool2d(x4, 2) | F.adaptive_max_pool2d(x4, 2) | F.softmax(x2, 1)
    F.log_softmax(x2, 1) | F.batch_norm(x4, None, None, training=True) | F.layer_norm(x4, (8,)) | F.group_norm(x4, 3)
    F.cross_entropy(logits, classes) | F.cross_entropy(logits, classes, label_smoothing=0.1) | F.mse_loss(x1, x1 * 2)
    F.l1_loss(x1, x1 * 2) | F.smooth_l1_loss(x1, x1 * 2) | F.huber_loss(x1, x1 * 2) | F.nll_loss(logits, classes)
    F.binary_cross_entropy_with_logits(x1, x1 * 2)
    """
    for call in expressions(calls):
        names = []
        for lib in (pytensor, torch):
            scope = values(lib)
            for value in scope.values():
                if isinstance(value, lib.Tensor) and value.is_floating_point():
                    value.requires_grad_()
            result = eval(call, scope)
            result.sum().backward()
            names.append(result.grad_fn.name())  # also when what it saved is freed
        assert names[0] == names[1], call
