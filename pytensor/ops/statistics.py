"""Variance, standard deviation, covariance and correlation."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pytensor.autograd.node import OUTPUT, Node, record
from pytensor.backend import backend_of
from pytensor.dtypes import FLOATING
from pytensor.ops.axes import conjugate, count, fast_reduction, like_input, numpy_names, reduced_axes
from pytensor.ops.checks import check_tensor
from pytensor.ops.complex_parts import complex
from pytensor.ops.out import write_out
from pytensor.ops.reduce import reduce_array
from pytensor.ops.registry import op
from pytensor.typename import scalar_type_name

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["corrcoef", "cov", "std", "std_mean", "var", "var_mean"]

Dims = int | Sequence[int] | None
_ARGUMENTS = ("dim", "unbiased", "keepdim", "correction")


class ScaledDifferenceBackward(Node):
    """Of (a - b) c; b and c broadcast."""

    saves = ("a", "b", "c")

    def backward(self, grad: Any) -> Any:
        a, b, c = self.saved
        own = grad * c
        return own, -own, grad * (a - b) if self.needs_input_grad[2] else None


def scaled_difference(a: Any, b: Any, c: Any) -> Any:
    """(a - b) c in one pass."""
    array = backend_of(a._array).pointwise("scaled_difference", (a._array, b._array, c._array))
    return record(ScaledDifferenceBackward, (a, b, c), array, saved=(a, b, c))


def variance_gradient(grad: Any, input: Any, dim: Dims, keepdim: bool, correction: float) -> Any:
    """The gradient of ``input.var(dim)``: twice the deviations, over the degrees of freedom."""
    axes = reduced_axes(dim, input.ndim)
    rest = count(input.shape, axes) - correction
    grad = like_input(grad, input.shape, dim, keepdim)
    if rest <= 0:  # 2 / 0 times a deviation: NaN where that is zero, infinite elsewhere
        return grad * ((input - input.mean(axes, True) if input.ndim else input - input) / 0.0)
    mean = input.mean(axes, True) if input.ndim else input
    if input.dtype.is_complex:
        return grad * ((input - mean) * (2.0 / rest))
    return scaled_difference(input, mean, grad * (2.0 / rest))


class VarBackward0(Node):
    """ctx: (shape, dim, keepdim) and, where it is not 1, the correction."""

    saves = ("input",)

    def backward(self, grad: Any) -> Any:
        (input,) = self.saved
        _, dim, keepdim, *correction = self.ctx
        return (variance_gradient(grad, input, dim, keepdim, correction[0] if correction else 1.0),)


class StdBackward0(Node):
    """The square root's slope is infinite at no deviation; the gradient there is zero, as in PyTorch."""

    saves = ("input", "result")

    def backward(self, grad: Any) -> Any:
        input, result = self.saved
        _, dim, keepdim, *correction = self.ctx
        grad = (grad / (result * 2)).masked_fill(result == 0, 0)
        return (variance_gradient(grad, input, dim, keepdim, correction[0] if correction else 1.0),)


def _arguments(name: str, input: Any, dim: Any, unbiased: bool | None, correction: float | None) -> tuple[Dims, float]:
    """(dim, correction) of the overloads ``var(x, unbiased)``, ``var(x, dim, unbiased)`` and ``var(x, dim,
    correction=)``."""
    check_tensor(input, name, "input", 1)
    if input.dtype.category < FLOATING:
        raise RuntimeError("std and var only support floating point and complex dtypes")
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if unbiased is not None:
        correction = 1 if unbiased else 0
    return dim, 1 if correction is None else correction


def _warn_without_freedom(name: str, input: Any, dim: Dims, correction: float) -> None:
    if count(input.shape, reduced_axes(dim, input.ndim)) <= correction:
        warnings.warn(
            f"{name}(): degrees of freedom is <= 0. Correction should be strictly less than the reduction factor "
            "(input numel divided by output numel).",
            stacklevel=4,
        )


def _dispersion(name: str, node: type[Node], input: Any, dim: Dims, keepdim: bool, correction: float) -> Any:
    _warn_without_freedom(name, input, dim, correction)
    array = reduce_array(name.split("_")[0], input, dim, keepdim, correction)
    saved = (input,) if node is VarBackward0 else (input, OUTPUT)
    return record(node, (input,), array, saved=saved, ctx=(input.shape, dim, keepdim, correction))


