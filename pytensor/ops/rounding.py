"""Rounding, absolute value, sign."""

from __future__ import annotations

import builtins
from typing import Any

from pytensor.autograd.node import OUTPUT, Node, record, wrap
from pytensor.backend.reference.array_module import array_module
from pytensor.dtypes import BOOL, COMPLEX, FLOATING, INTEGER
from pytensor.ops.out import write_out
from pytensor.ops.pointwise_core import apply_pointwise, make_op
from pytensor.ops.pointwise_rules import not_implemented_for, zeros_like_array, zeros_where
from pytensor.ops.registry import op
from pytensor.tensor import Tensor

__all__ = ["abs", "ceil", "floor", "frac", "round", "sgn", "sign", "trunc"]


class FloorBackward0(Node):
    """A step function: the gradient is zero."""

    def backward(self, grad):
        return (zeros_like_array(grad),)


class CeilBackward0(FloorBackward0):
    pass


class RoundBackward0(FloorBackward0):
    pass


class TruncBackward0(FloorBackward0):
    pass


class SignBackward0(FloorBackward0):
    pass


class FracBackward0(Node):
    def backward(self, grad):
        return (grad,)


def _rounded(kernel: str, label: str, node: type[Node], input: Any, out: Any) -> Any:
    """Integers are whole already."""
    if input.dtype.category in (BOOL, COMPLEX):
        raise not_implemented_for(label, input)
    if input.dtype.category == INTEGER:
        copy = wrap(input._array.copy())
        return write_out(copy, out, kernel)
    return apply_pointwise(kernel, node, (input,), out=out)


def _floor(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The largest whole number that is not greater.

    >>> import pytensor as torch
    >>> torch.floor(torch.tensor([1.5, -1.5]))
    tensor([ 1., -2.])
    """
    return _rounded("floor", "floor_vml_cpu", FloorBackward0, input, out)


_floor.__name__ = _floor.__qualname__ = "floor"
floor = op(inplace=True, inplace_function=True)(
    make_op("unary", _floor, kernel="floor", node=FloorBackward0, floats_only=True)
)


def _ceil(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The smallest whole number that is not less.

    >>> import pytensor as torch
    >>> torch.ceil(torch.tensor([1.5, -1.5]))
    tensor([ 2., -1.])
    """
    return _rounded("ceil", "ceil_vml_cpu", CeilBackward0, input, out)


_ceil.__name__ = _ceil.__qualname__ = "ceil"
ceil = op(inplace=True, inplace_function=True)(
    make_op("unary", _ceil, kernel="ceil", node=CeilBackward0, floats_only=True)
)


def _trunc(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The whole part: rounded towards zero.

    >>> import pytensor as torch
    >>> torch.trunc(torch.tensor([1.5, -1.5]))
    tensor([ 1., -1.])
    """
    return _rounded("trunc", "trunc_vml_cpu", TruncBackward0, input, out)


_trunc.__name__ = _trunc.__qualname__ = "trunc"
trunc = op(inplace=True, inplace_function=True, aliases=("fix",))(
    make_op("unary", _trunc, kernel="trunc", node=TruncBackward0, floats_only=True)
)


def _round(input: Tensor, *, decimals: int = 0, out: Tensor | None = None) -> Tensor:
    """The nearest number with so many decimals; halves go to the even neighbour.

    Args:
        decimals: negative numbers round to tens, hundreds ...

    >>> import pytensor as torch
    >>> torch.round(torch.tensor([0.5, 1.5, 2.567])), torch.round(torch.tensor([2.567]), decimals=1)
    (tensor([0., 2., 3.]), tensor([2.6000]))
    """
    if decimals == 0:
        return _rounded("round", "round_vml_cpu", RoundBackward0, input, out)
    if input.dtype.category != FLOATING:
        raise not_implemented_for("round_cpu", input)
    scale = 10.0 ** abs_(decimals)
    with_decimals = input.detach()
    if decimals > 0:
        rounded = apply_pointwise("round", None, (with_decimals * scale,)) / scale
    else:
        rounded = apply_pointwise("round", None, (with_decimals / scale,)) * scale
    return write_out(record(RoundBackward0, (input,), rounded._array), out, "round")


abs_ = builtins.abs
_round.__name__ = _round.__qualname__ = "round"
round = op(inplace=True, inplace_function=True)(
    make_op("unary", _round, kernel="round", node=RoundBackward0, floats_only=True)
)


def _frac(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """What truncation cuts off: ``input - trunc(input)``.

    >>> import pytensor as torch
    >>> torch.frac(torch.tensor([1.5, -1.25]))
    tensor([ 0.5000, -0.2500])
    """
    if input.dtype.category != FLOATING:
        raise not_implemented_for("frac_cpu", input)
    return apply_pointwise("frac", FracBackward0, (input,), out=out)


_frac.__name__ = _frac.__qualname__ = "frac"
frac = op(inplace=True, inplace_function=True)(
    make_op("unary", _frac, kernel="frac", node=FracBackward0, floats_only=True)
)


class AbsBackward0(Node):
    saves = ("input",)

    def backward(self, grad):
        (input,) = self.saved
        return (grad * sgn(input),)


def _abs(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The absolute value; of complex numbers the modulus, a real tensor.

    >>> import pytensor as torch
    >>> torch.abs(torch.tensor([-1.5, 2.0]))
    tensor([1.5000, 2.0000])
    """
    if input.dtype.category == BOOL:
        raise not_implemented_for("abs_cpu", input)
    if input.dtype.category == COMPLEX:
        result = record(AbsBackward0, (input,), abs_(input._array), saved=(input,))
        return write_out(result, out, "abs")
    return apply_pointwise("abs", AbsBackward0, (input,), out=out)


_abs.__name__ = _abs.__qualname__ = "abs"
abs = op(inplace=True, inplace_function=True, aliases=("absolute",))(
    make_op("unary", _abs, kernel="abs", node=AbsBackward0)
)
op(name="__abs__", function=False)(abs)


def _sign(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """1, 0 or -1, as elements are positive, zero or negative; 0 for NaN.

    >>> import pytensor as torch
    >>> torch.sign(torch.tensor([-2.5, 0.0, 3.0]))
    tensor([-1.,  0.,  1.])
    """
    if input.dtype.category == COMPLEX:
        raise RuntimeError("Unlike NumPy, torch.sign doesn't yet support complex numbers. Use torch.sgn instead.")
    return apply_pointwise("sign", SignBackward0, (input,), out=out)


_sign.__name__ = _sign.__qualname__ = "sign"
sign = op(inplace=True)(make_op("unary", _sign, kernel="sign", node=SignBackward0))


class SgnBackward0(Node):
    """Of z / |z|: grad / |z| without its part along the result."""

    def backward(self, grad):
        input, result = self.saved
        if not input.dtype.is_complex:
            return (zeros_like_array(grad),)
        along = (grad * result.conj()).real * result
        return (zeros_where(input == 0, (grad - along) / abs(input)),)


@op(inplace=True)
def sgn(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """The sign; of complex numbers ``input / abs(input)``, 0 for 0.

    >>> import pytensor as torch
    >>> torch.sgn(torch.tensor([3 + 4j, 0]))
    tensor([0.6000+0.8000j, 0.0000+0.0000j])
    """
    if input.dtype.category == COMPLEX:
        array = input._array
        xp = array_module(array)
        modulus = abs_(array)
        result = array / xp.where(modulus == 0, 1, modulus)
        return write_out(record(SgnBackward0, (input,), result, saved=(input, OUTPUT)), out, "sgn")
    return apply_pointwise("sign", SgnBackward0, (input,), saved=(input, None), out=out)
