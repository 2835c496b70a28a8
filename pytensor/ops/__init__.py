"""The operations: one family per module, one op in one place (function, gradient node, docstring).

Importing this package imports every family; what they register becomes public (see registry.py).
"""

from __future__ import annotations

import importlib
import pkgutil

from pytensor.ops import registry

for _module in sorted(m.name for m in pkgutil.iter_modules(__path__)):
    importlib.import_module(f"pytensor.ops.{_module}")

__all__ = ["registry"]
