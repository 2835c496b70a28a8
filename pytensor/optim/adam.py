"""Adam: stochastic gradient descent with adaptive estimates of the first two moments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pytensor.backend import backend_of
from pytensor.optim.optimizer import (
    Optimizer,
    check_implementation,
    check_single,
    evaluate,
    new_step,
    restore_steps,
    zeros_of,
)
from pytensor.tensor import Tensor

__all__ = ["Adam"]


class Adam(Optimizer):
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
        check_implementation(foreach, fused, differentiable)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("amsgrad", False)
            group.setdefault("maximize", False)
            group.setdefault("foreach", None)
            group.setdefault("capturable", False)
            group.setdefault("differentiable", False)
            group.setdefault("decoupled_weight_decay", False)
            group.setdefault("fused", None)
        restore_steps(self)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step. `closure`: evaluates the model again and returns the loss, which is returned."""
        loss = evaluate(closure)
        for group in self.param_groups:
            self._step_group(group)
        return loss

    def _new_state(self, param: Tensor, amsgrad: bool) -> dict[str, Tensor]:
        state = self.state[param]
        state["step"] = new_step()
        state["exp_avg"] = zeros_of(param)
        state["exp_avg_sq"] = zeros_of(param)
        if amsgrad:
            state["max_exp_avg_sq"] = zeros_of(param)
        return state

    def _step_group(self, group: dict[str, Any]) -> None:
        amsgrad = group["amsgrad"]
        all_states = self.state
        tensors, params, grads = [], [], []
        exp_avgs, exp_avg_sqs, max_exp_avg_sqs, steps = [], [], [], []
        for param in group["params"]:
            grad = param._grad
            if grad is None:
                continue
            tensors.append(param)
            params.append(param._array)
            grads.append(grad._array)
            state = all_states[param] or self._new_state(param, amsgrad)
            exp_avgs.append(state["exp_avg"]._array)
            exp_avg_sqs.append(state["exp_avg_sq"]._array)
            if amsgrad:
                max_exp_avg_sqs.append(state["max_exp_avg_sq"]._array)
            steps.append(state["step"]._array)
        if not params:
            return
        beta1, beta2 = group["betas"]
        backend_of(params[0]).adam_step(
            params,
            grads,
            exp_avgs,
            exp_avg_sqs,
            max_exp_avg_sqs,
            steps,
            float(group["lr"]),
            float(beta1),
            float(beta2),
            float(group["eps"]),
            float(group["weight_decay"]),
            bool(group["maximize"]),
            bool(group["decoupled_weight_decay"]),
        )
        for param in tensors:
            param._bump_version()


def _check_betas(betas: Any, foreach: bool | None, capturable: bool) -> None:
    if len({isinstance(b, float) for b in betas} | {not isinstance(b, Tensor) for b in betas}) != 1:
        raise ValueError("betas must be either both floats or both Tensors")
    for i, beta in enumerate(betas):
        if isinstance(beta, Tensor) and foreach and not capturable:
            raise ValueError(f"betas[{i}] as a Tensor is not supported for capturable=False and foreach=True")
        check_single(beta, f"betas[{i}]")
