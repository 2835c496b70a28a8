"""nn.init: distributions, structure, errors. That seeds give PyTorch's numbers is tested in tests/parity/test_random.py."""

import math

import numpy as np
import pytest

import pytensor as torch
from pytensor.nn import init


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def weights(*shape):
    return torch.nn.Parameter(torch.empty(*shape))


BY_VARIANCE = [
    (lambda w: init.xavier_uniform_(w, gain=2.0), 4 * 2 / 300),
    (lambda w: init.xavier_normal_(w), 2 / 300),
    (lambda w: init.kaiming_uniform_(w, a=math.sqrt(5)), 2 / 6 / 200),
    (lambda w: init.kaiming_normal_(w, mode="fan_out", nonlinearity="relu"), 2 / 100),
    (lambda w: init.normal_(w, std=0.2), 0.04),
    (lambda w: init.uniform_(w, -1, 1), 1 / 3),
]


@pytest.mark.parametrize("fill, variance", BY_VARIANCE)
def test_variance(fill, variance):
    w = weights(100, 200)
    assert fill(w) is w and w.requires_grad and w.grad_fn is None
    assert abs(w.var().item() / variance - 1) < 0.05


def test_fans_of_convolutions():
    w = init.kaiming_normal_(weights(50, 20, 3, 3), nonlinearity="linear")
    assert abs(w.var().item() * 20 * 9 - 1) < 0.1


@pytest.mark.parametrize("a, b", [(-2.0, 2.0), (0.5, 0.75), (3.0, 4.0)])
@pytest.mark.filterwarnings("ignore:mean is more than 2 std")
def test_truncated_normals_stay_inside(a, b):
    w = init.trunc_normal_(torch.empty(5000), a=a, b=b)
    assert a <= w.min().item() and w.max().item() <= b
    assert len(set(w.tolist())) > 4900
    x = np.linspace(a, b, 10001)
    density = np.exp(-x * x / 2)
    assert abs(w.mean().item() - (x * density).sum() / density.sum()) < 0.02 * (b - a)


@pytest.mark.parametrize("shape", [(5, 5), (3, 8), (8, 3), (4, 2, 3)])
def test_orthogonal(shape):
    w = init.orthogonal_(torch.empty(shape, dtype=torch.float64), gain=2.0).reshape(shape[0], -1).numpy() / 2
    product = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(product, np.eye(len(product)), atol=1e-12)


def test_identities():
    assert init.eye_(torch.empty(2, 3)).tolist() == [[1, 0, 0], [0, 1, 0]]
    w = init.dirac_(torch.empty(4, 2, 3, 3), groups=2)
    assert w.sum() == 4
    for i, j in [(0, 0), (1, 1), (2, 0), (3, 1)]:
        assert w[i, j, 1, 1] == 1


def test_constants_and_sparse():
    assert init.constant_(torch.empty(2), 0.25).tolist() == [0.25, 0.25]
    assert init.ones_(torch.empty(2)).tolist() == [1, 1] and init.zeros_(torch.empty(2)).tolist() == [0, 0]
    w = init.sparse_(torch.empty(10, 6), 0.25)
    assert (w == 0).sum(0).tolist() == [3] * 6


@pytest.mark.parametrize(
    "call, kind, text",
    [
        (lambda: init.calculate_gain("swish"), ValueError, "Unsupported nonlinearity swish"),
        (lambda: init.calculate_gain("leaky_relu", True), ValueError, "not a valid number"),
        (lambda: init.xavier_uniform_(torch.empty(3)), ValueError, "fewer than 2 dimensions"),
        (lambda: init.kaiming_normal_(torch.empty(3, 3), mode="fan"), ValueError, "Mode fan not supported"),
        (lambda: init.eye_(torch.empty(3)), ValueError, "Only tensors with 2 dimensions"),
        (lambda: init.sparse_(torch.empty(3), 0.1), ValueError, "Only tensors with 2 dimensions"),
        (lambda: init.orthogonal_(torch.empty(3)), ValueError, "2 or more dimensions"),
        (lambda: init.dirac_(torch.empty(3, 3)), ValueError, "3, 4, or 5 dimensions"),
        (lambda: init.dirac_(torch.empty(3, 3, 3), groups=2), ValueError, "divisible by groups"),
    ],
)
def test_errors(call, kind, text):
    with pytest.raises(kind, match=text):
        call()


def test_empty_tensors_are_left_alone():
    with pytest.warns(UserWarning, match="zero-element"):
        init.kaiming_uniform_(torch.empty(0, 3))
    assert init.orthogonal_(torch.empty(0, 3)).shape == (0, 3)


@pytest.mark.parametrize("name", [n for n in init.__all__ if not n.endswith("_") and n != "calculate_gain"])
def test_deprecated_names(name):
    shape = (3, 3, 3) if name == "dirac" else (3, 3)
    arguments = {"constant": (1.0,), "sparse": (0.5,)}.get(name, ())
    with pytest.warns(FutureWarning, match=f"`nn.init.{name}` is now deprecated in favor of `nn.init.{name}_`"):
        getattr(init, name)(torch.empty(shape), *arguments)
