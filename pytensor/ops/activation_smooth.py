"""Smooth activation functions: gelu, silu, mish, softplus and relatives."""

from __future__ import annotations

import math

from pytensor.ops.activation import FusedNode, activation, sigmoid, tanh
from pytensor.ops.pointwise_core import make_op
from pytensor.ops.registry import op
from pytensor.ops.select import where
from pytensor.tensor import Tensor

__all__ = ["gelu", "logsigmoid", "mish", "silu", "softplus", "softsign", "tanhshrink"]


class GeluBackward0(FusedNode):
    kernel = "gelu_backward"

    def derivative(self, saved):
        density = (saved * saved * -0.5).exp() / math.sqrt(2 * math.pi)
        return 0.5 * (1 + (saved * math.sqrt(0.5)).erf()) + saved * density


class GeluTanhBackward0(FusedNode):
    kernel = "gelu_tanh_backward"

    def derivative(self, saved):
        slope = 2 * math.sqrt(2 / math.pi)
        s = sigmoid(slope * (saved + 0.044715 * saved * saved * saved))
        return s + saved * s * (1 - s) * (slope * (1 + 3 * 0.044715 * saved * saved))


GeluTanhBackward0.__name__ = GeluTanhBackward0.__qualname__ = "GeluBackward0"
_gelu, _quick_gelu = activation("gelu", GeluBackward0, "GeluKernelImpl")
_gelu_tanh, _quick_gelu_tanh = activation("gelu_tanh", GeluTanhBackward0, "GeluKernelImpl")


def _gelu_by_name(input: Tensor, approximate: str = "none") -> Tensor:
    """``input * Phi(input)``, Phi the normal distribution function.

    `Gaussian error linear units <https://arxiv.org/abs/1606.08415>`_

    Args:
        approximate: "none", or "tanh" for the approximation with a hyperbolic tangent.

    Raises:
        RuntimeError: for other approximations.

    >>> import pytensor as torch
    >>> torch.nn.functional.gelu(torch.tensor([-1.0, 2.0]))
    tensor([-0.1587,  1.9545])
    """
    if approximate == "none":
        return _gelu(input, ())
    if approximate != "tanh":
        raise RuntimeError("approximate argument must be either none or tanh.")
    return _gelu_tanh(input, ())


_gelu_by_name.__name__ = _gelu_by_name.__qualname__ = "gelu"
_choices = {
    "none": _quick_gelu()(lambda input: _gelu(input, ())),
    "tanh": _quick_gelu_tanh()(lambda input: _gelu_tanh(input, ())),
}
gelu = op(namespace="nn.functional")(
    make_op("unary", _gelu_by_name, kernel="gelu", node=GeluBackward0, choices=("approximate", _choices))
)


class SiluBackward0(FusedNode):
    kernel = "silu_backward"

    def derivative(self, saved):
        s = sigmoid(saved)
        return s * (1 + saved * (1 - s))


_silu, _quick_silu = activation("silu", SiluBackward0, "silu_cpu")


@op(namespace="nn.functional")
@_quick_silu("inplace")
def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """``input * sigmoid(input)``, also known as swish.

    >>> import pytensor as torch
    >>> torch.nn.functional.silu(torch.tensor([-1.0, 2.0]))
    tensor([-0.2689,  1.7616])
    """
    return _silu(input, (), inplace)


class MishBackward0(FusedNode):
    kernel = "mish_backward"

    def derivative(self, saved):
        t = tanh(softplus(saved))
        return t + saved * sigmoid(saved) * (1 - t * t)


_mish, _quick_mish = activation("mish", MishBackward0, "mish_cpu")


@op(namespace="nn.functional")
@_quick_mish("inplace")
def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """``input * tanh(softplus(input))``.

    `Mish: a self regularized non-monotonic activation function <https://arxiv.org/abs/1908.08681>`_

    >>> import pytensor as torch
    >>> torch.nn.functional.mish(torch.tensor([-1.0, 2.0]))
    tensor([-0.3034,  1.9440])
    """
    return _mish(input, (), inplace)


class SoftplusBackward0(FusedNode):
    kernel = "softplus_backward"
    defaults = (1.0, 20.0)

    def derivative(self, saved, beta, threshold):
        return where(saved * beta > threshold, 1.0, sigmoid(saved * beta))


_softplus, _quick_softplus = activation("softplus", SoftplusBackward0, "softplus_cpu")


@op(namespace="nn.functional")
@_quick_softplus("beta", "threshold")
def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """``log(1 + exp(beta * input)) / beta``; the identity where ``beta * input`` is above the threshold.

    >>> import pytensor as torch
    >>> torch.nn.functional.softplus(torch.tensor([-1.0, 2.0]))
    tensor([0.3133, 2.1269])
    """
    return _softplus(input, (beta, threshold))


class LogSigmoidBackward0(FusedNode):
    kernel = "logsigmoid_backward"

    def derivative(self, saved):
        return sigmoid(-saved)


_logsigmoid, _quick_logsigmoid = activation("logsigmoid", LogSigmoidBackward0, "log_sigmoid_cpu")


@op(namespace="nn.functional")
@_quick_logsigmoid()
def logsigmoid(input: Tensor) -> Tensor:
    """``log(sigmoid(input))`` without overflow.

    >>> import pytensor as torch
    >>> torch.nn.functional.logsigmoid(torch.tensor([-100.0, 0.0]))
    tensor([-100.0000,   -0.6931])
    """
    return _logsigmoid(input, ())


@op(namespace="nn.functional")
def tanhshrink(input: Tensor) -> Tensor:
    """``input - tanh(input)``.

    >>> import pytensor as torch
    >>> torch.nn.functional.tanhshrink(torch.tensor([-1.0, 2.0]))
    tensor([-0.2384,  1.0360])
    """
    return input - tanh(input)


@op(namespace="nn.functional")
def softsign(input: Tensor) -> Tensor:
    """``input / (1 + abs(input))``.

    >>> import pytensor as torch
    >>> torch.nn.functional.softsign(torch.tensor([-1.0, 3.0]))
    tensor([-0.5000,  0.7500])
    """
    return input / (input.abs() + 1)
