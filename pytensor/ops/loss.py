"""Losses of one input and one target element each: a fused kernel each way."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

from pytensor.autograd.node import Node, record
from pytensor.backend import backend_of
from pytensor.ops.checks import broadcast_shapes_of, check_tensor
from pytensor.ops.loss_reduction import reduced, reduction_mode
from pytensor.ops.pointwise_core import result_type
from pytensor.ops.recompose import gradient_through
from pytensor.ops.registry import op
from pytensor.typename import scalar_type_name

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "huber_loss",
    "l1_loss",
    "mse_loss",
    "smooth_l1_loss",
    "soft_margin_loss",
]

_NAMES = {
    "mse": "MseLossBackward0",
    "smooth_l1": "SmoothL1LossBackward0",
    "huber": "HuberLossBackward0",
    "bce": "BinaryCrossEntropyBackward0",
    "bce_with_logits": "BinaryCrossEntropyWithLogitsBackward0",
    "soft_margin": "SoftMarginLossBackward0",
}
_L1_NAMES = {"none": "AbsBackward0", "mean": "MeanBackward0", "sum": "SumBackward0"}
_OF_DIFFERENCE = ("mse", "l1", "smooth_l1", "huber")  # the target's gradient is minus the input's


def _slope(kind: str, param: float, x: Tensor, t: Tensor) -> Tensor:
    """d loss / d x in public ops."""
    d = x - t
    if kind == "mse":
        return d * 2
    if kind == "l1":
        return d.sign()
    if kind == "smooth_l1":
        return (d / param).clamp(-1, 1)
    if kind == "huber":
        return d.clamp(-param, param)
    if kind == "bce":
        return d / ((1 - x) * x).clamp_min(1e-12)
    if kind == "bce_with_logits":
        return x.sigmoid() - t
    return -t * (-x * t).sigmoid()


def _target_slope(kind: str, x: Tensor, t: Tensor) -> Tensor:
    """d loss / d target in public ops, for losses that are not of the difference."""
    if kind == "bce":
        return (-x).log1p().clamp_min(-100) - x.log().clamp_min(-100)
    if kind == "bce_with_logits":
        return -x
    return -x * (-x * t).sigmoid()


class PairLossBackward(Node):
    def name(self) -> str:
        kind, _, _, mode = self.ctx
        return _L1_NAMES[mode] if kind == "l1" else _NAMES[kind]

    def backward(self, grad: Tensor) -> Any:
        x, t = self.saved
        kind, param, factor, _ = self.ctx
        need_x, need_t = self.needs_input_grad
        grad_x = grad_t = None
        if need_x or kind in _OF_DIFFERENCE:
            grad_x = _pair_backward(kind, param, factor, grad, x, t)
        if need_t:
            grad_t = -grad_x if kind in _OF_DIFFERENCE else grad * factor * _target_slope(kind, x, t)
        return grad_x if need_x else None, grad_t


class PairLossBackwardBackward(Node):
    def backward(self, gg: Tensor) -> Any:
        kind, param, factor = self.ctx

        def composition(grad: Tensor, x: Tensor, t: Tensor) -> tuple[Any, ...]:
            return (grad * factor * _slope(kind, param, x, t),)

        return gradient_through(composition, self.saved, (gg,), self.needs_input_grad)


def _pair_backward(kind: str, param: float, factor: float, grad: Tensor, x: Tensor, t: Tensor) -> Tensor:
    out = backend_of(x._array).pair_loss_backward(kind, param, grad._array, x._array, t._array, factor)
    inputs = (grad, x, t)
    return record(PairLossBackwardBackward, inputs, out, saved=inputs, ctx=(kind, param, factor))


def _pair_loss(kind: str, kernel: str, x: Tensor, t: Tensor, mode: str, param: float = 0.0) -> Tensor:
    """The loss of two tensors of one shape. ``kernel`` is PyTorch's name, for the error."""
    if t.dtype != x.dtype:
        common = result_type(x, t)
        x, t = x.to(common), t.to(common)
    if not x.dtype.is_floating_point:
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{scalar_type_name(x.dtype)}'")
    out = backend_of(x._array).pair_loss(kind, param, x._array, t._array, mode)
    factor = (1 / x.numel() if x.numel() else math.nan) if mode == "mean" else 1.0
    return record(PairLossBackward, (x, t), out, saved=(x, t), ctx=(kind, param, factor, mode))


