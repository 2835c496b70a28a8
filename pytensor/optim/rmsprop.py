"""RMSprop."""

from __future__ import annotations

from typing import Any

import numpy as np

from pytensor.optim._elementwise import ElementwiseOptimizer, check_range, follow, mix
from pytensor.tensor import Tensor

__all__ = ["RMSprop"]


class RMSprop(ElementwiseOptimizer):
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

    def _fields_of(self, group: dict[str, Any]) -> tuple[str, ...]:
        momentum = ("momentum_buffer",) if group["momentum"] > 0 else ()
        return ("square_avg", *momentum, *(("grad_avg",) if group["centered"] else ()))

    def _update(self, p: Any, g: Any, state: dict[str, Any], step: float, group: dict[str, Any]) -> None:
        lr, alpha, momentum = float(group["lr"]), group["alpha"], group["momentum"]
        square = state["square_avg"]
        mix(square, g * g, alpha)
        if group["centered"]:
            follow(state["grad_avg"], g, 1 - alpha)
            square = square - state["grad_avg"] ** 2
        direction = g / (np.sqrt(square) + group["eps"])
        if momentum > 0:
            buffer = state["momentum_buffer"]
            buffer *= momentum
            buffer += direction
            direction = buffer
        p -= lr * direction
