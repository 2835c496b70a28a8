"""Adaptive softmax against the distribution that it stands for."""

from __future__ import annotations

import numpy as np
import pytest

import pytensor as torch


def layer():
    torch.manual_seed(0)
    return torch.nn.AdaptiveLogSoftmaxWithLoss(8, 20, cutoffs=[5, 10, 15], div_value=2.0, head_bias=True).double()


def test_output_is_the_log_probability_of_the_target():
    m, x, target = layer(), torch.randn(20, 8, dtype=torch.float64), torch.randperm(20)
    log_prob = m.log_prob(x)
    np.testing.assert_allclose(log_prob.exp().sum(1).numpy(force=True), 1)
    output, loss = m(x, target)
    np.testing.assert_allclose(output.numpy(force=True), log_prob.gather(1, target[:, None])[:, 0].numpy(force=True))
    assert abs(loss.item() + output.mean().item()) < 1e-12
    single = m(x[3], target[3])
    assert single.output.shape == () and abs(single.output.item() - output[3].item()) < 1e-12
    assert torch.equal(m.predict(x), log_prob.argmax(1))


def test_gradient_is_that_of_the_full_distribution():
    m, target = layer(), torch.tensor([0, 4, 5, 14, 19])
    x = torch.randn(5, 8, dtype=torch.float64, requires_grad=True)
    inputs = [x, *m.parameters()]
    got = torch.autograd.grad(m(x, target).loss, inputs, allow_unused=True)
    want = torch.autograd.grad(-m.log_prob(x).gather(1, target[:, None]).mean(), inputs)
    for one, other in zip(got, want, strict=True):
        np.testing.assert_allclose(0 if one is None else one.numpy(), other.numpy(), atol=1e-12)


@pytest.mark.parametrize("cutoffs", [[], [3, 2], [0, 2], [2, 2], [20], [2.5]])
def test_cutoffs_are_checked(cutoffs):
    with pytest.raises(ValueError, match="cutoffs"):
        torch.nn.AdaptiveLogSoftmaxWithLoss(8, 20, cutoffs)


def test_calls_are_checked():
    m, x = layer(), torch.randn(3, 8, dtype=torch.float64)
    with pytest.raises(RuntimeError, match=r"Target values should be in \[0, 19\], but values in range \[1, 20\]"):
        m(x, torch.tensor([1, 2, 20]))
    with pytest.raises(RuntimeError, match="same size in the batch"):
        m(x, torch.tensor([1, 2]))
    with pytest.raises(RuntimeError, match="1D target tensor expects 2D"):
        m(x[0][:3], torch.tensor([1, 2, 3]))
    with pytest.raises(RuntimeError, match="multi-target"):
        m(x, torch.tensor([[1]]))
