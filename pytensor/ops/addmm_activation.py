"""An affine map and its activation in one pass over the result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytensor import _C
from pytensor.autograd.node import wrap
from pytensor.backend import backend_of
from pytensor.dtypes import FLOATING
from pytensor.ops.activation import relu
from pytensor.ops.activation_smooth import gelu
from pytensor.ops.addmm import addmm, check_addmm
from pytensor.ops.out import write_out
from pytensor.ops.registry import op

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["_addmm_activation"]


@op()
def _addmm_activation(
    input: Tensor,
    mat1: Tensor,
    mat2: Tensor,
    *,
    beta: float = 1,
    alpha: float = 1,
    use_gelu: bool = False,
    out: Tensor | None = None,
) -> Tensor:
    """``relu(beta * input + alpha * (mat1 @ mat2))``, or ``gelu`` of it.

    For a bias (a vector) without factors and outside a graph, bias and activation are applied while the tiles of the
    product are in the cache. Unlike PyTorch's, it has a gradient.

    Args:
        input: broadcast to the result, as in :func:`addmm`.
        mat1: (m, k)
        mat2: (k, n)
        use_gelu: the exact GELU instead of ReLU.

    Raises:
        RuntimeError: when the shapes do not fit together or the dtypes differ.

    >>> import pytensor as torch
    >>> torch._addmm_activation(torch.tensor([1.0, -5.0]), torch.ones(2, 3), torch.ones(3, 2))
    tensor([[4., 0.],
            [4., 0.]])

    Source: https://github.com/pytorch/pytorch/blob/v2.13.0/aten/src/ATen/native/LinearAlgebra.cpp
    """
    check_addmm("_addmm_activation", input, mat1, mat2)
    bias = input._array
    plain = beta == 1 and alpha == 1 and bias.shape == (mat2.shape[1],) and input.dtype.category == FLOATING
    if not plain or _C.will_record(input, mat1, mat2):
        affine = addmm(input, mat1, mat2, beta=beta, alpha=alpha)
        return write_out(gelu(affine) if use_gelu else relu(affine), out, "_addmm_activation")
    activation = "gelu" if use_gelu else "relu"
    array = backend_of(mat1._array).matmul(mat1._array, mat2._array, bias, activation)
    return write_out(wrap(array), out, "_addmm_activation")
