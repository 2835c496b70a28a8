"""Convolution layers and ops: what the specs do not say."""

from __future__ import annotations

import numpy as np
import pytest

import pytensor as torch
from pytensor import nn
from pytensor.autograd import gradcheck, gradgradcheck


def test_same_padding_with_an_even_kernel_adds_more_at_the_end():
    x = torch.tensor([[[1.0, 2.0, 3.0]]])
    assert torch.conv1d(x, torch.ones(1, 1, 2), padding="same").tolist() == [[[3.0, 5.0, 3.0]]]
    assert torch.conv1d(x, torch.ones(1, 1, 4), padding="same").tolist() == [[[6.0, 6.0, 5.0]]]


def test_same_padding_has_gradients():
    x = torch.randn(1, 2, 5, 4, dtype=torch.float64, requires_grad=True)
    w = torch.randn(3, 2, 2, 3, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x, w: torch.conv2d(x, w, padding="same"), (x, w))


@pytest.mark.parametrize("groups", [1, 2])
def test_gradients_of_a_large_enough_problem(groups):
    """Through packed panels and several tiles, in both orders."""
    torch.manual_seed(0)
    x = torch.randn(1, 4, 3, 4, dtype=torch.float64, requires_grad=True)
    w = torch.randn(14, 4 // groups, 2, 2, dtype=torch.float64, requires_grad=True)
    b = torch.randn(14, dtype=torch.float64, requires_grad=True)

    def f(x, w, b):
        return torch.conv2d(x, w, b, stride=(1, 2), padding=1, groups=groups)

    assert gradcheck(f, (x, w, b))
    assert gradgradcheck(f, (x, w, b))


def test_output_padding_beyond_the_stride():
    """Allowed below the dilation: the adjoint convolution then has more windows than the input elements."""
    x = torch.randn(1, 2, 3, dtype=torch.float64, requires_grad=True)
    w = torch.randn(2, 2, 2, dtype=torch.float64, requires_grad=True)

    def f(x, w):
        return torch.conv_transpose1d(x, w, dilation=3, output_padding=2)

    assert f(x, w).shape == (1, 2, 8)
    assert gradcheck(f, (x, w))
    assert gradgradcheck(f, (x, w))


def test_only_the_bias_needs_a_gradient():
    b = torch.zeros(3, requires_grad=True)
    y = torch.conv2d(torch.ones(2, 1, 4, 4), torch.ones(3, 1, 2, 2), b)
    y.sum().backward()
    assert b.grad.tolist() == [18.0, 18.0, 18.0]


def test_a_weight_changed_in_place_is_noticed():
    x = torch.ones(1, 1, 4, requires_grad=True)
    w = torch.ones(1, 1, 2)
    y = torch.conv1d(x, w)
    w.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_the_result_is_new_memory():
    x = torch.ones(1, 4, 1, 1)
    for y in (
        torch.pixel_shuffle(x, 1),
        torch.pixel_unshuffle(x, 1),
        torch.channel_shuffle(x, 1),
        torch.constant_pad_nd(x, (0, 0)),
        nn.functional.pad(x, (0, 0, 0, 0), mode="replicate"),
        nn.functional.unfold(x, 1),
    ):
        y.zero_()
        assert x.sum() == 4


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int64])
def test_dtypes_without_a_kernel(dtype):
    if dtype is torch.bfloat16:
        pytest.importorskip("ml_dtypes")
    x = torch.arange(8).reshape(1, 2, 4).to(dtype)
    y = torch.conv1d(x, torch.ones(1, 2, 2).to(dtype))
    assert y.dtype is dtype
    assert y.tolist() == [[[10, 14, 18]]]


def test_strided_operands():
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(2, 6, 7, 3)), rng.normal(size=(3, 3, 3, 4))
    x, w = torch.tensor(x).permute(0, 3, 1, 2), torch.tensor(w).permute(3, 0, 1, 2)
    expected = torch.conv2d(x.contiguous(), w.contiguous(), padding=1)
    np.testing.assert_allclose(torch.conv2d(x, w, padding=1).numpy(), expected.numpy(), rtol=1e-12, atol=1e-12)


def test_expanded_gradients():
    """The gradient of a sum has stride 0 everywhere."""
    x = torch.randn(2, 3, 8, 8, requires_grad=True)
    layer = nn.Conv2d(3, 20, 3)
    layer(x).sum().backward()
    assert torch.allclose(layer.bias.grad, torch.full((20,), 72.0))
    windows = nn.functional.unfold(x.detach(), 3).sum((0, 2)).reshape(3, 3, 3)
    assert torch.allclose(layer.weight.grad, windows.expand(20, 3, 3, 3), atol=1e-3)


