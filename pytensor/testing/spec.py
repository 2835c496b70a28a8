"""What an op specification is. No hypothesis in here, so that benchmarks can read specs without it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

FLOATS = ("float32", "float64")
INTEGERS = ("uint8", "int32", "int64")
REALS = FLOATS + INTEGERS
ANY = (*REALS, "bool")
REAL_LINE = (-np.inf, np.inf)


@dataclass(frozen=True)
class DType:
    """A dtype among the arguments of a sample: pytensor's dtype for the op, NumPy's for the reference."""

    name: str


class Sample:
    """The arguments of one call. NumPy arrays among them (in lists and tuples too) become Tensors for the op."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.args = args
        self.kwargs = kwargs

    def map(self, change: Callable[[Any], Any]) -> Sample:
        """The same call with every leaf (array, number, DType, None ...) replaced by ``change(leaf)``."""
        args = [map_leaves(change, a) for a in self.args]  # first: `change` may count
        return Sample(*args, **{k: map_leaves(change, v) for k, v in self.kwargs.items()})

    def arrays(self) -> list[np.ndarray]:
        """Every NumPy array among the arguments, in order."""
        return [a for a in self.leaves() if isinstance(a, np.ndarray)]

    def leaves(self) -> Iterator[Any]:
        for value in (*self.args, *self.kwargs.values()):
            yield from iterate_leaves(value)

    def __repr__(self) -> str:
        parts = [show(a) for a in self.args] + [f"{k}={show(v)}" for k, v in self.kwargs.items()]
        return f"Sample({', '.join(parts)})"


def map_leaves(change: Callable[[Any], Any], value: Any) -> Any:
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return type(value)(map_leaves(change, v) for v in value)
    return change(value)


def iterate_leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, list | tuple):
        for v in value:
            yield from iterate_leaves(v)
    else:
        yield value


def show(value: Any) -> str:
    if isinstance(value, np.ndarray):
        note = "" if value.flags.c_contiguous else f", strides={value.strides}"
        return f"array({value.tolist()!r}, {value.dtype}, shape={value.shape}{note})"
    return repr(value)


def at(*points: float) -> Callable[..., np.ndarray]:
    """Kinks of a function of one argument at fixed points: ``kinks=at(0.0)`` for relu."""
    return lambda x, *args, **kwargs: np.stack([np.asarray(x, float) - p for p in points])


@dataclass(frozen=True)
class OpSpec:
    """What an op promises. The fields are described in :mod:`pytensor.testing`."""

    name: str
    samples: Callable[[Any], Sample]
    reference: Callable[..., Any] | None = None
    verify: Callable[..., None] | None = None
    dtypes: tuple[str, ...] = FLOATS
    domain: tuple[float, float] = REAL_LINE
    tolerance: float | Mapping[str, float] = 4.0
    scale: Callable[..., Any] | None = None
    upcast: bool = True
    differentiable: bool | tuple[int | str, ...] = True
    second_order: bool = True
    kinks: Callable[..., Any] | None = None
    gradient_tolerance: float = 1e-6
    mutates: bool = False
    random: bool = False
    inplace: bool | None = None
    out: bool | None = None
    flops: Callable[..., int] | None = None
    bytes: Callable[..., int] | None = None
    variant: str = ""

    def __post_init__(self) -> None:
        if (self.reference is None) == (self.verify is None):
            raise ValueError(f"{self.name}: a spec has either a reference or a verify function")

    def but(self, **changes: Any) -> OpSpec:
        """The same spec with some fields changed."""
        return replace(self, **changes)

    @property
    def id(self) -> str:
        return f"{self.name}-{self.variant}" if self.variant else self.name

    def eps_allowed(self, dtype: np.dtype) -> float:
        """The tolerance for results of a dtype, in units of its eps."""
        if isinstance(self.tolerance, Mapping):
            return self.tolerance.get(dtype.name, 4.0)
        return self.tolerance

    def differentiates(self, position: int | str) -> bool:
        """Whether the argument at a position, or of a keyword, has a gradient (when it is a float array)."""
        if isinstance(self.differentiable, bool):
            return self.differentiable
        return position in self.differentiable

    def bytes_moved(self, sample: Sample, results: list[np.ndarray]) -> int:
        """Bytes that the call has to read and write; the sum of all arrays unless the spec says otherwise."""
        if self.bytes is not None:
            return self.bytes(*sample.args, **sample.kwargs)
        return sum(a.nbytes for a in sample.arrays()) + sum(r.nbytes for r in results)
