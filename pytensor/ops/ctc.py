"""Connectionist temporal classification."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytensor.autograd.node import OUTPUT, Node, record, wrap
from pytensor.backend import backend_of
from pytensor.ops.checks import check_tensor
from pytensor.ops.loss_reduction import reduced
from pytensor.ops.registry import op
from pytensor.typename import scalar_type_name

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["ctc_loss"]

_WHERE = "(while checking arguments for ctc_loss_allocate_outputs)"
_MODES = {"none": 0, "mean": 1, "sum": 2}


class CtcLossBackward0(Node):
    def backward(self, grad: Tensor) -> Any:
        x, losses = self.saved
        return (_ctc_loss_backward(grad, x, losses, *self.ctx),)


class CtcLossBackwardBackward0(Node):
    def backward(self, grad: Tensor) -> Any:
        raise RuntimeError("derivative for aten::_ctc_loss_backward is not implemented")


def _ctc_loss_backward(grad: Tensor, x: Tensor, losses: Tensor, problem: Any, alpha: Any, zero: bool) -> Tensor:
    out = backend_of(x._array).ctc_loss_backward(grad._array, x._array, *problem, losses._array, alpha, zero)
    return record(CtcLossBackwardBackward0, (grad, x), out)


def _lengths(value: Any, name: str, batch: int, most: int | None) -> np.ndarray:
    """Lengths given as a tensor or a sequence, as an int64 array."""
    if hasattr(value, "_array"):
        if value.dtype.is_floating_point or value.dtype.is_complex or scalar_type_name(value.dtype) == "Bool":
            raise RuntimeError(f"{name} must be integral")
        value = value._array
    lengths = np.asarray(value, dtype=np.int64).reshape(-1)
    if lengths.size != batch:
        raise RuntimeError(f"{name} must be of size batch_size")
    for n in lengths:
        if n < 0:
            raise RuntimeError(f"Expected {name} to have value at least 0, but got value {n} {_WHERE}")
        if most is not None and n > most:
            raise RuntimeError(f"Expected {name} to have value at most {most}, but got value {n} {_WHERE}")
    return np.ascontiguousarray(lengths)


def _wrong_size(want: str, dim: int, got: int) -> RuntimeError:
    return RuntimeError(
        f"Expected tensor to have size {want} at dimension {dim}, but got size {got} for argument #2 'targets' {_WHERE}"
    )


def _padded_targets(targets: Any, lengths: np.ndarray) -> np.ndarray:
    """Targets (batch, longest), or all in a row, as an int64 array (batch, longest)."""
    longest = int(lengths.max(initial=0))
    if targets.ndim == 2:
        batch, width = targets.shape
        if batch != lengths.size:
            raise _wrong_size(str(lengths.size), 0, batch)
        if width < longest:
            raise _wrong_size(f"at least {longest}", 1, width)
        return np.ascontiguousarray(targets._array, dtype=np.int64)
    if targets.ndim != 1:
        raise RuntimeError(
            f"Expected 1 to 2 dimensions, but got {targets.ndim}-dimensional tensor for argument #2 'targets' {_WHERE}"
        )
    if targets.shape[0] != lengths.sum():
        raise _wrong_size(str(lengths.sum()), 0, targets.shape[0])
    padded = np.zeros((lengths.size, longest), np.int64)
    padded[np.arange(longest) < lengths[:, None]] = targets._array
    return padded


def _checked(log_probs: Tensor, targets: Any, input_lengths: Any, target_lengths: Any, blank: int) -> Any:
    """(targets, input lengths, target lengths, blank) as the kernels take them."""
    steps, batch, classes = log_probs.shape
    if 0 in (steps, batch, classes):
        raise RuntimeError("log_probs tensor must not be empty")
    if not 0 <= blank < classes:
        raise RuntimeError("blank must be in label range")
    if scalar_type_name(log_probs.dtype) not in ("Float", "Double"):
        raise NotImplementedError(f"\"ctc_loss_cpu\" not implemented for '{scalar_type_name(log_probs.dtype)}'")
    into = _lengths(input_lengths, "input_lengths", batch, steps)
    length = _lengths(target_lengths, "target_lengths", batch, None)
    rows = _padded_targets(targets, length)
    used = rows[np.arange(rows.shape[1]) < length[:, None]]
    if used.size and not 0 <= used.min() <= used.max() < classes:
        wrong = used[(used < 0) | (used >= classes)][0]
        raise RuntimeError(f"Expected targets to be classes below {classes}, but got {wrong}")
    return rows, into, length, int(blank)


def _ctc_loss(
    log_probs: Tensor, targets: Tensor, input_lengths: Any, target_lengths: Any, blank: int, mode: str, zero: bool
) -> Tensor:
    check_tensor(log_probs, "ctc_loss", "log_probs", 1)
    check_tensor(targets, "ctc_loss", "targets", 2)
    batched = log_probs.ndim == 3
    x = log_probs if batched else log_probs.unsqueeze(1)
    problem = _checked(x, targets, input_lengths, target_lengths, blank)
    losses, alpha = backend_of(x._array).ctc_loss(x._array, *problem)
    result = record(CtcLossBackward0, (x,), losses, saved=(x, OUTPUT), ctx=(problem, alpha, bool(zero)))
    if zero:
        result = result.masked_fill(result == float("inf"), 0)
    if mode == "mean":
        return (result / wrap(np.maximum(problem[2], 1).astype(losses.dtype))).mean()
    return reduced(result, mode) if batched or mode == "sum" else result.squeeze(0)


@op(namespace="nn.functional")
def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Tensor | tuple[int, ...],
    target_lengths: Tensor | tuple[int, ...],
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """Connectionist temporal classification: -log of the probability of a target, however it is spread over time.

    Args:
        log_probs: (time, batch, classes) or (time, classes), float32 or float64, as ``log_softmax`` gives them; the
            gradient is that of its argument and holds for no other log_probs.
        targets: classes other than ``blank``, (batch, longest) or all one after the other.
        input_lengths, target_lengths: how many steps and labels of each sample count.
        blank: the class that stands for no label.
        reduction: "mean" (of each loss divided by its target's length), "sum" or "none".
        zero_infinity: losses of targets that do not fit into their input, and their gradients, are 0.

    Raises:
        RuntimeError: when sizes and lengths do not match.
        ValueError: for another reduction.

    >>> import pytensor as torch
    >>> x = torch.zeros(4, 1, 3).log_softmax(2)
    >>> torch.nn.functional.ctc_loss(x, torch.tensor([[1, 2]]), (4,), (2,))
    tensor(0.8432)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.ctc_loss.html
    """
    if reduction not in _MODES:
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return _ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, reduction, zero_infinity)


@op(method=False, name="ctc_loss")
def ctc_loss_by_number(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Tensor | tuple[int, ...],
    target_lengths: Tensor | tuple[int, ...],
    blank: int = 0,
    reduction: int = 1,
    zero_infinity: bool = False,
) -> Tensor:
    """:func:`torch.nn.functional.ctc_loss` with the reduction as a number: 0 none, 1 mean, 2 sum.

    >>> import pytensor as torch
    >>> x = torch.zeros(4, 1, 3).log_softmax(2)
    >>> torch.ctc_loss(x, torch.tensor([[1, 2]]), (4,), (2,), reduction=0)
    tensor([1.6864])
    """
    modes = {number: name for name, number in _MODES.items()}
    return _ctc_loss(
        log_probs, targets, input_lengths, target_lengths, blank, modes.get(reduction, "none"), zero_infinity
    )
