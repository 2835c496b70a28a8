"""Averaged stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from pytensor.optim._stepper import KernelOptimizer, check_range
from pytensor.optim.optimizer import new_step, zeros_of
from pytensor.tensor import Tensor

__all__ = ["ASGD"]


class ASGD(KernelOptimizer):
    """Gradient descent with a falling learning rate; the average of the parameters from step `t0` on is in the
    state as 'ax' (https://meyn.ece.ufl.edu/wp-content/uploads/sites/77/archive/spm_files/Courses/ECE555-2011/555media/poljud92.pdf).

    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.ASGD.html

    >>> import pytensor as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> opt = torch.optim.ASGD([w], lr=0.1)
    >>> w.sum().backward()
    >>> opt.step()
    >>> w.data
    tensor([0.9000])
    """

    _algorithm = "asgd"
    _fields = ("ax",)
    _scalars = ("step", "eta", "mu")

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_range(weight_decay, "weight_decay value")
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _new_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Tensor]:
        return {
            "step": new_step(),
            "eta": new_step() + float(group["lr"]),
            "mu": new_step() + 1.0,
            "ax": zeros_of(param),
        }

    def _rule(self, group: dict[str, Any]) -> dict[str, float]:
        return {
            "lr": float(group["lr"]),
            "weight_decay": group["weight_decay"],
            "maximize": group["maximize"],
            "lambd": group["lambd"],
            "alpha": group["alpha"],
            "t0": group["t0"],
        }
