"""Adamax: Adam with the largest gradient in place of the mean square."""

from __future__ import annotations

from typing import Any

import numpy as np

from pytensor.optim._elementwise import ElementwiseOptimizer, check_betas, check_range, follow
from pytensor.tensor import Tensor

__all__ = ["Adamax"]


class Adamax(ElementwiseOptimizer):
    """Adam with a decaying maximum of the gradient's magnitude (https://arxiv.org/abs/1412.6980, section 7).

    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.Adamax.html

    >>> import pytensor as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> opt = torch.optim.Adamax([w], lr=0.1)
    >>> w.sum().backward()
    >>> opt.step()
    >>> w.data
    tensor([0.9000])
    """

    _fields = ("exp_avg", "exp_inf")

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_range(eps, "epsilon value")
        check_betas(betas)
        check_range(weight_decay, "weight_decay value")
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _update(self, p: Any, g: Any, state: dict[str, Any], step: float, group: dict[str, Any]) -> None:
        beta1, beta2 = group["betas"]
        first, largest = state["exp_avg"], state["exp_inf"]
        follow(first, g, 1 - beta1)
        largest[...] = np.maximum(beta2 * largest, abs(g) + group["eps"])
        p -= float(group["lr"]) / (1 - beta1**step) * first / largest
