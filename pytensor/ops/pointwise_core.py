"""How pointwise ops, full reductions and matrix products are declared.

    class ExpBackward0(Node):
        saves = ("result",)
        def backward(self, grad):
            (result,) = self.saved
            return (grad * result,)

    @unary(ExpBackward0, promotes="float", inplace=True)
    def exp(input: Tensor, *, out: Tensor | None = None) -> Tensor:
        '''docstring'''

The declared function has no body: its name is the kernel's. What is public is a C callable (``_C.Op``) that answers
plain calls by itself and hands every other to the Python function made here, which is the definition: promotion,
Python numbers, ``out=``, devices, errors.
"""

from __future__ import annotations

import functools
import numbers
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pytensor import _C
from pytensor.autograd.node import OUTPUT, Node, record
from pytensor.backend import backend_of
from pytensor.backend.reference.pointwise import FULL_NUMBERS
from pytensor.dtypes import (
    BOOL,
    COMPLEX,
    FLOATING,
    bfloat16,
    category_default,
    dtype,
    float16,
    float32,
    from_numpy_dtype,
    get_default_dtype,
    number_category,
    promote_types,
)
from pytensor.ops.checks import broadcast_shapes_of, check_representable, check_same_device
from pytensor.ops.out import write_out
from pytensor.ops.registry import op

__all__ = ["apply_pointwise", "as_operand", "binary", "factory", "make_op", "operator", "quick", "result_type", "unary"]

Number = bool | int | float | complex


def result_type(*operands: Any) -> dtype:
    """The dtype that PyTorch gives an operation on these tensors and Python numbers.

    Tensors with axes decide; 0-d tensors and Python numbers only raise the category.

    >>> import pytensor as torch
    >>> torch.result_type(torch.ones(2, dtype=torch.int32), 1.5)
    torch.float32
    """
    with_axes: dtype | None = None
    zero_dim: dtype | None = None
    number: dtype | None = None
    for operand in operands:
        if isinstance(operand, _C.TensorBase):
            d = operand.dtype
            if operand.ndim > 0:
                with_axes = d if with_axes is None else promote_types(with_axes, d)
            else:
                zero_dim = d if zero_dim is None else promote_types(zero_dim, d)
        else:
            d = category_default(number_category(operand))
            number = d if number is None else promote_types(number, d)
    return _combine(with_axes, _combine(zero_dim, number))


def _combine(strong: dtype | None, weak: dtype | None) -> Any:
    """``weak`` raises ``strong`` only to a higher category."""
    if strong is None or weak is None:
        return weak if strong is None else strong
    if weak.category <= strong.category:
        return strong
    if weak.category == COMPLEX and strong.category == FLOATING:
        return promote_types(strong, strong.to_complex())
    return weak


def as_operand(value: Any, function: str, argument: str, position: int) -> Any:
    """A tensor or Python number, as given; NumPy scalars and arrays become numbers and tensors.

    Raises:
        TypeError: for anything else.
    """
    if isinstance(value, (_C.TensorBase, bool, int, float, complex)):
        return value
    if isinstance(value, (np.number, np.bool_)):
        return value.item()
    if isinstance(value, np.ndarray):
        from_numpy_dtype(value.dtype)
        return _C.wrap(value)
    if isinstance(value, numbers.Number):
        return complex(value) if isinstance(value, numbers.Complex) else float(value)  # type: ignore[arg-type]
    raise TypeError(
        f"{function}(): argument '{argument}' (position {position}) must be Tensor or Number, "
        f"not {type(value).__name__}"
    )


def _computed_dtype(promotes: str, operands: Sequence[Any]) -> dtype:
    """The dtype that a kernel works in."""
    common = result_type(*operands)
    if promotes == "float" and common.category < FLOATING:
        return get_default_dtype()
    return common


def _is_half(d: dtype) -> bool:
    return d is float16 or d is bfloat16


# In half precision their scalars are numbers of the tensor's type, others are float32.
_NARROW_PARAMS = frozenset({"add_scaled", "clamp", "clamp_max", "clamp_min", "hardshrink", "hardtanh"})


def _check_params(name: str, params: tuple[float, ...], d: dtype) -> None:
    """RuntimeError for scalars that the type which they are used in cannot hold."""
    if d.category != FLOATING or name == "nan_to_num":
        return
    for i, value in enumerate(params):
        narrow = name in _NARROW_PARAMS or (name == "threshold" and i == 1)
        check_representable(value, float32 if _is_half(d) and not narrow else d)


def _raw(operand: Any, d: dtype, like: Any) -> Any:
    """An operand as an array of dtype ``d``, on the device of ``like``."""
    if isinstance(operand, _C.TensorBase):
        array = operand._array
        if array.dtype != d.numpy:
            with np.errstate(over="ignore"):
                array = array.astype(d.numpy)
        if type(array) is not type(like):  # a 0-d CPU tensor beside CUDA tensors
            array = d.numpy.type(array)
        return array
    with np.errstate(over="ignore"):
        return np.asarray(operand).astype(d.numpy) if isinstance(like, np.ndarray) else d.numpy.type(operand)


