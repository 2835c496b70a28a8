"""Median, mode and quantiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytensor import return_types
from pytensor.autograd.node import OUTPUT, Node, record, wrap
from pytensor.backend import backend_of
from pytensor.ops.axes import is_tensor, numpy_names
from pytensor.ops.checks import check_tensor, normalize_dim
from pytensor.ops.extremes import EvenBackward, SelectedBackward, check_not_empty
from pytensor.ops.out import write_out
from pytensor.ops.registry import op
from pytensor.ops.sort import pick_sorted

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["median", "mode", "nanmedian", "nanquantile", "quantile"]


class MedianBackward0(EvenBackward):
    pass


class NanmedianBackward0(EvenBackward):
    pass


class MedianBackward1(SelectedBackward):
    pass


class NanmedianBackward1(SelectedBackward):
    pass


def _middle(array: Any, dim: int, skip_nan: bool) -> Any:
    """The rank of the lower median in each sorted line; of the first NaN where NaN wins."""
    n = array.shape[dim]
    nans = (array != array).sum(axis=dim, keepdims=True)
    if skip_nan:
        return np.maximum((n - nans - 1) // 2, 0)
    return np.where(nans > 0, n - nans, (n - 1) // 2)


def _median(name: str, input: Any, dim: int | None, keepdim: bool, out: Any) -> Any:
    check_tensor(input, name, "input", 1)
    whole, along = _NODES[name]
    skip_nan = name == "nanmedian"
    if dim is None:
        flat = input._array.reshape(-1)
        if flat.size == 0:
            value = np.asarray(np.nan if flat.dtype.kind == "f" else np.iinfo(flat.dtype).min, dtype=flat.dtype)
        else:
            rank = int(_middle(flat, 0, skip_nan)[0])
            value = backend_of(flat).kth_smallest(flat, rank, 0)[0].reshape(())
        result = record(whole, (input,), value, saved=(input, OUTPUT), ctx=(input.shape, None, False))
        return write_out(result, out, name)
    dim = normalize_dim(dim, input.ndim)
    check_not_empty(input, name, (dim,) if input.ndim else ())
    rank = _middle(input._array, dim, skip_nan) if input.ndim else 0
    return write_out(getattr(return_types, name)(pick_sorted(along, input, rank, dim, keepdim)), out, name)


_NODES: dict[str, tuple[type[Node], type[Node]]] = {
    "median": (MedianBackward0, MedianBackward1),
    "nanmedian": (NanmedianBackward0, NanmedianBackward1),
}


@op()
@numpy_names
def median(input: Tensor, dim: int | None = None, keepdim: bool = False, *, out: Any = None) -> Any:
    """The middle element in order, the lower one of two; with ``dim`` also where it is. NaN wins.

    >>> import pytensor as torch
    >>> torch.tensor([3.0, 1.0, 2.0, 4.0]).median()
    tensor(2.)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.median.html
    """
    return _median("median", input, dim, keepdim, out)


@op()
@numpy_names
def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False, *, out: Any = None) -> Any:
    """:func:`median` of the elements that are not NaN.

    >>> import pytensor as torch
    >>> torch.tensor([float("nan"), 1.0, 2.0]).nanmedian()
    tensor(1.)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nanmedian.html
    """
    return _median("nanmedian", input, dim, keepdim, out)


class ModeBackward0(SelectedBackward):
    pass


@op()
@numpy_names
def mode(input: Tensor, dim: int = -1, keepdim: bool = False, *, out: Any = None) -> Any:
    """The most frequent element along ``dim``, the least of several, and where it comes last.

    >>> import pytensor as torch
    >>> torch.tensor([3.0, 2.0, 3.0, 2.0, 1.0]).mode()
    torch.return_types.mode(
    values=tensor(2.),
    indices=tensor(3))

    Source: https://docs.pytorch.org/docs/stable/generated/torch.mode.html
    """
    check_tensor(input, "mode", "input", 1)
    dim = normalize_dim(dim, input.ndim)
    check_not_empty(input, "mode", (dim,) if input.ndim else ())
    if input.ndim == 0 or input.numel() == 0:
        rank: Any = 0
        if input.ndim:
            rank = np.zeros([1 if i == dim else n for i, n in enumerate(input.shape)], dtype=np.int64)
    else:
        rank = _end_of_longest_run(input._array, dim)
    return write_out(return_types.mode(pick_sorted(ModeBackward0, input, rank, dim, keepdim)), out, "mode")


def _end_of_longest_run(array: Any, dim: int) -> Any:
    """Of the runs of equal elements in the sorted lines along ``dim``, the place where the first longest one ends."""
    lines = np.ascontiguousarray(np.moveaxis(array, dim, -1))  # sorting and counting go through each line twice
    x = backend_of(lines).sort(lines, lines.ndim - 1)[0]
    order = np.arange(x.shape[-1])
    starts = np.ones(x.shape, dtype=bool)
    starts[..., 1:] = x[..., 1:] != x[..., :-1]
    first = backend_of(lines).cumulative_extreme("cummax", np.where(starts, order, 0), lines.ndim - 1)[0]
    length = order - first
    return np.moveaxis(length.argmax(axis=-1, keepdims=True), -1, dim)


_INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def _check_quantile(name: str, input: Any, q: Any, interpolation: str) -> Any:
    """q as an array of the input's dtype."""
    check_tensor(input, name, "input", 1)
    if input.numel() == 0:
        raise RuntimeError(f"{name}() input tensor must be non-empty")
    if input.dtype.name not in ("float32", "float64"):
        raise RuntimeError(f"{name}() input tensor must be either float or double dtype")
    if interpolation not in _INTERPOLATIONS:
        raise RuntimeError(
            f"{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, but got {interpolation}"
        )
    if not is_tensor(q):
        if not 0 <= q <= 1:
            raise RuntimeError(f"{name}() q must be in the range [0, 1] but got {q:g}")
        return np.asarray(q, dtype=input._array.dtype)
    if q.ndim > 1:
        raise RuntimeError(f"{name}() q must be a scalar or 1D tensor")
    if q.dtype is not input.dtype:
        raise RuntimeError(f"{name}() q tensor must be same dtype as the input tensor")
    array = q._array
    if not ((array >= 0) & (array <= 1)).all():
        raise RuntimeError(f"{name}() q values must be in the range [0, 1]")
    return array


