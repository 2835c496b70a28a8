"""Back ends: the same functions on raw arrays, for NumPy arrays with C++ kernels (cpu), and in plain NumPy over
an array module (reference), which is also what runs CuPy arrays."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from pytensor.backend import cpu, reference

__all__ = ["backend_of", "cpu", "reference"]


def backend_of(array: Any) -> ModuleType:
    """The back end for an array: cpu for NumPy arrays, reference for CuPy's."""
    return cpu if isinstance(array, np.ndarray) else reference
