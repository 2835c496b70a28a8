"""Logical and bitwise ops."""

from __future__ import annotations

from typing import Any

from pytensor.dtypes import INTEGER
from pytensor.ops.pointwise_core import apply_pointwise, binary, make_op, operator, result_type, unary
from pytensor.ops.pointwise_rules import in_place_operators, not_implemented_for, number_or_tensor
from pytensor.ops.registry import op
from pytensor.tensor import Tensor
from pytensor.typename import scalar_type_name

__all__ = [
    "bitwise_and",
    "bitwise_left_shift",
    "bitwise_not",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
]


@binary(None, inplace=True)
def logical_and(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Where both elements are other than zero.

    >>> import pytensor as torch
    >>> torch.logical_and(torch.tensor([0, 1, 2]), torch.tensor([0, 0, 4]))
    tensor([False, False,  True])
    """


@binary(None, inplace=True)
def logical_or(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Where one or both elements are other than zero.

    >>> import pytensor as torch
    >>> torch.logical_or(torch.tensor([0, 1, 2]), torch.tensor([0, 0, 4]))
    tensor([False,  True,  True])
    """


@binary(None, inplace=True)
def logical_xor(input: Tensor, other: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Where exactly one element is other than zero.

    >>> import pytensor as torch
    >>> torch.logical_xor(torch.tensor([0, 1, 2]), torch.tensor([0, 0, 4]))
    tensor([False,  True, False])
    """


@unary(None, inplace=True)
def logical_not(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """Where elements are zero.

    >>> import pytensor as torch
    >>> torch.logical_not(torch.tensor([0, 1, 2]))
    tensor([ True, False, False])
    """


def _bitwise(function: str, kernel: str, label: str, input: Any, other: Any, out: Any) -> Tensor:
    input, other = number_or_tensor(function, input, other)
    d = result_type(input, other)
    if d.category > INTEGER:
        raise NotImplementedError(f"\"{label}\" not implemented for '{scalar_type_name(d)}'")
    return apply_pointwise(kernel, None, (input, other), out=out)


def _bitwise_and(input: Tensor, other: Tensor | int, *, out: Tensor | None = None) -> Tensor:
    """The bits set in both, of integers or booleans: ``input & other``.

    Raises:
        NotImplementedError: for floats.

    >>> import pytensor as torch
    >>> torch.bitwise_and(torch.tensor([12, 10]), 6)
    tensor([4, 2])
    """
    return _bitwise("bitwise_and", "bitwise_and", "bitwise_and_cpu", input, other, out)


_bitwise_and.__name__ = _bitwise_and.__qualname__ = "bitwise_and"
bitwise_and = op(inplace=True)(make_op("binary", _bitwise_and, kernel="bitwise_and"))


def _bitwise_or(input: Tensor, other: Tensor | int, *, out: Tensor | None = None) -> Tensor:
    """The bits set in one or both, of integers or booleans: ``input | other``.

    Raises:
        NotImplementedError: for floats.

    >>> import pytensor as torch
    >>> torch.bitwise_or(torch.tensor([12, 10]), 6)
    tensor([14, 14])
    """
    return _bitwise("bitwise_or", "bitwise_or", "bitwise_or_cpu", input, other, out)


_bitwise_or.__name__ = _bitwise_or.__qualname__ = "bitwise_or"
bitwise_or = op(inplace=True)(make_op("binary", _bitwise_or, kernel="bitwise_or"))


def _bitwise_xor(input: Tensor, other: Tensor | int, *, out: Tensor | None = None) -> Tensor:
    """The bits set in exactly one, of integers or booleans: ``input ^ other``.

    Raises:
        NotImplementedError: for floats.

    >>> import pytensor as torch
    >>> torch.bitwise_xor(torch.tensor([12, 10]), 6)
    tensor([10, 12])
    """
    return _bitwise("bitwise_xor", "bitwise_xor", "bitwise_xor_cpu", input, other, out)


_bitwise_xor.__name__ = _bitwise_xor.__qualname__ = "bitwise_xor"
bitwise_xor = op(inplace=True)(make_op("binary", _bitwise_xor, kernel="bitwise_xor"))


@op(inplace=True)
def bitwise_left_shift(input: Tensor, other: Tensor | int, *, out: Tensor | None = None) -> Tensor:
    """The bits shifted to the left: ``input << other``.

    Raises:
        NotImplementedError: for floats.

    >>> import pytensor as torch
    >>> torch.bitwise_left_shift(torch.tensor([4, 8]), 2)
    tensor([16, 32])
    """
    return _bitwise("bitwise_left_shift", "bitwise_left_shift", "lshift_cpu", input, other, out)


@op(inplace=True)
def bitwise_right_shift(input: Tensor, other: Tensor | int, *, out: Tensor | None = None) -> Tensor:
    """The bits shifted to the right, keeping the sign: ``input >> other``.

    Raises:
        NotImplementedError: for floats.

    >>> import pytensor as torch
    >>> torch.bitwise_right_shift(torch.tensor([4, 8]), 2)
    tensor([1, 2])
    """
    return _bitwise("bitwise_right_shift", "bitwise_right_shift", "rshift_cpu", input, other, out)


def _bitwise_not(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """All bits the other way round; of booleans, their negation.

    Raises:
        NotImplementedError: for floats.

    >>> import pytensor as torch
    >>> ~torch.tensor([0, 1])
    tensor([-1, -2])
    """
    if input.dtype.category > INTEGER:
        raise not_implemented_for("bitwise_not_cpu", input)
    return apply_pointwise("bitwise_not", None, (input,), out=out)


_bitwise_not.__name__ = _bitwise_not.__qualname__ = "bitwise_not"
bitwise_not = op(inplace=True)(make_op("unary", _bitwise_not, kernel="bitwise_not"))

for _name, _fn, _kernel in (
    ("and", bitwise_and, "bitwise_and"),
    ("or", bitwise_or, "bitwise_or"),
    ("xor", bitwise_xor, "bitwise_xor"),
    ("lshift", bitwise_left_shift, ""),
    ("rshift", bitwise_right_shift, ""),
):
    op(name=f"__{_name}__", function=False)(operator(_fn, kernel=_kernel))
    op(name=f"__r{_name}__", function=False)(operator(_fn, reflected=True))
op(name="__invert__", function=False)(bitwise_not)
in_place_operators(
    {
        "&=": ("__iand__", bitwise_and),
        "|=": ("__ior__", bitwise_or),
        "^=": ("__ixor__", bitwise_xor),
        "<<=": ("__ilshift__", bitwise_left_shift),
        ">>=": ("__irshift__", bitwise_right_shift),
    }
)
