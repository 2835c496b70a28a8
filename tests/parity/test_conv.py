"""Convolutions, padding, fold and shuffles against PyTorch: values, gradients, errors, layers."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest

import pytensor

torch = pytest.importorskip("torch")

LIBRARIES = (torch, pytensor)


def tensors(arrays, requires_grad=True):
    """The arrays as leaves of both libraries."""
    return [[lib.tensor(a).requires_grad_(requires_grad) for a in arrays] for lib in LIBRARIES]


def normal(*shape, seed=0, dtype="float64"):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


CONVOLUTIONS = [
    ("conv1d", (2, 4, 19), (6, 4, 3), {}),
    ("conv1d", (2, 4, 19), (6, 2, 4), {"stride": 3, "padding": 2, "dilation": 2, "groups": 2}),
    ("conv1d", (4, 19), (6, 4, 4), {"padding": "same"}),
    ("conv2d", (2, 3, 9, 8), (5, 3, 3, 2), {"padding": "same", "dilation": (1, 3)}),
    ("conv2d", (2, 3, 9, 8), (5, 3, 3, 3), {"stride": 2, "padding": 1}),
    ("conv2d", (2, 8, 9, 8), (8, 1, 3, 3), {"stride": 1, "padding": 1, "groups": 8}),
    ("conv2d", (3, 9, 8), (5, 3, 1, 1), {"stride": (2, 3)}),
    ("conv2d", (0, 3, 9, 8), (5, 3, 2, 2), {}),
    ("conv2d", (2, 70, 7, 7), (66, 70, 3, 3), {"padding": 1}),
    ("conv3d", (2, 2, 5, 6, 7), (3, 2, 2, 3, 2), {"stride": (1, 2, 3), "padding": (0, 2, 1)}),
    ("conv_transpose1d", (2, 4, 9), (4, 3, 3), {"stride": 2, "padding": 1, "output_padding": 1}),
    ("conv_transpose1d", (2, 4, 9), (4, 3, 3), {"dilation": 3, "output_padding": 2}),
    ("conv_transpose2d", (2, 4, 5, 6), (4, 3, 3, 2), {"stride": (2, 3), "groups": 2, "dilation": 2}),
    ("conv_transpose2d", (4, 5, 6), (4, 3, 3, 2), {"padding": 1}),
    ("conv_transpose3d", (2, 4, 3, 4, 5), (4, 3, 2, 3, 2), {"stride": 2, "padding": 1, "output_padding": (1, 0, 1)}),
]


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize(("name", "x", "w", "kwargs"), CONVOLUTIONS)
def test_values_and_gradients_of_both_orders(name, x, w, kwargs):
    outs = w[1] * kwargs.get("groups", 1) if "transpose" in name else w[0]
    arrays = normal(*x), normal(*w, seed=1), normal(outs, seed=2)
    found = []
    for lib, leaves in zip(LIBRARIES, tensors(arrays), strict=True):
        y = getattr(lib, name)(*leaves, **kwargs)
        first = lib.autograd.grad((y * y).sum(), leaves, create_graph=True)
        second = lib.autograd.grad(sum((g**2).sum() for g in first), leaves)
        found.append([t.detach().numpy() for t in (y, *first, *second)])
    for theirs, ours in zip(*found, strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-8 * max(np.abs(theirs).max(initial=0), 1))


@pytest.mark.parametrize("wanted", [w for n in (1, 2) for w in itertools.combinations(range(3), n)])
def test_some_gradients_only(wanted):
    arrays = normal(2, 3, 8, 8), normal(4, 3, 3, 3, seed=1), normal(4, seed=2)
    found = []
    for lib, leaves in zip(LIBRARIES, tensors(arrays, False), strict=True):
        for i in wanted:
            leaves[i].requires_grad_()
        y = lib.conv2d(*leaves, padding=1)
        found.append([g.numpy() for g in lib.autograd.grad(y.sum(), [leaves[i] for i in wanted])])
    for theirs, ours in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-10)


def test_channels_last_input():
    x, w = normal(2, 5, 9, 8, dtype="float32"), normal(4, 5, 3, 3, seed=1, dtype="float32")
    results = []
    for lib in LIBRARIES:
        image = lib.tensor(np.ascontiguousarray(x.transpose(0, 2, 3, 1))).permute(0, 3, 1, 2)
        results.append(lib.conv2d(image, lib.tensor(w), stride=2, padding=1).numpy())
    np.testing.assert_allclose(results[1], results[0], rtol=1e-5, atol=1e-5)


ERRORS = """
conv2d(r(8, 8), r(4, 3, 3, 3))
conv1d(r(8), r(4, 3, 3))
conv3d(r(8, 8), r(4, 3, 3, 3, 3))
conv2d(r(1, 2, 3, 8, 8), r(4, 3, 3, 3))
conv2d(r(2, 3, 8, 8), r(4, 3, 3))
conv2d(r(2, 3, 8, 8), r(3))
conv2d(r(2, 3, 8, 8), r(4, 2, 3, 3))
conv2d(r(2, 4, 8, 8), r(5, 2, 3, 3), groups=2)
conv2d(r(2, 4, 8, 8), r(1, 2, 3, 3), groups=2)
conv2d(r(2, 4, 8, 8), r(4, 4, 3, 3), groups=0)
conv2d(r(2, 3, 8, 8), r(4, 3, 3, 3), r(5))
conv2d(r(2, 3, 8, 8), r(4, 3, 3, 3), r(4, 1))
conv2d(r(2, 3, 2, 2), r(4, 3, 3, 3))
conv1d(r(2, 3, 2), r(4, 3, 3), dilation=2)
conv2d(r(2, 3, 8, 8), r(4, 3, 3, 3), padding=-1)
conv2d(r(2, 3, 8, 8), r(4, 3, 3, 3), stride=0)
conv2d(r(2, 3, 8, 8), r(4, 3, 3, 3), dilation=-1)
conv2d(r(2, 3, 8, 8), r(4, 3, 3, 3), stride=(1, 2, 3))
conv2d(r(2, 3, 8, 8), r(4, 3, 3, 3), padding=(1, 2, 3))
conv2d(r(2, 3, 8, 8), r(4, 3, 3, 3), dilation=(1, 2, 3))
conv2d(r(2, 3, 8, 8), r(4, 3, 3, 3), padding='foo')
conv2d(r(2, 3, 8, 8), r(4, 3, 3, 3), padding='same', stride=2)
conv2d(r(2, 3, 8, 8), r(4, 3, 3, 3), padding='same', groups=2)
conv2d(r(2, 3, 8, 8).double(), r(4, 3, 3, 3))
conv2d(r(2, 3, 8, 8), r(4, 3, 3, 3).double())
conv2d(r(2, 3, 8, 8), r(4, 3, 3, 3), r(4).double())
conv2d(r(2, 3, 8, 8) > 0, r(4, 3, 3, 3) > 0)
conv2d(r(2, 3, 8, 8), r(0, 3, 3, 3))
conv2d(r(2, 3, 0, 8), r(4, 3, 3, 3))
conv2d(r(2, 3, 0, 8), r(4, 3, 1, 3), padding=1)
conv_transpose2d(r(2, 3, 8, 8), 4)
conv_transpose2d(r(2, 3, 8, 8), r(4, 4, 3, 3))
conv_transpose2d(r(2, 3, 8, 8), r(3, 4, 3, 3), r(5))
conv_transpose2d(r(2, 3, 8, 8), r(3, 4, 3, 3), groups=2)
conv_transpose2d(r(2, 3, 8, 8), r(3, 4, 3, 3), output_padding=1)
conv_transpose1d(r(2, 3, 8), r(3, 4, 3), output_padding=1)
conv_transpose3d(r(2, 3, 4, 4, 4), r(3, 4, 3, 3, 3), output_padding=1)
conv_transpose2d(r(2, 3, 8, 8), r(3, 4, 3, 3), output_padding=-1, stride=2)
conv_transpose2d(r(2, 3, 8, 8), r(3, 4, 3, 3), padding='same')
conv_transpose2d(r(8, 8), r(3, 4, 3, 3))
conv_transpose2d(r(2, 3, 0, 8), r(3, 4, 3, 3))
nn.functional.unfold(r(2, 3, 2, 2), 3)
nn.functional.unfold(r(2, 3, 8, 8), 0)
nn.functional.unfold(r(2, 3, 8, 8), 3, dilation=0)
nn.functional.unfold(r(2, 3, 8, 8), 3, padding=-1)
nn.functional.unfold(r(2, 3, 8, 8), 3, stride=0)
nn.functional.unfold(r(2, 3, 8, 8), (3, 3, 3))
nn.functional.unfold(r(2, 3, 8, 8).long(), 3)
nn.functional.unfold(r(2, 0, 8, 8), 3)
nn.functional.fold(r(36), 8, 3)
nn.functional.fold(r(2, 26, 36), 8, 3)
nn.functional.fold(r(2, 27, 35), 8, 3)
nn.functional.fold(r(2, 27, 36), (8, 8, 8), 3)
nn.functional.fold(r(2, 27, 36), 2, 3)
nn.functional.fold(r(2, 27, 36).long(), 8, 3)
nn.functional.pad(r(2, 3, 4), (1,))
nn.functional.pad(r(2, 3, 4), (1, 2, 3, 4, 5, 6, 7, 8))
nn.functional.pad(r(2, 3, 4), (-1, -4))
nn.functional.pad(r(2, 3, 4), (1, 2), 'foo')
nn.functional.pad(r(2, 3, 4), (1, 2), 'reflect', value=1)
nn.functional.pad(r(2, 3, 4), (4, 2), 'reflect')
nn.functional.pad(r(2, 3, 4, 4), (1, 1, 5, 1), 'reflect')
nn.functional.pad(r(2, 3, 4, 4, 4), (1, 2, 1, 1, 5, 1), 'reflect')
nn.functional.pad(r(2, 3, 4, 4), (1, 2), 'reflect')
nn.functional.pad(r(4), (1, 2), 'circular')
nn.functional.pad(r(2, 3, 4), (5, 2), 'circular')
nn.functional.pad(r(2, 3, 4), (-3, -2), 'circular')
nn.functional.pad(r(2, 3, 4), (-3, -1), 'replicate')
nn.functional.pad(r(2, 3, 0), (1, 1), 'replicate')
nn.functional.pad(r(2, 0, 4), (1, 1), 'reflect')
nn.functional.pad(r(2, 3, 4) > 0, (1, 1), 'reflect')
nn.functional.pad(r(2, 3, 4), 1)
nn.functional.pad(r(2, 3, 4), [1.0, 2.0])
constant_pad_nd(r(2, 3), (1, 1, 1))
constant_pad_nd(r(2, 3), (1, 1, 1, 1, 1, 1))
pixel_shuffle(r(2, 7, 3, 3), 2)
pixel_shuffle(r(3, 3), 2)
pixel_shuffle(r(2, 8, 3, 3), 0)
pixel_unshuffle(r(2, 2, 5, 6), 2)
pixel_unshuffle(r(2, 2, 6, 5), 2)
channel_shuffle(r(2, 7, 3, 3), 2)
channel_shuffle(r(2, 8), 2)
channel_shuffle(r(2, 8, 3, 3), 0)
nn.Conv2d(3, 4, 3, groups=2)
nn.Conv2d(4, 3, 3, groups=2)
nn.Conv2d(4, 3, 3, groups=0)
nn.Conv2d(4, 3, 3, padding='same', stride=2)
nn.ConvTranspose2d(4, 3, 3, padding_mode='reflect')
nn.ConvTranspose2d(4, 3, 3, stride=2)(r(1, 4, 5, 5), output_size=(13, 13))
nn.ConvTranspose2d(4, 3, 3, stride=2)(r(1, 4, 5, 5), output_size=(12,))
nn.CircularPad2d(1)(r(3, 4))
""".strip().split("\n")


def outcome(lib, expression):
    def run():
        head, _, rest = expression.partition("(")
        found = lib
        for part in head.split("."):
            found = getattr(found, part)
        return eval(f"found({rest}", {"found": found, "r": lib.ones, "nn": lib.nn})

    try:
        run()
    except Exception as error:
        return type(error), str(error)
    return None, "no error"


@pytest.mark.parametrize("expression", ERRORS)
def test_errors(expression):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs, ours = (outcome(lib, expression) for lib in LIBRARIES)
    assert ours == theirs


LAYERS = [
    "Conv1d(3, 4, 3)",
    "Conv2d(4, 8, (3, 5), stride=2, padding=(1, 2), dilation=2, groups=2, bias=False, padding_mode='reflect')",
    "Conv2d(4, 4, 3, padding='same')",
    "Conv3d(2, 3, 3, padding=1, padding_mode='circular')",
    "ConvTranspose1d(4, 3, 3, padding=1, bias=False)",
    "ConvTranspose2d(4, 3, 3, stride=2, output_padding=1)",
    "ConvTranspose3d(2, 3, 2)",
    "ReflectionPad1d(2)",
    "ReplicationPad2d((1, 2, 3, 1))",
    "CircularPad3d(1)",
    "ConstantPad1d(2, 3.5)",
    "ZeroPad2d((1, -1, 2, 0))",
    "Fold((4, 4), 2)",
    "Unfold(2, padding=1)",
    "PixelShuffle(2)",
    "PixelUnshuffle(2)",
    "ChannelShuffle(2)",
]
INPUTS = {"1d": (2, 4, 9), "2d": (2, 4, 8, 10), "3d": (2, 2, 5, 6, 7), "Fold": (2, 8, 9), "": (2, 4, 8, 10)}


@pytest.mark.parametrize("text", LAYERS)
def test_layers(text):
    """The same text, the same parameters for the same seed, the same outputs and gradients."""
    name = text.partition("(")[0]
    shape = INPUTS[name if name in INPUTS else name[-2:] if name[-2:] in INPUTS else ""]
    if name == "Conv1d":
        shape = (2, 3, 9)
    found = []
    for lib in LIBRARIES:
        lib.manual_seed(3)
        layer = eval(f"lib.nn.{text}", {"lib": lib})
        x = lib.tensor(normal(*shape, dtype="float32")).requires_grad_()
        y = layer(x)
        (y * y).sum().backward()
        values = [y.detach(), x.grad, *(p.detach() for p in layer.parameters()), *(p.grad for p in layer.parameters())]
        found.append((repr(layer), list(layer.state_dict()), [v.numpy() for v in values]))
    (their_text, their_keys, theirs), (our_text, our_keys, ours) = found
    assert our_text == their_text
    assert our_keys == their_keys
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * max(np.abs(b).max(), 1))


@pytest.mark.parametrize(
    "expression",
    [
        "conv2d(r(1, 1, 4, 4), r(1, 1, 2, 2, requires_grad=True))",
        "conv2d(r(1, 4, 4), r(1, 1, 2, 2, requires_grad=True))",
        "conv_transpose2d(r(1, 1, 4, 4), r(1, 1, 2, 2, requires_grad=True))",
        "nn.functional.unfold(r(1, 1, 4, 4, requires_grad=True), 2)",
        "nn.functional.fold(r(1, 4, 4, requires_grad=True), 3, 2)",
        "nn.functional.pad(r(1, 1, 4, requires_grad=True), (1, 1))",
        "nn.functional.pad(r(1, 1, 4, requires_grad=True), (1, 1), 'reflect')",
        "nn.functional.pad(r(1, 1, 4, 4, requires_grad=True), (1, 1, 0, 0), 'replicate')",
        "pixel_shuffle(r(1, 4, 4, 4, requires_grad=True), 2)",
        "channel_shuffle(r(1, 4, 4, requires_grad=True), 2)",
    ],
)
def test_names_of_gradient_functions(expression):
    names = []
    for lib in LIBRARIES:
        y = eval(f"lib.{expression}", {"lib": lib, "r": lib.ones})
        names.append(y.grad_fn.name())
    assert names[0] == names[1]
