"""NumPy dtypes by name, with bfloat16 from ml_dtypes among the floats."""

from __future__ import annotations

import numpy as np


def numpy_dtype(name: str | np.dtype | type) -> np.dtype:
    """The NumPy dtype of a name; ``bfloat16`` needs the ml_dtypes package."""
    if name == "bfloat16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(name)


def is_float(dtype: np.dtype) -> bool:
    return dtype.kind == "f" or dtype.name == "bfloat16"


def finfo(dtype: np.dtype) -> np.finfo:
    if dtype.name == "bfloat16":
        import ml_dtypes

        return ml_dtypes.finfo(dtype)
    return np.finfo(dtype)
