"""Batch, instance, layer, group, RMS and local response normalisation, and normalisation to unit length."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pytensor.autograd.node import Node, record, wrap
from pytensor.backend import backend_of
from pytensor.ops.checks import check_tensor
from pytensor.ops.out import write_out
from pytensor.ops.pointwise_core import quick
from pytensor.ops.pool import avg_pool1d
from pytensor.ops.recompose import gradient_through
from pytensor.ops.registry import op
from pytensor.typename import scalar_type_name

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["batch_norm", "group_norm", "instance_norm", "layer_norm", "local_response_norm", "normalize"]


def _array(tensor: Any) -> Any:
    return None if tensor is None else tensor._array


def _check_dtypes(input: Any, kernel: str, *parameters: Any) -> None:
    """Parameters have the input's dtype, or are float32 beside a 16-bit input."""
    dtype = input.dtype
    if dtype.is_floating_point:
        for p in parameters:
            if p is not None and p.dtype is not dtype:
                break
        else:
            return
    if not input.dtype.is_floating_point:
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{scalar_type_name(input.dtype)}'")
    dtypes = {p.dtype for p in parameters if p is not None}
    if dtypes <= {input.dtype}:
        return
    if input.dtype.itemsize == 2:
        if len(dtypes) == 1 and scalar_type_name(next(iter(dtypes))) == "Float":
            return
        raise RuntimeError("mixed dtype (CPU): expect parameter to have scalar type of Float")
    if input.dtype.itemsize == 8:
        raise RuntimeError("mixed dtype (CPU): all inputs must share same datatype.")
    raise RuntimeError("mixed dtype (CPU): expect parameter to have scalar type of Float")


# --- batch norm ---


class NativeBatchNormBackward0(Node):
    def backward(self, grad: Tensor, *unused: Any) -> Any:
        x, weight, mean, var = self.saved
        training, eps = self.ctx
        return _batch_norm_backward(grad, x, weight, mean, var, eps, training, self.needs_input_grad)


class NativeBatchNormBackwardBackward0(Node):
    def backward(self, *grads: Any) -> Any:
        grad, x, weight, mean, var = self.saved
        training, eps, asked = self.ctx
        axes = [0, *range(2, x.ndim)]
        count = x.numel() // x.shape[1]
        per_channel = [1, -1, *[1] * (x.ndim - 2)]

        def composition(grad: Tensor, x: Tensor, weight: Any) -> tuple[Any, ...]:
            if training:
                centered = x - x.mean(axes, keepdim=True)
                rstd = ((centered * centered).mean(axes, keepdim=True) + eps).rsqrt()
            else:
                centered = x - wrap(mean).view(per_channel)
                rstd = (wrap(var).view(per_channel) + eps).rsqrt()
            normal = centered * rstd
            grad_bias, grad_weight = grad.sum(axes), (grad * normal).sum(axes)
            grad_x = grad
            if training:
                grad_x = grad - grad_bias.view(per_channel) / count - normal * grad_weight.view(per_channel) / count
            grad_x = grad_x * rstd if weight is None else grad_x * rstd * weight.view(per_channel)
            return tuple(r for r, wanted in zip((grad_x, grad_weight, grad_bias), asked, strict=True) if wanted)

        return gradient_through(composition, (grad, x, weight), grads, self.needs_input_grad)


def recorded(node: type[Node], inputs: tuple[Any, ...], results: Any, asked: Any, saved: Any, ctx: Any) -> Any:
    """Records the results that were asked for, with None in the place of the others."""
    wanted = tuple(r for r, a in zip(results, asked, strict=True) if a)
    outputs = iter(record(node, inputs, wanted, saved=saved, ctx=ctx))
    return tuple(next(outputs) if a else None for a in asked)


def _batch_norm_backward(
    grad: Tensor, x: Tensor, weight: Any, mean: Any, var: Any, eps: float, training: bool, asked: Any
) -> Any:
    mean, var = (getattr(s, "_array", s) for s in (mean, var))
    results = backend_of(x._array).batch_norm_backward(
        grad._array, x._array, _array(weight), mean, var, eps, training, asked[0]
    )
    saved, ctx = (grad, x, weight, mean, var), (training, eps, asked)
    return recorded(NativeBatchNormBackwardBackward0, (grad, x, weight), results, asked, saved, ctx)


