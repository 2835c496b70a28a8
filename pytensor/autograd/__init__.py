"""Automatic differentiation: the graph, the engine, grad modes, custom functions, gradient checks."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pytensor import _C
from pytensor.autograd import engine, graph
from pytensor.autograd.anomaly import detect_anomaly, is_anomaly_enabled, set_detect_anomaly
from pytensor.autograd.function import Function, FunctionCtx, once_differentiable
from pytensor.autograd.grad_mode import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from pytensor.autograd.node import Node
from pytensor.backend.reference.array_module import array_module

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = [
    "Function",
    "FunctionCtx",
    "Node",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "graph",
    "inference_mode",
    "is_anomaly_enabled",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "no_grad",
    "once_differentiable",
    "set_detect_anomaly",
    "set_grad_enabled",
]


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Adds the gradients of the sum of ``tensors`` to the ``grad`` of the leaves.

    Args:
        tensors: what to differentiate; each must require grad.
        grad_tensors: the gradient with respect to each; None for tensors of one element.
        retain_graph: keep what the graph saved, for another pass (default: ``create_graph``).
        create_graph: record the backward pass itself.
        inputs: add only to these tensors' ``grad``.

    Raises:
        RuntimeError: without a graph; for a missing gradient of a tensor with more than one element; for a
            gradient of another shape; for a second pass through a freed graph.

    >>> import pytensor as torch
    >>> x = torch.tensor(2.0, requires_grad=True)
    >>> torch.autograd.backward(x**3)
    >>> x.grad
    tensor(12.)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.backward.html
    """
    roots = _as_tuple(tensors)
    grads = _output_gradients(roots, _as_tuple(grad_tensors) if grad_tensors is not None else (None,) * len(roots))
    retain = create_graph if retain_graph is None else retain_graph
    if inputs is None:
        engine.run(roots, grads, retain, create_graph)
        return
    leaves = _as_tuple(inputs)
    if not leaves:
        raise RuntimeError("'inputs' argument to backward() cannot be empty.")
    for leaf, found in zip(leaves, engine.run(roots, grads, retain, create_graph, leaves), strict=True):
        if found is not None:
            engine.accumulate(leaf, found, create_graph)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of the sum of ``outputs`` with respect to ``inputs``.

    Args:
        allow_unused: give None for inputs that the outputs do not depend on, instead of raising.
        materialize_grads: give zeros for them.

    Raises:
        RuntimeError: as :func:`backward`, and for unused inputs.

    >>> import pytensor as torch
    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> (dx,) = torch.autograd.grad(x * x, x, create_graph=True)
    >>> torch.autograd.grad(dx, x)
    (tensor(2.),)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.grad.html
    """
    if is_grads_batched:
        raise NotImplementedError("autograd.grad(is_grads_batched=True) needs vmap, which is not there yet")
    if materialize_grads and allow_unused is False:
        raise ValueError("Expected allow_unused to be True or not passed when materialize_grads=True, but got: False")
    roots, wanted = _as_tuple(outputs), _as_tuple(inputs)
    for t in wanted:
        if not t.requires_grad:
            raise RuntimeError("One of the differentiated Tensors does not require grad")
    given = _as_tuple(grad_outputs) if grad_outputs is not None else (None,) * len(roots)
    retain = create_graph if retain_graph is None else retain_graph
    found = engine.run(roots, _output_gradients(roots, given), retain, create_graph, wanted)
    if materialize_grads:
        found = [t.new_zeros(t.shape) if g is None else g for g, t in zip(found, wanted, strict=True)]
    elif not allow_unused and any(g is None for g in found):
        raise RuntimeError(
            "One of the differentiated Tensors appears to not have been used in the graph. Set allow_unused=True if "
            "this is the desired behavior."
        )
    return tuple(found)


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return (value,) if isinstance(value, _C.TensorBase) else tuple(value)


def _output_gradients(roots: tuple[Any, ...], grads: tuple[Any, ...]) -> list[Any]:
    if len(roots) != len(grads):
        raise RuntimeError(f"got {len(roots)} tensors and {len(grads)} gradients")
    result = []
    for index, (root, given) in enumerate(zip(roots, grads, strict=True)):
        if given is None and (given := _C.ones_for(root)) is not None:
            pass  # the plain case: one number
        elif given is None:
            if root._requires_grad and root.numel() != 1:
                raise RuntimeError("grad can be implicitly created only for scalar outputs")
            if root._requires_grad and not root.dtype.is_floating_point:
                raise RuntimeError(f"grad can be implicitly created only for real scalar outputs but got {root.dtype}")
            given = _C.wrap(array_module(root._array).ones(root._array.shape, root._array.dtype))
        elif given.shape != root.shape:
            raise RuntimeError(
                f"Mismatch in shape: grad_output[{index}] has a shape of {given.shape} and output[{index}] has a shape "
                f"of {root.shape}."
            )
        if not root._requires_grad:
            raise RuntimeError(f"element {index} of tensors does not require grad and does not have a grad_fn")
        result.append(given)
    return result


def __getattr__(name: str) -> Any:
    # These stand on ops, which stand on this package.
    if name in ("gradcheck", "gradgradcheck", "GradcheckError"):
        return getattr(importlib.import_module("pytensor.autograd.finite_differences"), name)
    raise AttributeError(f"module 'pytensor.autograd' has no attribute {name!r}")
