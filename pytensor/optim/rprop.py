"""Rprop: the sign of the gradient and a step size per element."""

from __future__ import annotations

from typing import Any

from pytensor import full_like
from pytensor.optim._stepper import KernelOptimizer
from pytensor.optim.optimizer import new_step, zeros_of
from pytensor.tensor import Tensor

__all__ = ["Rprop"]


class Rprop(KernelOptimizer):
    """Resilient backpropagation: an element's step grows while its gradient keeps its sign and shrinks when it turns.

    ``etas``: the factors of shrinking and growing; ``step_sizes``: the bounds of a step.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.Rprop.html

    >>> import pytensor as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0]))
    >>> opt = torch.optim.Rprop([w], lr=0.1)
    >>> w.sum().backward()
    >>> opt.step()
    >>> w.data
    tensor([0.9000])
    """

    _algorithm = "rprop"
    _fields = ("prev", "step_size")

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        defaults = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _new_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Tensor]:
        lr = float(group["lr"])
        start = complex(lr, lr) if param.is_complex() else lr
        return {
            "step": new_step(),
            "prev": zeros_of(param),
            "step_size": full_like(param, start, requires_grad=False),
        }

    def _rule(self, group: dict[str, Any]) -> dict[str, float]:
        (shrink, grow), (low, high) = group["etas"], group["step_sizes"]
        return {
            "maximize": group["maximize"],
            "eta_minus": shrink,
            "eta_plus": grow,
            "step_min": low,
            "step_max": high,
        }
