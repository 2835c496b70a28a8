"""Stochastic gradient descent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pytensor import empty_like
from pytensor.backend import backend_of
from pytensor.optim.optimizer import Optimizer, check_implementation, check_single, evaluate
from pytensor.tensor import Tensor

__all__ = ["SGD"]


class SGD(Optimizer):
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
        check_implementation(foreach, fused, differentiable)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("nesterov", False)
            group.setdefault("maximize", False)
            group.setdefault("foreach", None)
            group.setdefault("differentiable", False)
            group.setdefault("fused", False)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step. `closure`: evaluates the model again and returns the loss, which is returned."""
        loss = evaluate(closure)
        for group in self.param_groups:
            self._step_group(group)
        return loss

    def _step_group(self, group: dict[str, Any]) -> None:
        momentum = float(group["momentum"])
        tensors, params, grads, buffers, fresh = [], [], [], [], []
        for param in group["params"]:
            grad = param._grad
            if grad is None:
                continue
            tensors.append(param)
            params.append(param._array)
            grads.append(grad._array)
            if momentum != 0:
                state = self.state[param]
                buffer = state.get("momentum_buffer")
                fresh.append(buffer is None)
                if buffer is None:
                    buffer = state["momentum_buffer"] = empty_like(param, requires_grad=False)
                buffers.append(buffer._array)
        if not params:
            return
        backend_of(params[0]).sgd_step(
            params,
            grads,
            buffers,
            fresh,
            float(group["lr"]),
            momentum,
            float(group["dampening"]),
            float(group["weight_decay"]),
            bool(group["nesterov"]),
            bool(group["maximize"]),
        )
        for param in tensors:
            param._bump_version()
