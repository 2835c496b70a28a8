"""Connectionist temporal classification at every level and thread count against NumPy, and its gradient."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pytensor as torch
from pytensor import _C
from pytensor.backend.cpu import loss as cpu
from pytensor.backend.reference import loss as reference
from pytensor.testing.levels import SETTINGS


@st.composite
def problems(draw):
    """(log_probs, targets, input lengths, target lengths, blank), with unlikely and impossible targets."""
    steps, batch, classes, longest = (draw(st.integers(1, n)) for n in (20, 4, 20, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    logits = rng.standard_normal((steps, batch, classes)) * draw(st.sampled_from([0.0, 1.0, 30.0]))
    log_probs = logits - np.logaddexp.reduce(logits, axis=2, keepdims=True)
    targets = rng.integers(0, classes, (batch, longest))
    lengths = rng.integers(0, steps + 1, batch), rng.integers(0, longest + 1, batch)
    blank = draw(st.integers(0, classes - 1))
    return log_probs.astype(draw(st.sampled_from(["float32", "float64"]))), targets, *lengths, blank


@given(problems(), st.booleans(), st.booleans())
def test_loss_and_gradient(problem, zero_infinity, one_gradient):
    x, *labels = problem
    wide = x.astype(np.float64)
    losses, alpha = reference.ctc_loss(wide, *labels)
    grad = np.linspace(0.5, 2, 1 if one_gradient else len(losses))
    gradient = reference.ctc_loss_backward(grad, wide, *labels, losses, alpha, zero_infinity)
    # Log-probabilities are sums of as many terms as there are steps; errors in them are relative ones of exp.
    tolerance = 16 * np.finfo(x.dtype).eps * (1 + np.abs(wide).max()) * len(x)
    for level, threads in SETTINGS:
        _C.set_cpu_level(level)
        _C.set_num_threads(threads)
        ours, kept = cpu.ctc_loss(x, *labels)
        np.testing.assert_allclose(ours, losses, rtol=tolerance, atol=tolerance)
        actual = cpu.ctc_loss_backward(grad.astype(x.dtype), x, *labels, ours, kept, zero_infinity)
        np.testing.assert_allclose(actual, gradient, rtol=tolerance, atol=8 * tolerance)


def test_gradient_of_logits():
    """Against central differences, through log_softmax; a step beyond the input's length has none."""
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((6, 2, 4))
    arguments = torch.tensor([[1, 1], [3, 2]]), (6, 5), (2, 2)

    def loss(values):
        return torch.nn.functional.ctc_loss(values.log_softmax(2), *arguments)

    x = torch.tensor(logits, requires_grad=True)
    loss(x).backward()
    step = 1e-6
    for at in np.ndindex(logits.shape):
        moved = [logits.copy(), logits.copy()]
        moved[0][at] += step
        moved[1][at] -= step
        above, below = (loss(torch.tensor(m)).item() for m in moved)
        assert x.grad[at].item() == pytest.approx((above - below) / (2 * step), abs=1e-8)
    assert (x.grad[5, 1] == 0).all()


def test_forms_of_targets_and_errors():
    x = torch.randn(5, 2, 4).log_softmax(2)
    f = torch.nn.functional.ctc_loss
    padded = f(x, torch.tensor([[1, 2], [3, 0]]), torch.tensor([5, 4]), torch.tensor([2, 1]))
    assert f(x, torch.tensor([1, 2, 3]), (5, 4), (2, 1)).item() == padded.item()
    single = f(x[:, 0], torch.tensor([1, 2]), (5,), (2,), reduction="none")
    assert single.shape == () and single.item() == pytest.approx(
        f(x, torch.tensor([[1, 2], [3, 0]]), (5, 4), (2, 1), reduction="none")[0].item()
    )
    for lengths, message in [
        (((6, 5), (2, 2)), "Expected input_lengths to have value at most 5, but got value 6"),
        (((5, 5), (3, 2)), "Expected tensor to have size at least 3 at dimension 1, but got size 2"),
        (((5, 5), (2,)), "target_lengths must be of size batch_size"),
        (((5, 5), (2, -1)), "Expected target_lengths to have value at least 0, but got value -1"),
    ]:
        with pytest.raises(RuntimeError, match=message):
            f(x, torch.tensor([[1, 2], [2, 3]]), *lengths)
    with pytest.raises(RuntimeError, match="blank must be in label range"):
        f(x, torch.tensor([[1, 2], [2, 3]]), (5, 5), (2, 2), blank=4)
    with pytest.raises(RuntimeError, match="classes below 4, but got 9"):
        f(x, torch.tensor([[1, 2], [2, 9]]), (5, 5), (2, 2))
