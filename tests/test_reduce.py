"""Reductions and scans: errors, dtypes, named results, special values, gradients at the edges."""

import math

import numpy as np
import pytest

import pytensor as torch

NAN, INF = math.nan, math.inf


def matrix(**kwargs):
    return torch.tensor([[3.0, 1.0, 1.0], [2.0, 2.0, 5.0]], **kwargs)


EMPTY = torch.zeros(0, 3)
ERRORS = [
    (lambda: EMPTY.max(), RuntimeError, r"max\(\): Expected reduction dim to be specified for input.numel\(\) == 0"),
    (lambda: EMPTY.max(0), IndexError, r"max\(\): Expected reduction dim 0 to have non-zero size\."),
    (lambda: EMPTY.amax(), RuntimeError, r"amax\(\): Expected reduction dim to be specified"),
    (
        lambda: EMPTY.argmax(),
        IndexError,
        r"argmax\(\): Expected reduction dim to be specified for input.numel\(\) == 0\.",
    ),
    (lambda: EMPTY.argmin(0), IndexError, r"argmin\(\): Expected reduction dim 0 to have non-zero size\."),
    (lambda: EMPTY.aminmax(), RuntimeError, "cannot compute aminmax over an empty dimension"),
    (lambda: EMPTY.median(0), IndexError, r"median\(\): Expected reduction dim 0 to have non-zero size\."),
    (
        lambda: matrix().sum(5),
        IndexError,
        r"Dimension out of range \(expected to be in range of \[-2, 1\], but got 5\)",
    ),
    (lambda: matrix().sum((0, 0)), RuntimeError, "dim 0 appears multiple times in the list of dims"),
    (lambda: matrix().max(2), IndexError, "Dimension out of range"),
    (lambda: matrix().max((0, 1)), TypeError, r"max\(\) received an invalid combination of arguments"),
    (lambda: matrix().prod(()), TypeError, r"prod\(\) received an invalid combination of arguments"),
    (lambda: matrix().long().mean(), RuntimeError, r"mean\(\): could not infer output dtype.*Got: Long"),
    (lambda: matrix().long().var(), RuntimeError, "std and var only support floating point and complex dtypes"),
    (lambda: (matrix() > 2).argmax(), RuntimeError, r"argmax\(\): does not support bool input"),
    (lambda: matrix().long().norm(), RuntimeError, r"linalg.vector_norm: Expected a floating point .* Got Long"),
    (lambda: torch.nanmean(matrix().long()), RuntimeError, r"nanmean\(\): expected input to have floating point"),
    (lambda: matrix().quantile(2.0), RuntimeError, r"quantile\(\) q must be in the range \[0, 1\] but got 2"),
    (lambda: matrix().kthvalue(7), RuntimeError, r"kthvalue\(\): selected number k out of range for dimension 1"),
    (lambda: matrix().topk(4), RuntimeError, "selected index k out of range"),
    (lambda: matrix().cumsum(2), IndexError, "Dimension out of range"),
    (lambda: matrix().diff(n=-1), RuntimeError, "order must be non-negative but got -1"),
    (lambda: torch.tensor(1.0).diff(), RuntimeError, "diff expects input to be at least one-dimensional"),
    (lambda: matrix().long().logcumsumexp(0), NotImplementedError, "not implemented for 'Long'"),
    (lambda: torch.linalg.matrix_norm(matrix(), "zz"), RuntimeError, "linalg.matrix_norm: Order zz not supported."),
    (lambda: torch.linalg.vector_norm(EMPTY, INF), RuntimeError, "cannot compute the inf norm on an empty tensor"),
    (lambda: torch.histc(matrix(), bins=0), RuntimeError, "bins must be > 0, but got 0"),
    (lambda: torch.bincount(torch.tensor([-1])), RuntimeError, "bincount only supports 1-d non-negative"),
    (lambda: torch.sum([1.0]), TypeError, r"sum\(\): argument 'input' \(position 1\) must be Tensor, not list"),
]


@pytest.mark.parametrize("call, error, text", ERRORS, ids=[text[:40] for _, _, text in ERRORS])
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_no_elements_have_an_identity():
    assert EMPTY.sum().item() == 0 and EMPTY.prod().item() == 1
    assert EMPTY.all().item() and not EMPTY.any().item()
    assert math.isnan(EMPTY.mean().item()) and EMPTY.sum(0).tolist() == [0, 0, 0]
    values, indices = EMPTY.max(1)
    assert values.shape == (0,) and indices.dtype is torch.int64
    with pytest.warns(UserWarning, match="degrees of freedom is <= 0"):
        assert math.isnan(EMPTY.var().item())


