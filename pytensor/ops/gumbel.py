"""Samples of categories that have gradients."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from pytensor.ops.registry import op

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["gumbel_softmax"]


@op(namespace="nn.functional")
def gumbel_softmax(logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """A sample of the Gumbel-softmax distribution: softmax((logits + Gumbel noise) / tau) along ``dim``.

    Args:
        tau: temperature; the lower, the closer to one-hot.
        hard: gives the one-hot vector of the largest, with the gradient of the soft sample.
        eps: deprecated, without effect.

    >>> import pytensor as torch
    >>> torch.nn.functional.gumbel_softmax(torch.zeros(2, 3), hard=True).sum(1)
    tensor([1., 1.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.gumbel_softmax.html
    """
    if eps != 1e-10:
        warnings.warn("`eps` parameter is deprecated and has no effect.", stacklevel=3)
    noise = -logits.new_empty(logits.shape).exponential_().log()  # in order, however the logits lie
    soft = ((logits + noise) / tau).softmax(dim)
    if not hard:
        return soft
    index = soft.max(dim, keepdim=True)[1]
    return logits.new_zeros(logits.shape).scatter_(dim, index, 1.0) - soft.detach() + soft
