"""Distances between vectors, composed of norms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytensor.autograd.grad_mode import no_grad
from pytensor.dtypes import promote_types
from pytensor.ops.norms import vector_norm
from pytensor.ops.rearrange import broadcast_tensors
from pytensor.ops.registry import op
from pytensor.typename import scalar_type_name

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["cosine_similarity", "pairwise_distance"]


@op(namespace="nn.functional")
@op(method=False)
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between ``x1`` and ``x2`` along dimension ``dim``.

    Args:
        x1, x2: tensors of floating point types whose shapes broadcast.
        eps: the least length that the product is divided by.

    Raises:
        RuntimeError: for tensors of other types.

    >>> import pytensor as torch
    >>> torch.cosine_similarity(torch.tensor([[3.0, 4.0]]), torch.tensor([[4.0, 3.0]]))
    tensor([0.9600])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.cosine_similarity.html
    """
    common = promote_types(x1.dtype, x2.dtype)
    if not (common.is_floating_point or common.is_complex):
        raise RuntimeError(
            f"expected common dtype to be floating point, yet common dtype is {scalar_type_name(common)}"
        )
    x1, x2 = x1.to(common), x2.to(common)
    if x1.shape != x2.shape:  # a length is that of the broadcast vector
        x1, x2 = broadcast_tensors(x1, x2)
    # Each vector is divided by its own length: the product of two lengths could overflow.
    return ((x1 / _length(x1, dim, eps)) * (x2 / _length(x2, dim, eps))).sum(dim)


def _length(x: Tensor, dim: int, eps: float) -> Tensor:
    length = vector_norm(x, 2, dim, True).clone()
    with no_grad():  # as in PyTorch, the bound is no part of the graph
        length.clamp_min_(eps)
    return length


@op(namespace="nn.functional")
@op(method=False)
def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """The ``p``-norm of ``x1 - x2 + eps`` over the last dimension.

    Args:
        x1, x2: tensors whose shapes broadcast.
        eps: added to the difference; keeps the gradient at equal vectors finite.

    >>> import pytensor as torch
    >>> torch.pairwise_distance(torch.zeros(1, 2), torch.tensor([[3.0, 4.0]]), eps=0)
    tensor([5.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.pairwise_distance.html
    """
    return vector_norm(x1 - x2 + eps, p, -1, keepdim)
