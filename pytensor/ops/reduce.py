"""Reductions: sums, means, products, order statistics and truth over any axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pytensor.autograd.node import OUTPUT, Node, record, wrap
from pytensor.backend import backend_of
from pytensor.dtypes import COMPLEX, FLOATING, dtype
from pytensor.ops.axes import conjugate, count, fast_reduction, mask_of, numpy_names, reduced_axes, spread
from pytensor.ops.checks import check_tensor
from pytensor.ops.join import cat
from pytensor.ops.out import write_out
from pytensor.ops.registry import op
from pytensor.typename import scalar_type_name

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["all", "any", "count_nonzero", "mean", "nanmean", "nansum", "prod", "reduce_array", "sum"]

Dims = int | Sequence[int] | None


def reduce_array(name: str, input: Any, dim: Dims, keepdim: bool, param: float = 0.0) -> Any:
    """The array of a reduction of a tensor, axes checked."""
    array = input._array
    return backend_of(array).reduction(name, array, reduced_axes(dim, array.ndim), keepdim, param)


class SumBackward(Node):
    """ctx of every reduction: (shape, dim or None, keepdim)."""

    quick = (("spread",),)

    def backward(self, grad: Any) -> Any:
        return (spread(grad, *self.ctx),)

    def name(self) -> str:
        return "SumBackward0" if self.ctx[1] is None else "SumBackward1"


@op()
@fast_reduction("sum", SumBackward)
@numpy_names
def sum(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: dtype | None = None, out: Tensor | None = None
) -> Tensor:
    """Sum over all elements, or over the axes ``dim``.

    Integers are summed as int64 unless ``dtype`` says otherwise; with ``dtype`` the input is converted first.

    >>> import pytensor as torch
    >>> x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> x.sum(), x.sum(0), x.sum(1, keepdim=True)
    (tensor(10.), tensor([4., 6.]), tensor([[3.],
            [7.]]))

    Source: https://docs.pytorch.org/docs/stable/generated/torch.sum.html
    """
    check_tensor(input, "sum", "input", 1)
    if dtype is not None and input.dtype is not dtype:
        input = input.to(dtype)
    array = reduce_array("sum", input, dim, keepdim)
    if dtype is not None:
        array = array.astype(dtype.numpy, copy=False)
    return write_out(record(SumBackward, (input,), array, ctx=(input.shape, dim, keepdim)), out, "sum")


class MeanBackward(Node):
    quick = (("spread mean",),)

    def backward(self, grad: Any) -> Any:
        shape, dim, _ = self.ctx
        return (spread(grad, *self.ctx) / count(shape, reduced_axes(dim, len(shape))),)

    def name(self) -> str:
        return "MeanBackward0" if self.ctx[1] is None else "MeanBackward1"


@op()
@fast_reduction("mean", MeanBackward)
@numpy_names
def mean(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: dtype | None = None, out: Tensor | None = None
) -> Tensor:
    """Mean of all elements, or over the axes ``dim``; NaN of no elements.

    Raises:
        RuntimeError: for integers without ``dtype``.

    >>> import pytensor as torch
    >>> torch.tensor([[1.0, 2.0], [3.0, 4.0]]).mean(dim=1)
    tensor([1.5000, 3.5000])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.mean.html
    """
    check_tensor(input, "mean", "input", 1)
    result = input.dtype if dtype is None else dtype
    if result.category < FLOATING:
        what = "Input" if dtype is None else "Optional"
        raise RuntimeError(
            f"mean(): could not infer output dtype. {what} dtype must be either a floating point or complex dtype. "
            f"Got: {scalar_type_name(result)}"
        )
    if input.dtype is not result:
        input = input.to(result)
    array = reduce_array("mean", input, dim, keepdim)
    return write_out(record(MeanBackward, (input,), array, ctx=(input.shape, dim, keepdim)), out, "mean")


class ProdBackward(Node):
    """Elements times the product of all others. With zeros among them that product is taken by scans from both
    sides, since it cannot be had by division."""

    def backward(self, grad: Any) -> Any:
        input, result = self.saved
        shape, dim, keepdim = self.ctx
        if input.numel() == 0:
            return (input.clone(),)
        if not (input._array == 0).any():
            return (spread(grad * conjugate(result), shape, dim, keepdim) / conjugate(input),)
        lines = input.reshape(-1) if dim is None else input
        others = products_of_others(lines, 0 if dim is None else dim).reshape(tuple(shape))
        return (spread(grad, shape, dim, keepdim) * conjugate(others),)

    def name(self) -> str:
        return "ProdBackward0" if self.ctx[1] is None else "ProdBackward1"

    saves = ("input", "result")


def products_of_others(x: Any, dim: int) -> Any:
    """For every element the product of the other elements along ``dim``."""
    if x.ndim == 0:
        return x * 0 + 1
    n = x.shape[dim]
    one = x.narrow(dim, 0, 1) * 0 + 1
    before = cat([one, x.narrow(dim, 0, n - 1)], dim).cumprod(dim)
    after = cat([one, x.narrow(dim, 1, n - 1).flip(dim)], dim).cumprod(dim).flip(dim)
    return before * after


@op()
@fast_reduction("prod", ProdBackward)
@numpy_names
def prod(
    input: Tensor,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    dtype: dtype | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Product of all elements, or along the axis ``dim``. Integers are multiplied as int64.

    >>> import pytensor as torch
    >>> torch.tensor([[1.0, 2.0], [3.0, 4.0]]).prod(0)
    tensor([3., 8.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.prod.html
    """
    check_tensor(input, "prod", "input", 1)
    if dim is not None and not isinstance(dim, int):
        raise TypeError(
            f"prod() received an invalid combination of arguments - got ({type(dim).__name__}), but expected one of:\n"
            " * (*, torch.dtype dtype = None)\n * (int dim, bool keepdim = False, *, torch.dtype dtype = None)\n"
        )
    if dtype is not None and input.dtype is not dtype:
        input = input.to(dtype)
    array = reduce_array("prod", input, dim, keepdim)
    if dtype is not None:
        array = array.astype(dtype.numpy, copy=False)
    ctx = (input.shape, dim, keepdim)
    return write_out(record(ProdBackward, (input,), array, saved=(input, OUTPUT), ctx=ctx), out, "prod")


