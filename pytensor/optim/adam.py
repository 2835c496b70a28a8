"""Adam: stochastic gradient descent with adaptive estimates of the first two moments."""

from __future__ import annotations

from typing import Any

from pytensor.optim._stepper import KernelOptimizer
from pytensor.optim.optimizer import check_single
from pytensor.tensor import Tensor

__all__ = ["Adam"]

_WITHOUT = ("exp_avg", "exp_avg_sq", None)
_WITH_LARGEST = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")


class Adam(KernelOptimizer):
    """Adam (Kingma and Ba, https://arxiv.org/abs/1412.6980).

    The step is ``lr * m / (sqrt(v) + eps)`` along running averages m of the gradient and v of its square, both
    corrected for their start at zero. ``amsgrad`` uses the largest v so far; weight decay is added to the
    gradient, or shrinks the parameter itself with ``decoupled_weight_decay`` (`AdamW`). All parameters of a
    group are updated by one call of a kernel. Raises ValueError for hyperparameters out of range.

    >>> import pytensor as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    >>> opt = torch.optim.Adam([w], lr=0.5)
    >>> w.sum().backward()
    >>> opt.step()
    >>> w.data
    tensor([0.5000, 1.5000])
    """

    _algorithm = "adam"

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        if isinstance(lr, Tensor) and foreach and not capturable:
            raise ValueError("lr as a Tensor is not supported for capturable=False and foreach=True")
        check_single(lr, "lr")
        if not 0.0 <= lr:
            raise ValueError(f"Invalid learning rate: {lr}")
        if not 0.0 <= eps:
            raise ValueError(f"Invalid epsilon value: {eps}")
        for i, beta in enumerate(betas):
            if not 0.0 <= beta < 1.0:
                raise ValueError(f"Invalid beta parameter at index {i}: {beta}")
        if not 0.0 <= weight_decay:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        _check_betas(betas, foreach, capturable)
        defaults = {
            "lr": lr,
            "betas": tuple(b.squeeze() if isinstance(b, Tensor) and b.dim() != 0 else b for b in betas),
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("amsgrad", False)
            group.setdefault("decoupled_weight_decay", False)
            group.setdefault("fused", None)

    def _fields_of(self, group: dict[str, Any]) -> tuple[str | None, ...]:
        return _WITH_LARGEST if group["amsgrad"] else _WITHOUT

    def _rule(self, group: dict[str, Any]) -> dict[str, float]:
        beta1, beta2 = group["betas"]
        return {
            "lr": float(group["lr"]),
            "weight_decay": group["weight_decay"],
            "maximize": group["maximize"],
            "decoupled": group["decoupled_weight_decay"],
            "beta1": float(beta1),
            "beta2": float(beta2),
            "eps": group["eps"],
        }


def _check_betas(betas: Any, foreach: bool | None, capturable: bool) -> None:
    if len({isinstance(b, float) for b in betas} | {not isinstance(b, Tensor) for b in betas}) != 1:
        raise ValueError("betas must be either both floats or both Tensors")
    for i, beta in enumerate(betas):
        if isinstance(beta, Tensor) and foreach and not capturable:
            raise ValueError(f"betas[{i}] as a Tensor is not supported for capturable=False and foreach=True")
        check_single(beta, f"betas[{i}]")
