"""Dropout: element by element, by whole channels, and the kind that keeps a SELU network's mean and variance.

Masks are drawn as PyTorch draws them: a double uniform per element, in the order of the elements in memory.
Source: https://arxiv.org/abs/1207.0580 (dropout), https://arxiv.org/abs/1706.02515 (alpha dropout).
"""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from pytensor import dtypes
from pytensor.autograd.node import Node, record
from pytensor.backend import backend_of
from pytensor.ops.checks import check_tensor
from pytensor.ops.inplace import check_inplace, store
from pytensor.ops.random_fill import draw_bernoulli, in_memory_order
from pytensor.ops.registry import op
from pytensor.ops.strides import memory_order
from pytensor.random import default_generator
from pytensor.typename import scalar_type_name

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

_SELU_ALPHA = 1.7580993408473766


class MulBackward0(Node):
    """Of a product with noise, and named like it in PyTorch. Saved: the mask; ctx: what kept elements are
    multiplied with."""

    def backward(self, grad: Tensor) -> Any:
        (mask,) = self.saved
        return (masked_scale(grad, mask, self.ctx),)


class AddBackward0(MulBackward0):
    """Of a product with noise, plus noise."""


def masked_scale(input: Tensor, mask: Any, scale: float) -> Tensor:
    """``input * mask * scale`` for a raw mask array that broadcasts to the input."""
    return record(MulBackward0, (input,), scaled(input._array, mask, scale), saved=(mask,), ctx=scale)


def scaled(array: Any, mask: Any, scale: float) -> Any:
    """``array * mask * scale`` in the array's dtype."""
    if _takes_kernel(array) and mask.shape == array.shape:
        along, order, back = _along_memory(mask)
        if along is not None:
            array = array if order is None else array.transpose(order)
            result = backend_of(array).masked_scale(np.asarray(array, order="C"), along, scale)
            return result if back is None else result.transpose(back)
    real = dtypes.from_numpy_dtype(array.dtype).to_real().numpy
    factors = (mask * real.type(scale)).astype(real)
    if _takes_kernel(array):
        return backend_of(array).binary("mul", array, factors)
    return (array * factors).astype(array.dtype, copy=False)


def _along_memory(array: Any) -> tuple[Any, Any, Any]:
    """The array with its axes in the order of memory, that order, and the one that turns back (None where nothing
    has to be turned); no array if it is not contiguous then."""
    if array.flags.c_contiguous:
        return array, None, None
    order = memory_order(array.strides, array.shape)
    along = array.transpose(order)
    return (along, order, np.argsort(order)) if along.flags.c_contiguous else (None, None, None)


def _takes_kernel(array: Any) -> bool:
    return isinstance(array, np.ndarray) and array.dtype in (np.float32, np.float64)


def _check_type(input: Tensor) -> None:
    if input.dtype.category < dtypes.FLOATING:
        raise RuntimeError(
            f"result type Float can't be cast to the desired output type {scalar_type_name(input.dtype)}"
        )


def _probability(p: float) -> float:
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    return float(p)


def _mask(array: Any, keep: float, by_channel: bool) -> Any:
    """The drawn mask: of the array's form, or one element per sample and channel."""
    if by_channel:
        mask = np.empty(array.shape[:2] + (1,) * (array.ndim - 2), bool)
    else:
        mask = np.empty_like(array, dtype=bool)
    in_memory_order(mask, lambda buffer: draw_bernoulli(default_generator._impl, buffer, keep))
    return mask


def drop(array: Any, p: float, by_channel: bool = False) -> tuple[Any, Any, float]:
    """Dropout of a raw array with 0 < p <= 1: (result, mask, what kept elements are multiplied with)."""
    keep = 1.0 - p
    if p == 1:
        mask, scale = np.zeros((1,) * array.ndim, bool), 1.0
        result = scaled(array, mask, scale)
    else:
        real = dtypes.from_numpy_dtype(array.dtype).to_real().numpy
        wide = np.float32 if real.itemsize < 4 else real.type  # half types round the quotient, not its parts
        scale = float(real.type(wide(1) / wide(keep)))
        along, _, back = (None,) * 3 if by_channel or not _takes_kernel(array) else _along_memory(array)
        if along is not None:
            result, mask = backend_of(array).dropout(default_generator._impl, along, keep)
            if back is not None:
                result, mask = result.transpose(back), mask.transpose(back)
        else:
            mask = _mask(array, keep, by_channel)
            result = scaled(array, mask, scale)
    return result, mask, scale


