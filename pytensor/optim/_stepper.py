"""`KernelOptimizer`: what the optimizers with a kernel share. A step is one call for all parameters of a group."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from pytensor.backend import backend_of
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

__all__ = ["KernelOptimizer", "check_betas", "check_range"]


def check_range(value: Any, name: str, high: float = float("inf"), closed: bool = False) -> None:
    """Raises ValueError for a hyperparameter that is not in [0, high) ([0, high] when closed)."""
    if not (0.0 <= value and (value <= high if closed else value < high)):
        raise ValueError(f"Invalid {name}: {value}")


def check_betas(betas: tuple[float, float]) -> None:
    """Raises ValueError for betas outside [0, 1)."""
    for i, beta in enumerate(betas):
        check_range(beta, f"beta parameter at index {i}", 1.0)


class KernelOptimizer(Optimizer):
    """Subclasses name their algorithm, what it keeps beside each parameter, and its hyperparameters."""

    # Of csrc/kernels/optim/optim.h, which has the order of states and scalars.
    _algorithm: ClassVar[str]
    # Names of the state tensors that have the parameter's shape. `_fields_of` may put None for one not kept.
    _fields: ClassVar[tuple[str | None, ...]] = ()
    # Names of the state tensors of one element.
    _scalars: ClassVar[tuple[str, ...]] = ("step",)

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

    def _fields_of(self, group: dict[str, Any]) -> tuple[str | None, ...]:
        return self._fields

    def _new_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Tensor]:
        state = {"step": new_step()}
        for name in self._fields_of(group):
            if name is not None:
                state[name] = zeros_of(param)
        return state

    def _rule(self, group: dict[str, Any]) -> dict[str, float]:
        """The hyperparameters of a group by the kernel's names."""
        raise NotImplementedError

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step. `closure`: evaluates the model again and returns the loss, which is returned."""
        loss = evaluate(closure)
        for group in self.param_groups:
            params = [p for p in group["params"] if p._grad is not None]
            if params:
                self._step(params, group)
        return loss

    def _step(self, params: list[Tensor], group: dict[str, Any]) -> None:
        states = self.state
        entries = []
        for param in params:
            entry = states[param]
            if not entry:
                entry.update(self._new_state(param, group))
            entries.append(entry)
        self._run(params, entries, group, self._rule(group))

    def _run(self, params: list[Tensor], entries: list[Any], group: dict[str, Any], rule: dict[str, float]) -> None:
        arrays = [p._array for p in params]
        backend_of(arrays[0]).optimizer_step(
            self._algorithm,
            arrays,
            [p._grad._array for p in params],
            tuple([[e[name]._array for e in entries] if name else [] for name in self._fields_of(group)]),
            tuple([[e[name]._array for e in entries] for name in self._scalars]),
            rule,
        )
        for param in params:
            param._bump_version()
