"""Activation functions: one kernel forward, one backward.

Under ``create_graph=True`` a rule computes its derivative from public ops instead of the fused kernel, so the second
order is right by construction.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from pytensor import _C
from pytensor.autograd.node import Node
from pytensor.dtypes import BOOL, FLOATING
from pytensor.ops.checks import check_tensor
from pytensor.ops.inplace import inplace as store_inplace
from pytensor.ops.pointwise_core import apply_pointwise, make_op, unary
from pytensor.ops.pointwise_rules import check_float, fused, kernel_op, number_like, zeros_where
from pytensor.ops.registry import op
from pytensor.ops.select import clamp, where
from pytensor.tensor import Tensor

__all__ = [
    "celu",
    "elu",
    "gelu",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "leaky_relu",
    "logsigmoid",
    "mish",
    "relu",
    "relu6",
    "selu",
    "sigmoid",
    "silu",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
]


class FusedNode(Node):
    """Gradient by one kernel: ``kernel(grad, saved, *params)``, the params being ctx or the defaults."""

    saves = ("input",)
    kernel = ""
    defaults: tuple[float, ...] = ()

    def backward(self, grad):
        (saved,) = self.saved
        params = self.ctx if self.ctx is not None else self.defaults
        if _C.is_grad_enabled():
            return (grad * self.derivative(saved, *params),)
        return (fused(self.kernel, grad, saved, params),)

    def derivative(self, saved, *params):
        """The same from public ops."""
        raise NotImplementedError


def activation(kernel: str, node: type[Node], label: str) -> Callable[..., Any]:
    """The function ``run(input, params, inplace)`` of a kernel; in C for the default parameters."""

    def compute(input: Any, params: tuple[float, ...]) -> Any:
        check_tensor(input, kernel, "input", 1)
        check_float(label, input)
        return apply_pointwise(kernel, node, (input,), params=params, ctx=params)

    quick = make_op("unary", lambda x: compute(x, node.defaults), kernel=kernel, node=node, params=node.defaults)

    def run(input: Any, params: tuple[float, ...], inplace: bool = False) -> Any:
        if inplace:
            return store_inplace(compute, input, params)
        return quick(input) if params == node.defaults else compute(input, params)

    return run


class SigmoidBackward0(Node):
    saves = ("result",)

    def backward(self, grad):
        (result,) = self.saved
        if _C.is_grad_enabled() or result.dtype.is_complex:
            rule = (1 - result) * result
            return (grad * (rule.conj() if result.dtype.is_complex else rule),)
        return (sigmoid_backward(grad, result),)


class TanhBackward0(Node):
    saves = ("result",)

    def backward(self, grad):
        (result,) = self.saved
        if _C.is_grad_enabled() or result.dtype.is_complex:
            rule = 1 - result * result
            return (grad * (rule.conj() if result.dtype.is_complex else rule),)
        return (tanh_backward(grad, result),)


sigmoid_backward = kernel_op("sigmoid_backward", 2)
tanh_backward = kernel_op("tanh_backward", 2)


@unary(SigmoidBackward0, promotes="float", inplace=True, inplace_function=True)
def sigmoid(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """``1 / (1 + exp(-input))``.

    >>> import pytensor as torch
    >>> torch.sigmoid(torch.tensor([0.0, 2.0]))
    tensor([0.5000, 0.8808])
    """


@unary(TanhBackward0, promotes="float", inplace=True, inplace_function=True)
def tanh(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The hyperbolic tangent.

    >>> import pytensor as torch
    >>> torch.tanh(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.7616])
    """


op(namespace="nn.functional")(sigmoid)
op(namespace="nn.functional")(tanh)


class ReluBackward0(Node):
    saves = ("result",)

    def backward(self, grad):
        (result,) = self.saved
        if _C.is_grad_enabled():
            return (zeros_where(result <= 0, grad),)
        return (relu_backward(grad, result),)


relu_backward = kernel_op("threshold_backward", 2, 0.0)


