"""Full backward hooks: two identity operations around a module's forward whose backwards call the hooks."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from pytensor.autograd import Function
from pytensor.autograd.grad_mode import is_grad_enabled
from pytensor.tensor import Tensor

__all__ = ["BackwardHook", "BackwardHookFunction", "warn_about_partial_gradients"]


class BackwardHookFunction(Function):
    """The identity on any number of tensors; `on_backward(grads)` gives the gradients to pass on."""

    @staticmethod
    def forward(ctx: Any, on_backward: Callable, materialize: bool, *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.on_backward = on_backward
        ctx.set_materialize_grads(materialize)
        outputs = tuple(t.view_as(t) for t in tensors)
        ctx.mark_non_differentiable(*(o for t, o in zip(tensors, outputs, strict=True) if not t.requires_grad))
        return outputs

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple:
        return None, None, *ctx.on_backward(grads)


class BackwardHook:
    """Calls a module's backward hooks once per backward: grad_output is remembered at the module's output
    and handed to the hooks when the gradients of its inputs have arrived."""

    def __init__(self, module: Any, user_hooks: list[Callable], user_pre_hooks: list[Callable]) -> None:
        self.module = module
        self.user_hooks = user_hooks
        self.user_pre_hooks = user_pre_hooks
        self.grad_outputs: tuple | None = None
        self.n_outputs = -1
        self.n_inputs = -1
        self.output_indices: list[int] | None = None
        self.input_indices: list[int] | None = None

    def setup_input_hook(self, args: tuple) -> tuple:
        self.n_inputs = len(args)
        result, self.input_indices = _apply_to_tensors(self._on_input_gradients, True, args)
        return result

    def setup_output_hook(self, result: Any) -> Any:
        outputs = result if isinstance(result, tuple) else (result,)
        self.n_outputs = len(outputs)
        outputs, self.output_indices = _apply_to_tensors(self._on_output_gradients, False, outputs)
        return outputs if isinstance(result, tuple) else outputs[0]

    def _on_input_gradients(self, grads: tuple) -> tuple:
        # Without grad_outputs the gradient came here past the module's output, as in double backward.
        if self.grad_outputs is None:
            return grads
        grad_input = _spread(self.input_indices, grads, self.n_inputs)
        for hook in self.user_hooks:
            changed = hook(self.module, grad_input, self.grad_outputs)
            if changed is None:
                continue
            if not isinstance(changed, tuple):
                changed = (changed,) if isinstance(changed, Tensor) else changed
            if len(changed) != len(grad_input):
                raise RuntimeError(
                    f"Backward hook returned an invalid number of grad_input, got {len(changed)}, but expected"
                    f" {len(grad_input)}"
                )
            grad_input = changed
        self.grad_outputs = None
        return tuple(grad_input[i] for i in self.input_indices)

    def _on_output_gradients(self, grads: tuple) -> tuple:
        self.grad_outputs = _spread(self.output_indices, grads, self.n_outputs)
        for hook in self.user_pre_hooks:
            changed = hook(self.module, self.grad_outputs)
            if changed is None:
                continue
            if isinstance(changed, Tensor):
                changed = (changed,)
            if len(changed) != self.n_outputs:
                raise RuntimeError(
                    f"Backward pre hook returned an invalid number of grad_output, got {len(changed)}, but expected"
                    f" {self.n_outputs}"
                )
            self.grad_outputs = changed
        grad_outputs = self.grad_outputs
        if self.input_indices is None:
            self._run_hooks_without_inputs()
        return tuple(grad_outputs[i] for i in self.output_indices)

    def _run_hooks_without_inputs(self) -> None:
        warnings.warn(
            "Full backward hook is firing when gradients are computed with respect to module outputs since no inputs"
            " require gradients. See https://docs.pytorch.org/docs/main/generated/torch.nn.Module.html"
            "#torch.nn.Module.register_full_backward_hook for more details.",
            stacklevel=5,
        )
        grad_inputs = (None,) * self.n_inputs
        for hook in self.user_hooks:
            changed = hook(self.module, grad_inputs, self.grad_outputs)
            if changed is not None and not (isinstance(changed, tuple) and all(g is None for g in changed)):
                raise RuntimeError(
                    "Backward hook for Modules where no input requires gradient should always return None or None for"
                    " all gradients."
                )
        self.grad_outputs = None


def _spread(indices: list[int], values: tuple, size: int) -> tuple:
    result: list = [None] * size
    for index, value in zip(indices, values, strict=True):
        result[index] = value
    return tuple(result)


def _apply_to_tensors(on_backward: Callable, materialize: bool, args: tuple) -> tuple[tuple, list[int] | None]:
    """args with its tensors passed through a BackwardHookFunction, and where they are (None: no gradient flows)."""
    indices = [i for i, arg in enumerate(args) if isinstance(arg, Tensor)]
    if not (is_grad_enabled() and any(args[i].requires_grad for i in indices)):
        return args, None
    outputs = BackwardHookFunction.apply(on_backward, materialize, *(args[i] for i in indices))
    result = list(args)
    for index, output in zip(indices, outputs, strict=True):
        result[index] = output
    if type(args) is tuple:
        return tuple(result), indices
    return type(args)(*result), indices  # a named tuple


def warn_about_partial_gradients(inputs: Any, result: Any, grad_fn: Any) -> None:
    """Warns where a hook on the last operation's node does not see all gradients of the module."""
    message = _partial_gradients_message(inputs, result, grad_fn)
    if message is not None:
        warnings.warn("Using " + message, FutureWarning, stacklevel=6)


def _partial_gradients_message(inputs: Any, result: Any, grad_fn: Any) -> str | None:
    future = "is deprecated and will be removed in future versions. This hook will be missing some"
    instead = "Please use register_full_backward_hook to get the documented behavior."
    results = (result,) if isinstance(result, Tensor) else result
    if not (isinstance(results, tuple) and all(isinstance(r, Tensor) for r in results)):
        return (
            "non-full backward hooks on a Module that does not return a single Tensor or a tuple of Tensors"
            f" {future} of the grad_output. {instead}"
        )
    inputs = (inputs,) if isinstance(inputs, Tensor) else inputs
    if not (isinstance(inputs, tuple) and all(isinstance(i, Tensor) for i in inputs)):
        return (
            "non-full backward hooks on a Module that does not take as input a single Tensor or a tuple of Tensors"
            f" {future} of the grad_input. {instead}"
        )
    output_nodes = {r.grad_fn for r in results if r.grad_fn is not None}
    if not output_nodes or (len(output_nodes) == 1 and grad_fn not in output_nodes):
        return f"a non-full backward hook when outputs are nested in python data structure {future} grad_output."
    if len(output_nodes) > 1:
        return (
            "a non-full backward hook when outputs are generated by different autograd Nodes"
            f" {future} grad_output. {instead}"
        )
    input_nodes = {i.grad_fn for i in inputs if i.grad_fn is not None}
    if input_nodes != {n[0] for n in grad_fn.next_functions}:
        return (
            f"a non-full backward hook when the forward contains multiple autograd Nodes {future} grad_input. {instead}"
        )
    return None
