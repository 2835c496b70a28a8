"""Anomaly detection: where was the operation made whose gradient failed or is NaN?"""

from __future__ import annotations

import traceback
import warnings
from typing import Any

from pytensor import _C

__all__ = ["check", "detect_anomaly", "is_anomaly_enabled", "set_detect_anomaly"]

enabled = False
_check_nan = True


def _remember(node: Any) -> None:
    node.metadata["traceback_"] = traceback.format_stack()[:-1]


def _switch(mode: bool, check_nan: bool) -> tuple[bool, bool]:
    global enabled, _check_nan
    before = (enabled, _check_nan)
    enabled, _check_nan = mode, check_nan
    _C.set_on_node(_remember if mode else None)
    return before


def is_anomaly_enabled() -> bool:
    """Whether anomaly detection is on."""
    return enabled


def check(node: Any, grads: tuple[Any, ...]) -> None:
    """Raises when a gradient is NaN.

    Raises:
        RuntimeError: naming the node; the forward call that made it is printed as a warning.
    """
    if not _check_nan:
        return
    for index, grad in enumerate(grads):
        if grad is not None and grad.dtype.category >= 2 and bool((grad != grad).any()):
            stack = "".join(node.metadata.get("traceback_", ["  (made before anomaly detection was on)\n"]))
            warnings.warn(
                f"Error detected in {node.name()}. Traceback of forward call that caused the error:\n{stack}",
                stacklevel=2,
            )
            raise RuntimeError(f"Function '{node.name()}' returned nan values in its {index}th output.")


class set_detect_anomaly:
    """Turns anomaly detection on or off; as a context manager, until its end.

    >>> import pytensor as torch
    >>> with torch.autograd.set_detect_anomaly(True):
    ...     torch.autograd.is_anomaly_enabled()
    True
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._before = _switch(mode, check_nan)

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exception: object) -> None:
        _switch(*self._before)


class detect_anomaly:
    """Within it, a NaN gradient raises and the forward call that led to it is printed.

    >>> import pytensor as torch
    >>> with torch.autograd.detect_anomaly():
    ...     torch.ones(2, requires_grad=True).sum().backward()
    """

    def __init__(self, check_nan: bool = True) -> None:
        self._check_nan = check_nan

    def __enter__(self) -> None:
        self._before = _switch(True, self._check_nan)

    def __exit__(self, *exception: object) -> None:
        _switch(*self._before)
