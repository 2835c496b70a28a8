"""What the gradient rules and checks of pointwise ops share."""

from __future__ import annotations

from typing import Any

import numpy as np

from pytensor import _C
from pytensor.autograd.node import Node, wrap
from pytensor.backend import backend_of
from pytensor.backend.reference.array_module import array_module
from pytensor.dtypes import FLOATING
from pytensor.ops.inplace import inplace
from pytensor.ops.pointwise_core import apply_pointwise, as_operand, make_op
from pytensor.ops.registry import op, quick_inplace
from pytensor.typename import scalar_type_name

__all__ = [
    "NoDerivative",
    "check_float",
    "conj",
    "fused",
    "in_place_operators",
    "kernel_op",
    "not_implemented_for",
    "number_like",
    "number_or_tensor",
    "zeros_like_array",
    "zeros_where",
]


def conj(value: Any) -> Any:
    """The conjugate of complex tensors and numbers; anything else as it is."""
    if isinstance(value, _C.TensorBase):
        return value.conj() if value.dtype.is_complex else value
    return value.conjugate() if isinstance(value, complex) else value


def number_or_tensor(function: str, input: Any, other: Any) -> tuple[Any, Any]:
    """Both operands, checked. TypeError unless they are tensors or numbers, and one of them a tensor."""
    input = as_operand(input, function, "input", 1)
    other = as_operand(other, function, "other", 2)
    if not isinstance(input, _C.TensorBase) and not isinstance(other, _C.TensorBase):
        raise TypeError(f"{function}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    return input, other


def not_implemented_for(kernel: str, value: Any) -> NotImplementedError:
    """PyTorch's error for a dtype that an op does not take."""
    return NotImplementedError(f"\"{kernel}\" not implemented for '{scalar_type_name(value.dtype)}'")


def check_float(kernel: str, value: Any) -> None:
    """NotImplementedError unless the tensor is of a real floating type."""
    if value.dtype.category != FLOATING:
        raise not_implemented_for(kernel, value)


def zeros_where(mask: Any, value: Any) -> Any:
    """``value`` with zeros where the mask is true, NaN and infinities there included."""
    from pytensor.ops.select import where

    return where(mask, 0, value)


def kernel_op(kernel: str, arity: int, *params: float, node: type[Node] | None = None) -> Any:
    """An unregistered op with constant parameters: C for plain calls, for use inside rules and modules."""

    def slow(*operands: Any) -> Any:
        return apply_pointwise(kernel, node, operands, params=params)

    slow.__name__ = slow.__qualname__ = kernel
    kind = "unary" if arity == 1 else "binary"
    return make_op(kind, slow, kernel=kernel, node=node, params=params)


def fused(kernel: str, grad: Any, saved: Any, params: tuple[float, ...] = ()) -> Any:
    """A gradient kernel applied to (gradient, saved tensor), outside any graph."""
    g, x = grad._array, saved._array
    if g.dtype != x.dtype:
        g = g.astype(x.dtype)
    return wrap(backend_of(x).pointwise(kernel, (g, x), params))


def zeros_like_array(value: Any) -> Any:
    """Zeros of the tensor's shape and dtype, outside any graph."""
    return wrap(array_module(value._array).zeros(value._array.shape, value._array.dtype))


def number_like(number: float, tensor: Any) -> Any:
    """The number as a 0-d tensor of the tensor's dtype."""
    return wrap(array_module(tensor._array).asarray(number, tensor._array.dtype))


_ARITHMETIC = ("+=", "-=", "*=", "/=", "//=", "%=", "**=")


def in_place_operators(operators: dict[str, tuple[str, Any]]) -> None:
    """Registers the methods of ``+=`` and the like, made from functions of two operands."""
    symbols = {method: symbol for symbol, (method, _) in operators.items()}

    def make(name: str, fn: Any) -> Any:
        def method(self: Any, other: Any) -> Any:
            if not isinstance(other, (_C.TensorBase, int, float, complex, np.number, np.bool_, np.ndarray)):
                return NotImplemented
            return inplace(fn, self, other)

        method.__name__ = method.__qualname__ = name
        number, symbol = ("6.0", symbols[name]) if symbols[name] in _ARITHMETIC else ("6", symbols[name])
        method.__doc__ = (
            f"The operator ``{symbol}``.\n\n    >>> import pytensor as torch\n    >>> x = torch.tensor([{number}])\n"
            f"    >>> x {symbol} 2\n    "
        )
        return method

    for name, fn in operators.values():
        op(name=name, function=False)(quick_inplace(fn, make(name, fn)))


class NoDerivative(Node):
    """The node of an op that PyTorch has no derivative for: only a backward pass through it fails.

    The op's name is the node's ctx, or a subclass's ``function``.
    """

    function = ""

    def backward(self, grad):
        raise RuntimeError(f"derivative for {self.function or self.ctx} is not implemented")

    def name(self) -> str:
        return "NotImplemented"
