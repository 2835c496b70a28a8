"""Pointwise ops beside PyTorch: dtypes, gradients at special points, names of nodes, errors."""

from __future__ import annotations

import numpy as np
import pytest

import pytensor

torch = pytest.importorskip("torch")

LIBRARIES = (torch, pytensor)
DTYPES = ["bool", "uint8", "int32", "int64", "float32", "float64"]
SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.5, -3.0, 3.0, 6.0, -20.0, 25.0]


def outcome(function, *args, **kwargs):
    """A result's dtype and value, or the type and text of the error."""
    try:
        result = function(*args, **kwargs)
    except Exception as error:
        return type(error).__name__, str(error).split("\n")[0]
    return str(result.dtype), np.asarray(result.tolist())


def assert_same(first, second):
    assert first[0] == second[0]
    if isinstance(first[1], str):
        assert first[1] == second[1]
    else:
        np.testing.assert_allclose(second[1], first[1], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "name",
    "abs neg sign square exp sqrt sigmoid floor round trunc frac relu reciprocal isnan logical_not bitwise_not".split(),
)
def test_dtypes_of_unary(name, dtype):
    outcomes = [outcome(getattr(lib, name), lib.tensor([1, 0, 1]).to(getattr(lib, dtype))) for lib in LIBRARIES]
    assert_same(*outcomes)


@pytest.mark.parametrize("other", [*DTYPES, True, 2, 2.5])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "pow", "remainder", "eq", "lt", "bitwise_and", "where"])
def test_dtypes_of_binary(name, dtype, other):
    def call(lib):
        x = lib.tensor([1, 0, 1]).to(getattr(lib, dtype))
        y = lib.tensor([1, 1, 1]).to(getattr(lib, other)) if isinstance(other, str) else other
        if name == "where":
            return outcome(lib.where, lib.tensor([True, False, True]), x, y)
        return outcome(getattr(lib, name), x, y)

    assert_same(*[call(lib) for lib in LIBRARIES])


