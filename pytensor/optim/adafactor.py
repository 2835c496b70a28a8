"""Adafactor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pytensor import finfo
from pytensor.autograd.grad_mode import no_grad
from pytensor.optim.optimizer import Optimizer, check_single, evaluate, new_step, restore_steps, zeros_of
from pytensor.tensor import Tensor

__all__ = ["Adafactor"]


class Adafactor(Optimizer):
    """Adaptive steps whose state of a matrix is a row and a column (Shazeer and Stern,
    https://arxiv.org/abs/1804.04235).

    The running average of squared gradients of a matrix is kept as the product of its row and column means; a
    vector keeps all of it. Steps are relative to the size of the parameter and clipped at ``d``.

    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.Adafactor.html

    >>> import pytensor as torch
    >>> w = torch.nn.Parameter(torch.ones(2, 2))
    >>> opt = torch.optim.Adafactor([w], lr=0.1)
    >>> w.sum().backward()
    >>> opt.step()
    >>> w.data
    tensor([[0.9000, 0.9000],
            [0.9000, 0.9000]])
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        check_single(lr, "lr")
        checks = (
            (lr >= 0.0, f"Learning rate should be >= 0 but is: {lr}"),
            (beta2_decay <= 0.0, f"beta2_decay should be <= 0 but is: {beta2_decay}"),
            (eps[0] is None or eps[0] >= 0.0, f"epsilon1 should be >= 0 but is: {eps[0]}"),
            (eps[1] >= 0.0, f"epsilon2 should be >= 0 but is: {eps[1]}"),
            (d >= 1.0, f"Clipping threshold d should be >= 1 but is: {d}"),
            (weight_decay >= 0.0, f"weight_decay should be >= 0 but is: {weight_decay}"),
        )
        for fine, message in checks:
            if not fine:
                raise ValueError(message)
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("foreach", None)
        restore_steps(self)

    def _new_state(self, grad: Tensor) -> dict[str, Tensor]:
        if grad.dim() < 2:
            return {"step": new_step(), "variance": zeros_of(grad)}
        rows, columns = list(grad.shape), list(grad.shape)
        rows[-1] = columns[-2] = 1
        return {"step": new_step(), "row_var": grad.new_zeros(rows), "col_var": grad.new_zeros(columns)}

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step. `closure`: evaluates the model again and returns the loss, which is returned."""
        loss = evaluate(closure)
        with no_grad():
            for group in self.param_groups:
                for param in group["params"]:
                    if param.grad is not None:
                        self._step_one(param, param.grad, group)
        return loss

    def _step_one(self, param: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        if param.is_complex():
            raise RuntimeError("Adafactor does not support complex parameters")
        state = self.state[param]
        if not state:
            state.update(self._new_state(grad))
        lr, (eps1, eps2) = float(group["lr"]), group["eps"]
        if eps1 is None:
            eps1 = finfo(param.dtype).eps
        if group["maximize"]:
            grad = -grad
        state["step"] += 1
        step = state["step"].item()
        size = param.norm(2).item() / param.numel() ** 0.5  # root of the mean square
        alpha = max(eps2, size) * min(lr, 1 / step**0.5)
        if group["weight_decay"] != 0:
            param.mul_(1 - lr * group["weight_decay"])
        update = _variance(grad, state, step ** group["beta2_decay"], eps1)
        update = update.clamp_(min=eps1 * eps1).rsqrt_().mul_(grad)
        too_large = update.norm(2).item() / (update.numel() ** 0.5 * group["d"])
        param.add_(update, alpha=-alpha / max(1.0, too_large))


def _variance(grad: Tensor, state: dict[str, Tensor], weight: float, eps: float) -> Tensor:
    """The estimated mean of squared gradients, after the state has moved towards this gradient's."""
    if "variance" in state:
        return state["variance"].lerp_(grad * grad, weight).clone()
    rows, columns = state["row_var"], state["col_var"]
    rows.lerp_(grad.norm(dim=-1, keepdim=True).square_().div_(grad.size(-1)), weight)
    columns.lerp_(grad.norm(dim=-2, keepdim=True).square_().div_(grad.size(-2)), weight)
    return (rows @ columns).div_(rows.mean(dim=-2, keepdim=True).clamp_(min=eps))
