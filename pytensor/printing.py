"""The text of tensors: equal to PyTorch's, so that programs and notebooks print the same.

Numbers of a tensor share one format: all integers, fixed point or scientific, as wide as the widest
(https://docs.pytorch.org/docs/stable/generated/torch.set_printoptions.html).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from pytensor import dtypes
from pytensor.device import get_default_device

if TYPE_CHECKING:
    from pytensor.tensor import Tensor

__all__ = ["set_printoptions"]


@dataclasses.dataclass
class PrintOptions:
    """What set_printoptions() sets."""

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


OPTIONS = PrintOptions()
_PROFILES = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": math.inf, "edgeitems": 3, "linewidth": 80},
}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Sets how tensors print; what is None stays as it is, but `sci_mode`, where None means "as the values need".

    Args:
        precision: digits after the point (4).
        threshold: tensors with more elements are summarised (1000).
        edgeitems: elements shown at each end of a summarised dimension (3).
        linewidth: characters per line (80).
        profile: "default", "short" or "full", before the other options.
        sci_mode: scientific notation always (True) or never (False).

    >>> import pytensor as torch
    >>> torch.set_printoptions(precision=2)
    >>> torch.tensor([1.12345])
    tensor([1.12])
    >>> torch.set_printoptions(threshold=5)
    >>> torch.arange(10)
    tensor([0, 1, 2,  ..., 7, 8, 9])
    >>> torch.set_printoptions(profile="default")
    """
    changes: dict[str, Any] = dict(_PROFILES.get(profile, {})) if profile is not None else {}
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    changes.update((name, value) for name, value in given.items() if value is not None)
    for name, value in changes.items():
        setattr(OPTIONS, name, value)
    OPTIONS.sci_mode = sci_mode


def get_printoptions() -> dict[str, Any]:
    """The options in use, as keyword arguments of set_printoptions()."""
    return dataclasses.asdict(OPTIONS)


@contextmanager
def printoptions(**options: Any) -> Iterator[None]:
    """Options of set_printoptions() for the duration of a block."""
    before = get_printoptions()
    set_printoptions(**options)
    try:
        yield
    finally:
        set_printoptions(**before)


class _Formatter:
    """The common format of some numbers."""

    def __init__(self, numbers: np.ndarray, floating: bool) -> None:
        self.floating = floating
        self.integers = True
        self.scientific = False
        self.width = 1
        if not floating:
            self.width = max((len(str(n)) for n in numbers.ravel().tolist()), default=1)
            return
        wide = numbers.ravel().astype(np.float64)
        shown = wide[np.isfinite(wide) & (wide != 0)]
        if shown.size == 0:
            return
        sizes = np.abs(shown)
        low, high = float(sizes.min()), float(sizes.max())
        self.integers = bool((shown == np.ceil(shown)).all())
        # The ratio overflows to infinity where one is huge and the other tiny: scientific, rightly.
        with np.errstate(over="ignore"):
            ratio = np.float64(high) / np.float64(low)
        automatic = bool(ratio > 1000.0 or high > 1.0e8 or low < 1.0e-4)
        self.scientific = automatic if OPTIONS.sci_mode is None else OPTIONS.sci_mode
        point = 1 if self.integers and not self.scientific else 0
        self.width = max(len(self._number(n)) + point for n in shown.tolist())

    def _number(self, value: Any) -> str:
        if not self.floating:
            return str(value)
        if self.scientific:
            return f"{value:.{OPTIONS.precision}e}"
        return f"{value:.0f}" if self.integers else f"{value:.{OPTIONS.precision}f}"

    def format(self, value: Any) -> str:
        """`value` as text, padded on the left."""
        text = self._number(value)
        if self.floating and self.integers and not self.scientific and math.isfinite(value):
            text += "."
        return text.rjust(self.width)


class _ComplexFormatter:
    """Real and imaginary parts have a format each."""

    def __init__(self, numbers: np.ndarray) -> None:
        self.real = _Formatter(numbers.real, True)
        self.imag = _Formatter(numbers.imag, True)
        self.width = self.real.width + self.imag.width + 1

    def format(self, value: complex) -> str:
        imag = (self.imag.format(value.imag) + "j").lstrip()
        sign = "" if imag[0] in "+-" else "+"
        return self.real.format(value.real) + sign + imag


