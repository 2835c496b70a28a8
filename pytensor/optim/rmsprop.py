"""RMSprop."""

from __future__ import annotations

from typing import Any

from pytensor.optim._stepper import KernelOptimizer, check_range
from pytensor.tensor import Tensor

__all__ = ["RMSprop"]


class RMSprop(KernelOptimizer):
    """The gradient divided by the root of a running average of its square (by its deviation when `centered`).

    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.RMSprop.html

    >>> import pytensor as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> opt = torch.optim.RMSprop([w], lr=0.1, alpha=0.75)
    >>> w.sum().backward()
    >>> opt.step()
    >>> w.data
    tensor([0.8000])
    """

    _algorithm = "rmsprop"

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_range(eps, "epsilon value")
        check_range(momentum, "momentum value")
        check_range(weight_decay, "weight_decay value")
        check_range(alpha, "alpha value")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _fields_of(self, group: dict[str, Any]) -> tuple[str | None, ...]:
        momentum = "momentum_buffer" if group["momentum"] > 0 else None
        return ("square_avg", momentum, "grad_avg" if group["centered"] else None)

    def _rule(self, group: dict[str, Any]) -> dict[str, float]:
        return {
            "lr": float(group["lr"]),
            "weight_decay": group["weight_decay"],
            "maximize": group["maximize"],
            "beta2": group["alpha"],
            "momentum": group["momentum"],
            "eps": group["eps"],
        }
