"""Activations with a learned parameter, with a random one, and the gated ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from pytensor.autograd.node import Node, record, wrap
from pytensor.backend import backend_of
from pytensor.dtypes import FLOATING, float64
from pytensor.ops.activation import leaky_relu, sigmoid
from pytensor.ops.checks import check_tensor, normalize_dim
from pytensor.ops.inplace import inplace as store_inplace
from pytensor.ops.pointwise_rules import zeros_where
from pytensor.ops.registry import op
from pytensor.ops.select import where
from pytensor.tensor import Tensor

__all__ = ["glu", "prelu", "rrelu"]


class PreluKernelBackward0(Node):
    """Inputs: (input, weight), the weight already shaped to broadcast."""

    def backward(self, grad):
        input, weight = self.saved
        positive = input > 0
        wanted = self.needs_input_grad
        return (
            where(positive, grad, grad * weight) if wanted[0] else None,
            zeros_where(positive, grad * input) if wanted[1] else None,
        )


@op()
def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """``input`` where positive, else ``weight * input``; one weight, or one per channel (dimension 1).

    `Delving deep into rectifiers <https://arxiv.org/abs/1502.01852>`_

    Raises:
        RuntimeError: when the number of weights is neither 1 nor the number of channels.

    >>> import pytensor as torch
    >>> torch.prelu(torch.tensor([-1.0, 2.0]), torch.tensor([0.1]))
    tensor([-0.1000,  2.0000])
    """
    check_tensor(input, "prelu", "input", 1)
    check_tensor(weight, "prelu", "weight", 2)
    if input.dtype is not weight.dtype:
        raise RuntimeError(f"prelu: Type promoting not supported. Got {input.dtype.name} and {weight.dtype.name}")
    if weight.ndim > 1:
        raise RuntimeError(f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.ndim}")
    if weight.numel() != 1:
        if input.ndim == 0:
            raise RuntimeError("Not allow zero-dim input tensor.")
        channels = input.shape[1] if input.ndim > 1 else 1
        if channels != weight.numel():
            raise RuntimeError(
                f"Mismatch of parameter numbers and input channel size. Found parameter numbers = {weight.numel()} and "
                f"channel size = {channels}."
            )
    shaped = weight.reshape(()) if input.ndim < 2 and weight.numel() == 1 else weight
    if input.ndim >= 2:
        shaped = weight.reshape((1, weight.numel(), *([1] * (input.ndim - 2))))
    elif input.ndim == 1 and weight.numel() == 1:
        shaped = weight.reshape((1,))
    x = input._array
    array = backend_of(x).pointwise("prelu", (x, shaped._array))
    return record(PreluKernelBackward0, (input, shaped), array, saved=(input, shaped))


op(namespace="nn.functional")(prelu)


class RreluWithNoiseBackward0(Node):
    def backward(self, grad):
        (slopes,) = self.saved
        return (grad * slopes,)


@op(namespace="nn.functional", inplace=True, inplace_function=True)
def rrelu(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, inplace: bool = False
) -> Tensor:
    """:func:`leaky_relu` with slopes drawn uniformly from ``[lower, upper)`` in training, their mean in evaluation.

    `Empirical evaluation of rectified activations <https://arxiv.org/abs/1505.00853>`_

    >>> import pytensor as torch
    >>> torch.nn.functional.rrelu(torch.tensor([-24.0, 2.0]))
    tensor([-5.5000,  2.0000])
    """
    if not training:
        return leaky_relu(input, (lower + upper) / 2, inplace)
    return store_inplace(_random_leaky, input, lower, upper) if inplace else _random_leaky(input, lower, upper)


def _random_leaky(input: Any, lower: float, upper: float) -> Any:
    """A slope is drawn for every element that is not positive, in the order of the elements, as PyTorch draws."""
    from pytensor.ops.random import rand

    x = input._array
    slopes = np.ones(x.shape, x.dtype)
    negative = np.asarray(x <= 0)
    count = int(negative.sum())
    if count:
        drawn = rand(count, dtype=float64)._array * (upper - lower) + lower
        slopes[negative] = drawn.astype(x.dtype)
    noise = wrap(slopes)
    return record(RreluWithNoiseBackward0, (input,), x * slopes, saved=(noise,))


class GluBackward0(Node):
    def backward(self, grad):
        (input,) = self.saved
        dim = self.ctx
        a, b = input.chunk(2, dim)
        s = sigmoid(b)
        from pytensor.ops.join import cat

        return (cat((grad * s, grad * a * s * (1 - s)), dim),)


@op(namespace="nn.functional")
def glu(input: Tensor, dim: int = -1) -> Tensor:
    """The gated linear unit: one half of the tensor times the sigmoid of the other.

    `Language modeling with gated convolutional networks <https://arxiv.org/abs/1612.08083>`_

    Raises:
        RuntimeError: for a 0-d tensor, or an odd size along ``dim``.

    >>> import pytensor as torch
    >>> torch.nn.functional.glu(torch.tensor([1.0, 2.0, 0.0, 0.0]))
    tensor([0.5000, 1.0000])
    """
    check_tensor(input, "glu", "input", 1)
    if input.ndim == 0:
        raise RuntimeError("glu does not support 0-dimensional tensors")
    dim = normalize_dim(dim, input.ndim)
    size = input.shape[dim]
    if size % 2:
        raise RuntimeError(f"Halving dimension must be even, but dimension {dim} is size {size}")
    if input.dtype.category < FLOATING:
        from pytensor.ops.pointwise_rules import not_implemented_for

        raise not_implemented_for("glu_cpu", input)
    x = input._array
    first = (slice(None),) * dim + (slice(0, size // 2),)
    second = (slice(None),) * dim + (slice(size // 2, size),)
    array = backend_of(x).pointwise("glu", (x[first], x[second]))
    return record(GluBackward0, (input,), array, saved=(input,), ctx=dim)
