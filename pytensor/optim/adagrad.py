"""Adagrad."""

from __future__ import annotations

from typing import Any

from pytensor import full_like
from pytensor.optim._stepper import KernelOptimizer, check_range
from pytensor.optim.optimizer import new_step
from pytensor.tensor import Tensor

__all__ = ["Adagrad"]


class Adagrad(KernelOptimizer):
    """The gradient divided by the root of the sum of all its squares (http://jmlr.org/papers/v12/duchi11a.html).

    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.Adagrad.html

    >>> import pytensor as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> opt = torch.optim.Adagrad([w], lr=0.1)
    >>> w.sum().backward()
    >>> opt.step()
    >>> w.data
    tensor([0.9000])
    """

    _algorithm = "adagrad"
    _fields = ("sum",)

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_range(lr_decay, "lr_decay value")
        check_range(weight_decay, "weight_decay value")
        check_range(initial_accumulator_value, "initial_accumulator_value value")
        check_range(eps, "epsilon value")
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        for group in self.param_groups:
            for param in group["params"]:
                self.state[param].update(self._new_state(param, group))

    def _new_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Tensor]:
        start = self.defaults["initial_accumulator_value"]
        start = complex(start, start) if param.is_complex() else start
        return {"step": new_step(), "sum": full_like(param, start, requires_grad=False)}

    def share_memory(self) -> None:
        """Moves the state to shared memory."""
        for group in self.param_groups:
            for param in group["params"]:
                self.state[param]["sum"].share_memory_()

    def _rule(self, group: dict[str, Any]) -> dict[str, float]:
        return {
            "lr": float(group["lr"]),
            "weight_decay": group["weight_decay"],
            "maximize": group["maximize"],
            "lr_decay": group["lr_decay"],
            "eps": group["eps"],
        }