def _full_number(operand: Any, like: Any) -> Any:
    """A number as PyTorch multiplies and divides half precision by it: a float32. None for tensors of several elements."""
    several = isinstance(operand, _C.TensorBase) and operand.numel() != 1
    return None if several else _raw(operand, float32, like)


def apply_pointwise(
    name: str,
    node: type[Node] | None,
    operands: Sequence[Any],
    *,
    params: tuple[float, ...] = (),
    promotes: str = "same",
    saved: tuple[Any, ...] | None = None,
    ctx: Any = None,
    out: Any = None,
) -> Any:
    """Runs a pointwise kernel on tensors and Python numbers, at least one a tensor, and records it.

    Args:
        name: the kernel, in the back end.
        node: the gradient node, None for ops without a gradient.
        params: the kernel's scalars.
        promotes: "same" works in the promoted type, "float" turns integers into the default floating type.
        saved: what the node saves; None takes the node's own ``saves``.
    """
    tensors = [t for t in operands if isinstance(t, _C.TensorBase)]
    if len(tensors) > 1:
        broadcast_shapes_of(*[t.shape for t in tensors])
        check_same_device(*[t for t in tensors if t.ndim > 0 or len(tensors) == 1])
    d = _computed_dtype(promotes, operands)
    like = next((t._array for t in tensors if t.ndim > 0), tensors[0]._array)
    if params:
        _check_params(name, params, d)
    arrays = tuple(_raw(operand, d, like) for operand in operands)
    if _is_half(d) and name in FULL_NUMBERS and (number := _full_number(operands[1], like)) is not None:
        arrays = (arrays[0], number)
    array = backend_of(like).pointwise(name, arrays, params)
    if node is None:
        return write_out(_C.wrap(array), out, name)
    if saved is None:
        saved = _saved_by(node, operands)
    return write_out(record(node, tuple(operands), array, saved=saved, ctx=ctx), out, name)


_SLOTS = {"input": 0, "other": 1, "third": 2}


def _save_rules(node: type[Node] | None) -> list[tuple[str, int]]:
    """The node's ``saves`` as (what, number of the input whose gradient needs it, -1 for always)."""
    rules = []
    for rule in node.saves if node is not None else ():
        what, needed_by = (rule, None) if isinstance(rule, str) else rule
        rules.append((what, -1 if needed_by is None else _SLOTS[needed_by]))
    return rules


def _saved_by(node: type[Node], operands: Sequence[Any]) -> tuple[Any, ...]:
    saved = []
    for what, needed_by in _save_rules(node):
        wanted = needed_by < 0
        if not wanted:
            source = operands[needed_by]
            wanted = isinstance(source, _C.TensorBase) and source._requires_grad
        saved.append(None if not wanted else OUTPUT if what == "result" else operands[_SLOTS[what]])
    return tuple(saved)


def make_op(
    kind: str,
    slow: Callable[..., Any],
    *,
    kernel: str = "",
    node: type[Node] | None = None,
    params: tuple[float, ...] = (),
    floats_only: bool = False,
    swapped: bool = False,
    arguments: tuple[str, ...] = (),
    required: int = 0,
    mixed: bool = False,
    tensors_only: bool = False,
    alternate: Any = None,
    choices: tuple[str, dict[str, Any]] | None = None,
    check: str = "",
) -> Any:
    """The C callable in front of a Python function; the function itself when there is no such kernel.

    Args:
        kind: "unary", "binary", "ternary", "where", "clamp", "power", "reduction", "matmul", "linear",
            "layer_norm" or "nll_loss"; factories: "sizes", "full", "arange", "randint", "like", "tensor"; others: see
            :func:`quick`.
        params: the kernel's scalars; where ``arguments`` has a name for one, this is its default.
        arguments: names of the function's arguments after the tensors. One beyond the params must be False in a quick
            call (``inplace``). The node's ctx is then the tuple of params, or for two tensors and more the one param.
        required: how many of the arguments have no default.
        mixed: tensors of different dtypes are promoted in C too.
        tensors_only: numbers as operands are left to Python ("ternary": always).
        alternate: "power": the op for exponent 2; "ternary": the op whose last operand is a number; "sizes": what fills
            the new array; "randint": the generator.
        check: "ordered" (the first two), "not negative", "not zero": params that fail it are left to Python.
        choices: an argument that chooses among ops of one tensor: (its name, the op of each value).
    """
    quick = _C.make_op(
        kind,
        slow,
        kernel,
        node,
        _save_rules(node),
        list(params),
        floats_only,
        swapped,
        arguments=tuple(sys.intern(name) for name in arguments) or None,
        required=required,
        mixed=mixed,
        tensors_only=tensors_only,
        alternate=alternate,
        choices=choices,
        check=check,
    )
    if quick is None:
        return slow
    for attribute in ("__module__", "__name__", "__qualname__", "__doc__", "__annotations__"):
        setattr(quick, attribute, getattr(slow, attribute))
    return quick


