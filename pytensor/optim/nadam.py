"""NAdam: Adam with Nesterov's momentum."""

from __future__ import annotations

from typing import Any

from pytensor.optim._stepper import KernelOptimizer, check_betas, check_range
from pytensor.optim.optimizer import new_step, zeros_of
from pytensor.tensor import Tensor

__all__ = ["NAdam"]


class NAdam(KernelOptimizer):
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

    _algorithm = "nadam"
    _fields = ("exp_avg", "exp_avg_sq")
    _scalars = ("step", "mu_product")

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

    def _rule(self, group: dict[str, Any]) -> dict[str, float]:
        beta1, beta2 = group["betas"]
        return {
            "lr": float(group["lr"]),
            "weight_decay": group["weight_decay"],
            "maximize": group["maximize"],
            "decoupled": group["decoupled_weight_decay"],
            "beta1": beta1,
            "beta2": beta2,
            "eps": group["eps"],
            "momentum_decay": group["momentum_decay"],
        }
