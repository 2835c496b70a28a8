"""Different elements, and how often each comes: unique, bincount, histograms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pytensor import return_types
from pytensor.autograd.node import wrap
from pytensor.backend import backend_of
from pytensor.dtypes import FLOATING
from pytensor.ops.axes import is_tensor
from pytensor.ops.checks import check_tensor, normalize_dim
from pytensor.ops.out import write_out
from pytensor.ops.registry import op
from pytensor.typename import scalar_type_name

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["bincount", "histc", "histogram", "unique", "unique_consecutive"]


def _answer(values: Any, inverse: Any, counts: Any, return_inverse: bool, return_counts: bool) -> Any:
    """The values alone, or a tuple with what was asked for."""
    result = [wrap(values)]
    if return_inverse:
        result.append(wrap(inverse))
    if return_counts:
        result.append(wrap(counts))
    return result[0] if len(result) == 1 else tuple(result)


@op()
def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The different elements in ascending order, or with ``dim`` the different slices along it.

    Args:
        sorted: accepted; the result always is.
        return_inverse: also, for each element, which of the different ones it is.
        return_counts: also how often each of them comes.

    >>> import pytensor as torch
    >>> torch.tensor([1, 3, 2, 3]).unique(return_counts=True)
    (tensor([1, 2, 3]), tensor([1, 1, 2]))

    Source: https://docs.pytorch.org/docs/stable/generated/torch.unique.html
    """
    check_tensor(input, "unique", "input", 1)
    axis = None if dim is None else normalize_dim(dim, input.ndim)
    if axis is not None and input.ndim == 0:
        axis = None
    values, inverse, counts = backend_of(input._array).unique(input._array, axis, return_inverse)
    return _answer(values, inverse, counts, return_inverse, return_counts)


@op()
def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The first of each run of equal neighbours, in the flattened tensor or along ``dim``.

    >>> import pytensor as torch
    >>> torch.tensor([1, 1, 2, 2, 1]).unique_consecutive()
    tensor([1, 2, 1])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.unique_consecutive.html
    """
    check_tensor(input, "unique_consecutive", "input", 1)
    axis = None if dim is None else normalize_dim(dim, input.ndim)
    values, inverse, counts = backend_of(input._array).unique_runs(input._array, axis, return_inverse)
    return _answer(values, inverse, counts, return_inverse, return_counts)


@op()
def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each of 0, 1, 2, ... comes in a vector of integers, or with ``weights`` the sum of theirs.

    >>> import pytensor as torch
    >>> torch.tensor([0, 2, 2]).bincount(minlength=4)
    tensor([1, 0, 2, 0])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.bincount.html
    """
    check_tensor(input, "bincount", "input", 1)
    if minlength < 0:
        raise RuntimeError("minlength should be >= 0")
    if input.dtype.category >= FLOATING or input.dtype.name == "bool":
        raise NotImplementedError(f"\"bincount_cpu\" not implemented for '{scalar_type_name(input.dtype)}'")
    array = input._array
    negative = "bincount only supports 1-d non-negative integral inputs."
    if array.ndim != 1:
        raise RuntimeError(negative)
    if weights is not None and (weights.ndim != 1 or weights.shape[0] != array.size):
        raise RuntimeError("weights should be 1-d and have the same length as input")
    if array.size == 0:
        return wrap(np.zeros(minlength, dtype=np.int64))
    counts = backend_of(array).bin_counts(array, None if weights is None else weights._array, minlength)
    if counts is None:
        raise RuntimeError(negative)
    return wrap(counts)


def _range_of(name: str, array: Any, low: float, high: float, chosen: bool) -> tuple[float, float]:
    """The bounds of a histogram: the data's own unless chosen, never of zero width."""
    if not chosen and array.size:
        low, high = float(array.min()), float(array.max())
    elif not chosen and name == "torch.histogram":
        high = 1.0
    if not (math.isfinite(low) and math.isfinite(high)):
        raise RuntimeError(f"{name}: range of [{low:g}, {high:g}] is not finite")
    if low > high:
        raise RuntimeError(f"{name}: max must be larger than min")
    return (low - 0.5, high + 0.5) if low == high and name == "torch.histogram" else _widened(low, high)


def _widened(low: float, high: float) -> tuple[float, float]:
    return (low - 1, high + 1) if low == high else (low, high)


@op()
def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0, *, out: Tensor | None = None) -> Tensor:
    """How many elements lie in each of ``bins`` equal bins between ``min`` and ``max`` (the data's own when equal).

    >>> import pytensor as torch
    >>> torch.tensor([1.0, 2.0, 1.0, 4.0]).histc(4)
    tensor([2., 1., 0., 1.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.histc.html
    """
    check_tensor(input, "histc", "input", 1)
    if input.dtype.category != FLOATING:
        raise NotImplementedError(f"\"histogram_cpu\" not implemented for '{scalar_type_name(input.dtype)}'")
    if bins <= 0:
        raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {bins} for dimension 0")
    array = input._array.reshape(-1)
    low, high = _range_of("torch.histc", array, float(min), float(max), min != max)
    edges = np.linspace(low, high, bins + 1).astype(array.dtype)
    counts = backend_of(array).histogram_counts(array, edges)
    return write_out(wrap(counts.astype(array.dtype)), out, "histc")


@op()
def histogram(
    input: Tensor,
    bins: Any,
    *,
    range: Sequence[float] | None = None,
    weight: Tensor | None = None,
    density: bool = False,
    out: Any = None,
) -> Any:
    """Elements, or their weights, per bin, and the edges of the bins.

    Args:
        bins: a number of equal bins, or the edges themselves, ascending.
        range: (least, greatest) for equal bins; default: the data's own.
        density: divided by the total and the widths, so that the integral is one.

    >>> import pytensor as torch
    >>> torch.histogram(torch.tensor([1.0, 2.0, 1.0]), bins=4, range=(0.0, 3.0))
    torch.return_types.histogram(
    hist=tensor([0., 2., 1., 0.]),
    bin_edges=tensor([0.0000, 0.7500, 1.5000, 2.2500, 3.0000]))

    Source: https://docs.pytorch.org/docs/stable/generated/torch.histogram.html
    """
    check_tensor(input, "histogram", "input", 1)
    if input.dtype.category != FLOATING:
        raise NotImplementedError(f"\"histogram_cpu\" not implemented for '{scalar_type_name(input.dtype)}'")
    array = input._array.reshape(-1)
    if is_tensor(bins):
        edges = bins._array
    else:
        if bins <= 0:
            raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {bins} for dimension 0")
        low, high = (0.0, 0.0) if range is None else (float(range[0]), float(range[1]))
        low, high = _range_of("torch.histogram", array, low, high, range is not None)
        edges = np.linspace(low, high, bins + 1).astype(array.dtype)
    weights = None if weight is None else weight._array.reshape(-1)
    counts = backend_of(array).histogram_counts(array, edges, weights).astype(array.dtype)
    if density:
        counts = counts / counts.sum() / np.diff(edges)
    return write_out(return_types.histogram((wrap(counts.astype(array.dtype)), wrap(edges.copy()))), out, "histogram")
