"""Names about the graph itself."""

from __future__ import annotations

from typing import Any

from pytensor.autograd.node import Node, accumulator_of

__all__ = ["Node", "get_gradient_edge", "increment_version"]


def get_gradient_edge(tensor: Any) -> tuple[Node, int]:
    """The node that a tensor's gradient goes to, with the number of the output.

    Raises:
        RuntimeError: when the tensor does not require grad.
    """
    if not tensor.requires_grad:
        raise RuntimeError("It is not possible to get the gradient edge for a Tensor that does not require gradients")
    return (tensor.grad_fn if tensor.grad_fn is not None else accumulator_of(tensor), tensor.output_nr)


def increment_version(tensor: Any) -> None:
    """Tells autograd that a tensor's data was written by code that it does not see."""
    for t in (tensor,) if not isinstance(tensor, (tuple, list)) else tensor:
        t._bump_version()
