"""RAdam: Adam that waits until its second moment can be trusted."""

from __future__ import annotations

from typing import Any

import numpy as np

from pytensor.optim._elementwise import ElementwiseOptimizer, check_betas, check_range, follow, mix
from pytensor.tensor import Tensor

__all__ = ["RAdam"]


class RAdam(ElementwiseOptimizer):
    """Adam with rectified variance: momentum alone in the first steps (https://arxiv.org/abs/1908.03265).

    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.RAdam.html

    >>> import pytensor as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> opt = torch.optim.RAdam([w], lr=0.1)
    >>> w.sum().backward()
    >>> opt.step()
    >>> w.data
    tensor([0.9000])
    """

    _fields = ("exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_range(eps, "epsilon value")
        check_betas(betas)
        check_range(weight_decay, "weight_decay value")
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _update(self, p: Any, g: Any, state: dict[str, Any], step: float, group: dict[str, Any]) -> None:
        lr, (beta1, beta2) = float(group["lr"]), group["betas"]
        first, second = state["exp_avg"], state["exp_avg_sq"]
        follow(first, g, 1 - beta1)
        mix(second, g * g, beta2)
        correction = 1 - beta2**step
        direction = lr / (1 - beta1**step) * first
        longest = 2 / (1 - beta2) - 1
        length = longest - 2 * step * beta2**step / correction  # of the average so far
        if length > 5.0:
            rectified = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
            direction = direction * (rectified * correction) ** 0.5 / (np.sqrt(second) + group["eps"])
        p -= direction