def _quantile(name: str, input: Any, q: Any, dim: int | None, keepdim: bool, interpolation: str, out: Any) -> Any:
    places = _check_quantile(name, input, q, interpolation)
    ndim = input.ndim
    axis = 0 if dim is None else normalize_dim(dim, ndim)
    lines = input.reshape(-1) if dim is None or ndim == 0 else input.movedim(axis, -1)
    ordered = lines.sort(-1).values
    n = lines.shape[-1]
    nans = (lines._array != lines._array).sum(axis=-1, keepdims=True)
    ranks = places.reshape(-1) * np.asarray(n - 1, dtype=places.dtype)
    if name == "nanquantile":
        ranks = np.maximum(places.reshape(-1) * (n - nans - 1).astype(places.dtype), 0)
    else:  # NaN is last in order
        ranks = np.where(nans > 0, np.asarray(n - 1, dtype=places.dtype), ranks)
    step = None
    if is_tensor(q) and q.requires_grad and interpolation == "linear":  # zero, with the gradient of the rank
        spans = np.where(nans > 0, 0, n - 1) if name == "quantile" else n - nans - 1
        step = (q - q.detach()).reshape(-1) * wrap(np.maximum(spans, 0).astype(places.dtype))
    result = _interpolate(ordered, ranks, interpolation, step)
    result = result.movedim(-1, 0)
    if keepdim:
        shape = [1] * ndim if dim is None else [1 if i == axis else s for i, s in enumerate(input.shape)]
        result = result.reshape([result.shape[0], *shape])
    return write_out(result.squeeze(0) if places.ndim == 0 else result, out, name)


def _interpolate(ordered: Any, ranks: Any, interpolation: str, step: Any = None) -> Any:
    """Elements of sorted lines (last axis) at broken ranks."""
    below = np.floor(ranks)
    if interpolation == "lower":
        return ordered.gather(-1, wrap(below.astype(np.int64)))
    if interpolation == "higher":
        return ordered.gather(-1, wrap(np.ceil(ranks).astype(np.int64)))
    if interpolation == "nearest":
        return ordered.gather(-1, wrap(np.rint(ranks).astype(np.int64)))
    weight = np.full_like(ranks, 0.5) if interpolation == "midpoint" else ranks - below
    low = ordered.gather(-1, wrap(below.astype(np.int64)))
    high = ordered.gather(-1, wrap(np.ceil(ranks).astype(np.int64)))
    if interpolation == "midpoint":
        weight[np.ceil(ranks) == below] = 0
    weight = wrap(weight.astype(ordered._array.dtype))
    return low.lerp(high, weight if step is None else weight + step)


@op()
@numpy_names
def quantile(
    input: Tensor,
    q: Any,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
    out: Tensor | None = None,
) -> Tensor:
    """The elements below which a share ``q`` of all lie, of the flattened tensor or along ``dim``. NaN wins.

    Args:
        q: a number in [0, 1], or a vector of them (which becomes the first axis of the result).
        interpolation: "linear", "lower", "higher", "midpoint" or "nearest", between two elements.

    >>> import pytensor as torch
    >>> torch.tensor([0.0, 1.0, 2.0, 3.0]).quantile(0.5)
    tensor(1.5000)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.quantile.html
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation, out)


@op()
@numpy_names
def nanquantile(
    input: Tensor,
    q: Any,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
    out: Tensor | None = None,
) -> Tensor:
    """:func:`quantile` of the elements that are not NaN.

    >>> import pytensor as torch
    >>> torch.tensor([0.0, float("nan"), 2.0]).nanquantile(0.5)
    tensor(1.)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nanquantile.html
    """
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation, out)
