"""The array library behind an array."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

__all__ = ["array_module"]


def array_module(array: Any) -> Any:
    """numpy for NumPy arrays, cupy for CuPy's."""
    return np if isinstance(array, np.ndarray) else sys.modules[type(array).__module__.split(".")[0]]
