"""Losses composed of other ops: margins, embeddings, Poisson likelihoods."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pytensor.dtypes import FLOATING, get_default_dtype
from pytensor.ops.like import zeros_like
from pytensor.ops.loss_pair import broadcast_together, pair_loss
from pytensor.ops.loss_reduction import reduced, reduction_mode
from pytensor.ops.pointwise_core import result_type
from pytensor.ops.registry import op

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = [
    "cosine_embedding_loss",
    "hinge_embedding_loss",
    "margin_ranking_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "poisson_nll_loss",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]


@op(namespace="nn.functional")
def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """x where the target is 1, max(0, margin - x) where it is -1, averaged.

    >>> import pytensor as torch
    >>> x = torch.tensor([0.25, 0.25])
    >>> torch.nn.functional.hinge_embedding_loss(x, torch.tensor([1, -1]), reduction="none")
    tensor([0.2500, 0.7500])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.hinge_embedding_loss.html
    """
    mode = reduction_mode(reduction, size_average, reduce, 4)
    below = (margin - input).clamp_min(0).masked_fill(target == 1, 0)
    return reduced(below + input.masked_fill(target == -1, 0), mode)


@op(namespace="nn.functional")
def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, -t (x1 - x2) + margin), averaged: t = 1 wants x1 to be the larger, -1 x2.

    Raises:
        RuntimeError: when the numbers of dimensions differ.

    >>> import pytensor as torch
    >>> x = torch.tensor([1., 2.])
    >>> torch.nn.functional.margin_ranking_loss(x, x.flip(0), torch.tensor([1., 1.]), reduction="none")
    tensor([1., 0.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.margin_ranking_loss.html
    """
    mode = reduction_mode(reduction, size_average, reduce, 4)
    if input1.ndim != input2.ndim or input1.ndim != target.ndim:
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {input1.shape}, input2: {input2.shape}, target: {target.shape} "
        )
    difference, target = broadcast_together(input1 - input2, target)
    if result_type(difference, target).category < FLOATING:  # the margin counts as a float
        difference, target = difference.to(get_default_dtype()), target.to(get_default_dtype())
    return pair_loss("hinge", "clamp_min", difference, target, mode, margin)


@op(namespace="nn.functional")
def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """1 - cos(x1, x2) where the target is 1, max(0, cos(x1, x2) - margin) where it is -1, averaged.

    Inputs are (batch, features) with targets (batch), or (features) with a 0-d target.

    >>> import pytensor as torch
    >>> x = torch.tensor([[1., 0.]])
    >>> torch.nn.functional.cosine_embedding_loss(x, x.flip(1), torch.tensor([1]))
    tensor(1.)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.cosine_embedding_loss.html
    """
    mode = reduction_mode(reduction, size_average, reduce, 4)
    if target.ndim > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if input1.ndim != target.ndim + 1 or input2.ndim != target.ndim + 1:
        raise RuntimeError(
            f"{target.ndim}D target tensor expects {target.ndim + 1}D input tensors, but found inputs with sizes "
            f"{list(input1.shape)} and {list(input2.shape)}."
        )
    axis = target.ndim
    product = (input1 * input2).sum(axis)
    lengths = ((input1 * input1).sum(axis) + 1e-12) * ((input2 * input2).sum(axis) + 1e-12)
    cosine = product / lengths.sqrt()
    near = (1 - cosine).masked_fill(target != 1, 0)
    far = (cosine - margin).clamp_min(0).masked_fill(target != -1, 0)
    return reduced(near + far, mode)


def _distance(p: float, eps: float) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda a, b: (a - b + eps).norm(p, -1)


def _check_triplet(margin: float, anchor: Tensor, positive: Tensor, negative: Tensor) -> None:
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, but got: "
            f"anchor {anchor.ndim}D, positive {positive.ndim}D, and negative {negative.ndim}D inputs"
        )


def _triplet(
    anchor: Tensor, positive: Tensor, negative: Tensor, distance: Any, margin: float, swap: bool, mode: str
) -> Tensor:
    far = distance(anchor, negative)
    if swap:
        far = far.minimum(distance(positive, negative))
    return reduced((margin + distance(anchor, positive) - far).clamp_min(0), mode)


