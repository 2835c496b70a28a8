"""The specs of every op, one file per family, each with a list ``SPECS``. Files are found by themselves."""

from __future__ import annotations

import importlib
import pkgutil

from pytensor.testing.spec import OpSpec


def all_specs() -> list[OpSpec]:
    """Every spec, in the order of the families' names. Two specs may share a name if their variants differ."""
    found: list[OpSpec] = []
    for module in sorted(info.name for info in pkgutil.iter_modules(__path__)):
        found.extend(importlib.import_module(f"{__name__}.{module}").SPECS)
    seen: set[str] = set()
    for spec in found:
        if spec.id in seen:
            raise ValueError(f"two specs are called {spec.id}")
        seen.add(spec.id)
    return found