def test_dtypes():
    x = matrix()
    assert x.long().sum().dtype is torch.int64 and (x > 1).sum().dtype is torch.int64
    assert x.int().prod().dtype is torch.int64 and x.byte().any().dtype is torch.uint8
    assert x.half().sum().dtype is torch.float16 and x.sum(dtype=torch.int64).dtype is torch.int64
    assert x.int().mean(dtype=torch.float64).item() == pytest.approx(14 / 6)
    assert x.int().cumsum(0).dtype is torch.int64 and x.argmax(0).dtype is torch.int64
    assert x.int().max().dtype is torch.int32 and x.bool().max().dtype is torch.bool


def test_named_results():
    result = matrix().max(dim=1, keepdim=True)
    assert (
        repr(result)
        == "torch.return_types.max(\nvalues=tensor([[3.],\n        [5.]]),\nindices=tensor([[0],\n        [2]]))"
    )
    assert result.values.shape == result.indices.shape == (2, 1)
    values, indices = result
    assert values is result[0] and indices is result.indices and isinstance(result, tuple)
    out = torch.empty(2), torch.empty(2, dtype=torch.int64)
    assert torch.max(matrix(), 1, out=out).values is out[0] and out[1].tolist() == [0, 2]


def test_numpy_keywords():
    assert matrix().sum(axis=0, keepdims=True).shape == (1, 3)
    assert torch.var(matrix(), axis=1).shape == (2,)


def test_special_values():
    x = torch.tensor([1.0, NAN, 3.0])
    assert math.isnan(x.max().item()) and x.argmax().item() == 1 and math.isnan(x.sum().item())
    assert x.nansum().item() == 4 and x.nanmean().item() == 2 and x.nanmedian().item() == 1
    assert math.isnan(x.median().item()) and x.sort().indices.tolist() == [0, 2, 1]
    y = torch.tensor([INF, -INF, 1.0])
    assert math.isnan(y.sum().item()) and y.max().item() == INF and y.amin().item() == -INF
    assert torch.tensor([-INF, -INF]).logsumexp(0).item() == -INF
    assert torch.tensor([1000.0, 1000.0]).logsumexp(0).item() == pytest.approx(1000 + math.log(2))


def gradient(f, x):
    x = x.detach().clone().requires_grad_()
    f(x).backward()
    return x.grad.tolist()


def test_ties_share_or_pick():
    x = torch.tensor([2.0, 5.0, 5.0])
    assert gradient(lambda t: t.max(), x) == gradient(lambda t: t.amax(0), x) == [0, 0.5, 0.5]
    assert gradient(lambda t: t.max(0).values, x) == [0, 1, 0]
    assert gradient(lambda t: t.median(), x) == [0, 0.5, 0.5]


def test_products_with_zeros():
    assert gradient(lambda t: t.prod(), torch.tensor([2.0, 0.0, 3.0])) == [0, 6, 0]
    assert gradient(lambda t: t.prod(), torch.tensor([0.0, 0.0, 3.0])) == [0, 0, 0]
    assert gradient(lambda t: t.prod(1).sum(), torch.tensor([[2.0, 0.0], [3.0, 4.0]])) == [[0, 2], [4, 3]]
    assert gradient(lambda t: t.cumprod(0).sum(), torch.tensor([2.0, 0.0, 3.0])) == [1, 8, 0]
    x = torch.tensor([2.0, 0.0, 3.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda t: t.prod(), (x,))
    assert torch.autograd.gradgradcheck(lambda t: t.cumprod(0), (x,))


def test_gradients_at_zero():
    zero = torch.zeros(3)
    assert gradient(lambda t: t.norm(), zero) == [0, 0, 0]
    assert gradient(lambda t: t.norm(1), zero) == [0, 0, 0]
    assert gradient(lambda t: t.std(), torch.ones(3)) == [0, 0, 0]


def test_sum_of_millions_is_exact_to_a_few_ulp():
    x = torch.full((3_000_000,), 0.1)
    exact = float(np.float32(0.1)) * 3_000_000
    assert abs(x.sum().item() - exact) <= 3 * np.finfo(np.float32).eps * exact
    assert abs(x.reshape(-1, 3).sum(0).sum().item() - exact) <= 4 * np.finfo(np.float32).eps * exact
    assert x.var().item() == pytest.approx(0, abs=1e-12)