def _dropped(input: Tensor, p: float, train: bool, by_channel: bool, inplace: bool) -> Tensor:
    check_tensor(input, "dropout", "input", 1)
    _probability(p)
    if by_channel and input.dim() < 2 and train and p and input.numel():
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    if not train or p == 0 or input.numel() == 0:
        return input
    _check_type(input)
    if inplace:
        check_inplace(input)
    result, mask, scale = drop(input._array, p, by_channel)
    out = record(MulBackward0, (input,), result, saved=(mask,), ctx=scale)
    return store(input, out) if inplace else out


def _alpha_dropped(input: Tensor, p: float, train: bool, by_channel: bool, inplace: bool) -> Tensor:
    check_tensor(input, "alpha_dropout", "input", 1)
    _probability(p)
    if not train or p == 0 or p == 1 or input.numel() == 0:
        return _dropped(input, p, train, by_channel, inplace)
    if by_channel and input.dim() < 2:
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    _check_type(input)
    if inplace:
        check_inplace(input)
    array = input._array
    mask = _mask(array, 1.0 - p, by_channel)
    # Dropped elements become -alpha, then everything is scaled and moved back to mean 0 and variance 1.
    a = 1.0 / math.sqrt((_SELU_ALPHA * _SELU_ALPHA * p + 1) * (1 - p))
    noise, shift = _alpha_noise(mask, array.dtype, a, p)
    result = array * noise + shift
    out = record(AddBackward0, (input,), result, saved=(mask,), ctx=a)
    return store(input, out) if inplace else out


def _alpha_noise(mask: Any, dtype: Any, a: float, p: float) -> tuple[Any, Any]:
    """Factors and summands of alpha dropout. Half types are rounded after each step, as PyTorch does it."""
    wide = np.dtype(np.float32) if dtype.itemsize < 4 else dtype

    def rounded(numbers: Any) -> Any:
        return numbers.astype(dtype).astype(wide)

    noise = mask.astype(wide)
    shift = rounded(rounded((noise - wide.type(1)) * wide.type(_SELU_ALPHA * a)) + wide.type(_SELU_ALPHA * a * p))
    return rounded(noise * wide.type(a)).astype(dtype), shift.astype(dtype)


@op(method=False)
def dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """:func:`pytensor.nn.functional.dropout` with every argument given.

    >>> import pytensor as torch
    >>> torch.dropout(torch.ones(2), 0.5, False)
    tensor([1., 1.])
    """
    return _dropped(input, p, train, False, False)


@op(method=False)
def dropout_(input: Tensor, p: float, train: bool) -> Tensor:
    """:func:`pytensor.dropout` in place.

    >>> import pytensor as torch
    >>> torch.dropout_(torch.ones(2), 1.0, True)
    tensor([0., 0.])
    """
    return _dropped(input, p, train, False, True)


@op(method=False)
def feature_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """Dropout of whole channels of [N, C, ...].

    >>> import pytensor as torch
    >>> torch.feature_dropout(torch.ones(1, 2), 0.5, False)
    tensor([[1., 1.]])
    """
    return _dropped(input, p, train, True, False)


@op(method=False)
def alpha_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """:func:`pytensor.nn.functional.alpha_dropout` with every argument given.

    >>> import pytensor as torch
    >>> torch.alpha_dropout(torch.ones(2), 0.5, False)
    tensor([1., 1.])
    """
    return _alpha_dropped(input, p, train, False, False)


@op(method=False)
def feature_alpha_dropout(input: Tensor, p: float, train: bool) -> Tensor:
    """:func:`pytensor.nn.functional.feature_alpha_dropout` with every argument given.

    >>> import pytensor as torch
    >>> torch.feature_alpha_dropout(torch.ones(1, 2), 0.5, False)
    tensor([[1., 1.]])
    """
    return _alpha_dropped(input, p, train, True, False)


# --- nn.functional ------------------------------------------------------------------------------------------------


