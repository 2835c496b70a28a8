"""Losses of one input and one target element each: a fused kernel each way."""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

from pytensor.autograd.grad_mode import is_grad_enabled, no_grad
from pytensor.ops.checks import broadcast_shapes_of, check_tensor
from pytensor.ops.like import ones_like
from pytensor.ops.loss_pair import broadcast_together, pair_loss
from pytensor.ops.loss_reduction import reduced, reduction_mode
from pytensor.ops.registry import op
from pytensor.typename import scalar_type_name

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "gaussian_nll_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "mse_loss",
    "smooth_l1_loss",
    "soft_margin_loss",
]


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
    return broadcast_together(input, target)


def _check_weight(weight: Any, input: Any) -> None:
    if weight.shape != input.shape:
        raise ValueError("Weights and input must have the same size.")


def _check_constant(function: str, **constants: Tensor | None) -> None:
    for name, value in constants.items():
        if value is not None and value.requires_grad and is_grad_enabled():
            raise RuntimeError(
                f"The function '{function}' is not differentiable with respect to argument '{name}'. This input cannot "
                "have requires_grad True."
            )


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
        return pair_loss("mse", "mse_cpu", x, t, reduction_mode(reduction, size_average, reduce, 4))
    _check_weight(weight, input)
    legacy = size_average is not None or reduce is not None
    mode = reduction_mode(reduction, size_average, reduce, 4) if legacy else _weighted_mode(reduction)
    return _weighted(pair_loss("mse", "mse_cpu", x, t, "none"), weight, mode)


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
        return pair_loss("l1", "abs_cpu", x, t, reduction_mode(reduction, size_average, reduce, 4))
    _check_weight(weight, input)
    legacy = size_average is not None or reduce is not None
    mode = reduction_mode(reduction, size_average, reduce, 4) if legacy else _weighted_mode(reduction)
    return _weighted(pair_loss("l1", "abs_cpu", x, t, "none"), weight, mode)


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
        return pair_loss("l1", "abs_cpu", x, t, mode)
    return pair_loss("smooth_l1", "smooth_l1_cpu", x, t, mode, beta)


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
        return pair_loss("huber", "huber_cpu", x, t, mode, delta)
    return reduced(pair_loss("huber", "huber_cpu", x, t, "none", delta) * weight, mode)


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
    _check_constant("binary_cross_entropy", weight=weight)
    x = input._array
    if ((x < 0) | (x > 1)).any():
        raise RuntimeError("all elements of input should be between 0 and 1")
    if weight is None:
        return pair_loss("bce", "binary_cross_entropy", input, target, mode)
    weight = weight.expand(broadcast_shapes_of(target.shape, weight.shape))
    return reduced(pair_loss("bce", "binary_cross_entropy", input, target, "none") * weight, mode)


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
    _check_constant("binary_cross_entropy_with_logits", weight=weight, pos_weight=pos_weight)
    kernel = "binary_cross_entropy_with_logits"
    loss_mode = mode if weight is None else "none"
    if pos_weight is None:
        losses = pair_loss("bce_with_logits", kernel, input, target, loss_mode)
    else:
        _check_broadcasts(input, pos_weight)
        losses = pair_loss("bce_pos_weight", kernel, input, target, loss_mode, pos_weight)
    if weight is None:
        return losses
    _check_broadcasts(input, weight)
    return reduced(losses * weight, mode)


def _check_broadcasts(input: Any, weight: Any) -> None:
    shape = broadcast_shapes_of(weight.shape, input.shape)
    if shape != input.shape:
        raise RuntimeError(f"output with shape {list(input.shape)} doesn't match the broadcast shape {list(shape)}")


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
    return pair_loss("soft_margin", "exp", *broadcast_together(input, target), mode)


@op(namespace="nn.functional")
def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """Kullback-Leibler divergence t (log t - x) of log-probabilities x from probabilities t.

    Args:
        reduction: "batchmean" divides the sum by the size of axis 0, as the divergence is defined; "mean" by the
            number of elements; "sum"; "none".
        log_target: the target is log t.

    Raises:
        RuntimeError: for complex and for integer tensors.

    >>> import pytensor as torch
    >>> x = torch.tensor([[0.5, 0.5]]).log()
    >>> torch.nn.functional.kl_div(x, torch.tensor([[0., 1.]]), reduction="batchmean")
    tensor(0.6931)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.kl_div.html
    """
    if size_average is not None or reduce is not None:
        mode = reduction_mode(reduction, size_average, reduce, 4)
        reduction = mode
    else:
        if reduction == "mean":
            warnings.warn(
                "reduction: 'mean' divides the total loss by both the batch size and the support size."
                "'batchmean' divides only by the batch size, and aligns with the KL div math definition."
                "'mean' will be changed to behave the same as 'batchmean' in the next major release.",
                stacklevel=2,
            )
        mode = "sum" if reduction == "batchmean" else reduction_mode(reduction)
    check_tensor(input, "kl_div", "input", 1)
    check_tensor(target, "kl_div", "target", 2)
    if input.dtype.is_complex or target.dtype.is_complex:
        raise RuntimeError("kl_div: Complex inputs not supported.")
    if not (input.dtype.is_floating_point and target.dtype.is_floating_point):
        raise RuntimeError("kl_div: Integral inputs not supported.")
    x, t = broadcast_together(input, target)
    total = pair_loss("kl_log" if log_target else "kl", "kl_div", x, t, mode)
    return total / input.shape[0] if reduction == "batchmean" and input.ndim else total


@op(namespace="nn.functional")
def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """Negative log-likelihood under normal distributions: (log var + (x - t)² / var) / 2, averaged.

    Args:
        var: variances, at least ``eps`` each; of the shape of ``input``, or with one axis of size 1 or less.
        full: with the constant log(2 pi) / 2.

    Raises:
        ValueError: for a negative variance or a wrong shape.

    >>> import pytensor as torch
    >>> torch.nn.functional.gaussian_nll_loss(torch.tensor([1.]), torch.tensor([3.]), torch.tensor([1.]))
    tensor(2.)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.gaussian_nll_loss.html
    """
    if isinstance(var, float):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = ones_like(input) * var
    elif (var.detach() < 0).any():
        raise ValueError("var has negative entry/entries")
    if var.shape != input.shape:
        if input.shape[:-1] == var.shape:
            var = var.unsqueeze(-1)
        elif input.ndim != var.ndim or sum(v for n, v in zip(input.shape, var.shape, strict=True) if n != v) != 1:
            raise ValueError("var is of incorrect size")
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not valid")
    var = var.clone()
    with no_grad():  # the gradient ignores the limit, as in PyTorch
        var.clamp_(min=eps)
    x, t, var = broadcast_together(input, target, var)
    losses = pair_loss("gaussian", "log", x, t, reduction, var)
    constant = 0.5 * math.log(2 * math.pi) * (x.numel() if reduction == "sum" else 1)
    return losses + constant if full else losses
