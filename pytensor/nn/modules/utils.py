"""Numbers that stand for one per axis."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

__all__ = []


def _ntuple(n: int) -> Callable[[Any], tuple[Any, ...]]:
    """A function that makes ``n`` numbers of one, and a tuple of an iterable."""

    def parse(x: Any) -> tuple[Any, ...]:
        return tuple(x) if isinstance(x, Iterable) else (x,) * n

    return parse


_single, _pair, _triple, _quadruple = _ntuple(1), _ntuple(2), _ntuple(3), _ntuple(4)


def _reverse_repeat_tuple(values: tuple[Any, ...], n: int) -> tuple[Any, ...]:
    """``(a, b)`` to ``(b, b, a, a)`` for n = 2: the order in which ``nn.functional.pad`` takes widths."""
    return tuple(value for value in reversed(values) for _ in range(n))
