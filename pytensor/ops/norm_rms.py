"""RMS normalisation: layer normalisation that leaves the mean alone."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pytensor.autograd.node import Node, record
from pytensor.backend import backend_of
from pytensor.ops.checks import check_tensor
from pytensor.ops.norm import check_normalized_shape, recorded
from pytensor.ops.recompose import gradient_through
from pytensor.ops.registry import op

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["rms_norm"]


def _composed(x: Tensor, weight: Tensor | None, axes: list[int], eps: float) -> Tensor:
    """In public ops: of dtypes without a kernel, 16-bit floats in float32."""
    wide = x.float() if x.dtype.itemsize == 2 else x
    result = (wide * ((wide * wide).mean(axes, keepdim=True) + eps).rsqrt()).type_as(x)
    return result if weight is None else result * weight


class FusedRmsNormBackward0(Node):
    """Named as the last op of PyTorch's composition."""

    def name(self) -> str:
        return "TypeAsBackward0" if self.saved[1] is None else "MulBackward0"

    def backward(self, grad: Tensor) -> Any:
        x, weight, mean, rstd = self.saved
        return _rms_norm_backward(grad, x, weight, mean, rstd, *self.ctx, self.needs_input_grad)


class FusedRmsNormBackwardBackward0(Node):
    def backward(self, *grads: Any) -> Any:
        grad, x, weight = self.saved
        axes, eps, asked = self.ctx

        def composition(grad: Tensor, x: Tensor, weight: Any) -> tuple[Any, ...]:
            rstd = ((x * x).mean(axes, keepdim=True) + eps).rsqrt()
            normal = x * rstd
            weighted = grad if weight is None else grad * weight
            grad_x = (weighted - normal * (weighted * normal).mean(axes, keepdim=True)) * rstd
            grad_weight = (grad * normal).sum(list(range(x.ndim - len(axes)))) if x.ndim > len(axes) else grad * normal
            return tuple(r for r, wanted in zip((grad_x, grad_weight), asked, strict=True) if wanted)

        return gradient_through(composition, (grad, x, weight), grads, self.needs_input_grad)


def _rms_norm_backward(
    grad: Tensor, x: Tensor, weight: Any, mean: Any, rstd: Any, sizes: Any, axes: Any, eps: float, asked: Any
) -> Any:
    w = None if weight is None else weight._array.reshape(-1)
    results = backend_of(x._array).group_norm_backward(
        grad._array, x._array, w, mean, rstd, *sizes, 1, asked[0], centered=False
    )
    results = results[0], None if weight is None else results[1].reshape(weight.shape)
    node = FusedRmsNormBackwardBackward0
    return recorded(node, (grad, x, weight), results, asked, (grad, x, weight), (axes, eps, asked))


@op(namespace="nn.functional")
@op(method=False)
def rms_norm(
    input: Tensor,
    normalized_shape: tuple[int, ...] | list[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """x / sqrt(mean of x² + eps) * weight over the last axes, whose sizes are ``normalized_shape``.

    ``eps`` is the dtype's machine epsilon by default.

    >>> import pytensor as torch
    >>> torch.nn.functional.rms_norm(torch.tensor([[1., 7.]]), (2,))
    tensor([[0.2000, 1.4000]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.rms_norm.html
    """
    check_tensor(input, "rms_norm", "input", 1)
    shape = check_normalized_shape("rms_norm", input, normalized_shape, weight, None, "*")
    if eps is None:
        eps = 2.0**-52 if input.dtype.itemsize == 8 else 2.0**-23
    axes = list(range(input.ndim - len(shape), input.ndim))
    x = input._array
    fused = x.dtype.char in "fd" and x.size and (weight is None or weight.dtype == input.dtype)
    if not fused:
        return _composed(input, weight, axes, eps)
    channels = math.prod(shape)
    sizes = (x.size // channels, channels)
    w = None if weight is None else weight._array.reshape(-1)
    y, mean, rstd = backend_of(x).group_norm(x, w, None, *sizes, 1, eps, centered=False)
    saved, ctx = (input, weight, mean, rstd), (sizes, axes, eps)
    return record(FusedRmsNormBackward0, (input, weight), y, saved=saved, ctx=ctx)
