"""The source that specs draw their samples from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from pytensor.testing.numpy_dtypes import is_float, numpy_dtype
from pytensor.testing.spec import REAL_LINE, OpSpec, Sample
from pytensor.testing.strategies import LAYOUTS, arrays, broadcastable_shapes, shapes

MARGIN = 0.05  # gradients are checked this far inside the borders of the domain


class Source:
    """Draws what a spec's ``samples`` function asks for, fitted to the check that is running.

    ``gradient`` is true when the sample is for a finite-difference check: float arrays are then float64, small,
    without special values, and inside the domain.
    """

    def __init__(self, draw: Any, spec: OpSpec, dtype: str, gradient: bool = False) -> None:
        self.draw = draw
        self.dtype = dtype
        self.gradient = gradient
        self._domain = spec.domain

    def array(
        self,
        shape: Sequence[int] | None = None,
        *,
        dtype: str | None = None,
        values: str = "any",
        only: tuple[float, float] = REAL_LINE,
        domain: tuple[float, float] | None = None,
        dims: tuple[int, int] = (0, 4),
        min_side: int = 0,
        layouts: tuple[str, ...] = LAYOUTS,
        read_only: bool | None = None,
    ) -> np.ndarray:
        """An array. ``shape``: as given, or drawn with ``dims`` dimensions and sides of ``min_side`` and more.

        ``values``: ``any`` (NaN, infinities, denormals, largest numbers among ordinary ones), ``finite`` (ordinary
        numbers, zeros, a denormal) or ``distinct``. ``only``: an interval that the op insists on. ``domain``
        (default: the spec's) only bounds gradient checks. ``dtype`` defaults to the dtype being checked.
        """
        kind = numpy_dtype(dtype or self.dtype)
        if self.gradient and is_float(kind):
            only, values = inner(only, domain or self._domain), values if values == "distinct" else "smooth"
            kind = np.dtype("float64")
            layouts = tuple(name for name in layouts if name != "broadcast") or ("contiguous",)
        if shape is None:
            shape = self.shape(dims=dims, min_side=min_side)
        return self.draw(arrays(kind, tuple(shape), values, only, layouts, read_only))

    def shape(self, dims: tuple[int, int] = (0, 4), min_side: int = 0, max_side: int = 6) -> tuple[int, ...]:
        """A shape; small ones for gradient checks."""
        if self.gradient:
            return self.draw(shapes(dims[0], min(dims[1], max(dims[0], 3)), min_side, min(max_side, 3), large=False))
        return self.draw(shapes(dims[0], dims[1], min_side, max_side))

    def broadcastable(self, count: int = 2, min_side: int = 0) -> tuple[tuple[int, ...], ...]:
        """``count`` shapes that broadcast with each other."""
        if self.gradient:
            return self.draw(broadcastable_shapes(count, 3, min_side, 3, large=False))
        return self.draw(broadcastable_shapes(count, min_side=min_side))

    def dim(self, array: np.ndarray | int) -> int:
        """A dimension of an array (or of a number of dimensions), counted from either end."""
        ndim = max(array if isinstance(array, int) else array.ndim, 1)
        return self.integer(-ndim, ndim - 1)

    def dims(self, array: np.ndarray | int, min_size: int = 0) -> tuple[int, ...]:
        """Different dimensions of an array, each counted from either end."""
        ndim = array if isinstance(array, int) else array.ndim
        chosen = self.draw(st.lists(st.integers(0, ndim - 1), unique=True, min_size=min_size)) if ndim else []
        return tuple(d - ndim if self.flag() else d for d in chosen)

    def sample(self, *args: Any, **kwargs: Any) -> Sample:
        """The arguments of one call of the op."""
        return Sample(*args, **kwargs)

    def integer(self, low: int, high: int) -> int:
        """An integer, both ends included."""
        return self.draw(st.integers(low, high))

    def number(self, low: float, high: float) -> float:
        """A finite float, both ends included."""
        return self.draw(st.floats(low, high, allow_nan=False, allow_infinity=False))

    def choose(self, *options: Any) -> Any:
        return self.draw(st.sampled_from(options))

    def flag(self) -> bool:
        return self.draw(st.booleans())

    def require(self, condition: bool) -> None:
        """Gives this sample up and draws another one unless the condition holds. For rare cases only."""
        assume(bool(condition))


def inner(only: tuple[float, float], domain: tuple[float, float]) -> tuple[float, float]:
    """Where gradients are checked: inside both intervals, away from their borders, within a few units."""
    low, high = max(only[0], domain[0]), min(only[1], domain[1])
    if np.isfinite(low):
        low += MARGIN
    if np.isfinite(high):
        high -= MARGIN
    if not np.isfinite(low):
        low = -2.0 if not np.isfinite(high) else high - 3.0
    if not np.isfinite(high):
        high = max(low + 3.0, 2.0)
    return low, high


@st.composite
def samples(draw, spec: OpSpec, dtype: str | None = None, gradient: bool = False) -> Sample:
    """Samples of a spec, as a hypothesis strategy."""
    if dtype is None:
        dtype = "float64" if gradient else draw(st.sampled_from(spec.dtypes))
    return spec.samples(Source(draw, spec, dtype, gradient))