def _relu(input: Tensor) -> Tensor:
    """``max(input, 0)``; NaN stays.

    Raises:
        RuntimeError: for boolean tensors.

    >>> import pytensor as torch
    >>> torch.relu(torch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    check_tensor(input, "relu", "input", 1)
    if input.dtype.category == BOOL:
        raise RuntimeError("Boolean inputs not supported for relu")
    return apply_pointwise("relu", ReluBackward0, (input,))


_relu.__name__ = _relu.__qualname__ = "relu"
relu = op(inplace=True, inplace_function=True)(make_op("unary", _relu, kernel="relu", node=ReluBackward0))


@op(namespace="nn.functional", name="relu")
def functional_relu(input: Tensor, inplace: bool = False) -> Tensor:
    """``max(input, 0)``; see :class:`~pytensor.nn.ReLU`.

    >>> import pytensor as torch
    >>> torch.nn.functional.relu(torch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    return store_inplace(relu, input) if inplace else relu(input)


@op(namespace="nn.functional")
def relu_(input: Tensor) -> Tensor:
    """In-place form of :func:`relu`.

    >>> import pytensor as torch
    >>> torch.nn.functional.relu_(torch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    return store_inplace(relu, input)


class ThresholdBackward0(FusedNode):
    kernel = "threshold_backward"
    defaults = (0.0, 0.0)

    def backward(self, grad):
        (input,) = self.saved
        limit = (self.ctx or self.defaults)[0]
        if _C.is_grad_enabled():
            return (zeros_where(input <= limit, grad),)
        return (fused(self.kernel, grad, input, (limit,)),)


_threshold = activation("threshold", ThresholdBackward0, "threshold_cpu")


@op(namespace="nn.functional")
def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """``input`` where it is above the threshold, else ``value``.

    >>> import pytensor as torch
    >>> torch.nn.functional.threshold(torch.tensor([-1.0, 2.0]), 0.5, 9.0)
    tensor([9., 2.])
    """
    return _threshold(input, (threshold, value), inplace)


class LeakyReluBackward0(FusedNode):
    kernel = "leaky_relu_backward"
    defaults = (0.01,)

    def derivative(self, saved, slope):
        return where(saved > 0, number_like(1, saved), slope)


_leaky_relu = activation("leaky_relu", LeakyReluBackward0, "leaky_relu_cpu")


@op(namespace="nn.functional")
def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """``input`` where positive, else ``negative_slope * input``.

    >>> import pytensor as torch
    >>> torch.nn.functional.leaky_relu(torch.tensor([-1.0, 2.0]), 0.1)
    tensor([-0.1000,  2.0000])
    """
    return _leaky_relu(input, (negative_slope,), inplace)


class EluBackward0(FusedNode):
    kernel = "elu_backward"
    defaults = (1.0, 1.0, 1.0)

    def derivative(self, saved, alpha, scale, input_scale):
        negative = alpha * scale * input_scale * (where(saved < 0, saved, 0) * input_scale).exp()
        return where(saved <= 0, negative, scale)


_elu = activation("elu", EluBackward0, "elu_cpu")


@op(namespace="nn.functional")
def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """``input`` where positive, else ``alpha * (exp(input) - 1)``.

    `Fast and accurate deep network learning by exponential linear units <https://arxiv.org/abs/1511.07289>`_

    >>> import pytensor as torch
    >>> torch.nn.functional.elu(torch.tensor([-1.0, 2.0]))
    tensor([-0.6321,  2.0000])
    """
    return _elu(input, (alpha, 1.0, 1.0), inplace)


_SELU = (1.6732632423543772848170429916717, 1.0507009873554804934193349852946, 1.0)


@op(namespace="nn.functional")
def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """The scaled exponential linear unit: :func:`elu` with the two constants that keep mean 0 and variance 1.

    `Self-normalizing neural networks <https://arxiv.org/abs/1706.02515>`_

    >>> import pytensor as torch
    >>> torch.nn.functional.selu(torch.tensor([-1.0, 2.0]))
    tensor([-1.1113,  2.1014])
    """
    return _elu(input, _SELU, inplace)


class CeluBackward0(FusedNode):
    kernel = "celu_backward"
    defaults = (1.0,)

    def derivative(self, saved, alpha):
        return where(saved <= 0, (where(saved < 0, saved, 0) / alpha).exp(), 1.0)


_celu = activation("celu", CeluBackward0, "elu_cpu")


@op(namespace="nn.functional")
def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """``max(0, input) + min(0, alpha * (exp(input / alpha) - 1))``.

    `Continuously differentiable exponential linear units <https://arxiv.org/abs/1704.07483>`_

    Raises:
        RuntimeError: when ``alpha`` is 0.

    >>> import pytensor as torch
    >>> torch.nn.functional.celu(torch.tensor([-1.0, 2.0]), 2.0)
    tensor([-0.7869,  2.0000])
    """
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return _celu(input, (alpha,), inplace)


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
_gelu = activation("gelu", GeluBackward0, "GeluKernelImpl")
_gelu_tanh = activation("gelu_tanh", GeluTanhBackward0, "GeluKernelImpl")


@op(namespace="nn.functional")
def gelu(input: Tensor, approximate: str = "none") -> Tensor:
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
        raise RuntimeError(f"approximate argument must be either none or tanh, got {approximate}")
    return _gelu_tanh(input, ())


class SiluBackward0(FusedNode):
    kernel = "silu_backward"

    def derivative(self, saved):
        s = sigmoid(saved)
        return s * (1 + saved * (1 - s))


_silu = activation("silu", SiluBackward0, "silu_cpu")


@op(namespace="nn.functional")
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


_mish = activation("mish", MishBackward0, "mish_cpu")


@op(namespace="nn.functional")
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


_softplus = activation("softplus", SoftplusBackward0, "softplus_cpu")


@op(namespace="nn.functional")
def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """``log(1 + exp(beta * input)) / beta``; the identity where ``beta * input`` is above the threshold.

    >>> import pytensor as torch
    >>> torch.nn.functional.softplus(torch.tensor([-1.0, 2.0]))
    tensor([0.3133, 2.1269])
    """
    return _softplus(input, (beta, threshold))


class HardtanhBackward0(FusedNode):
    kernel = "hardtanh_backward"
    defaults = (-1.0, 1.0)

    def backward(self, grad):
        if not _C.is_grad_enabled():
            return super().backward(grad)
        (input,) = self.saved
        low, high = self.ctx or self.defaults
        return (zeros_where((input <= low) | (input >= high), grad),)


_hardtanh = activation("hardtanh", HardtanhBackward0, "hardtanh_cpu")


@op(namespace="nn.functional")
def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """``input`` cut off at both ends.

    Raises:
        ValueError: when ``min_val`` is greater than ``max_val``.

    >>> import pytensor as torch
    >>> torch.nn.functional.hardtanh(torch.tensor([-3.0, 0.5]))
    tensor([-1.0000,  0.5000])
    """
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    if input.dtype.category < FLOATING:
        if input.dtype.category == BOOL:
            raise RuntimeError("Bool inputs not supported for hardtanh")
        return (
            store_inplace(clamp, input, min_val, max_val) if inplace else clamp(input, min_val, max_val).to(input.dtype)
        )
    return _hardtanh(input, (min_val, max_val), inplace)


@op(namespace="nn.functional")
def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """``min(max(input, 0), 6)``.

    >>> import pytensor as torch
    >>> torch.nn.functional.relu6(torch.tensor([-1.0, 2.0, 8.0]))
    tensor([0., 2., 6.])
    """
    return hardtanh(input, 0.0, 6.0, inplace)


class HardsigmoidBackward0(FusedNode):
    kernel = "hardsigmoid_backward"

    def derivative(self, saved):
        return where((saved > -3) & (saved < 3), number_like(1 / 6, saved), 0)


_hardsigmoid = activation("hardsigmoid", HardsigmoidBackward0, "hardsigmoid_cpu")


@op(namespace="nn.functional")
def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """``relu6(input + 3) / 6``.

    >>> import pytensor as torch
    >>> torch.nn.functional.hardsigmoid(torch.tensor([-4.0, 0.0, 1.5]))
    tensor([0.0000, 0.5000, 0.7500])
    """
    return _hardsigmoid(input, (), inplace)


class HardswishBackward0(FusedNode):
    kernel = "hardswish_backward"

    def derivative(self, saved):
        return where(saved <= -3, 0.0, where(saved < 3, saved / 3 + 0.5, 1.0))


_hardswish = activation("hardswish", HardswishBackward0, "hardswish_cpu")


@op(namespace="nn.functional")
def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """``input * relu6(input + 3) / 6``.

    `Searching for MobileNetV3 <https://arxiv.org/abs/1905.02244>`_

    >>> import pytensor as torch
    >>> torch.nn.functional.hardswish(torch.tensor([-4.0, 1.0, 4.0]))
    tensor([-0.0000,  0.6667,  4.0000])
    """
    return _hardswish(input, (), inplace)


class LogSigmoidBackward0(FusedNode):
    kernel = "logsigmoid_backward"

    def derivative(self, saved):
        return sigmoid(-saved)


_logsigmoid = activation("logsigmoid", LogSigmoidBackward0, "log_sigmoid_cpu")


@op(namespace="nn.functional")
def logsigmoid(input: Tensor) -> Tensor:
    """``log(sigmoid(input))`` without overflow.

    >>> import pytensor as torch
    >>> torch.nn.functional.logsigmoid(torch.tensor([-100.0, 0.0]))
    tensor([-100.0000,   -0.6931])
    """
    return _logsigmoid(input, ())


class HardshrinkBackward0(FusedNode):
    kernel = "hardshrink_backward"
    defaults = (0.5,)

    def derivative(self, saved, lambd):
        return where((saved >= -lambd) & (saved <= lambd), number_like(0, saved), 1)


class SoftshrinkBackward0(HardshrinkBackward0):
    pass


_hardshrink = activation("hardshrink", HardshrinkBackward0, "hardshrink_cpu")
_softshrink = activation("softshrink", SoftshrinkBackward0, "softshrink_cpu")


def _hardshrink_public(input: Tensor, lambd: float = 0.5) -> Tensor:
    """``input``, but 0 where it lies in ``[-lambd, lambd]``.

    >>> import pytensor as torch
    >>> torch.nn.functional.hardshrink(torch.tensor([-1.0, 0.3]))
    tensor([-1.,  0.])
    """
    return _hardshrink(input, (lambd,))


_hardshrink_public.__name__ = _hardshrink_public.__qualname__ = "hardshrink"
hardshrink = op()(_hardshrink_public)
op(namespace="nn.functional")(hardshrink)


@op(namespace="nn.functional")
def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """``input`` moved towards 0 by ``lambd``, and 0 where it was nearer.

    Raises:
        RuntimeError: for a negative ``lambd``.

    >>> import pytensor as torch
    >>> torch.nn.functional.softshrink(torch.tensor([-1.0, 0.3]))
    tensor([-0.5000,  0.0000])
    """
    if lambd < 0:
        raise RuntimeError(f"lambda must be greater or equal to 0, but found to be {lambd:g}.")
    return _softshrink(input, (lambd,))


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
