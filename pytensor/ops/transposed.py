"""The attributes T, mT, H and mH."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytensor.ops.pointwise_core import quick
from pytensor.ops.registry import op
from pytensor.ops.views import PermuteBackward0

if TYPE_CHECKING:
    from pytensor.tensor import Tensor


@op(name="T", function=False)
@property
@quick("view", PermuteBackward0, kernel="reversed")
def _reversed_axes(self: Tensor) -> Tensor:
    """The axes in reverse order.

    >>> import pytensor as torch
    >>> torch.ones(2, 3).T.shape
    torch.Size([3, 2])
    """
    return self.permute(tuple(range(self.ndim - 1, -1, -1)))


@op(name="mT", function=False)
@property
def _matrix_transpose(self: Tensor) -> Tensor:
    """The last two axes swapped.

    >>> import pytensor as torch
    >>> torch.ones(5, 2, 3).mT.shape
    torch.Size([5, 3, 2])
    """
    if self.ndim < 2:
        raise RuntimeError(f"tensor.mT is only supported on matrices or batches of matrices. Got {self.ndim}-D tensor.")
    return self.transpose(-2, -1)


@op(name="H", function=False)
@property
def _conjugate_transpose(self: Tensor) -> Tensor:
    """The conjugate transpose of a matrix.

    >>> import pytensor as torch
    >>> torch.tensor([[1 + 2j, 3]]).H
    tensor([[1.-2.j],
            [3.-0.j]])
    """
    if self.ndim not in (0, 2):
        raise RuntimeError(f"tensor.H is only supported on matrices (2-D tensors). Got {self.ndim}-D tensor.")
    return self.mH if self.ndim == 2 else self.conj()


@op(name="mH", function=False)
@property
def _conjugate_matrix_transpose(self: Tensor) -> Tensor:
    """The conjugate transpose of each of the last two axes' matrices.

    >>> import pytensor as torch
    >>> torch.ones(5, 2, 3).mH.shape
    torch.Size([5, 3, 2])
    """
    return self.mT.conj() if self.is_complex() else self.mT
