"""Comparisons and predicates: boolean results, no gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from pytensor.autograd.node import wrap
from pytensor.backend.reference.array_module import array_module
from pytensor.dtypes import BOOL, INTEGER
from pytensor.ops.checks import check_same_device, check_tensor
from pytensor.ops.pointwise_core import apply_pointwise, binary, operator, unary
from pytensor.ops.registry import op
from pytensor.tensor import Tensor
from pytensor.typename import scalar_type_name

__all__ = [
    "allclose",
    "eq",
    "equal",
    "ge",
    "gt",
    "isclose",
    "isfinite",
    "isinf",
    "isnan",
    "isneginf",
    "isposinf",
    "isreal",
    "le",
    "lt",
    "ne",
    "signbit",
]


@binary(None, inplace=True)
def eq(input: Tensor, other: Tensor | float, *, out: Tensor | None = None) -> Tensor:
    """Where ``input`` is equal to ``other``, broadcast: ``input == other``.

    >>> import pytensor as torch
    >>> torch.eq(torch.tensor([1, 2, 3]), 2)
    tensor([False,  True, False])
    """


@binary(None, aliases=("not_equal",), inplace=True)
def ne(input: Tensor, other: Tensor | float, *, out: Tensor | None = None) -> Tensor:
    """Where ``input`` is different from ``other``, broadcast: ``input != other``.

    >>> import pytensor as torch
    >>> torch.ne(torch.tensor([1, 2, 3]), 2)
    tensor([ True, False,  True])
    """


@binary(None, aliases=("less",), inplace=True)
def lt(input: Tensor, other: Tensor | float, *, out: Tensor | None = None) -> Tensor:
    """Where ``input`` is less than ``other``, broadcast: ``input < other``.

    >>> import pytensor as torch
    >>> torch.lt(torch.tensor([1, 2, 3]), 2)
    tensor([ True, False, False])
    """


@binary(None, aliases=("less_equal",), inplace=True)
def le(input: Tensor, other: Tensor | float, *, out: Tensor | None = None) -> Tensor:
    """Where ``input`` is at most ``other``, broadcast: ``input <= other``.

    >>> import pytensor as torch
    >>> torch.le(torch.tensor([1, 2, 3]), 2)
    tensor([ True,  True, False])
    """


@binary(None, aliases=("greater",), inplace=True)
def gt(input: Tensor, other: Tensor | float, *, out: Tensor | None = None) -> Tensor:
    """Where ``input`` is greater than ``other``, broadcast: ``input > other``.

    >>> import pytensor as torch
    >>> torch.gt(torch.tensor([1, 2, 3]), 2)
    tensor([False, False,  True])
    """


@binary(None, aliases=("greater_equal",), inplace=True)
def ge(input: Tensor, other: Tensor | float, *, out: Tensor | None = None) -> Tensor:
    """Where ``input`` is at least ``other``, broadcast: ``input >= other``.

    >>> import pytensor as torch
    >>> torch.ge(torch.tensor([1, 2, 3]), 2)
    tensor([False,  True,  True])
    """


@unary(None)
def isnan(input: Tensor) -> Tensor:
    """Where elements are NaN.

    >>> import pytensor as torch
    >>> torch.isnan(torch.tensor([1.0, float("nan")]))
    tensor([False,  True])
    """


@unary(None)
def isinf(input: Tensor) -> Tensor:
    """Where elements are infinite.

    >>> import pytensor as torch
    >>> torch.isinf(torch.tensor([1.0, float("-inf")]))
    tensor([False,  True])
    """


@unary(None)
def isfinite(input: Tensor) -> Tensor:
    """Where elements are neither infinite nor NaN.

    >>> import pytensor as torch
    >>> torch.isfinite(torch.tensor([1.0, float("inf")]))
    tensor([ True, False])
    """


@op(method=False)
def isposinf(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Where elements are positive infinity.

    >>> import pytensor as torch
    >>> torch.isposinf(torch.tensor([float("inf"), float("-inf"), 0.0]))
    tensor([ True, False, False])
    """
    return eq(input, float("inf")) if out is None else eq(input, float("inf"), out=out)