def test_a_large_batch_of_small_images():
    """Weight gradients that are summed in parts of the batch."""
    torch.manual_seed(1)
    x = torch.randn(40, 1, 12, 12, dtype=torch.float64)
    w = torch.randn(32, 1, 3, 3, dtype=torch.float64, requires_grad=True)
    y = torch.conv2d(x, w)
    (y * y).sum().backward()
    columns = nn.functional.unfold(x, 3)
    expected = 2 * np.einsum("nol,nkl->ok", y.detach().flatten(2).numpy(), columns.numpy())
    np.testing.assert_allclose(w.grad.flatten(1).numpy(), expected, rtol=1e-10)


def test_repr_and_state_dict():
    layer = nn.Conv2d(1, 2, 3, padding=1, groups=1)
    assert repr(layer) == "Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))"
    assert list(layer.state_dict()) == ["weight", "bias"]
    copy = nn.Conv2d(1, 2, 3, padding=1)
    copy.load_state_dict(layer.state_dict())
    x = torch.randn(1, 1, 5, 5)
    assert torch.equal(copy(x), layer(x))


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("padding", ["numbers", "same"])
def test_padding_modes_of_layers_equal_padding_first(axes, mode, padding):
    """Results and the gradients of input, weight and bias; "same" with a kernel of even size pads unevenly."""
    kernel = (3, 4, 3)[:axes]
    pads = [(1, 1), (1, 2), (1, 1)] if padding == "same" else [(1, 1), (2, 2), (1, 1)]
    number = "same" if padding == "same" else (1, 2, 1)[:axes]
    layer = getattr(nn, f"Conv{axes}d")(2, 3, kernel, padding=number, padding_mode=mode).double()
    x = torch.randn(2, 2, *(6, 5, 4)[:axes], dtype=torch.float64, requires_grad=True)
    flat = [n for pair in reversed(pads[:axes]) for n in pair]
    padded = nn.functional.pad(x, flat, mode="constant" if mode == "zeros" else mode)
    expected = getattr(torch, f"conv{axes}d")(padded, layer.weight, layer.bias)
    actual = layer(x)
    np.testing.assert_allclose(actual.detach().numpy(), expected.detach().numpy(), rtol=1e-10, atol=1e-10)
    grad = torch.randn(*expected.shape, dtype=torch.float64)
    wanted = (x, layer.weight, layer.bias)
    for a, e in zip(
        torch.autograd.grad(actual, wanted, grad), torch.autograd.grad(expected, wanted, grad), strict=True
    ):
        np.testing.assert_allclose(a.detach().numpy(), e.detach().numpy(), rtol=1e-10, atol=1e-10)


def test_circular_padding_that_crops():
    x = torch.tensor([[[1.0, 2.0, 3.0, 4.0]]])
    assert nn.functional.pad(x, (-1, 2), "circular").tolist() == [[[2.0, 3.0, 4.0, 2.0, 3.0]]]
    with pytest.raises(RuntimeError, match="wrapping around more than once"):
        nn.functional.pad(x, (-2, 3), "circular")


def test_half_precision_is_summed_in_float32():
    x = torch.full((1, 4096, 1), 1.0, dtype=torch.float16)
    w = torch.full((1, 4096, 1), 1.0, dtype=torch.float16)
    w[0, 0, 0] = 0.5
    assert torch.conv1d(x, w).item() == 4096.0  # 4095.5, rounded once


@pytest.mark.parametrize("numbers", [{"stride": (1.0, 1)}, {"padding": 0.0}, {"dilation": [1, 1.0]}, {"groups": 1.0}])
def test_numbers_that_only_equal_integers_are_refused(numbers):
    x, w = torch.ones(1, 1, 4, 4), torch.ones(1, 1, 2, 2)
    nn.functional.conv2d(x, w, stride=(1, 1))  # what is kept for these must not answer for the others
    with pytest.raises(TypeError, match=next(iter(numbers))):
        nn.functional.conv2d(x, w, **numbers)


@pytest.mark.parametrize("numbers", [{"kernel_size": (2.0, 2)}, {"kernel_size": 2, "stride": (2.0, 2.0)}])
def test_pooling_refuses_them_too(numbers):
    x = torch.ones(1, 1, 4, 4)
    nn.functional.max_pool2d(x, (2, 2))
    nn.functional.max_pool2d(x, 2, (2, 2))
    with pytest.raises(TypeError, match=list(numbers)[-1]):
        nn.functional.max_pool2d(x, **numbers)


def test_fewer_tiles_of_weights_than_threads():
    """Twelve output channels are one tile; shared among two threads that was a division by zero."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        y = torch.nn.functional.conv2d(torch.ones(16, 54, 8, 8), torch.ones(12, 54, 3, 3), padding=1)
    finally:
        torch.set_num_threads(before)
    assert y[0, 0, 1, 1] == 54 * 9
