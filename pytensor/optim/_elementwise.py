"""What the optimizers without a kernel of their own share: one parameter at a time, in array arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pytensor.optim.optimizer import (
    Optimizer,
    check_implementation,
    check_single,
    evaluate,
    new_step,
    restore_steps,
    zeros_of,
)
from pytensor.tensor import Tensor

__all__ = ["ElementwiseOptimizer", "check_range"]


def check_range(value: Any, name: str, high: float = float("inf"), closed: bool = False) -> None:
    """Raises ValueError for a hyperparameter that is not in [0, high) ([0, high] when closed)."""
    if not (0.0 <= value and (value <= high if closed else value < high)):
        raise ValueError(f"Invalid {name}: {value}")


def check_betas(betas: tuple[float, float]) -> None:
    """Raises ValueError for betas outside [0, 1)."""
    for i, beta in enumerate(betas):
        check_range(beta, f"beta parameter at index {i}", 1.0)


def real_view(array: Any) -> Any:
    """A complex array as pairs of real numbers on the same memory; any other as it is."""
    return array[..., None].view(array.real.dtype) if array.dtype.kind == "c" else array


class ElementwiseOptimizer(Optimizer):
    """Subclasses name their per-element state and define `_update` on arrays, which works in place."""

    # Names of the state tensors that have the parameter's shape; a subclass may choose them by group.
    _fields: tuple[str, ...] = ()

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        check_single(defaults["lr"], "lr")
        check_range(defaults["lr"], "learning rate")
        super().__init__(params, defaults)
        check_implementation(defaults["foreach"], defaults.get("fused"), defaults["differentiable"])

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            for name in ("foreach", "maximize", "differentiable", "capturable"):
                if name in self.defaults:
                    group.setdefault(name, None if name == "foreach" else False)
        restore_steps(self)

    def _fields_of(self, group: dict[str, Any]) -> tuple[str, ...]:
        return self._fields

    def _new_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Tensor]:
        state = {"step": new_step()}
        for name in self._fields_of(group):
            state[name] = zeros_of(param)
        return state

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step. `closure`: evaluates the model again and returns the loss, which is returned."""
        loss = evaluate(closure)
        for group in self.param_groups:
            for param in group["params"]:
                if param.grad is not None:
                    self._step_one(param, group)
        return loss

    def _step_one(self, param: Tensor, group: dict[str, Any]) -> None:
        state = self.state[param]
        if not state:
            state.update(self._new_state(param, group))
        state["step"]._array += 1
        p, g = real_view(param._array), real_view(param.grad._array)
        if group["maximize"]:
            g = -g
        decay = float(group.get("weight_decay", 0))
        if decay != 0:
            if group.get("decoupled_weight_decay"):
                p *= 1 - float(group["lr"]) * decay
            else:
                g = g + decay * p
        arrays = {name: real_view(value._array) for name, value in state.items() if name != "step"}
        self._update(p, g, arrays, float(state["step"].item()), group)
        param._bump_version()

    def _update(self, p: Any, g: Any, state: dict[str, Any], step: float, group: dict[str, Any]) -> None:
        """Changes parameter and state in place along the gradient g (weight decay and sign are in it)."""
        raise NotImplementedError


def follow(average: Any, value: Any, weight: float) -> None:
    """Moves a running average towards a value."""
    average += weight * (value - average)


def mix(average: Any, value: Any, keep: float) -> None:
    """``keep`` of a running average and the rest of a value."""
    average *= keep
    average += (1 - keep) * value
