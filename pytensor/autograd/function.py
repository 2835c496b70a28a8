"""Custom autograd functions.

Source: https://docs.pytorch.org/docs/stable/notes/extending.html
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from pytensor import _C
from pytensor.autograd.grad_mode import enable_grad, no_grad
from pytensor.autograd.node import OUTPUT, Node, record
from pytensor.autograd.views import rebase

__all__ = ["Function", "FunctionCtx", "once_differentiable"]


class FunctionCtx:
    """What ``forward`` leaves for ``backward``. Other attributes may be set freely."""

    needs_input_grad: tuple[bool, ...] = ()

    def __init__(self) -> None:
        self._to_save: tuple[Any, ...] = ()
        self._dirty: tuple[Any, ...] = ()
        self._non_differentiable: tuple[Any, ...] = ()
        self._materialize = True
        self._node: Any = None

    def save_for_backward(self, *tensors: Any) -> None:
        """Saves tensors (or None) for ``backward``: their versions are checked there."""
        for t in tensors:
            if t is not None and not isinstance(t, _C.TensorBase):
                raise TypeError(
                    f"save_for_backward can only save variables, but argument is of type {type(t).__name__}"
                )
        self._to_save = tensors

    save_for_forward = save_for_backward

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What ``save_for_backward`` was given."""
        return self._node.saved if self._node is not None else self._to_save

    def mark_dirty(self, *tensors: Any) -> None:
        """Names inputs that ``forward`` wrote in place; they must also be its outputs."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Any) -> None:
        """Names outputs that have no gradient."""
        self._non_differentiable = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether a gradient that did not come is zeros (the default) or None in ``backward``."""
        self._materialize = value


class FunctionNode(Node):
    """The node of a custom function. Each Function has a subclass of its own, named after it."""

    function: type[Function]

    def backward(self, *grads: Any) -> Any:
        context = self.ctx
        if context._materialize:
            grads = tuple(self._zeros(i) if g is None else g for i, g in enumerate(grads))
        context._node = self
        try:
            result = self.function.backward(context, *grads)
        finally:
            context._node = None
        return result if isinstance(result, tuple) else (result,)

    def _zeros(self, index: int) -> Any:
        described = self._outputs[index]
        return None if described is None else _C.wrap(np.zeros(described[0], dtype=described[1].numpy))


class Function:
    """Base class of custom operations.

    >>> import pytensor as torch
    >>> class Exp(torch.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         result = x.exp()
    ...         ctx.save_for_backward(result)
    ...         return result
    ...     @staticmethod
    ...     def backward(ctx, grad):
    ...         (result,) = ctx.saved_tensors
    ...         return grad * result
    >>> x = torch.zeros(2, requires_grad=True)
    >>> Exp.apply(x).sum().backward()
    >>> x.grad
    tensor([1., 1.])
    """

    _node_class: type[FunctionNode]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError(
            f"{type(self)} should not be instantiated. Methods on autograd functions are all static, so you should "
            "invoke them on the class itself. Instantiating an autograd function will raise an error in a future "
            "version of PyTorch."
        )

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._node_class = type(f"{cls.__name__}Backward", (FunctionNode,), {"function": cls})

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with "
            "backward mode AD."
        )

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Runs ``forward`` and records this function."""
        if cls.backward is Function.backward and "vjp" in cls.__dict__:
            cls.backward = cls.vjp  # type: ignore[attr-defined]
        context = FunctionCtx()
        context.needs_input_grad = tuple(isinstance(a, _C.TensorBase) and a._requires_grad for a in args)
        with no_grad():
            if cls.setup_context is Function.setup_context:
                result = cls.forward(context, *args, **kwargs)
            else:
                result = cls.forward(*args, **kwargs)
                cls.setup_context(context, args, result)
        outputs = result if isinstance(result, tuple) else (result,)
        recorded = _record(cls, context, args, outputs)
        return recorded if isinstance(result, tuple) else recorded[0]


def _identity_index(tensor: Any, tensors: tuple[Any, ...]) -> int:
    return next((i for i, t in enumerate(tensors) if t is tensor), -1)


def _record(cls: type[Function], context: FunctionCtx, args: tuple[Any, ...], outputs: tuple[Any, ...]) -> tuple:
    for t in context._dirty:
        t._bump_version()
    if not _C.will_record(*args):
        return outputs
    arrays = tuple(
        o._array if isinstance(o, _C.TensorBase) and _identity_index(o, context._non_differentiable) < 0 else None
        for o in outputs
    )
    saved = tuple(
        OUTPUT[i] if t is not None and (i := _identity_index(t, outputs)) >= 0 and arrays[i] is not None else t
        for t in context._to_save
    )
    wrapped = record(cls._node_class, args, arrays, saved=saved, ctx=context)
    context._to_save = ()
    result = []
    for output, new in zip(outputs, wrapped, strict=True):
        if new is None:
            result.append(output)
        elif _identity_index(output, context._dirty) >= 0:
            rebase(output, new)
            result.append(output)
        else:
            result.append(new)
    return tuple(result)


class OnceDifferentiableError(Node):
    """Stands behind the gradients of a function that was differentiated once and cannot be again."""

    def backward(self, *grads: Any) -> Any:
        raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable")


def once_differentiable(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Marks a ``backward`` whose result cannot be differentiated again: trying to raises RuntimeError."""

    @functools.wraps(fn)
    def wrapper(ctx: Any, *grads: Any) -> Any:
        with no_grad():
            result = fn(ctx, *grads)
        if not _C.will_record(*grads):
            return result
        outputs = result if isinstance(result, tuple) else (result,)
        with enable_grad():
            marked = record(OnceDifferentiableError, grads, tuple(None if o is None else o._array for o in outputs))
        return marked if isinstance(result, tuple) else marked[0]

    return wrapper