def _broadcast_pair(function: str, input: Any, target: Any, stacklevel: int = 4) -> tuple[Tensor, Tensor]:
    """Input and target stretched to one shape; other shapes than one and the same are warned about."""
    check_tensor(input, function, "input", 1)
    check_tensor(target, function, "target", 2)
    if target.shape == input.shape:
        return input, target
    warnings.warn(
        f"Using a target size ({target.shape}) that is different to the input size ({input.shape}). This will likely "
        "lead to incorrect results due to broadcasting. Please ensure they have the same size.",
        stacklevel=stacklevel,
    )
    shape = broadcast_shapes_of(input.shape, target.shape)
    return input.expand(shape), target.expand(shape)


def _check_weight(weight: Any, input: Any) -> None:
    if weight.shape != input.shape:
        raise ValueError("Weights and input must have the same size.")


def _weighted(losses: Tensor, weight: Tensor, mode: str) -> Tensor:
    weighted = losses * weight
    return weighted.sum() / weight.sum() if mode == "mean" else reduced(weighted, mode)


def _weighted_mode(reduction: str) -> str:
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"Invalid reduction mode: {reduction}. Expected one of 'none', 'mean', 'sum'.")
    return reduction


@op(namespace="nn.functional")
def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """The squared difference, averaged.

    Args:
        reduction: "mean", "sum" or "none".
        weight: a factor per element, of the shape of ``input``; the mean is then over the weights.
        size_average, reduce: deprecated.

    Raises:
        ValueError: for another reduction or shape of ``weight``.

    >>> import pytensor as torch
    >>> torch.nn.functional.mse_loss(torch.tensor([1., 2.]), torch.tensor([0., 4.]))
    tensor(2.5000)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.mse_loss.html
    """
    x, t = _broadcast_pair("mse_loss", input, target)
    if weight is None:
        return _pair_loss("mse", "mse_cpu", x, t, reduction_mode(reduction, size_average, reduce, 4))
    _check_weight(weight, input)
    legacy = size_average is not None or reduce is not None
    mode = reduction_mode(reduction, size_average, reduce, 4) if legacy else _weighted_mode(reduction)
    return _weighted(_pair_loss("mse", "mse_cpu", x, t, "none"), weight, mode)


@op(namespace="nn.functional")
def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """The magnitude of the difference, averaged. The arguments are those of :func:`mse_loss`.

    >>> import pytensor as torch
    >>> torch.nn.functional.l1_loss(torch.tensor([1., 2.]), torch.tensor([0., 4.]))
    tensor(1.5000)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.l1_loss.html
    """
    x, t = _broadcast_pair("l1_loss", input, target)
    if weight is None:
        return _pair_loss("l1", "abs_cpu", x, t, reduction_mode(reduction, size_average, reduce, 4))
    _check_weight(weight, input)
    legacy = size_average is not None or reduce is not None
    mode = reduction_mode(reduction, size_average, reduce, 4) if legacy else _weighted_mode(reduction)
    return _weighted(_pair_loss("l1", "abs_cpu", x, t, "none"), weight, mode)


@op(namespace="nn.functional")
def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """d² / (2 beta) for differences below ``beta``, |d| - beta / 2 above, averaged.

    Raises:
        RuntimeError: for a negative beta.

    >>> import pytensor as torch
    >>> torch.nn.functional.smooth_l1_loss(torch.tensor([0.5, 3.]), torch.tensor([0., 0.]), reduction="none")
    tensor([0.1250, 2.5000])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.smooth_l1_loss.html
    """
    x, t = _broadcast_pair("smooth_l1_loss", input, target)
    mode = reduction_mode(reduction, size_average, reduce, 4)
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    if beta == 0:
        return _pair_loss("l1", "abs_cpu", x, t, mode)
    return _pair_loss("smooth_l1", "smooth_l1_cpu", x, t, mode, beta)