def _check_channels(input: Any, training: bool, running_mean: Any, running_var: Any, weight: Any, bias: Any) -> None:
    channels = input.shape[1] if input.ndim > 1 else 0
    for name, vector in (("running_mean", running_mean), ("running_var", running_var)):
        if vector is None:
            if not training:
                raise RuntimeError(f"{name} must be defined in evaluation mode")
        elif vector.numel() != channels:
            raise RuntimeError(f"{name} should contain {channels} elements not {vector.numel()}")
    for name, vector in (("weight", weight), ("bias", bias)):
        if vector is not None and vector.numel() != channels:
            raise RuntimeError(f"{name} should contain {channels} elements not {vector.numel()}")
    if training and (running_mean is None) != (running_var is None):
        raise ValueError("running_mean and running_var must either both be None or neither be None")


@op(method=False, name="batch_norm")
def native_batch_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool = True,
) -> Tensor:
    """:func:`torch.nn.functional.batch_norm` with the arguments in another order.

    >>> import pytensor as torch
    >>> x = torch.tensor([[1.], [3.]])
    >>> torch.batch_norm(x, None, None, None, None, True, 0.1, 1e-5, False)
    tensor([[-1.0000],
            [ 1.0000]])
    """
    check_tensor(input, "batch_norm", "input", 1)
    _check_channels(input, training, running_mean, running_var, weight, bias)
    _check_dtypes(input, "batch_norm", weight, bias, running_mean, running_var)
    array = input._array
    if array.size == 0:
        return _of_nothing(input, weight, bias, (-1, *[1] * (input.ndim - 2)))
    backend = backend_of(array)
    vectors = _array(weight), _array(bias), _array(running_mean), _array(running_var)
    if not training:
        y = backend.batch_norm_eval(array, *vectors, eps)
        saved = (input, weight, running_mean, running_var)
    else:
        y, mean, var = backend.batch_norm_train(array, *vectors, momentum, eps)
        saved = (input, weight, mean, var)
        for running in (running_mean, running_var):
            if running is not None:
                running._bump_version()
    return record(NativeBatchNormBackward0, (input, weight, bias), y, saved=saved, ctx=(bool(training), eps))