@op(method=False)
def isneginf(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Where elements are negative infinity.

    >>> import pytensor as torch
    >>> torch.isneginf(torch.tensor([float("inf"), float("-inf"), 0.0]))
    tensor([False,  True, False])
    """
    return eq(input, float("-inf")) if out is None else eq(input, float("-inf"), out=out)


@op()
def isreal(input: Tensor) -> Tensor:
    """Where elements have no imaginary part.

    >>> import pytensor as torch
    >>> torch.isreal(torch.tensor([1 + 1j, 2 + 0j]))
    tensor([False,  True])
    """
    xp = array_module(input._array)
    return wrap(xp.asarray(xp.isreal(input._array)))


@op()
def signbit(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Where elements carry a minus sign, that of -0.0 included.

    >>> import pytensor as torch
    >>> torch.signbit(torch.tensor([0.0, -0.0, -1.0]))
    tensor([False,  True,  True])
    """
    return apply_pointwise("signbit", None, (input,), out=out)


def _same_dtype(function: str, input: Any, other: Any) -> None:
    check_tensor(input, function, "input", 1)
    check_tensor(other, function, "other", 2)
    if input.dtype is not other.dtype:
        raise RuntimeError(f"{scalar_type_name(input.dtype)} did not match {scalar_type_name(other.dtype)}")


@op()
def isclose(input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Tensor:
    """Where ``abs(input - other) <= atol + rtol * abs(other)``; infinities are close to themselves.

    Args:
        equal_nan: is NaN close to NaN?

    Raises:
        RuntimeError: for tensors of different dtypes, negative tolerances.

    >>> import pytensor as torch
    >>> torch.isclose(torch.tensor([1.0, 2.0]), torch.tensor([1.0 + 1e-9, 2.1]))
    tensor([ True, False])
    """
    _same_dtype("isclose", input, other)
    for name, value in (("rtol", rtol), ("atol", atol)):
        if value < 0:
            raise RuntimeError(f"{name} must be greater than or equal to zero, but got {value:g}")
    if input.dtype.category == BOOL:
        return eq(input, other)
    xp = array_module(input._array)
    a, b = input._array, other._array
    with np.errstate(all="ignore"):
        close = a == b
        if equal_nan:
            close = close | (xp.isnan(a) & xp.isnan(b))
        if rtol != 0 or atol != 0:
            wide = xp.float64 if input.dtype.category <= INTEGER else None
            difference = xp.abs(a - b) if wide is None else xp.abs(a.astype(wide) - b.astype(wide))
            close = close | (xp.isfinite(difference) & (difference <= atol + xp.abs(rtol * b)))
    return wrap(xp.asarray(close))


@op()
def allclose(input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> bool:
    """Are all elements close in the sense of :func:`isclose`?

    >>> import pytensor as torch
    >>> torch.allclose(torch.tensor([1.0]), torch.tensor([1.0 + 1e-9]))
    True
    """
    return bool(isclose(input, other, rtol, atol, equal_nan)._array.all())


@op()
def equal(input: Tensor, other: Tensor) -> bool:
    """Have both tensors the same shape and equal elements?

    >>> import pytensor as torch
    >>> torch.equal(torch.tensor([1, 2]), torch.tensor([1, 2]))
    True
    """
    check_tensor(input, "equal", "input", 1)
    check_tensor(other, "equal", "other", 2)
    check_same_device(input, other)
    return input.shape == other.shape and bool((input._array == other._array).all())


for _name, _fn, _reflected in (
    ("eq", eq, False),
    ("ne", ne, False),
    ("lt", lt, False),
    ("le", le, False),
    ("gt", gt, False),
    ("ge", ge, False),
):
    op(name=f"__{_name}__", function=False)(operator(_fn, kernel=_name))
