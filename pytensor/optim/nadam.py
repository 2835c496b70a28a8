"""NAdam: Adam with Nesterov's momentum."""

from __future__ import annotations

from typing import Any

import numpy as np

from pytensor.optim._elementwise import ElementwiseOptimizer, check_betas, check_range, follow, mix
from pytensor.optim.optimizer import new_step, zeros_of
from pytensor.tensor import Tensor

__all__ = ["NAdam"]


class NAdam(ElementwiseOptimizer):
    """Adam that looks ahead, with a momentum that grows from step to step (Dozat 2016,
    https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ).

    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.NAdam.html

    >>> import pytensor as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> opt = torch.optim.NAdam([w], lr=0.1)
    >>> w.sum().backward()
    >>> opt.step()
    >>> w.data < 1
    tensor([True])
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
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
        check_range(momentum_decay, "momentum_decay value")
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _new_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Tensor]:
        return {
            "step": new_step(),
            "mu_product": new_step() + 1.0,
            "exp_avg": zeros_of(param),
            "exp_avg_sq": zeros_of(param),
        }

    def _update(self, p: Any, g: Any, state: dict[str, Any], step: float, group: dict[str, Any]) -> None:
        lr, (beta1, beta2) = float(group["lr"]), group["betas"]
        first, second, product = state["exp_avg"], state["exp_avg_sq"], state["mu_product"]
        mu, mu_next = (beta1 * (1 - 0.5 * 0.96 ** (t * group["momentum_decay"])) for t in (step, step + 1))
        product *= mu
        follow(first, g, 1 - beta1)
        mix(second, g * g, beta2)
        denominator = np.sqrt(second / (1 - beta2**step)) + group["eps"]
        p -= lr * (1 - mu) / (1 - float(product)) * g / denominator
        p -= lr * mu_next / (1 - float(product) * mu_next) * first / denominator
