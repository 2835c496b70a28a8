"""The backward engine.

Nodes run in the reverse of the order they were made in: a node's inputs are always older than itself, so when
the youngest waiting node is taken, all its gradients have come. No recursion, no second pass over the graph.

``loss.backward()`` without arguments is the same pass in C (csrc/core/backward.cpp), with the functions registered at the
end of this file for what is not plain on its way.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pytensor import _C
from pytensor.autograd import anomaly
from pytensor.autograd.node import Node

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["accumulate", "run"]


class Capture:
    """The inputs of autograd.grad: which gradients to keep, and which nodes lead to them."""

    def __init__(self, inputs: Sequence[Tensor], roots: Sequence[Any]) -> None:
        self.found: dict[Any, Tensor] = {}
        self.keys = [_key(t) for t in inputs]
        self.wanted = set(self.keys)
        self.nodes = {key[0] for key in self.wanted if isinstance(key, tuple)}
        self.leading: set[Node] = _C.leading_nodes(roots, inputs)

    def take(self, node: Node, grads: Any) -> bool:
        """Keeps the gradients that were asked for; does the node lead to more of them?"""
        if node in self.nodes:
            for nr, grad in enumerate(grads if type(grads) is list else [grads]):
                if (node, nr) in self.wanted:
                    self.found[node, nr] = grad
        return node in self.leading


def _key(tensor: Tensor) -> Any:
    """What identifies a tensor in the graph: (node, output number), or the leaf itself."""
    node = tensor.grad_fn
    return id(tensor) if node is None else (node, tensor.output_nr)


def run(
    roots: Sequence[Tensor],
    grads: Sequence[Tensor],
    retain_graph: bool,
    create_graph: bool,
    inputs: Sequence[Tensor] | None = None,
) -> list[Tensor | None]:
    """Sends ``grads`` back from ``roots``.

    Without ``inputs``, gradients are added to the ``grad`` of the leaves. With them, nothing is added and the
    gradients of the inputs are returned (None where none came).
    """
    before = _C.set_grad_enabled(create_graph)
    try:
        ends = [root.grad_fn if root.grad_fn is not None else root for root in roots]
        capture = Capture(inputs, ends) if inputs is not None else None
        queue = _new_queue(capture, retain_graph, create_graph)
        for root, end, grad in zip(roots, ends, grads, strict=True):
            queue.add(end, root.output_nr, grad)
        del grad
        while (waiting := queue.pop()) is not None:
            node, gradient = waiting
            if node._pre_hooks:
                gradient = _run_pre_hooks(node, gradient)
            if capture is None or capture.take(node, gradient):
                result = _apply(node, gradient)
                if not retain_graph:
                    node._release()
                queue.send(node, result, _mend)
            waiting = gradient = result = None  # what the queue alone holds it adds to in place
        return _finish(queue, capture, create_graph)
    finally:
        _C.set_grad_enabled(before)


def _new_queue(capture: Capture | None, retain_graph: bool, create_graph: bool) -> Any:
    """The queue. It runs plain nodes by itself (see Node.quick), unless the pass is to be recorded or watched."""
    quick = not (create_graph or anomaly.enabled)
    if capture is None:
        return _C.GradientQueue(quick, retain_graph)
    return _C.GradientQueue(quick, retain_graph, capture.nodes, capture.leading)


def _apply(node: Node, grads: Any) -> tuple[Any, ...]:
    """The gradients of a node's inputs from those of its outputs, hooks and checks included."""
    result = node.backward(*grads) if type(grads) is list else node.backward(grads)
    if type(result) is not tuple:
        result = (result,)
    if anomaly.enabled:
        anomaly.check(node, result)
    if node._post_hooks:
        result = _run_post_hooks(node, result, grads)
    if len(result) != node._edge_count:
        result = _match_count(node, result)
    return result


def _finish(queue: Any, capture: Capture | None, create_graph: bool) -> list[Tensor | None]:
    """Hands the leaves their gradients."""
    if capture is None:
        if not create_graph:
            queue.keep_plain()
        for entry in queue.take_leaves():
            _finish_leaf(entry, create_graph)
        return []
    for leaf, grad in queue.take_leaves():
        grad = _run_leaf_hooks(leaf, grad)
        if id(leaf) in capture.wanted:
            capture.found[id(leaf)] = grad
    return [capture.found.get(key) for key in capture.keys]


def _run_leaf_hooks(leaf: Tensor, grad: Tensor) -> Tensor:
    hooks = leaf.__dict__.get("_backward_hooks")
    return run_tensor_hooks(hooks, grad) if hooks else grad