GRADIENTS = {
    "abs": lambda lib, x: lib.abs(x),
    "sign": lambda lib, x: lib.sign(x),
    "relu": lambda lib, x: lib.relu(x),
    "sqrt": lambda lib, x: lib.sqrt(x),
    "reciprocal": lambda lib, x: lib.reciprocal(x),
    "exp": lambda lib, x: lib.exp(x),
    "log": lambda lib, x: lib.log(x),
    "tanh": lambda lib, x: lib.tanh(x),
    "sigmoid": lambda lib, x: lib.sigmoid(x),
    "atan": lambda lib, x: lib.atan(x),
    "floor": lambda lib, x: lib.floor(x),
    "frac": lambda lib, x: lib.frac(x),
    "square": lambda lib, x: lib.square(x),
    "cube": lambda lib, x: x**3,
    "power 0": lambda lib, x: x**0,
    "power 1.5": lambda lib, x: x**1.5,
    "exponent": lambda lib, x: 2.0**x,
    "rsub": lambda lib, x: 2 - x,
    "quotient": lambda lib, x: 2 / x,
    "remainder": lambda lib, x: x % 2,
    "fmod": lambda lib, x: lib.fmod(x, 2),
    "clamp": lambda lib, x: lib.clamp(x, -1, 1),
    "clamp_min": lambda lib, x: lib.clamp_min(x, 1),
    "maximum": lambda lib, x: lib.maximum(x, lib.ones_like(x)),
    "minimum": lambda lib, x: lib.minimum(x, lib.ones_like(x)),
    "fmax": lambda lib, x: lib.fmax(x, lib.ones_like(x)),
    "where": lambda lib, x: lib.where(x > 0, x, 0.0),
    "nan_to_num": lambda lib, x: lib.nan_to_num(x),
    "sinc": lambda lib, x: lib.sinc(x),
    "logit": lambda lib, x: lib.logit(x),
    "relu6": lambda lib, x: lib.nn.functional.relu6(x),
    "hardtanh": lambda lib, x: lib.nn.functional.hardtanh(x),
    "hardswish": lambda lib, x: lib.nn.functional.hardswish(x),
    "leaky_relu": lambda lib, x: lib.nn.functional.leaky_relu(x),
    "elu": lambda lib, x: lib.nn.functional.elu(x),
    "celu": lambda lib, x: lib.nn.functional.celu(x),
    "selu": lambda lib, x: lib.nn.functional.selu(x),
    "softplus": lambda lib, x: lib.nn.functional.softplus(x),
    "logsigmoid": lambda lib, x: lib.nn.functional.logsigmoid(x),
    "hardshrink": lambda lib, x: lib.nn.functional.hardshrink(x),
    "softshrink": lambda lib, x: lib.nn.functional.softshrink(x),
    "threshold": lambda lib, x: lib.nn.functional.threshold(x, 0.5, 9.0),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradient_at_special_points(name):
    values, gradients, nodes = [], [], []
    for lib in LIBRARIES:
        x = lib.tensor(SPECIAL, dtype=lib.float64, requires_grad=True)
        y = GRADIENTS[name](lib, x)
        (g,) = lib.autograd.grad(y, x, lib.ones_like(y))
        values.append(np.array(y.tolist()))
        gradients.append(np.array(g.tolist()))
        nodes.append(y.grad_fn.name())
    np.testing.assert_allclose(values[1], values[0], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(gradients[1], gradients[0], rtol=1e-12, atol=1e-14)
    assert nodes[0] == nodes[1]


@pytest.mark.parametrize(
    "call",
    [
        lambda lib: lib.tensor([True]) - lib.tensor([True]),
        lambda lib: -lib.tensor([True]),
        lambda lib: lib.tensor([1]) // 0,
        lambda lib: lib.tensor([1]) % lib.tensor([0]),
        lambda lib: lib.tensor([2]) ** -1,
        lambda lib: lib.add(lib.tensor([1]), 1, alpha=0.5),
        lambda lib: lib.clamp(lib.tensor([1])),
        lambda lib: lib.where(lib.tensor([1]), lib.tensor([1]), lib.tensor([1])),
        lambda lib: lib.div(lib.tensor([1]), 2, rounding_mode="up"),
        lambda lib: lib.ones(2) + lib.ones(3),
        lambda lib: lib.maximum(lib.tensor([1]), 2),
        lambda lib: lib.nn.functional.gelu(lib.ones(2), approximate="sigmoid"),
        lambda lib: lib.nn.functional.glu(lib.ones(3)),
        lambda lib: lib.nn.functional.prelu(lib.ones(2, 3), lib.ones(2)),
        lambda lib: lib.nn.functional.softshrink(lib.ones(2), -1.0),
        lambda lib: lib.lerp(lib.ones(2), lib.ones(2).double(), 0.5),
    ],
)
def test_errors(call):
    assert_same(*[outcome(call, lib) for lib in LIBRARIES])


@pytest.mark.parametrize("call", ["ReLU(True)", "ELU(0.5)", "GELU('tanh')", "Softplus()", "Hardtanh(-2, 2, True)", "LeakyReLU(0.1, True)",
                                  "PReLU(3)", "RReLU()", "GLU()", "Threshold(1, 2)", "Hardshrink()", "Softmax(1)", "LogSigmoid()"])  # fmt: skip
def test_modules_print_alike(call):
    assert repr(eval(f"torch.nn.{call}", {"torch": torch})) == repr(eval(f"torch.nn.{call}", {"torch": pytensor}))


def test_rrelu_draws_as_torch_does():
    results = []
    for lib in LIBRARIES:
        lib.manual_seed(0)
        x = lib.tensor([-1.0, 2.0, -3.0, 0.0, -4.0])
        results.append(lib.nn.functional.rrelu(x, training=True).tolist())
    np.testing.assert_allclose(results[1], results[0], rtol=1e-6)
