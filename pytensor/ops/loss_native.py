"""Losses as PyTorch's top level has them: the reduction is a number, 0 for none, 1 for the mean, 2 for the sum.

Left out it is none: PyTorch's declarations say the mean, but its parser of arguments reads that as 0.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from pytensor.ops import loss, loss_margin
from pytensor.ops.registry import op

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__: list[str] = []


def _mode(reduction: Any, function: str, position: int) -> str:
    if not isinstance(reduction, int):
        raise TypeError(
            f"{function}(): argument 'reduction' (position {position}) must be int, not {type(reduction).__name__}"
        )
    return {1: "mean", 2: "sum"}.get(reduction, "none")


@op(method=False, name="kl_div")
def _kl_div(input: Tensor, target: Tensor, reduction: int = 0, *, log_target: bool = False) -> Tensor:
    """:func:`torch.nn.functional.kl_div` with a number for the reduction.

    >>> import pytensor as torch
    >>> torch.kl_div(torch.tensor([0.5, 0.5]).log(), torch.tensor([0., 1.]), 2)
    tensor(0.6931)
    """
    mode = _mode(reduction, "kl_div", 3)
    with warnings.catch_warnings():  # this form does not advise "batchmean"
        warnings.simplefilter("ignore")
        return loss.kl_div(input, target, reduction=mode, log_target=log_target)


@op(method=False, name="binary_cross_entropy_with_logits")
def _binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    pos_weight: Tensor | None = None,
    reduction: int = 0,
) -> Tensor:
    """:func:`torch.nn.functional.binary_cross_entropy_with_logits` with a number for the reduction.

    >>> import pytensor as torch
    >>> torch.binary_cross_entropy_with_logits(torch.zeros(2), torch.tensor([0., 1.]), reduction=1)
    tensor(0.6931)
    """
    mode = _mode(reduction, "binary_cross_entropy_with_logits", 5)
    return loss.binary_cross_entropy_with_logits(input, target, weight, reduction=mode, pos_weight=pos_weight)


@op(method=False, name="hinge_embedding_loss")
def _hinge_embedding_loss(input: Tensor, target: Tensor, margin: float = 1.0, reduction: int = 0) -> Tensor:
    """:func:`torch.nn.functional.hinge_embedding_loss` with a number for the reduction.

    >>> import pytensor as torch
    >>> torch.hinge_embedding_loss(torch.tensor([0.25, 0.25]), torch.tensor([1, -1]), reduction=0)
    tensor([0.2500, 0.7500])
    """
    mode = _mode(reduction, "hinge_embedding_loss", 4)
    return loss_margin.hinge_embedding_loss(input, target, margin, reduction=mode)


@op(method=False, name="margin_ranking_loss")
def _margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: int = 0
) -> Tensor:
    """:func:`torch.nn.functional.margin_ranking_loss` with a number for the reduction.

    >>> import pytensor as torch
    >>> torch.margin_ranking_loss(torch.tensor([1., 2.]), torch.tensor([2., 1.]), torch.ones(2), reduction=0)
    tensor([1., 0.])
    """
    mode = _mode(reduction, "margin_ranking_loss", 5)
    return loss_margin.margin_ranking_loss(input1, input2, target, margin, reduction=mode)


@op(method=False, name="cosine_embedding_loss")
def _cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: int = 0
) -> Tensor:
    """:func:`torch.nn.functional.cosine_embedding_loss` with a number for the reduction.

    >>> import pytensor as torch
    >>> torch.cosine_embedding_loss(torch.tensor([[1., 0.]]), torch.tensor([[0., 1.]]), torch.tensor([1]))
    tensor([1.])
    """
    mode = _mode(reduction, "cosine_embedding_loss", 5)
    return loss_margin.cosine_embedding_loss(input1, input2, target, margin, reduction=mode)


@op(method=False, name="triplet_margin_loss")
def _triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: int = 0,
) -> Tensor:
    """:func:`torch.nn.functional.triplet_margin_loss` with a number for the reduction.

    >>> import pytensor as torch
    >>> a, b = torch.tensor([[0., 0.]]), torch.tensor([[3., 4.]])
    >>> torch.triplet_margin_loss(a, b, a)
    tensor([6.0000])
    """
    mode = _mode(reduction, "triplet_margin_loss", 8)
    return loss_margin.triplet_margin_loss(anchor, positive, negative, margin, p, eps, swap, reduction=mode)


@op(method=False, name="poisson_nll_loss")
def _poisson_nll_loss(input: Tensor, target: Tensor, log_input: bool, full: bool, eps: float, reduction: int) -> Tensor:
    """:func:`torch.nn.functional.poisson_nll_loss` with a number for the reduction.

    >>> import pytensor as torch
    >>> torch.poisson_nll_loss(torch.zeros(2), torch.tensor([1., 2.]), True, False, 1e-8, 1)
    tensor(1.)
    """
    mode = _mode(reduction, "poisson_nll_loss", 6)
    return loss_margin.poisson_nll_loss(input, target, log_input, full, eps=eps, reduction=mode)