@op(namespace="nn.functional")
def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, margin + |anchor - positive| - |anchor - negative|) with p-norms of rows, averaged.

    Args:
        swap: use the distance of positive and negative where it is the smaller one.

    Raises:
        ValueError: unless margin is positive.

    >>> import pytensor as torch
    >>> a, b = torch.tensor([[0., 0.]]), torch.tensor([[3., 4.]])
    >>> torch.nn.functional.triplet_margin_loss(a, b, a)
    tensor(6.0000)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.triplet_margin_loss.html
    """
    mode = reduction_mode(reduction, size_average, reduce, 4)
    _check_triplet(margin, anchor, positive, negative)
    return _triplet(anchor, positive, negative, _distance(p, eps), margin, swap, mode)


@op(namespace="nn.functional")
def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """:func:`triplet_margin_loss` with any distance.

    >>> import pytensor as torch
    >>> a, b = torch.tensor([[0., 0.]]), torch.tensor([[3., 4.]])
    >>> def distance(x, y):
    ...     return (x - y).abs().sum(-1)
    >>> torch.nn.functional.triplet_margin_with_distance_loss(a, b, a, distance_function=distance)
    tensor(8.)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.triplet_margin_with_distance_loss.html
    """
    mode = reduction_mode(reduction)
    _check_triplet(margin, anchor, positive, negative)
    distance = distance_function or _distance(2.0, 1e-6)
    return _triplet(anchor, positive, negative, distance, margin, swap, mode)


@op(namespace="nn.functional")
def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Mean over the other classes j of max(0, margin - x_t + x_j)**p, of (batch, classes) or (classes).

    Args:
        weight: a factor per class, for the samples of that class.

    Raises:
        ValueError: for p other than 1 and 2.

    >>> import pytensor as torch
    >>> torch.nn.functional.multi_margin_loss(torch.tensor([[0.5, 1., 0.]]), torch.tensor([1]))
    tensor(0.1667)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.multi_margin_loss.html
    """
    mode = reduction_mode(reduction, size_average, reduce, 4)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.ndim != 1:
        raise ValueError("weight must be one-dimensional")
    x = input if input.ndim == 2 else input.reshape(1, -1)
    classes = x.shape[1]
    index = target.reshape(-1, 1)
    if index.shape[0] != x.shape[0]:
        raise RuntimeError(f"inconsistent target size, expected {x.shape[0]} but got {list(target.shape)}")
    if index.numel() and (int(index.min()) < 0 or int(index.max()) >= classes):
        raise RuntimeError("target out of range")
    losses = (margin - x.gather(1, index) + x).clamp_min(0)
    if p == 2:
        losses = losses * losses
    if weight is not None:
        losses = losses * weight[index]
    losses = losses.scatter(1, index, 0).sum(1) / classes
    return reduced(losses if target.ndim or mode != "none" else losses.reshape([]), mode)


@op(namespace="nn.functional")
def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Sum of max(0, 1 - x_t + x_j) over targets t and other classes j, divided by the number of classes.

    Args:
        target: class indices per sample, up to the first -1; as many columns as ``input``.

    >>> import pytensor as torch
    >>> x = torch.tensor([[0.1, 0.2, 0.4, 0.8]])
    >>> torch.nn.functional.multilabel_margin_loss(x, torch.tensor([[3, 0, -1, 1]]))
    tensor(0.8500)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.multilabel_margin_loss.html
    """
    mode = reduction_mode(reduction, size_average, reduce, 4)
    if target.shape != input.shape:
        raise RuntimeError(f"inconsistent target size: {list(target.shape)} for input of size: {list(input.shape)}")
    classes = input.shape[-1] if input.ndim else 1
    x, t = input.reshape(-1, classes), target.reshape(-1, classes)
    if t.numel() and (int(t.min()) < -1 or int(t.max()) >= classes):
        raise RuntimeError("target out of range")
    listed = (t == -1).long().cumsum(1) == 0
    if t.numel():  # lists are short: pairs of their targets and the classes, not of all classes
        listed = listed[:, : int(listed.sum(1).max())]
    index = t[:, : listed.shape[1]].masked_fill(~listed, 0)
    is_target = zeros_like(t).scatter_add(1, index, listed.long()) > 0
    excess = (1 - x.gather(1, index).unsqueeze(2) + x.unsqueeze(1)).clamp_min(0)
    ignored = ~listed.unsqueeze(2) | is_target.unsqueeze(1)
    losses = excess.masked_fill(ignored, 0).sum([1, 2]) / classes
    return reduced(losses.reshape(input.shape[:-1]) if mode == "none" else losses, mode)


@op(namespace="nn.functional")
def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Binary cross-entropy of sigmoid(x), averaged over the classes (the last axis) and then over the batch.

    >>> import pytensor as torch
    >>> torch.nn.functional.multilabel_soft_margin_loss(torch.zeros(1, 2), torch.tensor([[0., 1.]]))
    tensor(0.6931)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.multilabel_soft_margin_loss.html
    """
    if size_average is not None or reduce is not None:
        reduction = reduction_mode(reduction, size_average, reduce, 4)
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not valid")
    losses = pair_loss("bce_with_logits", "log_sigmoid", *broadcast_together(input, target), "none")
    if weight is not None:
        losses = losses * weight
    axis = input.ndim - 1
    return reduced(losses.sum(axis) / input.shape[axis], reduction)


@op(namespace="nn.functional")
def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Negative log-likelihood of counts under Poisson rates: exp(x) - t x, or x - t log(x + eps), averaged.

    Args:
        log_input: the input is the logarithm of the rate.
        full: with Stirling's approximation of log t! where t > 1.

    >>> import pytensor as torch
    >>> torch.nn.functional.poisson_nll_loss(torch.tensor([0., 0.]), torch.tensor([1., 2.]))
    tensor(1.)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.poisson_nll_loss.html
    """
    if size_average is not None or reduce is not None:
        reduction = reduction_mode(reduction, size_average, reduce, 4)
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    losses = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        stirling = target * target.log() - target + 0.5 * (target * (2 * math.pi)).log()
        losses = losses + stirling.masked_fill(target <= 1, 0)
    return reduced(losses, reduction)
