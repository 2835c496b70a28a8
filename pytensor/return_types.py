"""The named results of ops that return several tensors, as in ``torch.return_types``.

>>> import pytensor as torch
>>> torch.tensor([1.0, 3.0, 2.0]).max(dim=0)
torch.return_types.max(
values=tensor(3.),
indices=tensor(1))
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter
from typing import Any

__all__: list[str] = []


class _Result(tuple):
    """A tuple whose items have names. Made from an iterable, like the structure sequences of CPython."""

    __slots__ = ()
    _fields: tuple[str, ...] = ()

    def __new__(cls, *values: Any) -> Any:
        items: Iterable[Any] = values[0] if len(values) == 1 else values
        self = tuple.__new__(cls, items)
        if len(self) != len(cls._fields):
            raise TypeError(f"{cls.__name__}() takes a {len(cls._fields)}-sequence ({len(self)}-sequence given)")
        return self

    def __repr__(self) -> str:
        fields = ",\n".join(f"{name}={value!r}" for name, value in zip(self._fields, self, strict=True))
        return f"torch.return_types.{type(self).__name__}(\n{fields})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (tuple(self),)


def _define(name: str, *fields: str) -> type:
    members: dict[str, Any] = {field: property(itemgetter(i)) for i, field in enumerate(fields)}
    members |= {
        "__slots__": (),
        "_fields": fields,
        "__match_args__": fields,
        "n_fields": len(fields),
        "n_sequence_fields": len(fields),
        "n_unnamed_fields": 0,
        "__module__": __name__,
        "__doc__": f"The result of ``{name}``: {', '.join(fields)}.",
    }
    __all__.append(name)
    return type(name, (_Result,), members)


for _name in ("max", "min", "median", "nanmedian", "mode", "kthvalue", "sort", "topk", "cummax", "cummin"):
    globals()[_name] = _define(_name, "values", "indices")
aminmax = _define("aminmax", "min", "max")
histogram = _define("histogram", "hist", "bin_edges")
