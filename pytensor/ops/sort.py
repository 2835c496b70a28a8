"""Sorting and what rests on it: order statistics, top k, search in sorted rows. NaN is the greatest value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pytensor import return_types
from pytensor.autograd.node import Node, record, wrap
from pytensor.backend import backend_of
from pytensor.dtypes import COMPLEX
from pytensor.ops.axes import is_tensor, numpy_names
from pytensor.ops.checks import check_tensor, normalize_dim
from pytensor.ops.extremes import SelectedBackward
from pytensor.ops.index import spread_elements
from pytensor.ops.out import write_out
from pytensor.ops.pointwise_core import quick
from pytensor.ops.registry import op

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["argsort", "bucketize", "isin", "kthvalue", "msort", "searchsorted", "sort", "topk"]


class PermutedBackward(Node):
    """Gradients go back to where the values came from. saved: (indices,); ctx: (shape, dim)."""

    def backward(self, grad: Any) -> Any:
        (indices,) = self.saved
        shape, dim = self.ctx
        if len(shape) == 0:
            return (grad.reshape(()),)
        return (spread_elements(grad, shape, dim, indices),)


class SortBackward0(PermutedBackward):
    pass


class TopkBackward0(PermutedBackward):
    pass


class KthvalueBackward0(SelectedBackward):
    pass


def _sorted(input: Any, dim: int, descending: bool) -> tuple[Any, Any]:
    if input.dtype.category >= COMPLEX:
        raise RuntimeError(" Sort does not support complex dtypes on CPU")
    dim = normalize_dim(dim, input.ndim)
    values, places = backend_of(input._array).sort(input._array, dim, descending)
    indices = wrap(places)
    return record(SortBackward0, (input,), values, saved=(indices,), ctx=(input.shape, dim)), indices


@op()
@quick("sort", SortBackward0, arguments=("dim", "descending"), alternate=return_types.sort)
@numpy_names
def sort(input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool | None = None, out: Any = None) -> Any:
    """Elements along ``dim`` in ascending or descending order, and where they came from.

    Equal elements always keep their order, whatever ``stable`` says.

    >>> import pytensor as torch
    >>> torch.tensor([3.0, 1.0, 2.0]).sort()
    torch.return_types.sort(
    values=tensor([1., 2., 3.]),
    indices=tensor([1, 2, 0]))

    Source: https://docs.pytorch.org/docs/stable/generated/torch.sort.html
    """
    check_tensor(input, "sort", "input", 1)
    return write_out(return_types.sort(_sorted(input, dim, descending)), out, "sort")


@op()
@numpy_names
def argsort(input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Tensor:
    """The indices that sort a tensor along ``dim``.

    >>> import pytensor as torch
    >>> torch.tensor([3.0, 1.0, 2.0]).argsort()
    tensor([1, 2, 0])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.argsort.html
    """
    check_tensor(input, "argsort", "input", 1)
    return _sorted(input.detach(), dim, descending)[1]


@op()
def msort(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Elements sorted along the first axis.

    >>> import pytensor as torch
    >>> torch.tensor([[3.0, 1.0], [1.0, 2.0]]).msort()
    tensor([[1., 1.],
            [3., 2.]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.msort.html
    """
    check_tensor(input, "msort", "input", 1)
    return write_out(_sorted(input, 0, False)[0], out, "msort")


@op()
@quick("sort", TopkBackward0, arguments=("k", "dim", "largest", "sorted"), alternate=return_types.topk)
@numpy_names
def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True, *, out: Any = None) -> Any:
    """The ``k`` greatest (or smallest) elements along ``dim`` in order, and where they are.

    >>> import pytensor as torch
    >>> torch.tensor([1.0, 4.0, 3.0, 2.0]).topk(2)
    torch.return_types.topk(
    values=tensor([4., 3.]),
    indices=tensor([1, 2]))

    Source: https://docs.pytorch.org/docs/stable/generated/torch.topk.html
    """
    check_tensor(input, "topk", "input", 1)
    if input.dtype.category >= COMPLEX:
        raise RuntimeError(" topk does not support complex dtypes on CPU")
    if input.dtype.name == "bool":
        raise RuntimeError("topk does not support bool dtypes on CPU")
    dim = normalize_dim(dim, input.ndim)
    if not 0 <= k <= (input.shape[dim] if input.ndim else 1):
        raise RuntimeError("selected index k out of range")
    values, places = backend_of(input._array).top_k(input._array, k, dim, largest)
    indices = wrap(places)
    values = record(TopkBackward0, (input,), values, saved=(indices,), ctx=(input.shape, dim))
    return write_out(return_types.topk((values, indices)), out, "topk")


