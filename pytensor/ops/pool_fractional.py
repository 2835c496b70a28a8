"""Fractional max pooling: windows at random places, so that the size shrinks by any ratio [Graham 2014]."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytensor.autograd.node import Node, record, wrap
from pytensor.backend import backend_of
from pytensor.ops.checks import check_tensor
from pytensor.ops.pool import scatter_planes
from pytensor.ops.random import rand
from pytensor.ops.registry import op

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = [
    "fractional_max_pool2d",
    "fractional_max_pool2d_with_indices",
    "fractional_max_pool3d",
    "fractional_max_pool3d_with_indices",
]

Ints = int | tuple[int, ...]


class FractionalMaxPoolBackward(Node):
    def name(self) -> str:
        return f"FractionalMaxPool{self.ctx[1]}DBackward0"

    def backward(self, grad: Tensor) -> Any:
        (indices,) = self.saved
        shape, axes = self.ctx
        return (scatter_planes(grad, indices, shape, axes),)


def _sizes(value: Any, axes: int, argument: str) -> tuple[int, ...]:
    if isinstance(value, int):
        return (value,) * axes
    if len(value) != axes:
        count = {2: "tuple of Ints", 3: "tuple of three Ints"}[axes]
        raise RuntimeError(f"fractional_max_pool{axes}d: {argument} must either be a single Int or {count}")
    return tuple(value)


def _wanted_size(axes: int, input: Tensor, output_size: Any, output_ratio: Any) -> tuple[int, ...]:
    if output_size is not None:
        return _sizes(output_size, axes, "output_size")
    if output_ratio is None:
        raise ValueError(f"fractional_max_pool{axes}d requires specifying either an output_size or an output_ratio")
    if not isinstance(output_ratio, (tuple, list)):
        if axes == 2:
            raise TypeError(f"object of type '{type(output_ratio).__name__}' has no len()")
        output_ratio = (output_ratio,) * axes
    return tuple(int(input.shape[i - axes] * output_ratio[i]) for i in range(axes))


def _check(axes: int, input: Tensor, kernel: tuple[int, ...], out: tuple[int, ...], samples: Tensor) -> None:
    name = "fractional_max_pool2d()" if axes == 2 else "fractional_max_pool3d_out()"
    for i in range(input.ndim - axes - 1, input.ndim):
        if input.shape[i] == 0:
            raise RuntimeError(
                f"{name}: Expected input to have non-zero size for non-batch dimensions, but got{list(input.shape)} "
                f"with dimension {i} being empty."
            )
    reach = 1 if axes == 2 else 0  # in 3d, PyTorch wants a place to choose
    for what, size, k, n in zip(
        ("time", "height", "width")[3 - axes :], input.shape[input.ndim - axes :], kernel, out, strict=True
    ):
        if not n + k - 1 < size + reach:
            raise RuntimeError(f"{name}: pool {what} {k} too large relative to input {what} {size}")
    if samples.dtype != input.dtype:
        raise RuntimeError("Expect _random_samples to have the same dtype as input")
    if samples.ndim != 3:
        raise RuntimeError(f"Expect _random_samples to have 3 dimensions got {samples.ndim}")
    batch = input.shape[0] if input.ndim == axes + 2 else 1
    if samples.shape[0] < batch:
        raise RuntimeError("Expect _random_samples.size(0) no less then input batch size.")
    if samples.shape[1] != input.shape[input.ndim - axes - 1]:
        raise RuntimeError("Expect _random_samples.size(1) equals to input channel size.")
    if samples.shape[2] != axes:
        raise RuntimeError(f"Expect _random_samples.size(2) equals to {axes}; got {samples.shape[2]}.")


def _starts(samples: np.ndarray, size: int, kernel: int, out: int) -> np.ndarray:
    """Where the windows of one axis begin, (planes, out): steps of alpha from a random place, the last at the end."""
    if out <= 1:
        return np.full((samples.size, out), size - kernel, np.int64)
    kind = samples.dtype.type
    alpha = kind(size - kernel) / kind(out - 1)
    u = samples.reshape(-1, 1)
    starts = ((np.arange(out).astype(samples.dtype) + u) * alpha).astype(np.int64) - (u * alpha).astype(np.int64)
    starts[:, -1] = size - kernel
    return starts


def _fractional(
    axes: int, input: Tensor, kernel_size: Any, output_size: Any, output_ratio: Any, samples: Tensor | None
) -> tuple[Tensor, Tensor]:
    check_tensor(input, f"fractional_max_pool{axes}d", "input", 1)
    out = _wanted_size(axes, input, output_size, output_ratio)
    if samples is None:
        if input.ndim <= axes:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-input.ndim}, {input.ndim - 1}], "
                f"but got {-axes - 1})"
            )
        batch = 1 if input.ndim == axes + 1 else input.shape[0]
        samples = rand(batch, input.shape[-axes - 1], axes, dtype=input.dtype)
    kernel = _sizes(kernel_size, axes, "kernel_size")
    _check(axes, input, kernel, out, samples)
    size = tuple(input.shape)[input.ndim - axes :]
    batch = input.shape[0] if input.ndim == axes + 2 else 1
    drawn = samples._array[:batch]
    column = [1, 0] if axes == 2 else [0, 1, 2]  # in 2d the first number of each plane is that of the width
    starts = [_starts(drawn[:, :, column[i]].reshape(-1), size[i], kernel[i], out[i]) for i in range(axes)]
    values, indices = backend_of(input._array).max_pool_at(input._array, starts, kernel)
    result = record(FractionalMaxPoolBackward, (input,), values, saved=(indices,), ctx=(tuple(input.shape), axes))
    return result, wrap(indices)


@op(namespace="nn.functional")
def fractional_max_pool2d(
    input: Tensor,
    kernel_size: Ints,
    output_size: Ints | None = None,
    output_ratio: tuple[float, float] | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """Maximum over windows at random places of (batch, channels, height, width) or without the batch axis.

    Args:
        output_size: how many windows, one number or one per axis; or
        output_ratio: the same as shares of the input's size.
        return_indices: also give the positions of the maxima.
        _random_samples: (batch, channels, 2) numbers from [0, 1) that choose the places.

    Raises:
        ValueError: when neither size nor ratio is given.
        RuntimeError: for windows that do not fit.

    >>> import pytensor as torch
    >>> x = torch.arange(16.).reshape(1, 4, 4)
    >>> torch.nn.functional.fractional_max_pool2d(x, 2, 2, _random_samples=torch.zeros(1, 1, 2))
    tensor([[[ 5.,  7.],
             [13., 15.]]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.fractional_max_pool2d.html
    """
    both = _fractional(2, input, kernel_size, output_size, output_ratio, _random_samples)
    return both if return_indices else both[0]


@op(namespace="nn.functional")
def fractional_max_pool2d_with_indices(
    input: Tensor,
    kernel_size: Ints,
    output_size: Ints | None = None,
    output_ratio: tuple[float, float] | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """(maxima, their positions) of :func:`fractional_max_pool2d`.

    >>> import pytensor as torch
    >>> x = torch.arange(16.).reshape(1, 4, 4)
    >>> torch.nn.functional.fractional_max_pool2d_with_indices(x, 2, 1)[1]
    tensor([[[15]]])
    """
    return _fractional(2, input, kernel_size, output_size, output_ratio, _random_samples)


@op(namespace="nn.functional")
def fractional_max_pool3d(
    input: Tensor,
    kernel_size: Ints,
    output_size: Ints | None = None,
    output_ratio: tuple[float, float, float] | float | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """Maximum over windows at random places of (batch, channels, depth, height, width) or without the batch axis.

    See :func:`fractional_max_pool2d`; the samples are (batch, channels, 3).

    >>> import pytensor as torch
    >>> torch.nn.functional.fractional_max_pool3d(torch.arange(27.).reshape(1, 3, 3, 3), 2, 1)
    tensor([[[[26.]]]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.FractionalMaxPool3d.html
    """
    both = _fractional(3, input, kernel_size, output_size, output_ratio, _random_samples)
    return both if return_indices else both[0]


@op(namespace="nn.functional")
def fractional_max_pool3d_with_indices(
    input: Tensor,
    kernel_size: Ints,
    output_size: Ints | None = None,
    output_ratio: tuple[float, float, float] | float | None = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """(maxima, their positions) of :func:`fractional_max_pool3d`.

    >>> import pytensor as torch
    >>> torch.nn.functional.fractional_max_pool3d_with_indices(torch.arange(27.).reshape(1, 3, 3, 3), 2, 1)[1]
    tensor([[[[26]]]])
    """
    return _fractional(3, input, kernel_size, output_size, output_ratio, _random_samples)
