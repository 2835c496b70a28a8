"""Averaged stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from pytensor.optim._elementwise import ElementwiseOptimizer, check_range
from pytensor.optim.optimizer import new_step, zeros_of
from pytensor.tensor import Tensor

__all__ = ["ASGD"]


class ASGD(ElementwiseOptimizer):
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

    def _update(self, p: Any, g: Any, state: dict[str, Any], step: float, group: dict[str, Any]) -> None:
        lr, decay = float(group["lr"]), group["lambd"]
        eta, mu, average = state["eta"], state["mu"], state["ax"]
        p *= 1 - decay * float(eta)
        p -= float(eta) * g
        if float(mu) == 1:
            average[...] = p
        else:
            average += float(mu) * (p - average)
        eta[...] = lr / (1 + decay * lr * step) ** group["alpha"]
        mu[...] = 1 / max(1, step - group["t0"])