@op()
@numpy_names
def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False, *, out: Any = None) -> Any:
    """The ``k``-th smallest element along ``dim`` (counting from 1), and where it is.

    >>> import pytensor as torch
    >>> torch.tensor([3.0, 1.0, 2.0]).kthvalue(2)
    torch.return_types.kthvalue(
    values=tensor(2.),
    indices=tensor(2))

    Source: https://docs.pytorch.org/docs/stable/generated/torch.kthvalue.html
    """
    check_tensor(input, "kthvalue", "input", 1)
    dim = normalize_dim(dim, input.ndim)
    if not 1 <= k <= (input.shape[dim] if input.ndim else 1):
        raise RuntimeError(f"kthvalue(): selected number k out of range for dimension {dim}")
    values, places = backend_of(input._array).kth_smallest(input._array, k - 1, dim)
    if input.ndim and not keepdim:
        values, places = values.squeeze(dim), places.squeeze(dim)
    indices = wrap(places)
    values = record(KthvalueBackward0, (input,), values, saved=(indices,), ctx=(input.shape, dim, keepdim))
    return write_out(return_types.kthvalue((values, indices)), out, "kthvalue")


def pick_sorted(node: type[Node], input: Any, rank: Any, dim: int, keepdim: bool) -> tuple[Any, Any]:
    """The elements at a rank of the lines along ``dim`` in order, and their indices. ``rank`` is a number or an array
    with axis ``dim`` of size 1."""
    ctx = (input.shape, dim, keepdim)
    values, places = backend_of(input._array).kth_smallest(input._array, rank, dim)
    if input.ndim and not keepdim:
        values, places = values.squeeze(dim), places.squeeze(dim)
    indices = wrap(places)
    return record(node, (input,), values, saved=(indices,), ctx=ctx), indices


def _search(name: str, boundaries: Any, values: Any, out_int32: bool, right: bool, side: Any, sorter: Any) -> Any:
    if side is not None and side not in ("left", "right"):
        raise RuntimeError(f"{name}(): side can only be 'left' or 'right' but got {side}")
    if side == "left" and right:
        raise RuntimeError(f"{name}(): side and right can't be set to opposites, got side of left while right was True")
    number = not is_tensor(values)
    wanted = np.asarray(values, dtype=boundaries._array.dtype) if number else values._array
    edges = boundaries._array
    if edges.ndim != 1 and edges.shape[:-1] != wanted.shape[:-1]:
        raise RuntimeError(
            f"{name}(): boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries tensor and "
            f"input value tensor must match, but we got boundaries tensor {list(edges.shape)} and input value tensor "
            f"{list(wanted.shape)}"
        )
    if not number and boundaries.dtype is not values.dtype:
        raise RuntimeError(
            f"{name}(): boundary tensor and input value tensor should have same dtype, but got boundaries tensor of "
            f"type {boundaries.dtype.name} and input value tensor of type {values.dtype.name}"
        )
    if sorter is not None:
        edges = np.take_along_axis(edges, sorter._array, -1)
    places = backend_of(edges).search_sorted(edges, wanted, right or side == "right")
    return wrap(places.astype(np.int32 if out_int32 else np.int64))


@op(method=False)
def searchsorted(
    sorted_sequence: Tensor,
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Tensor | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Where values would be inserted into sorted rows to keep them sorted.

    Args:
        sorted_sequence: one row, or rows (last axis) for the rows of ``input``.
        input: values, or one number.
        right: after equal elements instead of before them.
        side: "left" or "right", the same said in NumPy's way.
        sorter: indices that sort the rows.

    >>> import pytensor as torch
    >>> torch.searchsorted(torch.tensor([1.0, 3.0, 5.0]), torch.tensor([3.0, 6.0]))
    tensor([1, 3])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.searchsorted.html
    """
    check_tensor(sorted_sequence, "searchsorted", "sorted_sequence", 1)
    result = _search("torch.searchsorted", sorted_sequence, input, out_int32, right, side, sorter)
    return write_out(result, out, "searchsorted")


@op(method=False)
def bucketize(
    input: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False, out: Tensor | None = None
) -> Tensor:
    """In which of the buckets between sorted ``boundaries`` each value lies.

    >>> import pytensor as torch
    >>> torch.bucketize(torch.tensor([0.0, 3.0, 9.0]), torch.tensor([1.0, 3.0, 5.0]))
    tensor([0, 1, 3])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.bucketize.html
    """
    check_tensor(boundaries, "bucketize", "boundaries", 2)
    if boundaries.ndim != 1:
        raise RuntimeError(f"boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})")
    result = _search("torch.searchsorted", boundaries, input, out_int32, right, None, None)
    return write_out(result, out, "bucketize")


@op(method=False)
def isin(
    elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False, out: Tensor | None = None
) -> Tensor:
    """Which of ``elements`` are among ``test_elements``. Either may be a number.

    >>> import pytensor as torch
    >>> torch.isin(torch.tensor([1, 2, 3]), torch.tensor([2, 3]))
    tensor([False,  True,  True])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.isin.html
    """
    arrays = [t._array if is_tensor(t) else np.asarray(t) for t in (elements, test_elements)]
    result = np.isin(arrays[0], arrays[1], assume_unique=assume_unique, invert=invert)
    return write_out(wrap(np.asarray(result)), out, "isin")