@op(namespace="nn.functional")
def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias for each channel of (batch, channels, ...).

    Args:
        running_mean, running_var: the statistics in evaluation; in training they are updated in place (or None):
            running += momentum * (batch - running), with the unbiased variance.
        weight, bias: one element per channel.
        training: normalise with the statistics of the batch.

    Raises:
        ValueError: in training with one value per channel.
        RuntimeError: when the sizes do not match.

    >>> import pytensor as torch
    >>> x = torch.tensor([[1.], [3.]])
    >>> torch.nn.functional.batch_norm(x, None, None, training=True)
    tensor([[-1.0000],
            [ 1.0000]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.batch_norm.html
    """
    check_tensor(input, "batch_norm", "input", 1)
    if training:
        _check_batch_size(input.shape)
    if training and eps <= 0.0:
        raise ValueError(f"batch_norm eps must be positive during training, but got {eps}")
    if eps < 0.0:
        raise ValueError(f"batch_norm eps must be non-negative, but got {eps}")
    return native_batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps)


def _check_batch_size(size: Any) -> None:
    if len(size) > 0 and size[0] * math.prod(size[2:]) == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {size}")


@op(namespace="nn.functional")
def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Batch norm of every sample by itself: each channel of each sample has its own mean and variance.

    The arguments are those of :func:`batch_norm`; ``use_input_stats`` stands for ``training``.

    >>> import pytensor as torch
    >>> torch.nn.functional.instance_norm(torch.tensor([[[1., 3.], [5., 9.]]]))
    tensor([[[-1.0000,  1.0000],
             [-1.0000,  1.0000]]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.instance_norm.html
    """
    check_tensor(input, "instance_norm", "input", 1)
    if use_input_stats and math.prod(input.shape[2:]) == 1:
        raise ValueError(f"Expected more than 1 spatial element when training, got input size {input.shape}")
    if not use_input_stats and (running_mean is None or running_var is None):
        raise RuntimeError("Expected running_mean and running_var to be defined when use_input_stats is false")
    batch, channels = input.shape[0], input.shape[1]

    def repeated(vector: Any) -> Any:
        return None if vector is None else vector.repeat(batch)

    flat = input.contiguous().view(1, batch * channels, *input.shape[2:])
    statistics = repeated(running_mean), repeated(running_var)
    vectors = repeated(weight), repeated(bias), *statistics
    result = native_batch_norm(flat, *vectors, use_input_stats, momentum, eps)
    if use_input_stats:
        for running, updated in zip((running_mean, running_var), statistics, strict=True):
            if running is not None:
                running._array[...] = updated._array.reshape(batch, channels).mean(axis=0)
                running._bump_version()
    return result.view(input.shape)


# --- group and layer norm: one kernel, (batch, channels, groups) ---


class _GroupNormBackward(Node):
    def backward(self, grad: Tensor, *unused: Any) -> Any:
        x, weight, mean, rstd = self.saved
        return _group_norm_backward(grad, x, weight, mean, rstd, *self.ctx, self.needs_input_grad)


class NativeGroupNormBackward0(_GroupNormBackward):
    pass


class NativeLayerNormBackward0(_GroupNormBackward):
    pass


class NativeGroupNormBackwardBackward0(Node):
    def backward(self, *grads: Any) -> Any:
        grad, x, weight = self.saved
        (batch, channels, groups), eps, shape, asked = self.ctx
        rows = [batch, groups, channels // groups, x.numel() // (batch * channels) if batch else 1]

        def composition(grad: Tensor, x: Tensor, weight: Any) -> tuple[Any, ...]:
            g, v = grad.reshape(rows), x.reshape(rows)
            centered = v - v.mean([2, 3], keepdim=True)
            rstd = ((centered * centered).mean([2, 3], keepdim=True) + eps).rsqrt()
            normal = centered * rstd
            grad_weight, grad_bias = (g * normal).sum([0, 3]), g.sum([0, 3])
            weighted = g if weight is None else g * weight.reshape(1, groups, -1, 1)
            shift, slope = weighted.mean([2, 3], keepdim=True), (weighted * normal).mean([2, 3], keepdim=True)
            grad_x = (weighted - shift - normal * slope) * rstd
            results = grad_x.reshape(x.shape), grad_weight.reshape(shape), grad_bias.reshape(shape)
            return tuple(r for r, wanted in zip(results, asked, strict=True) if wanted)

        return gradient_through(composition, (grad, x, weight), grads, self.needs_input_grad)


def _group_norm_backward(
    grad: Tensor, x: Tensor, weight: Any, mean: Any, rstd: Any, sizes: Any, eps: float, shape: Any, asked: Any
) -> Any:
    results = backend_of(x._array).group_norm_backward(
        grad._array, x._array, _array(weight), mean, rstd, *sizes, asked[0]
    )
    results = (results[0], *(r.reshape(shape) for r in results[1:]))
    saved, ctx = (grad, x, weight), (sizes, eps, shape, asked)
    return recorded(NativeGroupNormBackwardBackward0, (grad, x, weight), results, asked, saved, ctx)


def _of_nothing(input: Tensor, weight: Any, bias: Any, shape: Sequence[int]) -> Tensor:
    """The norm of an empty tensor. Its gradients are empty or zeros; ``shape`` lays weight and bias beside the input."""
    y = input.clone()
    y = y if weight is None else y * weight.reshape(shape)
    return y if bias is None else y + bias.reshape(shape)


def _group_norm(
    node: type[Node], input: Tensor, weight: Any, bias: Any, sizes: tuple[int, int, int], eps: float, shape: Any
) -> Any:
    """``sizes``: (batch, channels, groups); ``shape``: that of weight and bias."""
    backend = backend_of(input._array)
    y, mean, rstd = backend.group_norm(input._array, _array(weight), _array(bias), *sizes, eps)
    return record(node, (input, weight, bias), y, saved=(input, weight, mean, rstd), ctx=(sizes, eps, shape))


@op(namespace="nn.functional")
@op(method=False)
@quick("layer_norm", NativeLayerNormBackward0, arguments=("normalized_shape", "weight", "bias", "eps"))
def layer_norm(
    input: Tensor,
    normalized_shape: tuple[int, ...] | list[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias over the last axes.

    Args:
        normalized_shape: the sizes of those axes; weight and bias have this shape.

    Raises:
        RuntimeError: when the shapes do not match.

    >>> import pytensor as torch
    >>> torch.nn.functional.layer_norm(torch.tensor([[1., 3.], [5., 9.]]), (2,))
    tensor([[-1.0000,  1.0000],
            [-1.0000,  1.0000]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.layer_norm.html
    """
    check_tensor(input, "layer_norm", "input", 1)
    shape = check_normalized_shape("layer_norm", input, normalized_shape, weight, bias, "*, ")
    _check_dtypes(input, "LayerNormKernelImpl", weight, bias)
    channels = math.prod(shape)
    if channels == 0:
        return _of_nothing(input, weight, bias, shape)
    sizes = (input.numel() // channels, channels, 1)
    return _group_norm(NativeLayerNormBackward0, input, weight, bias, sizes, eps, tuple(shape))


def check_normalized_shape(function: str, input: Any, normalized_shape: Any, weight: Any, bias: Any, star: str) -> Any:
    if not isinstance(normalized_shape, (tuple, list)):
        raise TypeError(
            f"{function}(): argument 'normalized_shape' (position 2) must be tuple of ints, "
            f"not {type(normalized_shape).__name__}"
        )
    ends = tuple(normalized_shape)
    alike = (weight is None or weight.shape == ends) and (bias is None or bias.shape == ends)
    if ends and alike and input.shape[-len(ends) :] == ends:
        return ends
    shape = [operator.index(s) for s in normalized_shape]
    if not shape:
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got "
            "normalized_shape = []"
        )
    for name, vector in (("weight", weight), ("bias", bias)):
        if vector is not None and list(vector.shape) != shape:
            raise RuntimeError(
                f"Expected {name} to be of same shape as normalized_shape, but got {name} of shape "
                f"{list(vector.shape)} and normalized_shape = {shape}"
            )
    if list(input.shape)[-len(shape) :] != shape:
        raise RuntimeError(
            f"Given normalized_shape={shape}, expected input with shape [{star}{', '.join(map(str, shape))}], but got "
            f"input of size{list(input.shape)}"
        )
    return shape


@op(namespace="nn.functional")
@op(method=False)
def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias over groups of channels of (batch, channels, ...).

    Args:
        num_groups: number of groups; divides the number of channels.
        weight, bias: one element per channel.

    Raises:
        RuntimeError: when the sizes do not match.

    >>> import pytensor as torch
    >>> torch.nn.functional.group_norm(torch.tensor([[1., 3., 5., 9.]]).reshape(1, 2, 2), 2)
    tensor([[[-1.0000,  1.0000],
             [-1.0000,  1.0000]]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.group_norm.html
    """
    check_tensor(input, "group_norm", "input", 1)
    if input.ndim < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {input.ndim}")
    batch, channels = input.shape[0], input.shape[1]
    _check_batch_size([batch * channels // num_groups, num_groups, *input.shape[2:]])
    shape = list(input.shape)
    if channels % num_groups != 0:
        raise RuntimeError(
            "Expected number of channels in input to be divisible by num_groups, but got input of shape "
            f"{shape} and num_groups={num_groups}"
        )
    for name, vector in (("weight", weight), ("bias", bias)):
        if vector is not None and list(vector.shape) != [channels]:
            raise RuntimeError(
                f"Expected {name} to be a vector of size equal to the number of channels in input, but got {name} of "
                f"shape {list(vector.shape)} and input of shape {shape}"
            )
    _check_dtypes(input, "GroupNormKernelImpl", weight, bias)
    if input.numel() == 0:
        return _of_nothing(input, weight, bias, (channels, *[1] * (input.ndim - 2)))
    sizes = (batch, channels, num_groups)
    return _group_norm(NativeGroupNormBackward0, input, weight, bias, sizes, eps, (channels,))


# --- composed ---


@op(namespace="nn.functional")
def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """x / (k + alpha * mean of x² over ``size`` neighbouring channels)**beta, for (batch, channels, ...).

    >>> import pytensor as torch
    >>> torch.nn.functional.local_response_norm(torch.ones(1, 2, 1), 2, alpha=2.0, beta=1.0)
    tensor([[[0.5000],
             [0.3333]]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.local_response_norm.html
    """
    if input.ndim < 3:
        raise ValueError(
            f"Expected 3D or higher dimensionality                          input (got {input.ndim} dimensions)"
        )
    if input.numel() == 0:
        return input
    channels = input.shape[1]
    # Pooling pads both sides alike; channel c needs size // 2 channels before it and (size - 1) // 2 after.
    squares = (input * input).reshape(input.shape[0], channels, -1).transpose(1, 2)
    before = size // 2
    mean = avg_pool1d(squares, size, 1, before).narrow(-1, 0, channels)
    return input / (mean.transpose(1, 2).reshape(input.shape) * alpha + k).pow(beta)


@op(namespace="nn.functional")
def normalize(
    input: Tensor, p: float = 2.0, dim: int | tuple[int, ...] = 1, eps: float = 1e-12, out: Tensor | None = None
) -> Tensor:
    """x / max(p-norm of x along ``dim``, eps).

    >>> import pytensor as torch
    >>> torch.nn.functional.normalize(torch.tensor([[3., 4.]]))
    tensor([[0.6000, 0.8000]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.normalize.html
    """
    length = input.norm(p, dim, keepdim=True).clamp_min(eps).expand_as(input)
    return write_out(input / length, out, "normalize")