@op(name="dropout", namespace="nn.functional")
def functional_dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zeroes each element with probability p and scales the others by 1 / (1 - p).

    Args:
        training: without it, the input comes back.

    Raises:
        ValueError: for p outside [0, 1].

    >>> import pytensor as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.nn.functional.dropout(torch.ones(4), 0.5)
    tensor([0., 0., 2., 0.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.dropout.html
    """
    return _dropped(input, _probability(p), training, False, inplace)


@op(name="alpha_dropout", namespace="nn.functional")
def functional_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Dropout that keeps mean 0 and variance 1 after a SELU: dropped elements take its saturation value.

    >>> import pytensor as torch
    >>> torch.nn.functional.alpha_dropout(torch.ones(4), 0.5, training=True).shape
    torch.Size([4])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.alpha_dropout.html
    """
    return _alpha_dropped(input, _probability(p), training, False, inplace)


@op(name="feature_alpha_dropout", namespace="nn.functional")
def functional_feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """Alpha dropout of whole channels of [N, C, ...].

    >>> import pytensor as torch
    >>> torch.nn.functional.feature_alpha_dropout(torch.ones(2, 3, 4), 0.5, training=True).shape
    torch.Size([2, 3, 4])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.feature_alpha_dropout.html
    """
    return _alpha_dropped(input, _probability(p), training, True, inplace)


def _channels_of_sample(input: Tensor, p: float, training: bool, inplace: bool, batched: bool) -> Tensor:
    """Channel-wise dropout of [N, C, ...], or of [C, ...] as a batch of one."""
    if batched:
        return _dropped(input, p, training, True, inplace)
    if inplace:
        return _dropped(input.unsqueeze_(0), p, training, True, True).squeeze_(0)
    return _dropped(input.unsqueeze(0), p, training, True, False).squeeze(0)


def _warn_ndim(name: str, ndim: int, spatial: int, expected: str) -> None:
    warnings.warn(
        f"{name}: Received a {ndim}-D input to {name}, which is deprecated and will result in an error in a future "
        f"release. To retain the behavior and silence this warning, please use dropout instead. Note that {name} exists "
        f"to provide channel-wise dropout on inputs with {spatial} spatial dimensions, a channel dimension, and an "
        f"optional batch dimension (i.e. {expected} inputs).",
        stacklevel=3,
    )


@op(namespace="nn.functional")
def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zeroes whole channels of [N, C, L] or [C, L] with probability p.

    Raises:
        RuntimeError: for an input of another number of dimensions.

    >>> import pytensor as torch
    >>> torch.nn.functional.dropout1d(torch.ones(2, 3, 4)).shape
    torch.Size([2, 3, 4])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.dropout1d.html
    """
    ndim = input.dim()
    _probability(p)
    if ndim not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {ndim}D input. Note that dropout1d exists to provide "
            "channel-wise dropout on inputs with 1 spatial dimension, a channel dimension, and an optional batch "
            "dimension (i.e. 2D or 3D inputs)."
        )
    return _channels_of_sample(input, p, training, inplace, ndim == 3)


@op(namespace="nn.functional")
def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zeroes whole channels of [N, C, H, W] with probability p. [N, C, L] is taken as :func:`dropout1d` takes it.

    >>> import pytensor as torch
    >>> torch.nn.functional.dropout2d(torch.ones(2, 3, 4, 4)).shape
    torch.Size([2, 3, 4, 4])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.dropout2d.html
    """
    ndim = input.dim()
    _probability(p)
    if ndim not in (3, 4):
        _warn_ndim("dropout2d", ndim, 2, "3D or 4D")
    if ndim == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout behavior is desired - "
            "input is interpreted as shape (N, C, L), where C is the channel dim. This behavior will change in a future "
            "release to interpret the input as one without a batch dimension, i.e. shape (C, H, W). To maintain the 1D "
            "channel-wise dropout behavior, please switch to using dropout1d instead.",
            stacklevel=2,
        )
    return _dropped(input, p, training, True, inplace)


@op(namespace="nn.functional")
def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zeroes whole channels of [N, C, D, H, W] or [C, D, H, W] with probability p.

    >>> import pytensor as torch
    >>> torch.nn.functional.dropout3d(torch.ones(2, 3, 4, 4, 4)).shape
    torch.Size([2, 3, 4, 4, 4])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.dropout3d.html
    """
    ndim = input.dim()
    _probability(p)
    if ndim not in (4, 5):
        _warn_ndim("dropout3d", ndim, 3, "4D or 5D")
    return _channels_of_sample(input, p, training, inplace, ndim == 5)
