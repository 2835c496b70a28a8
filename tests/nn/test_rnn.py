"""Recurrent modules: gradients through dropout and packing, saved states, what is left unchanged."""

import copy
import io

import numpy as np
import pytest

import pytensor as torch
from pytensor.nn.utils import rnn


def lstm_with_dropout():
    torch.manual_seed(2)
    return torch.nn.LSTM(2, 3, 3, dropout=0.4, bidirectional=True, dtype=torch.float64)


def loss_of(module, x):
    torch.manual_seed(0)  # the same elements are dropped each time
    y, (h, c) = module(x)
    return (y * y).sum() + h.sum() + (c * c).sum()


def numerical(function, x, step=1e-5):
    """Gradient by central differences."""
    result = np.zeros(x.shape)
    for index in np.ndindex(*x.shape):
        sides = []
        for sign in (1, -1):
            moved = x.copy()
            moved[index] += sign * step
            sides.append(function(moved))
        result[index] = (sides[0] - sides[1]) / (2 * step)
    return result


def test_gradient_through_dropout_between_layers():
    module, x = lstm_with_dropout(), np.random.default_rng(0).standard_normal((3, 2, 2))
    leaf = torch.tensor(x, requires_grad=True)
    (gradient,) = torch.autograd.grad(loss_of(module, leaf), leaf)
    expected = numerical(lambda a: loss_of(module, torch.tensor(a)).item(), x)
    np.testing.assert_allclose(gradient.numpy(), expected, atol=1e-8)


def test_second_gradient_through_dropout_between_layers():
    module, x = lstm_with_dropout(), np.random.default_rng(1).standard_normal((2, 2, 2))

    def squared_gradient(a, create_graph):
        leaf = torch.tensor(a, requires_grad=True)
        (gradient,) = torch.autograd.grad(loss_of(module, leaf), leaf, create_graph=create_graph)
        return (gradient * gradient).sum(), leaf

    total, leaf = squared_gradient(x, True)
    (second,) = torch.autograd.grad(total, leaf)
    expected = numerical(lambda a: squared_gradient(a, False)[0].item(), x)
    np.testing.assert_allclose(second.numpy(), expected, atol=1e-7)


def test_packed_and_padded_agree():
    """The states of a packed sequence are those of the sequence alone."""
    torch.manual_seed(0)
    module = torch.nn.GRU(3, 4, 2, bidirectional=True)
    parts = [torch.randn(n, 3) for n in (4, 1, 6)]
    packed, h = module(rnn.pack_sequence(parts, enforce_sorted=False))
    for i, (part, y) in enumerate(zip(parts, rnn.unpack_sequence(packed), strict=True)):
        alone, state = module(part)
        np.testing.assert_allclose(y.detach().numpy(), alone.detach().numpy(), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(h[:, i].detach().numpy(), state.detach().numpy(), rtol=1e-5, atol=1e-6)


def test_batch_first_is_a_transpose():
    torch.manual_seed(0)
    module = torch.nn.RNN(3, 4, batch_first=True)
    x = torch.randn(2, 5, 3)
    y, h = module(x)
    module.batch_first = False
    other, state = module(x.transpose(0, 1))
    assert torch.equal(y, other.transpose(0, 1)) and torch.equal(h, state)


def test_output_written_in_place_is_refused_by_backward():
    module = torch.nn.LSTM(3, 4)
    y, _ = module(torch.randn(2, 2, 3))
    y.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_backward_twice():
    module, x = torch.nn.GRU(3, 4), torch.randn(5, 2, 3, requires_grad=True)
    y, _ = module(x)
    first, second = (torch.autograd.grad(y.sum(), x, retain_graph=True)[0] for _ in range(2))
    assert torch.equal(first, second)


def test_copies_and_checkpoints_compute_the_same():
    module, x = torch.nn.LSTM(3, 4, 2, proj_size=2), torch.randn(5, 2, 3)
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    file.seek(0)
    other = torch.nn.LSTM(3, 4, 2, proj_size=2)
    other.load_state_dict(torch.load(file))
    for twin in (copy.deepcopy(module), other):
        assert torch.equal(twin(x)[0], module(x)[0])


def test_inference_keeps_nothing():
    module, x = torch.nn.LSTM(64, 64), torch.randn(100, 8, 64)
    with torch.no_grad():
        y, _ = module(x)
    assert y.grad_fn is None


def test_half_precision():
    module = torch.nn.LSTM(3, 4).to(torch.bfloat16)
    y, (h, _) = module(torch.ones(2, 1, 3, dtype=torch.bfloat16))
    assert y.dtype == h.dtype == torch.bfloat16


def test_empty_batch():
    module = torch.nn.LSTM(3, 4)
    y, (h, c) = module(torch.zeros(5, 0, 3))
    assert y.shape == (5, 0, 4) and h.shape == c.shape == (1, 0, 4)
    y.sum().backward()
    assert not module.weight_ih_l0.grad.any()
