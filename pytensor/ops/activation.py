"""Activation functions: one kernel forward, one backward.

Under ``create_graph=True`` a rule computes its derivative from public ops instead of the fused kernel, so the second
order is right by construction.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from pytensor import _C
from pytensor.autograd.node import Node
from pytensor.dtypes import BOOL, FLOATING, INTEGER
from pytensor.ops.checks import check_tensor
from pytensor.ops.inplace import inplace as store_inplace
from pytensor.ops.pointwise_core import apply_pointwise, make_op, unary
from pytensor.ops.pointwise_rules import fused, kernel_op, not_implemented_for, number_like, zeros_where
from pytensor.ops.registry import op
from pytensor.ops.select import where
from pytensor.tensor import Tensor

__all__ = ["FusedNode", "activation", "celu", "elu", "leaky_relu", "relu", "selu", "sigmoid", "tanh", "threshold"]


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
        return (gradient_op(self.kernel)(grad, saved, *params),)

    def derivative(self, saved, *params):
        """The same from public ops."""
        raise NotImplementedError


@functools.cache
def gradient_op(kernel: str) -> Any:
    """The op ``f(grad, saved, *params)`` of a gradient kernel, outside any graph."""

    def slow(grad: Any, saved: Any, *params: float) -> Any:
        return fused(kernel, grad, saved, params)

    names = tuple(f"param{i}" for i in range(_C.pointwise_params(kernel)))
    return make_op("binary", slow, kernel=kernel, params=(0.0,) * len(names), arguments=names, required=len(names))


def activation(
    kernel: str, node: type[Node], label: str, least: int = FLOATING
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """What an activation function is made of.

    Args:
        least: the lowest category of dtypes that it takes.

    Returns:
        ``compute(input, params, inplace)``, its definition, and a decorator ``quick(*arguments)`` that puts C in front
        of the public function; ``arguments`` names its arguments after the tensor, params first.
    """

    def apply(input: Any, params: tuple[float, ...]) -> Any:
        check_tensor(input, kernel, "input", 1)
        if not least <= input.dtype.category <= FLOATING:
            raise not_implemented_for(label, input)
        return apply_pointwise(kernel, node, (input,), params=params, ctx=params)

    def compute(input: Any, params: tuple[float, ...], inplace: bool = False) -> Any:
        return store_inplace(apply, input, params) if inplace else apply(input, params)

    def quick(
        *arguments: str, required: int = 0, params: tuple[float, ...] = node.defaults, check: str = ""
    ) -> Callable[..., Any]:
        def decorate(fn: Callable[..., Any]) -> Any:
            return make_op(
                "unary",
                fn,
                kernel=kernel,
                node=node,
                params=params,
                arguments=arguments,
                required=required,
                check=check,
            )

        return decorate

    return compute, quick


class SigmoidBackward0(Node):
    saves = ("result",)
    quick = (("sigmoid_backward", "grad", 0),)

    def backward(self, grad):
        (result,) = self.saved
        if _C.is_grad_enabled() or result.dtype.is_complex:
            rule = (1 - result) * result
            return (grad * (rule.conj() if result.dtype.is_complex else rule),)
        return (sigmoid_backward(grad, result),)


class TanhBackward0(Node):
    saves = ("result",)
    quick = (("tanh_backward", "grad", 0),)

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
    quick = (("threshold_backward", "grad", 0),)

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


_threshold, _quick_threshold = activation("threshold", ThresholdBackward0, "threshold_cpu", INTEGER)


@op(namespace="nn.functional", inplace=True, inplace_function=True)
@_quick_threshold("threshold", "value", "inplace", required=2)
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


_leaky_relu, _quick_leaky_relu = activation("leaky_relu", LeakyReluBackward0, "leaky_relu_cpu")


@op(namespace="nn.functional", inplace=True, inplace_function=True)
@_quick_leaky_relu("negative_slope", "inplace")
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


_elu, _quick_elu = activation("elu", EluBackward0, "elu_cpu")


@op(namespace="nn.functional", inplace=True, inplace_function=True)
@_quick_elu("alpha", "inplace")
def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """``input`` where positive, else ``alpha * (exp(input) - 1)``.

    `Fast and accurate deep network learning by exponential linear units <https://arxiv.org/abs/1511.07289>`_

    >>> import pytensor as torch
    >>> torch.nn.functional.elu(torch.tensor([-1.0, 2.0]))
    tensor([-0.6321,  2.0000])
    """
    return _elu(input, (alpha, 1.0, 1.0), inplace)


_SELU = (1.6732632423543772848170429916717, 1.0507009873554804934193349852946, 1.0)


@op(namespace="nn.functional", inplace=True, inplace_function=True)
@_quick_elu("inplace", params=_SELU)
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


_celu, _quick_celu = activation("celu", CeluBackward0, "elu_cpu")


@op(namespace="nn.functional", inplace=True, inplace_function=True)
@_quick_celu("alpha", "inplace", check="not zero")
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
