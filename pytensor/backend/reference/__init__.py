"""Plain array code: slow, obviously right. The oracle of the property tests and the CuPy back end."""

from __future__ import annotations

from pytensor._collect import collect

__all__ = collect(__name__, __path__, globals())
