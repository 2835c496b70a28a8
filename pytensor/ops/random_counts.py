"""Random counts: Poisson and binomial."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pytensor.autograd.node import record
from pytensor.backend import backend_of
from pytensor.ops.checks import check_tensor
from pytensor.ops.pointwise_rules import NoDerivative
from pytensor.ops.random import ZeroGradient
from pytensor.ops.random_fill import generator_of
from pytensor.ops.registry import op
from pytensor.random import Generator
from pytensor.typename import scalar_type_name

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["binomial", "poisson"]


class PoissonBackward0(ZeroGradient):
    pass


class BinomialBackward0(NoDerivative):
    pass


@op(method=False)
def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Poisson random numbers; the elements of ``input`` are the rates.

    Raises:
        RuntimeError: for a negative rate.

    >>> import pytensor as torch
    >>> torch.poisson(torch.zeros(2))
    tensor([0., 0.])
    """
    check_tensor(input, "poisson", "input", 1)
    if not input.dtype.is_floating_point:
        raise NotImplementedError(f"\"poisson_cpu\" not implemented for '{scalar_type_name(input.dtype)}'")
    rates = input._array.astype(np.float64)
    if not bool((rates >= 0).all()):
        raise RuntimeError("invalid Poisson rate, expected rate to be non-negative")
    drawn = backend_of(rates).random_poisson(generator_of(generator, "poisson"), rates)
    array = drawn.astype(input.dtype.numpy, copy=False)
    return record(PoissonBackward0, (input,), array, ctx=(tuple(input.shape),))


def _check_binomial(tensor: Tensor, name: str, position: int) -> None:
    check_tensor(tensor, "binomial", name, position)
    if not tensor.dtype.is_floating_point:
        raise ValueError(
            f"binomial only supports floating-point dtypes for {name}, got: {scalar_type_name(tensor.dtype)}"
        )


@op(method=False)
def binomial(count: Tensor, prob: Tensor, generator: Generator | None = None) -> Tensor:
    """Successes among ``count`` trials with probability ``prob`` each; float32 or float64, broadcast together.

    Raises:
        ValueError: for tensors that are not of floating point.
        RuntimeError: for tensors of different dtypes.
        NotImplementedError: for float16 and bfloat16.

    >>> import pytensor as torch
    >>> torch.binomial(torch.tensor([5.0, 3.0]), torch.tensor([1.0, 0.0]))
    tensor([5., 0.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.binomial.html
    """
    _check_binomial(count, "count", 1)
    _check_binomial(prob, "prob", 2)
    if prob.dtype != count.dtype:
        raise RuntimeError(f"Found dtype {scalar_type_name(prob.dtype)} but expected {scalar_type_name(count.dtype)}")
    if count.dtype.itemsize < 4:
        raise NotImplementedError(f"\"binomial_cpu\" not implemented for '{scalar_type_name(count.dtype)}'")
    trials, chances = np.broadcast_arrays(count._array, prob._array)
    drawn = backend_of(trials).random_binomial(generator_of(generator, "binomial"), trials, chances)
    return record(BinomialBackward0, (count, prob), drawn, ctx="aten::binomial")