@op(namespace="nn.functional")
def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0, weight: Tensor | None = None
) -> Tensor:
    """d² / 2 for differences up to ``delta``, delta * (|d| - delta / 2) above, averaged.

    Raises:
        RuntimeError: unless delta is positive.

    >>> import pytensor as torch
    >>> torch.nn.functional.huber_loss(torch.tensor([0.5, 3.]), torch.tensor([0., 0.]), "none", delta=2.0)
    tensor([0.1250, 4.0000])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.huber_loss.html
    """
    x, t = _broadcast_pair("huber_loss", input, target)
    if weight is not None:
        _check_weight(weight, input)
    mode = reduction_mode(reduction) if weight is None else _weighted_mode(reduction)
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    if weight is None:
        return _pair_loss("huber", "huber_cpu", x, t, mode, delta)
    return reduced(_pair_loss("huber", "huber_cpu", x, t, "none", delta) * weight, mode)


@op(namespace="nn.functional")
def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-(t log x + (1 - t) log(1 - x)) of probabilities x, averaged; logarithms are cut off at -100.

    Args:
        weight: a factor per element; broadcasts.

    Raises:
        ValueError: when the sizes differ.
        RuntimeError: for inputs outside [0, 1], or a target of another dtype.

    >>> import pytensor as torch
    >>> torch.nn.functional.binary_cross_entropy(torch.tensor([0.5, 0.5]), torch.tensor([0., 1.]))
    tensor(0.6931)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.binary_cross_entropy.html
    """
    mode = reduction_mode(reduction, size_average, reduce, 4)
    if target.shape != input.shape:
        raise ValueError(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}) is deprecated. "
            "Please ensure they have the same size."
        )
    if target.dtype != input.dtype:
        raise RuntimeError(f"Found dtype {scalar_type_name(target.dtype)} but expected {scalar_type_name(input.dtype)}")
    x = input._array
    if ((x < 0) | (x > 1)).any():
        raise RuntimeError("all elements of input should be between 0 and 1")
    if weight is None:
        return _pair_loss("bce", "binary_cross_entropy", input, target, mode)
    weight = weight.expand(broadcast_shapes_of(target.shape, weight.shape))
    return reduced(_pair_loss("bce", "binary_cross_entropy", input, target, "none") * weight, mode)


@op(namespace="nn.functional")
def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """:func:`binary_cross_entropy` of sigmoid(x), computed from the logits x.

    Args:
        weight: a factor per element; broadcasts.
        pos_weight: a factor for the positive part of each element; broadcasts.

    >>> import pytensor as torch
    >>> torch.nn.functional.binary_cross_entropy_with_logits(torch.tensor([0., 0.]), torch.tensor([0., 1.]))
    tensor(0.6931)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.binary_cross_entropy_with_logits.html
    """
    mode = reduction_mode(reduction, size_average, reduce, 4)
    if target.shape != input.shape:
        raise ValueError(f"Target size ({target.shape}) must be the same as input size ({input.shape})")
    if weight is None and pos_weight is None:
        return _pair_loss("bce_with_logits", "binary_cross_entropy_with_logits", input, target, mode)
    if pos_weight is None:
        losses = _pair_loss("bce_with_logits", "binary_cross_entropy_with_logits", input, target, "none")
    else:
        log_weight = (pos_weight - 1) * target + 1
        softplus = (-input.abs()).exp().log1p() + (-input).clamp_min(0)
        losses = (1 - target) * input + log_weight * softplus
    return reduced(losses if weight is None else losses * weight, mode)


@op(namespace="nn.functional")
def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """log(1 + exp(-t x)) for targets t of 1 and -1, averaged.

    >>> import pytensor as torch
    >>> torch.nn.functional.soft_margin_loss(torch.tensor([0., 0.]), torch.tensor([1., -1.]))
    tensor(0.6931)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.soft_margin_loss.html
    """
    mode = reduction_mode(reduction, size_average, reduce, 4)
    check_tensor(input, "soft_margin_loss", "input", 1)
    check_tensor(target, "soft_margin_loss", "target", 2)
    shape = broadcast_shapes_of(input.shape, target.shape)
    return _pair_loss("soft_margin", "exp", input.expand(shape), target.expand(shape), mode)
