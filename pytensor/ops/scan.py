"""Scans along one axis: cumulative sums, products, extremes, log-sum-exps; differences and trapezoids."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pytensor import return_types
from pytensor.autograd.node import OUTPUT, Node, record, wrap
from pytensor.backend import backend_of
from pytensor.dtypes import FLOATING, dtype
from pytensor.ops.axes import conjugate, numpy_names
from pytensor.ops.checks import check_tensor, normalize_dim
from pytensor.ops.index import spread_elements
from pytensor.ops.join import cat, stack
from pytensor.ops.out import write_out
from pytensor.ops.registry import op
from pytensor.typename import scalar_type_name

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = [
    "cummax",
    "cummin",
    "cumprod",
    "cumsum",
    "cumulative_trapezoid",
    "diff",
    "logcumsumexp",
    "trapezoid",
]


class ReversedCumsumBackward(Node):
    """ctx: dim."""

    def backward(self, grad: Any) -> Any:
        return (cumsum(grad, self.ctx),)


def _reversed_cumsum(x: Any, dim: int) -> Any:
    """Sums of the elements from here to the end of ``dim``: the adjoint of cumsum."""
    if x.ndim == 0:
        return x
    array = backend_of(x._array).cumulative("cumsum", x._array, dim, True)
    return record(ReversedCumsumBackward, (x,), array, ctx=dim)


def _cumulative(name: str, node: type[Node], input: Any, dim: int, dtype: Any, saved: Any, out: Any) -> Any:
    check_tensor(input, name, "input", 1)
    dim = normalize_dim(dim, input.ndim)
    if dtype is not None and input.dtype is not dtype:
        input = input.to(dtype)
    array = backend_of(input._array).cumulative(name, input._array, dim)
    if dtype is not None:
        array = array.astype(dtype.numpy, copy=False)
    return write_out(record(node, (input,), array, saved=(input, OUTPUT) if saved else (), ctx=dim), out, name)


class CumsumBackward0(Node):
    """ctx: dim. Each element is in all later sums."""

    def backward(self, grad: Any) -> Any:
        return (_reversed_cumsum(grad, self.ctx),)


@op(inplace=True)
@numpy_names
def cumsum(input: Tensor, dim: int, *, dtype: dtype | None = None, out: Tensor | None = None) -> Tensor:
    """Sums of the elements so far along ``dim``. Integers are summed as int64.

    >>> import pytensor as torch
    >>> torch.tensor([1.0, 2.0, 3.0]).cumsum(0)
    tensor([1., 3., 6.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.cumsum.html
    """
    return _cumulative("cumsum", CumsumBackward0, input, dim, dtype, False, out)


class CumprodBackward0(Node):
    """By division where no element is zero, else by the recurrence of reverse mode. ctx: dim."""

    def backward(self, grad: Any) -> Any:
        input, result = self.saved
        dim = self.ctx
        if input.ndim == 0 or input.numel() == 0:
            return (grad,)
        if not (input._array == 0).any():
            return (_reversed_cumsum(grad * conjugate(result), dim) / conjugate(input),)
        return (_cumprod_gradient(grad, input, dim),)


def _cumprod_gradient(grad: Any, input: Any, dim: int) -> Any:
    x, g = input.unbind(dim), grad.unbind(dim)
    before = [x[0] * 0 + 1]  # the product of all earlier elements
    for element in x[:-1]:
        before.append(before[-1] * element)
    gradients, carried = [], None
    for i in reversed(range(len(x))):
        carried = g[i] if carried is None else g[i] + carried * conjugate(x[i + 1])
        gradients.append(carried * conjugate(before[i]))
    return stack(gradients[::-1], dim)


@op(inplace=True)
@numpy_names
def cumprod(input: Tensor, dim: int, *, dtype: dtype | None = None, out: Tensor | None = None) -> Tensor:
    """Products of the elements so far along ``dim``. Integers are multiplied as int64.

    >>> import pytensor as torch
    >>> torch.tensor([1.0, 2.0, 3.0]).cumprod(0)
    tensor([1., 2., 6.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.cumprod.html
    """
    return _cumulative("cumprod", CumprodBackward0, input, dim, dtype, True, out)


class CumulativeExtremeBackward(Node):
    """Gradients add up at the places they came from. saved: (indices,); ctx: dim."""

    def backward(self, grad: Any) -> Any:
        (indices,) = self.saved
        if grad.ndim == 0:
            return (grad,)
        return (spread_elements(grad, grad.shape, self.ctx, indices),)


class CummaxBackward0(CumulativeExtremeBackward):
    pass


class CumminBackward0(CumulativeExtremeBackward):
    pass


def _cumulative_extreme(name: str, node: type[Node], input: Any, dim: int, out: Any) -> Any:
    check_tensor(input, name, "input", 1)
    dim = normalize_dim(dim, input.ndim)
    values, places = backend_of(input._array).cumulative_extreme(name, input._array, dim)
    indices = wrap(places)
    result = getattr(return_types, name)((record(node, (input,), values, saved=(indices,), ctx=dim), indices))
    return write_out(result, out, name)


@op()
@numpy_names
def cummax(input: Tensor, dim: int, *, out: Any = None) -> Any:
    """The greatest element so far along ``dim``, and where it is (the last of equal ones).

    >>> import pytensor as torch
    >>> torch.tensor([1.0, 3.0, 2.0]).cummax(0)
    torch.return_types.cummax(
    values=tensor([1., 3., 3.]),
    indices=tensor([0, 1, 1]))

    Source: https://docs.pytorch.org/docs/stable/generated/torch.cummax.html
    """
    return _cumulative_extreme("cummax", CummaxBackward0, input, dim, out)


@op()
@numpy_names
def cummin(input: Tensor, dim: int, *, out: Any = None) -> Any:
    """The least element so far along ``dim``, and where it is (the last of equal ones).

    >>> import pytensor as torch
    >>> torch.tensor([3.0, 1.0, 2.0]).cummin(0).values
    tensor([3., 1., 1.])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.cummin.html
    """
    return _cumulative_extreme("cummin", CumminBackward0, input, dim, out)


class LogcumsumexpBackward0(Node):
    """Element i is in every later sum j with weight exp(x_i - result_j): positive and negative gradients are summed
    apart, in logarithms, so that nothing overflows. ctx: dim."""

    def backward(self, grad: Any) -> Any:
        input, result = self.saved
        if grad.ndim == 0 or grad.numel() == 0:
            return (grad,)
        dim = self.ctx
        if input.dtype.is_complex:
            return (input.exp().conj() * _reversed_cumsum(grad * (-result).exp().conj(), dim),)
        total = None
        result = result.masked_fill(result == -math.inf, 0)  # of nothing but -inf: the weights are zero
        for sign in (1.0, -1.0):
            wrong = grad * sign <= 0
            part = (grad * sign).masked_fill(wrong, 1).log().masked_fill(wrong, -math.inf) - result
            part = logcumsumexp(part.flip(dim), dim).flip(dim) + input
            part = part.exp() * sign
            total = part if total is None else total + part
        return (total,)


@op()
def logcumsumexp(input: Tensor, dim: int, *, out: Tensor | None = None) -> Tensor:
    """The logarithm of the sum of the exponentials so far along ``dim``.

    >>> import pytensor as torch
    >>> torch.zeros(3).logcumsumexp(0)
    tensor([0.0000, 0.6931, 1.0986])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.logcumsumexp.html
    """
    check_tensor(input, "logcumsumexp", "input", 1)
    dim = normalize_dim(dim, input.ndim)
    if input.dtype.category < FLOATING:
        raise NotImplementedError(f"\"logcumsumexp_out_cpu\" not implemented for '{scalar_type_name(input.dtype)}'")
    array = backend_of(input._array).logcumsumexp(input._array, dim)
    result = record(LogcumsumexpBackward0, (input,), array, saved=(input, OUTPUT), ctx=dim)
    return write_out(result, out, "logcumsumexp")


@op()
@numpy_names
def diff(
    input: Tensor,
    n: int = 1,
    dim: int = -1,
    prepend: Tensor | None = None,
    append: Tensor | None = None,
    *,
    out: Tensor | None = None,
) -> Tensor:
    """Differences of neighbours along ``dim``, taken ``n`` times.

    >>> import pytensor as torch
    >>> torch.tensor([1, 4, 9, 16]).diff()
    tensor([3, 5, 7])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.diff.html
    """
    check_tensor(input, "diff", "input", 1)
    if input.ndim == 0:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    dim = normalize_dim(dim, input.ndim)
    if n == 0:
        return write_out(input.clone(), out, "diff")
    parts = [t for t in (prepend, input, append) if t is not None]
    x = cat(parts, dim) if len(parts) > 1 else input
    for _ in range(min(n, x.shape[dim])):
        size = x.shape[dim]
        later, earlier = x.narrow(dim, 1, size - 1), x.narrow(dim, 0, size - 1)
        x = later.logical_xor(earlier) if x.dtype.name == "bool" else later - earlier
    return write_out(x, out, "diff")


def _panels(name: str, y: Any, x: Any, dx: Any, dim: int) -> tuple[Any, int]:
    """Areas between neighbouring sample points along ``dim``."""
    check_tensor(y, name, "y", 1)
    dim = normalize_dim(dim, y.ndim)
    if y.dtype.name == "bool":
        raise RuntimeError(f"{name}: received a bool input for `y`, but bool is not supported")
    n = y.shape[dim]
    heights = y.narrow(dim, 1, n - 1) + y.narrow(dim, 0, n - 1)
    if x is None:
        return heights * (dx / 2.0), dim
    if (x.ndim == 1 and x.shape[0] != n) or (x.ndim > 1 and x.shape[normalize_dim(dim - y.ndim, x.ndim)] != n):
        raise RuntimeError(f"{name}: There must be one `x` value for each sample point")
    at = dim - y.ndim if x.ndim > 1 else 0
    m = x.shape[at]
    widths = x.narrow(at, 1, m - 1) - x.narrow(at, 0, m - 1)
    if x.ndim == 1:
        widths = widths.reshape([n - 1 if i == dim else 1 for i in range(y.ndim)])
    return heights * widths / 2.0, dim


@op(method=False, aliases=("trapz",))
def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float = 1.0, dim: int = -1) -> Tensor:
    """The integral of samples ``y`` at ``x`` (or ``dx`` apart) along ``dim`` by the trapezoidal rule.

    >>> import pytensor as torch
    >>> torch.trapezoid(torch.tensor([1.0, 5.0, 10.0]))
    tensor(10.5000)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.trapezoid.html
    """
    check_tensor(y, "trapezoid", "y", 1)
    if y.ndim and y.shape[normalize_dim(dim, y.ndim)] == 0:
        return y.sum(dim) * 1.0
    panels, dim = _panels("trapezoid", y, x, dx, dim)
    return panels.sum(dim)


@op(method=False)
def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float = 1.0, dim: int = -1) -> Tensor:
    """The integral so far of samples ``y`` at ``x`` (or ``dx`` apart) along ``dim``.

    >>> import pytensor as torch
    >>> torch.cumulative_trapezoid(torch.tensor([1.0, 5.0, 10.0]))
    tensor([ 3.0000, 10.5000])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.cumulative_trapezoid.html
    """
    panels, dim = _panels("cumulative_trapezoid", y, x, dx, dim)
    return cumsum(panels, dim)
