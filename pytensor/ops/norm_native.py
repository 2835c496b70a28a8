"""Normalisations as PyTorch's top level has them: other orders of arguments, and the statistics as results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytensor.autograd.grad_mode import no_grad
from pytensor.ops.checks import check_tensor
from pytensor.ops.norm import group_norm, layer_norm, native_batch_norm
from pytensor.ops.norm import instance_norm as functional_instance_norm
from pytensor.ops.registry import op

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["batch_norm_with_statistics", "instance_norm", "native_group_norm", "native_layer_norm"]


def _statistics(input: Tensor, axes: Any, eps: float) -> tuple[Tensor, Tensor]:
    """Mean and 1 / sqrt(variance + eps) over the axes, which stay with size 1."""
    mean = input.mean(axes, keepdim=True)
    return mean, (input.var(axes, correction=0, keepdim=True) + eps).rsqrt()


@op(method=False)
def instance_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Tensor:
    """:func:`torch.nn.functional.instance_norm` with the arguments in another order.

    >>> import pytensor as torch
    >>> torch.instance_norm(torch.tensor([[[1., 3.]]]), None, None, None, None, True, 0.1, 1e-5, False)
    tensor([[[-1.0000,  1.0000]]])
    """
    return functional_instance_norm(input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps)


@op(method=False)
def native_layer_norm(
    input: Tensor, normalized_shape: Any, weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """:func:`torch.layer_norm`, the means and the inverse standard deviations.

    The statistics have the shape of the input with 1 for the normalised axes, and no gradient.

    >>> import pytensor as torch
    >>> y, mean, rstd = torch.native_layer_norm(torch.tensor([[1., 3.]]), (2,), None, None, 0.0)
    >>> mean, rstd
    (tensor([[2.]]), tensor([[1.]]))
    """
    y = layer_norm(input, normalized_shape, weight, bias, eps)
    with no_grad():
        return y, *_statistics(input, tuple(range(-len(normalized_shape), 0)), eps)


@op(method=False)
def native_group_norm(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, N: int, C: int, HxW: int, group: int, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """:func:`torch.group_norm` of (N, C, ...) with HxW elements per channel, means and inverse standard deviations.

    The statistics are (N, group).

    Raises:
        RuntimeError: when the sizes do not match.

    >>> import pytensor as torch
    >>> y, mean, rstd = torch.native_group_norm(torch.tensor([[1., 3.]]), None, None, 1, 2, 1, 1, 0.0)
    >>> mean, rstd
    (tensor([[2.]]), tensor([[1.]]))
    """
    check_tensor(input, "native_group_norm", "input", 1)
    if input.numel() != N * C * HxW:
        raise RuntimeError(f"Expected X.numel() == N * C * HxW to be true, but got false.  (input {list(input.shape)})")
    y = group_norm(input.reshape(N, C, HxW), group, weight, bias, eps).reshape(input.shape)
    mean, rstd = _statistics(input.reshape(N, group, C // group * HxW), -1, eps)
    return y, mean.squeeze(-1), rstd.squeeze(-1)


@op(method=False, name="native_batch_norm")
def batch_norm_with_statistics(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """:func:`torch.batch_norm`, the means and the inverse standard deviations of the batch; empty in evaluation.

    >>> import pytensor as torch
    >>> x = torch.tensor([[1.], [3.]])
    >>> y, mean, rstd = torch.native_batch_norm(x, None, None, None, None, True, 0.1, 0.0)
    >>> mean, rstd
    (tensor([2.]), tensor([1.]))
    """
    y = native_batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps)
    with no_grad():
        if not training:
            return y, input.new_empty([0]), input.new_empty([0])
        mean, rstd = _statistics(input, (0, *range(2, input.ndim)), eps)
        return y, mean.reshape([-1]), rstd.reshape([-1])
