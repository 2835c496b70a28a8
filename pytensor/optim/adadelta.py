"""Adadelta."""

from __future__ import annotations

from typing import Any

from pytensor.optim._stepper import KernelOptimizer, check_range
from pytensor.tensor import Tensor

__all__ = ["Adadelta"]


class Adadelta(KernelOptimizer):
    """Steps in the units of the parameters, from running averages of squared gradients and squared steps
    (https://arxiv.org/abs/1212.5701).

    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.Adadelta.html

    >>> import pytensor as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> opt = torch.optim.Adadelta([w], eps=0.1)
    >>> w.sum().backward()
    >>> opt.step()
    >>> w.data
    tensor([0.2929])
    """

    _algorithm = "adadelta"
    _fields = ("square_avg", "acc_delta")

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_range(rho, "rho value", 1.0, closed=True)
        check_range(eps, "epsilon value")
        check_range(weight_decay, "weight_decay value")
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _rule(self, group: dict[str, Any]) -> dict[str, float]:
        return {
            "lr": float(group["lr"]),
            "weight_decay": group["weight_decay"],
            "maximize": group["maximize"],
            "beta2": group["rho"],
            "eps": group["eps"],
        }
