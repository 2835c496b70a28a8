"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from pytensor.optim._stepper import KernelOptimizer
from pytensor.optim.optimizer import check_single, zeros_of
from pytensor.tensor import Tensor

__all__ = ["SGD"]

_WITHOUT = (None,)
_WITH_BUFFER = ("momentum_buffer",)


class SGD(KernelOptimizer):
    """Stochastic gradient descent with momentum, dampening, Nesterov's momentum and weight decay.

    ``d = grad + weight_decay * param``; with momentum ``buf = momentum * buf + (1 - dampening) * d`` (the first
    time ``buf = d``) and the step is ``lr * buf``, or ``lr * (d + momentum * buf)`` with ``nesterov=True``.
    All parameters of a group are updated by one call of a kernel. Raises ValueError for negative
    hyperparameters and for Nesterov's momentum without momentum or with dampening.
    https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html

    >>> import pytensor as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    >>> opt = torch.optim.SGD([w], lr=0.5)
    >>> w.sum().backward()
    >>> opt.step()
    >>> w.data
    tensor([0.5000, 1.5000])
    """

    _algorithm = "sgd"
    _scalars = ()

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_single(lr, "lr")
        if lr < 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if momentum < 0.0:
            raise ValueError(f"Invalid momentum value: {momentum}")
        if weight_decay < 0.0:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("nesterov", False)
            group.setdefault("fused", False)

    def _fields_of(self, group: dict[str, Any]) -> tuple[str | None, ...]:
        return _WITH_BUFFER if group["momentum"] != 0 else _WITHOUT

    def _rule(self, group: dict[str, Any]) -> dict[str, float]:
        return {
            "lr": float(group["lr"]),
            "weight_decay": float(group["weight_decay"]),
            "maximize": group["maximize"],
            "momentum": group["momentum"],
            "dampening": group["dampening"],
            "nesterov": group["nesterov"],
        }

    def _step(self, params: list[Tensor], group: dict[str, Any]) -> None:
        rule = self._rule(group)
        if group["momentum"] == 0:
            self._run(params, params, group, rule)  # keeps nothing
            return
        states, fresh, seen = self.state, [], []
        for param in params:
            (fresh if states[param].get("momentum_buffer") is None else seen).append(param)
        if fresh:  # their first step: the buffer becomes the gradient, whatever the dampening
            for param in fresh:
                states[param]["momentum_buffer"] = zeros_of(param)
            self._run(fresh, [states[p] for p in fresh], group, {**rule, "dampening": 0.0})
        if seen:
            self._run(seen, [states[p] for p in seen], group, rule)
