"""Nodes of the autograd graph.

A node is one recorded operation: edges to the nodes that made its inputs, what the operation saved, and the
gradient rule. A rule is a subclass of :class:`Node` that stands beside its op in ``pytensor/ops``:

    class ExpBackward0(Node):
        saves = ("result",)

        def backward(self, grad):
            (result,) = self.saved
            return (grad * result,)

``backward`` takes the gradients of the outputs and gives those of the inputs, as Tensors computed with public
ops: under ``create_graph=True`` they are recorded again, so second order needs nothing more. The storage of a
node is C (csrc/core/node.cpp).
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pytensor import _C

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["OUTPUT", "AccumulateGrad", "Node", "RemovableHandle", "record", "view", "views", "wrap"]

record = _C.record
wrap = _C.wrap
view = _C.view
views = _C.views


class OutputMarker:
    """Stands for an output of the op in ``record(saved=...)``: saving the tensor itself would be a cycle."""

    __slots__ = ("index",)

    def __init__(self, index: int = 0) -> None:
        self.index = index

    def __getitem__(self, index: int) -> OutputMarker:
        return OutputMarker(index)


OUTPUT = OutputMarker()


class RemovableHandle:
    """Removes a hook. Also a context manager that does so at its end."""

    _next_id = 0

    def __init__(self, hooks: dict[int, Any]) -> None:
        self.id = RemovableHandle._next_id
        RemovableHandle._next_id += 1
        self._hooks = hooks

    def remove(self) -> None:
        self._hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()


class Node(_C.NodeBase):
    """A recorded operation; subclasses define :meth:`backward`.

    Attributes:
        saves: for ops made by the decorators of ops/pointwise_core.py, what they save: names among ``input``, ``other``
            and ``result``, or pairs (name, name of the input whose gradient needs it).
        quick: the same rule for the engine's quick road (csrc/core/rules.cpp), which runs it without Python when all
            is plain: per input (kernel, operand, ...) with operands ``"grad"`` or the number of a saved value, for
            products (``"@"``) also transposed, ``"grad.T"`` or ``"0.T"``; ``("grad",)`` for the gradient itself,
            ``("spread",)``, ``("spread mean",)``, ``("reshape",)`` and ``("t",)`` for what the rules of sums, means and
            views do; None where only :meth:`backward` knows. Not inherited.
        saved: the saved values. RuntimeError when they were freed, or written in place since.
        ctx: what the op remembers besides tensors.
        needs_input_grad: per input, whether its gradient is wanted.
    """

    saves: tuple[Any, ...] = ()
    quick: tuple[Any, ...] = ()
    _pre_hooks: dict[int, Callable[..., Any]] | None = None
    _post_hooks: dict[int, Callable[..., Any]] | None = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls.__dict__.get("quick"):
            _C.register_quick_rule(cls, cls.quick)

    def backward(self, *grads: Tensor | None) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no gradient rule")

    def name(self) -> str:
        """The name that a tensor's ``grad_fn=<...>`` shows."""
        return type(self).__name__

    @property
    def next_functions(self) -> tuple[tuple[Node | None, int], ...]:
        """The nodes that the gradients go to, with the number of the output each of them belongs to."""
        return tuple((_as_node(target), nr) for target, nr in self._edges)

    @property
    def metadata(self) -> dict[str, Any]:
        return self.__dict__.setdefault("_metadata", {})

    def register_prehook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """``hook(grad_outputs) -> tuple or None``, called before the rule."""
        if self._pre_hooks is None:
            self._pre_hooks = {}
        handle = RemovableHandle(self._pre_hooks)
        self._pre_hooks[handle.id] = hook
        return handle

    def register_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """``hook(grad_inputs, grad_outputs) -> tuple or None``, called after the rule."""
        if self._post_hooks is None:
            self._post_hooks = {}
        handle = RemovableHandle(self._post_hooks)
        self._post_hooks[handle.id] = hook
        return handle

    def __call__(self, *grads: Tensor) -> Any:
        result = self.backward(*grads)
        return result[0] if isinstance(result, tuple) and len(result) == 1 else result

    def __repr__(self) -> str:
        return f"<{self.name()} object at {id(self):#x}>"


class AccumulateGrad(Node):
    """The end of a road at a leaf: adds to ``variable.grad``. Made on demand, for ``next_functions``."""

    variable: Tensor

    def backward(self, *grads: Tensor | None) -> Any:
        from pytensor.autograd.engine import accumulate

        accumulate(self.variable, grads[0], create_graph=_C.is_grad_enabled())
        return ()


def accumulator_of(leaf: Tensor) -> AccumulateGrad:
    """The AccumulateGrad node of a leaf: the same one as long as somebody holds it."""
    reference = leaf.__dict__.get("_accumulate_grad")
    node = reference() if reference is not None else None
    if node is None:
        node = AccumulateGrad()
        node.variable = leaf
        leaf.__dict__["_accumulate_grad"] = weakref.ref(node)
    return node


def _as_node(target: Any) -> Node | None:
    return target if target is None or isinstance(target, Node) else accumulator_of(target)


def version_error(value: Any, node: Node, expected: int, found: int) -> None:
    """Raises PyTorch's error for a saved tensor that was written in place; called from C."""
    from pytensor.dtypes import from_numpy_dtype
    from pytensor.typename import type_string

    array = getattr(value, "_array", value)
    source = getattr(value, "grad_fn", None)
    if value is array:
        where = f", which is output 0 of {node.name()},"
    elif source is not None:
        where = f", which is output {value.output_nr} of {source.name()},"
    else:
        where = ""
    kind = f"[{type_string(from_numpy_dtype(array.dtype))} {list(array.shape)}]"
    raise RuntimeError(
        "one of the variables needed for gradient computation has been modified by an inplace operation: "
        f"{kind}{where} is at version {found}; expected version {expected} instead. Hint: enable anomaly detection to "
        "find the operation that failed to compute its gradient, with torch.autograd.set_detect_anomaly(True)."
    )


def freed_error() -> None:
    """Raises PyTorch's error for a second pass through a freed graph; called from C."""
    raise RuntimeError(
        "Trying to backward through the graph a second time (or directly access saved tensors after they have "
        "already been freed). Saved intermediate values of the graph are freed when you call .backward() or "
        "autograd.grad(). Specify retain_graph=True if you need to backward through the graph a second time or if "
        "you need to access saved tensors after calling backward."
    )
