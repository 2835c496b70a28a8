"""NumPy arrays and the C++ kernels of pytensor._C."""

from __future__ import annotations

from pytensor._collect import collect

__all__ = collect(__name__, __path__, globals())
