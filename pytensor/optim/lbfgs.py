"""L-BFGS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pytensor import cat, view_as_real
from pytensor.autograd.grad_mode import enable_grad, no_grad
from pytensor.optim._line_search import strong_wolfe
from pytensor.optim.optimizer import Optimizer, check_single
from pytensor.tensor import Tensor

__all__ = ["LBFGS"]

_STATE = ("al", "d", "t", "old_dirs", "old_stps", "ro", "H_diag", "prev_flat_grad", "prev_loss")


class LBFGS(Optimizer):
    """Limited-memory BFGS (Liu and Nocedal, https://doi.org/10.1007/BF01589116).

    A step makes up to ``max_iter`` iterations with up to ``max_eval`` evaluations of the closure (default
    ``max_iter * 1.25``). An iteration goes along the direction that the last ``history_size`` changes of the
    gradient suggest, by ``lr`` or, with ``line_search_fn="strong_wolfe"``, as far as Wolfe's conditions ask for. It
    ends early when the gradient, the change or the progress is below its tolerance. One parameter group only
    (ValueError otherwise).

    Source: https://docs.pytorch.org/docs/stable/generated/torch.optim.LBFGS.html

    >>> import pytensor as torch
    >>> w = torch.nn.Parameter(torch.tensor([3.0, -2.0]))
    >>> opt = torch.optim.LBFGS([w], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     opt.zero_grad()
    ...     loss = ((w - 1) ** 2).sum()
    ...     loss.backward()
    ...     return loss
    >>> float(opt.step(closure))
    13.0
    >>> w.data
    tensor([1.0000, 1.0000])
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check_single(lr, "lr")
        if not 0.0 <= lr:
            raise ValueError(f"Invalid learning rate: {lr}")
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")

    @property
    def _params(self) -> list[Tensor]:
        return self.param_groups[0]["params"]

    def step(self, closure: Callable[[], Any]) -> Any:
        """Some iterations. `closure` clears the gradients, evaluates the model, calls backward and returns the loss.

        Returns the loss before the step.
        """
        # All state belongs to the first parameter, in whose dtype it is loaded again.
        state = self.state[self._params[0]]
        with no_grad():
            loss = self._iterate(enable_grad()(closure), self.param_groups[0], state)
        for name in _STATE:  # in PyTorch's order
            if name in state:
                state[name] = state.pop(name)
        return loss

    def _iterate(self, closure: Callable[[], Any], group: dict[str, Any], state: dict[str, Any]) -> Any:
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        lr, change = group["lr"], group["tolerance_change"]
        first_loss = closure()
        loss, evaluations, iterations = float(first_loss), 1, 0
        state["func_evals"] += 1
        grad = self._flat_gradient()
        if grad.abs().max() <= group["tolerance_grad"]:
            return first_loss
        while iterations < group["max_iter"]:
            iterations += 1
            state["n_iter"] += 1
            self._find_direction(state, grad, group["history_size"])
            d = state["d"]
            state["prev_flat_grad"], state["prev_loss"] = grad.clone(), loss
            state["t"] = min(1.0, 1.0 / grad.abs().sum()) * lr if state["n_iter"] == 1 else lr
            slope = float(grad.dot(d))
            if slope > -change:
                break
            count = 0
            if group["line_search_fn"] is not None:
                start, search = self._copies(), (float(state["t"]), d, loss, grad, slope)
                loss, grad, state["t"], count = self._search(closure, start, search, group, evaluations)
                self._move(state["t"], d)
            else:
                self._move(state["t"], d)
                if iterations != group["max_iter"]:  # the last one's value is nobody's concern
                    loss, grad, count = float(closure()), self._flat_gradient(), 1
            evaluations += count
            state["func_evals"] += count
            if evaluations >= group["max_eval"] or grad.abs().max() <= group["tolerance_grad"]:
                break
            if (d * state["t"]).abs().max() <= change or abs(loss - state["prev_loss"]) < change:
                break
        return first_loss

    def _find_direction(self, state: dict[str, Any], grad: Tensor, history: int) -> None:
        """Sets state["d"], minus the approximate inverse Hessian times the gradient, after the last change of the
        gradient has been remembered (the two loops of Nocedal, https://doi.org/10.1090/S0025-5718-1980-0572855-7)."""
        if state["n_iter"] == 1:
            state.update(d=-grad, old_dirs=[], old_stps=[], ro=[], H_diag=1)
            return
        changes, steps, ro = state["old_dirs"], state["old_stps"], state["ro"]
        y, s = grad - state["prev_flat_grad"], state["d"] * state["t"]
        ys = y.dot(s)
        if ys > 1e-10:
            if len(changes) == history:
                for remembered in (changes, steps, ro):
                    remembered.pop(0)
            changes.append(y)
            steps.append(s)
            ro.append(1.0 / ys)
            state["H_diag"] = ys / y.dot(y)
        al = state.setdefault("al", [None] * history)
        q = -grad
        for i in range(len(changes) - 1, -1, -1):
            al[i] = steps[i].dot(q) * ro[i]
            q.add_(changes[i] * -al[i])
        d = q * state["H_diag"]
        for i in range(len(changes)):
            d.add_(steps[i] * (al[i] - changes[i].dot(d) * ro[i]))
        state["d"] = d

    def _search(self, closure: Any, start: Any, search: Any, group: dict[str, Any], evaluations: int) -> Any:
        if group["line_search_fn"] != "strong_wolfe":
            raise RuntimeError("only 'strong_wolfe' is supported")
        t, d, loss, grad, slope = search

        def evaluate(t: float) -> tuple[float, Tensor]:
            self._move(t, d)
            value = float(closure()), self._flat_gradient()
            for param, before in zip(self._params, start, strict=True):
                param.copy_(before)
            return value

        limit = group["max_eval"] - evaluations
        return strong_wolfe(evaluate, t, d, loss, grad, slope, group["tolerance_change"], limit)

    # -- all parameters as one vector, complex ones as pairs of real numbers

    def _flat_gradient(self) -> Tensor:
        return cat(
            [_flat(param.new_zeros(param.shape) if param.grad is None else param.grad) for param in self._params]
        )

    def _move(self, size: float | Tensor, direction: Tensor) -> None:
        offset = 0
        for param in self._params:
            real = view_as_real(param) if param.is_complex() else param
            real.add_(direction[offset : offset + real.numel()].view_as(real), alpha=float(size))
            offset += real.numel()

    def _copies(self) -> list[Tensor]:
        return [param.clone() for param in self._params]


def _flat(tensor: Tensor) -> Tensor:
    return (view_as_real(tensor) if tensor.is_complex() else tensor).reshape(-1)
