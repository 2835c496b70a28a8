"""Hooks on tensors: called with a tensor's gradient once it is complete."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pytensor.autograd.engine import run_tensor_hooks
from pytensor.autograd.node import Node, RemovableHandle

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["register", "retain"]


def register(tensor: Tensor, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
    """Adds a hook: on a leaf before ``grad`` is added to, elsewhere before the node's rule runs."""
    if not tensor._requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    node = tensor.grad_fn
    hooks = tensor.__dict__.setdefault("_backward_hooks", {}) if node is None else _node_hooks(node, tensor.output_nr)
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    return handle


def _node_hooks(node: Node, output_nr: int) -> dict[int, Any]:
    """The hooks on one output of a node; the node gets one pre-hook that runs them."""
    by_output = node.metadata.setdefault("tensor_hooks", {})
    if output_nr not in by_output:
        hooks = by_output[output_nr] = {}

        def run(grads: tuple[Any, ...]) -> tuple[Any, ...]:
            if grads[output_nr] is None:
                return grads
            changed = run_tensor_hooks(hooks, grads[output_nr])
            return (*grads[:output_nr], changed, *grads[output_nr + 1 :])

        node.register_prehook(run)
    return by_output[output_nr]


def retain(tensor: Tensor) -> None:
    """Makes backward passes keep the ``grad`` of a non-leaf tensor."""
    reference = weakref.ref(tensor)

    def keep(grad: Tensor) -> None:
        kept = reference()
        if kept is not None:
            kept._grad = grad.clone() if kept._grad is None else kept._grad + grad

    register(tensor, keep)
    tensor.retains_grad = True