def _finish_leaf(entry: list[Any], create_graph: bool = False) -> None:
    """Runs the hooks of a leaf and gives it its gradient; entry: [leaf, gradient]."""
    leaf, grad = entry
    entry[1] = None  # so that accumulate() sees whether anybody else holds the gradient
    grad = _run_leaf_hooks(leaf, grad)
    accumulate(leaf, grad, create_graph)
    post_hooks = leaf.__dict__.get("_post_accumulate_grad_hooks")
    for hook in list(post_hooks.values()) if post_hooks else ():
        hook(leaf)


def _run_node(node: Node, gradient: Any) -> tuple[Any, ...]:
    """A node whose rule is Python's, in the plain pass (csrc/core/backward.cpp)."""
    if node._pre_hooks:
        gradient = _run_pre_hooks(node, gradient)
    result = _apply(node, gradient)
    node._release()
    return result


def accumulate(leaf: Tensor, grad: Tensor, create_graph: bool) -> None:
    """Adds a gradient to ``leaf.grad``. A gradient that somebody else holds is copied, never shared."""
    held = leaf._grad
    if held is None:
        if create_graph:
            leaf._grad = grad.clone()
            return
        array = grad._array
        # This frame, its caller and getrefcount hold the tensor; the tensor, this frame and getrefcount the array.
        ours = sys.getrefcount(grad) <= 4 and sys.getrefcount(array) <= 3
        if ours and array.flags.owndata and array.flags.c_contiguous:
            leaf._grad = grad if not grad._requires_grad else grad.detach()
        else:
            leaf._grad = grad.detach().clone()
    elif create_graph:
        leaf._grad = held + grad
    else:
        held.add_(grad)


def run_tensor_hooks(hooks: dict[int, Any], grad: Tensor) -> Tensor:
    """Calls a tensor's hooks; each may replace the gradient."""
    for hook in list(hooks.values()):
        changed = hook(grad)
        if changed is not None:
            if not isinstance(changed, _C.TensorBase):
                raise TypeError(f"expected Tensor, but hook returned '{type(changed).__name__}'")
            if changed.shape != grad.shape:
                raise RuntimeError(
                    f"hook '{getattr(hook, '__name__', hook)}' has changed the size of value "
                    f"(was {list(grad.shape)}, got {list(changed.shape)})"
                )
            grad = changed
    return grad


def _run_pre_hooks(node: Node, grads: Any) -> Any:
    single = type(grads) is not list
    values = (grads,) if single else tuple(grads)
    for hook in list(node._pre_hooks.values()):
        changed = hook(values)
        if changed is not None:
            values = changed if isinstance(changed, tuple) else (changed,)
    return values[0] if single else list(values)


def _run_post_hooks(node: Node, result: tuple[Any, ...], grads: Any) -> tuple[Any, ...]:
    outputs = tuple(grads) if type(grads) is list else (grads,)
    for hook in list(node._post_hooks.values()):
        changed = hook(result, outputs)
        if changed is not None:
            result = changed if isinstance(changed, tuple) else (changed,)
    return result


def _match_count(node: Node, result: tuple[Any, ...]) -> tuple[Any, ...]:
    """A rule may give more gradients than inputs when the rest are None, as custom functions do."""
    expected = node._edge_count
    if len(result) > expected and all(r is None for r in result[expected:]):
        return result[:expected]
    raise RuntimeError(
        f"function {node.name()} returned an incorrect number of gradients (expected {expected}, got {len(result)})"
    )


def _mend(node: Node, index: int, grad: Any, target: Any, output_nr: int) -> Tensor:
    """Sums over broadcast axes and casts, so that the gradient has its input's shape and dtype."""
    shape, dtype = target._outputs[output_nr] if isinstance(target, Node) else (target.shape, target.dtype)
    if not isinstance(grad, _C.TensorBase):
        raise TypeError(
            f"{node.name()}.backward: expected gradient {index} to be a Tensor or None, got {type(grad).__name__}"
        )
    if grad.shape != shape:
        extra = grad.ndim - len(shape)
        fits = extra >= 0 and all(s in (1, g) for s, g in zip(shape, grad.shape[extra:], strict=True))
        if not fits:
            raise RuntimeError(
                f"Function {node.name()} returned an invalid gradient at index {index} - got {list(grad.shape)} but "
                f"expected shape compatible with {list(shape)}"
            )
        grad = grad.sum_to_size(shape)
    if grad.dtype is not dtype:
        if grad.dtype.is_complex and not dtype.is_complex:
            grad = grad.real
        grad = grad.to(dtype)
    return grad


_C.register_engine(_run_node, _mend, _finish_leaf)
