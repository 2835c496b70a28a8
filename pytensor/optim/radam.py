"""RAdam: Adam that waits until its second moment can be trusted."""

from __future__ import annotations

from typing import Any

from pytensor.optim._stepper import KernelOptimizer, check_betas, check_range
from pytensor.tensor import Tensor

__all__ = ["RAdam"]


class RAdam(KernelOptimizer):
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

    _algorithm = "radam"
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
        }