def _truth(name: str, input: Any, dim: Dims, keepdim: bool, out: Any) -> Any:
    check_tensor(input, name, "input", 1)
    if dim is not None and not isinstance(dim, int) and len(dim) == 0:
        array = mask_of(input._array, input._array != 0)
    else:
        array = reduce_array(name, input, dim, keepdim)
    if input.dtype.name == "uint8":
        array = array.astype("uint8")
    return write_out(wrap(array), out, name)


@op()
@fast_reduction("any")
@numpy_names
def any(input: Tensor, dim: Dims = None, keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:
    """Is any element nonzero? False of no elements. NaN counts as nonzero; bytes give a byte.

    >>> import pytensor as torch
    >>> torch.tensor([[0, 1], [0, 0]]).any(dim=1)
    tensor([ True, False])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.any.html
    """
    return _truth("any", input, dim, keepdim, out)


@op()
@fast_reduction("all")
@numpy_names
def all(input: Tensor, dim: Dims = None, keepdim: bool = False, *, out: Tensor | None = None) -> Tensor:
    """Are all elements nonzero? True of no elements. NaN counts as nonzero; bytes give a byte.

    >>> import pytensor as torch
    >>> torch.tensor([[1, 1], [0, 1]]).all()
    tensor(False)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.all.html
    """
    return _truth("all", input, dim, keepdim, out)


@op()
@numpy_names
def count_nonzero(input: Tensor, dim: Dims = None) -> Tensor:
    """How many elements are not zero, in all or along ``dim``.

    >>> import pytensor as torch
    >>> torch.tensor([[0, 1], [2, 3]]).count_nonzero(dim=0)
    tensor([1, 2])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.count_nonzero.html
    """
    check_tensor(input, "count_nonzero", "input", 1)
    array = input._array
    return wrap(backend_of(array).reduction("sum", mask_of(array, array != 0), reduced_axes(dim, array.ndim)))


class NansumBackward0(Node):
    def backward(self, grad: Any) -> Any:
        (input,) = self.saved
        return (spread(grad, *self.ctx).masked_fill(input.isnan(), 0),)


@op()
@numpy_names
def nansum(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: dtype | None = None, out: Tensor | None = None
) -> Tensor:
    """Sum in which NaN counts as zero.

    >>> import pytensor as torch
    >>> torch.tensor([1.0, float("nan"), 2.0]).nansum()
    tensor(3.)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nansum.html
    """
    check_tensor(input, "nansum", "input", 1)
    if input.dtype.category >= COMPLEX:
        raise RuntimeError("nansum does not support complex inputs")
    if dtype is not None and input.dtype is not dtype:
        input = input.to(dtype)
    array = input._array
    name = "nansum" if input.dtype.category >= FLOATING else "sum"
    total = backend_of(array).reduction(name, array, reduced_axes(dim, array.ndim), keepdim)
    ctx = (input.shape, dim, keepdim)
    return write_out(record(NansumBackward0, (input,), total, saved=(input,), ctx=ctx), out, "nansum")


@op()
@numpy_names
def nanmean(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: dtype | None = None, out: Tensor | None = None
) -> Tensor:
    """Mean of the elements that are not NaN; NaN where there are none.

    >>> import pytensor as torch
    >>> torch.tensor([1.0, float("nan"), 2.0]).nanmean()
    tensor(1.5000)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.nanmean.html
    """
    check_tensor(input, "nanmean", "input", 1)
    if input.dtype.category < FLOATING:
        raise RuntimeError(
            f"nanmean(): expected input to have floating point or complex dtype but got {scalar_type_name(input.dtype)}"
        )
    array = input._array
    numbers = backend_of(array).reduction("sum", mask_of(array, array == array), reduced_axes(dim, array.ndim), keepdim)
    total = nansum(input, dim, keepdim, dtype=dtype)
    return write_out(total / wrap(numbers).to(total.dtype), out, "nanmean")
