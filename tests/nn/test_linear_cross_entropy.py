"""Cross-entropy of a linear layer's logits in chunks of rows: what all rows at once give."""

import numpy as np
import pytest

import pytensor as torch

F = torch.nn.functional
Options = torch.nn.LinearCrossEntropyOptions


def assert_close(actual, expected):
    assert actual.dtype is expected.dtype and actual.shape == expected.shape
    np.testing.assert_allclose(actual.detach().numpy(), expected.detach().numpy(), rtol=1e-12, atol=1e-14)


def operands(dtype=torch.float64):
    torch.manual_seed(0)
    make = {"dtype": dtype, "requires_grad": True}
    target = torch.tensor([1, 2, 3, -100, 4, 5, 6, 0, 1, 2])
    return torch.randn(10, 4, **make), torch.randn(7, 4, **make), torch.randn(7, **make), target


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("rows", [1, 3, 10, 50, None])
def test_chunks_give_the_same(rows, reduction, weighted):
    x, matrix, bias, target = operands()
    weight = torch.rand(7, dtype=torch.float64) if weighted else None
    found = []
    for options in (None, Options(batch_chunk_size=rows)):
        loss = F.linear_cross_entropy(
            x, matrix, target, linear_bias=bias, weight=weight, reduction=reduction, options=options
        )
        found.append((loss, *torch.autograd.grad(loss, (x, matrix, bias), torch.ones_like(loss))))
    for whole, chunked in zip(*found, strict=True):
        assert_close(chunked, whole)


def test_one_row_and_no_row():
    x, matrix, _, target = operands()
    options = Options()
    one = F.linear_cross_entropy(x[0], matrix, target[0], options=options)
    assert_close(one, F.linear_cross_entropy(x[0], matrix, target[0]))
    none = F.linear_cross_entropy(x[:0], matrix, target[:0], reduction="none", options=options)
    assert none.shape == (0,)


def test_sums_of_half_precision_are_float32():
    x, matrix, _, target = operands(torch.bfloat16)
    chunked = F.linear_cross_entropy(x, matrix, target, options=Options(batch_chunk_size=2))
    assert chunked.dtype is torch.bfloat16
    assert torch.equal(chunked, F.linear_cross_entropy(x.float(), matrix.float(), target).bfloat16())


def test_what_chunks_do_not_serve_warns():
    x, matrix, _, target = operands()
    with pytest.warns(UserWarning, match="``options`` ignored"):
        smoothed = F.linear_cross_entropy(x, matrix, target, label_smoothing=0.1, options=Options())
    assert_close(smoothed, F.linear_cross_entropy(x, matrix, target, label_smoothing=0.1))


def test_errors():
    x, matrix, _, target = operands()
    with pytest.raises(ValueError, match="invalid acc_policy"):
        Options(acc_policy="wrong")
    with pytest.raises(ValueError, match="invalid chunking_method"):
        Options(chunking_method="aspect_ratio:0")
    with pytest.raises(ValueError, match="batch_chunk_size must be positive"):
        Options(batch_chunk_size=0)
    with pytest.raises(ValueError, match="pass only one"):
        F.linear_cross_entropy(x, matrix, target, options=Options(batch_chunk_size=3, chunking_method="aspect_ratio"))
    loss = F.linear_cross_entropy(x, matrix, target, options=Options())
    with pytest.raises(NotImplementedError, match="no second gradient"):
        torch.autograd.grad(loss, x, create_graph=True)