def quick(
    kind: str, node: type[Node] | None = None, *, arguments: tuple[str, ...] = (), kernel: str = "", **options: Any
) -> Callable[[Callable[..., Any]], Any]:
    """Puts C in front of a function: its plain calls.

    Args:
        kind: "cat", "stack", "gather", "take" (index_select), "layer_norm", "nll_loss", "set_index", "write", "view"
            or "parts": the form of the arguments (csrc/core/op_*.cpp).
        kernel: which view or parts.
        arguments: names of the function's arguments after the tensors.
        options: others of :func:`make_op`.
    """

    def decorate(fn: Callable[..., Any]) -> Any:
        return make_op(kind, fn, kernel=kernel, node=node, arguments=arguments, **options)

    return decorate


def factory(
    kind: str, *params: float, fill: Callable[[Any], None] | None = None
) -> Callable[[Callable[..., Any]], Any]:
    """Puts C in front of a function that makes new tensors: its plain calls.

    Args:
        kind: "sizes", "full", "arange", "like" or "tensor": the form of the arguments.
        params: the value of all elements, none for uninitialised tensors.
        fill: fills the new array of float32 or float64.
    """

    def decorate(fn: Callable[..., Any]) -> Any:
        return make_op(kind, fn, params=params, alternate=fill)

    return decorate


def unary(
    node: type[Node] | None = None,
    *,
    kernel: str = "",
    promotes: str = "same",
    params: tuple[float, ...] = (),
    **registration: Any,
) -> Callable[[Callable[..., Any]], Any]:
    """Declares a pointwise op of one tensor: ``f(input, *, out=None)``.

    Args:
        node: its gradient node, None for ops without a gradient.
        kernel: the kernel's name when it is not the function's.
        promotes: "float" for ops that turn integers into the default floating type, else "same".
        params: constant scalars of the kernel.
        registration: arguments of :func:`pytensor.ops.registry.op`.
    """

    def decorate(fn: Callable[..., Any]) -> Any:
        name = kernel or fn.__name__

        @functools.wraps(fn)
        def slow(input: Any, *, out: Any = None) -> Any:
            if not isinstance(input, _C.TensorBase):
                raise TypeError(
                    f"{fn.__name__}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
                )
            return apply_pointwise(name, node, (input,), params=params, promotes=promotes, out=out)

        quick = make_op("unary", slow, kernel=name, node=node, params=params, floats_only=promotes == "float")
        return op(name=fn.__name__, **registration)(quick)

    return decorate


def binary(
    node: type[Node] | None = None,
    *,
    kernel: str = "",
    promotes: str = "same",
    params: tuple[float, ...] = (),
    **registration: Any,
) -> Callable[[Callable[..., Any]], Any]:
    """Declares a pointwise op of two operands, tensors or numbers: ``f(input, other, *, out=None)``."""
    floats = promotes == "float"

    def decorate(fn: Callable[..., Any]) -> Any:
        name = kernel or fn.__name__

        @functools.wraps(fn)
        def slow(input: Any, other: Any, *, out: Any = None) -> Any:
            return apply_binary(fn.__name__, name, node, input, other, params, promotes, out)

        quick = make_op("binary", slow, kernel=name, node=node, params=params, floats_only=floats, mixed=True)
        return op(name=fn.__name__, **registration)(quick)

    return decorate


def apply_binary(
    function: str,
    kernel: str,
    node: type[Node] | None,
    input: Any,
    other: Any,
    params: tuple[float, ...] = (),
    promotes: str = "same",
    out: Any = None,
) -> Any:
    """The Python half of a binary op: checks the operands and applies the kernel."""
    input = as_operand(input, function, "input", 1)
    other = as_operand(other, function, "other", 2)
    if not isinstance(input, _C.TensorBase) and not isinstance(other, _C.TensorBase):
        raise TypeError(f"{function}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
    return apply_pointwise(kernel, node, (input, other), params=params, promotes=promotes, out=out)


def operator(
    fn: Any,
    *,
    kernel: str = "",
    node: type[Node] | None = None,
    promotes: str = "same",
    params: tuple[float, ...] = (),
    reflected: bool = False,
    mixed: bool = False,
    by_number: type[Node] | None = None,
) -> Any:
    """A special method (``__add__``, with ``reflected`` ``__radd__``) from a binary function.

    It gives NotImplemented for operands that are neither tensors nor numbers, so that Python asks the other operand.
    With a kernel, plain calls go the quick road. by_number: the node where ``other`` is a number, if it is another.
    """

    def slow(self: Any, other: Any) -> Any:
        if not isinstance(other, (_C.TensorBase, int, float, complex, np.number, np.bool_, np.ndarray)):
            return NotImplemented
        return fn(other, self) if reflected else fn(self, other)

    functools.update_wrapper(slow, getattr(fn, "__wrapped__", fn))
    if not kernel:
        return slow
    options = {"kernel": kernel, "params": params, "floats_only": promotes == "float", "mixed": mixed}
    alternate = None if by_number is None else make_op("binary", slow, node=by_number, **options)
    return make_op("binary", slow, node=node, swapped=reflected, alternate=alternate, **options)


def is_bool_tensor(value: Any) -> bool:
    """Is this a tensor or number of category bool?"""
    return value.dtype.category == BOOL if isinstance(value, _C.TensorBase) else isinstance(value, bool)