@op()
@fast_reduction("var", VarBackward0, _ARGUMENTS)
@numpy_names
def var(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Variance of all elements or over the axes ``dim``: squared deviations over (count - correction).

    >>> import pytensor as torch
    >>> x = torch.tensor([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0]])
    >>> x.var(1), x.var(dim=1, correction=0)
    (tensor([1., 4.]), tensor([0.6667, 2.6667]))

    Source: https://docs.pytorch.org/docs/stable/generated/torch.var.html
    """
    dim, correction = _arguments("var", input, dim, unbiased, correction)
    return write_out(_dispersion("var", VarBackward0, input, dim, keepdim, correction), out, "var")


@op()
@fast_reduction("std", StdBackward0, _ARGUMENTS)
@numpy_names
def std(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
    out: Tensor | None = None,
) -> Tensor:
    """Standard deviation: the square root of :func:`var`.

    >>> import pytensor as torch
    >>> torch.tensor([1.0, 2.0, 3.0]).std()
    tensor(1.)

    Source: https://docs.pytorch.org/docs/stable/generated/torch.std.html
    """
    dim, correction = _arguments("std", input, dim, unbiased, correction)
    return write_out(_dispersion("std", StdBackward0, input, dim, keepdim, correction), out, "std")


@op(method=False)
@numpy_names
def var_mean(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Tensor, Tensor]:
    """(variance, mean) of all elements or over the axes ``dim``.

    >>> import pytensor as torch
    >>> torch.var_mean(torch.tensor([1.0, 2.0, 3.0]))
    (tensor(1.), tensor(2.))

    Source: https://docs.pytorch.org/docs/stable/generated/torch.var_mean.html
    """
    dim, correction = _arguments("var_mean", input, dim, unbiased, correction)
    variance = _dispersion("var_mean", VarBackward0, input, dim, keepdim, correction)
    return variance, input.mean(dim, keepdim)


@op(method=False)
@numpy_names
def std_mean(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Tensor, Tensor]:
    """(standard deviation, mean) of all elements or over the axes ``dim``.

    >>> import pytensor as torch
    >>> torch.std_mean(torch.tensor([1.0, 2.0, 3.0]))
    (tensor(1.), tensor(2.))

    Source: https://docs.pytorch.org/docs/stable/generated/torch.std_mean.html
    """
    dim, correction = _arguments("std_mean", input, dim, unbiased, correction)
    deviation = _dispersion("std_mean", StdBackward0, input, dim, keepdim, correction)
    return deviation, input.mean(dim, keepdim)


def _check_weights(name: str, weights: Any, columns: int, integral: bool) -> None:
    if weights.ndim > 1:
        raise RuntimeError(
            f"cov(): expected {name} to have one or fewer dimensions but got {name} with {weights.ndim} dimensions"
        )
    if integral != (weights.dtype.category < FLOATING) or weights.dtype.name == "bool":
        kind = "integral" if integral else "floating point"
        raise RuntimeError(
            f"cov(): expected {name} to have {kind} dtype but got {name} with {scalar_type_name(weights.dtype)} dtype"
        )
    if weights.numel() != columns:
        raise RuntimeError(
            f"cov(): expected {name} to have the same numel as there are observations in the input but got "
            f"{weights.numel()} != {columns}"
        )
    if weights.numel() and (weights._array < 0).any():
        raise RuntimeError(f"cov(): {name} cannot be negative")


@op()
def cov(
    input: Tensor, *, correction: int = 1, fweights: Tensor | None = None, aweights: Tensor | None = None
) -> Tensor:
    """Covariance matrix of variables in rows, observations in columns.

    Args:
        input: (variables, observations), or one variable.
        correction: taken off the number of observations.
        fweights: how often each observation counts, integers.
        aweights: relative importance of each observation.

    >>> import pytensor as torch
    >>> torch.tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]).cov()
    tensor([[ 1., -1.],
            [-1.,  1.]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.cov.html
    """
    check_tensor(input, "cov", "input", 1)
    if input.ndim > 2:
        raise RuntimeError(
            f"cov(): expected input to have two or fewer dimensions but got an input with {input.ndim} dimensions"
        )
    if input.dtype.name == "bool":
        raise RuntimeError("cov(): bool dtype is not supported for input")
    rows = input.reshape(1, -1) if input.ndim < 2 else input
    columns = rows.shape[1]
    weights = None
    if fweights is not None:
        _check_weights("fweights", fweights, columns, True)
        weights = fweights
    if aweights is not None:
        _check_weights("aweights", aweights, columns, False)
        weights = aweights if weights is None else weights * aweights
    if rows.dtype.category < FLOATING:
        rows = rows * 1.0
    total = float(columns) if weights is None else float(weights.sum().item())
    if weights is not None and total == 0:
        raise RuntimeError("cov(): weights sum to zero, can't be normalized")
    mean = rows.mean(1, True) if weights is None else (rows * weights).sum(1, True) / total
    rest = total - correction
    if weights is not None and aweights is not None and correction != 0:
        rest = total - correction * float((weights * aweights).sum().item()) / total
    centred = rows - mean
    right = centred if weights is None else centred * weights
    product = centred.matmul(conjugate(right).t()) / max(rest, 0.0)
    return product.squeeze() if input.ndim < 2 or product.numel() == 1 else product


@op()
def corrcoef(input: Tensor) -> Tensor:
    """Correlation coefficients of variables in rows: the covariance of variables scaled to unit deviation.

    >>> import pytensor as torch
    >>> torch.tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]).corrcoef()
    tensor([[ 1., -1.],
            [-1.,  1.]])

    Source: https://docs.pytorch.org/docs/stable/generated/torch.corrcoef.html
    """
    check_tensor(input, "corrcoef", "input", 1)
    if input.ndim > 2:
        raise RuntimeError(
            f"corrcoef(): expected input to have two or fewer dimensions but got an input with {input.ndim} dimensions"
        )
    c = cov(input)
    if c.ndim == 0:
        return c / c
    deviation = c.diagonal().sqrt()
    scaled = c / deviation.unsqueeze(1) / deviation.unsqueeze(0)
    if scaled.dtype.is_complex:
        return complex(scaled.real.clamp(-1, 1), scaled.imag.clamp(-1, 1))
    return scaled.clamp(-1, 1)
