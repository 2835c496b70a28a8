"""The list of ops: what is public under which names. The one decorator that exports functions and methods.

``pytensor/__init__.py`` exports from here, and :func:`attach_methods` gives Tensor its methods: no list of names
is kept by hand anywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from pytensor import _C

__all__ = ["REGISTRY", "Entry", "attach_methods", "functions", "op", "quick_inplace"]

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Entry:
    """One public name."""

    name: str
    function: Callable[..., Any]
    namespace: str  # "" for the top level, else "nn.functional", "linalg", ...
    is_function: bool
    is_method: bool


REGISTRY: list[Entry] = []


def op(
    *,
    name: str | None = None,
    method: bool = True,
    function: bool = True,
    inplace: bool = False,
    inplace_function: bool = False,
    inplace_kind: str = "",
    aliases: tuple[str, ...] = (),
    namespace: str = "",
) -> Callable[[F], F]:
    """Registers an op.

    Args:
        method: also a method of Tensor (never for a namespace).
        function: also a function; False for methods only (``view``).
        inplace: also the method ``<name>_``, made from the functional form.
        inplace_function: and the function ``<name>_``, where PyTorch has one.
        inplace_kind: of C's quick road for the in-place form, where it is not made from the op's own.
        aliases: other names of the same op, in-place form included.
        namespace: where the function stands instead of the top level.
    """

    def decorate(fn: F) -> F:
        for public in (name or fn.__name__, *aliases):
            REGISTRY.append(Entry(public, fn, namespace, function, method and not namespace))
            if inplace:
                in_place = make_inplace(fn, public, inplace_kind)
                REGISTRY.append(Entry(f"{public}_", in_place, namespace, inplace_function, not namespace))
        return fn

    return decorate


def make_inplace(fn: Callable[..., Any], name: str, kind: str = "") -> Callable[..., Any]:
    """``<name>_``: the op with its result stored in its first argument."""
    from pytensor.ops.inplace import inplace

    def in_place(self: Any, *args: Any, **kwargs: Any) -> Any:
        return inplace(fn, self, *args, **kwargs)

    in_place.__name__ = in_place.__qualname__ = f"{name}_"
    in_place.__module__ = fn.__module__
    in_place.__doc__ = f"In-place form of :func:`{name}`: the result is stored in the tensor, which is returned."
    in_place.__wrapped__ = fn  # type: ignore[attr-defined]
    return quick_inplace(fn, in_place, kind)


def quick_inplace(fn: Callable[..., Any], slow: Callable[..., Any], kind: str = "") -> Callable[..., Any]:
    """C in front of an in-place form, when the op it is made from has a kernel: no graph, no copy."""
    quick = _C.make_op(kind, slow, "", None, [], [], False, False) if kind else _C.make_inplace_op(fn, slow)
    if quick is None:
        return slow
    for attribute in ("__module__", "__name__", "__qualname__", "__doc__"):
        setattr(quick, attribute, getattr(slow, attribute))
    return quick


def functions(namespace: str = "") -> dict[str, Callable[..., Any]]:
    """The public functions of a namespace, by name."""
    return {e.name: e.function for e in REGISTRY if e.is_function and e.namespace == namespace}


def attach_methods(tensor_class: type) -> None:
    """Makes every registered method an attribute of Tensor."""
    for entry in REGISTRY:
        if entry.is_method:
            setattr(tensor_class, entry.name, entry.function)
