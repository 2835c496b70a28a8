"""Special functions that NumPy lacks: from Python's math module where it has them, else from SciPy (CuPy carries
its own copy)."""

from __future__ import annotations

import importlib
import math

import numpy as np

from pytensor.backend.reference.array_module import array_module

__all__ = ["special_function"]

_IN_MATH = {"erf": math.erf, "erfc": math.erfc}
_SCIPY_NAMES = {"lgamma": "gammaln", "erfinv": "erfinv", "digamma": "psi"}


def _lgamma(x: float) -> float:
    if x != x or math.isinf(x):
        return abs(x)
    if x > 2.5e305 or (x <= 0 and x == math.floor(x)):  # overflow, poles
        return math.inf
    return math.lgamma(x)


def special_function(name, *arrays):
    """scipy.special's function of that name (or PyTorch's name for it) on arrays.

    Raises:
        ImportError: when it takes SciPy and that is not installed.
    """
    xp = array_module(arrays[-1])
    if xp is np and name in _IN_MATH:
        return np.vectorize(_IN_MATH[name], otypes=["float64"])(arrays[0]).astype(arrays[0].dtype)
    if xp is np and name == "lgamma":
        return np.vectorize(_lgamma, otypes=["float64"])(arrays[0]).astype(arrays[0].dtype)
    module = "scipy.special" if xp is np else "cupyx.scipy.special"
    try:
        special = importlib.import_module(module)
    except ImportError as error:
        raise ImportError(f"{name} needs the package scipy (pip install scipy)") from error
    return xp.asarray(getattr(special, _SCIPY_NAMES.get(name, name))(*arrays))