def _edges(numbers: np.ndarray) -> np.ndarray:
    """The elements that a summary shows: both ends of every long axis."""
    edge = OPTIONS.edgeitems
    if not edge and numbers.ndim > 1:
        return numbers[(slice(0, 0),) * numbers.ndim]
    for axis, size in enumerate(numbers.shape):
        if edge and size > 2 * edge:
            numbers = np.take(numbers, [*range(edge), *range(size - edge, size)], axis=axis)
    return numbers


def _row(numbers: np.ndarray, indent: int, summarize: bool, formatter: Any) -> str:
    """A vector: as many numbers per line as fit."""
    edge = OPTIONS.edgeitems
    if summarize and not edge:
        texts = ["..."]
    elif summarize and numbers.shape[0] > 2 * edge:
        texts = [formatter.format(v) for v in numbers[:edge].tolist()]
        texts += [" ...", *(formatter.format(v) for v in numbers[-edge:].tolist())]
    else:
        texts = [formatter.format(v) for v in numbers.tolist()]
    per_line = max(1, (OPTIONS.linewidth - indent) // (formatter.width + 2))
    lines = [", ".join(texts[i : i + per_line]) for i in range(0, len(texts), per_line)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"


def _block(numbers: np.ndarray, indent: int, summarize: bool, formatter: Any) -> str:
    """Nested brackets; dimensions are set off by empty lines."""
    if numbers.ndim == 0:
        return formatter.format(numbers.item())
    if numbers.ndim == 1:
        return _row(numbers, indent, summarize, formatter)
    edge, size = OPTIONS.edgeitems, numbers.shape[0]
    if summarize and size > 2 * edge:
        parts = [_block(numbers[i], indent + 1, summarize, formatter) for i in range(edge)]
        parts.append("...")
        parts += [_block(numbers[i], indent + 1, summarize, formatter) for i in range(size - edge, size)]
    else:
        parts = [_block(part, indent + 1, summarize, formatter) for part in numbers]
    return "[" + ("," + "\n" * (numbers.ndim - 1) + " " * (indent + 1)).join(parts) + "]"


def _contents(numbers: np.ndarray, dtype: dtypes.dtype, indent: int) -> str:
    if numbers.size == 0:
        return "[]"
    summarize = numbers.size > OPTIONS.threshold
    shown = _edges(numbers) if summarize else numbers
    formatter = _ComplexFormatter(shown) if dtype.is_complex else _Formatter(shown, dtype.is_floating_point)
    return _block(numbers, indent, summarize, formatter)


def _suffixes(x: Tensor) -> list[str]:
    """What follows the numbers: device, size and dtype where they are not the usual ones, and the graph."""
    default = dtypes.get_default_dtype()
    usual = (default, default.to_complex(), dtypes.int64, dtypes.bool)
    suffixes = []
    if x.device.type != get_default_device().type:
        suffixes.append(f"device='{x.device}'")
    empty = x.numel() == 0
    if x.dim() != 1 if empty else not OPTIONS.edgeitems:
        suffixes.append(f"size={tuple(x.shape)}")
    # Without numbers nothing tells int64 from float32.
    if x.dtype is not default if empty else x.dtype not in usual:
        suffixes.append(f"dtype={x.dtype}")
    if x.grad_fn is not None:
        suffixes.append(f"grad_fn=<{x.grad_fn.name()}>")
    elif x.requires_grad:
        suffixes.append("requires_grad=True")
    return suffixes


def _join(text: str, suffixes: Sequence[str], indent: int) -> str:
    length = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if length + len(suffix) + 2 > OPTIONS.linewidth:
            text += ",\n" + " " * indent + suffix
            length = indent + len(suffix)
        else:
            text += ", " + suffix
            length += len(suffix) + 2
    return text + ")"


def _is_ours(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == "pytensor"


def tensor_str(x: Tensor, *, tensor_contents: str | None = None) -> str:
    """``repr(x)``; ``tensor_contents`` stands in for the numbers. Classes derived outside the library print under
    their own name."""
    prefix = "tensor(" if _is_ours(type(x)) else f"{type(x).__name__}("
    indent = len(prefix)
    if tensor_contents is None:
        array = x._array
        tensor_contents = _contents(array if isinstance(array, np.ndarray) else array.get(), x.dtype, indent)
    return _join(prefix + tensor_contents, _suffixes(x), indent)
