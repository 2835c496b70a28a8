"""Packages whose public names are those of their modules."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable
from typing import Any

__all__ = ["collect"]


def collect(package: str, path: Iterable[str], namespace: dict[str, Any], apart: tuple[str, ...] = ()) -> list[str]:
    """Puts every name in the `__all__` of every public module of a package into its namespace.

    Modules in ``apart`` are imported, but keep their names to themselves.

    Returns the sorted names, for the package's own `__all__`. A name that two modules claim is our mistake.
    """
    names: dict[str, str] = {}
    for info in pkgutil.iter_modules(path):
        if info.name.startswith("_"):
            continue
        module = importlib.import_module(f"{package}.{info.name}")
        if info.name in apart:
            continue
        for name in getattr(module, "__all__", ()):
            assert name not in names, f"{name} is in {names[name]} and in {module.__name__}"
            names[name] = module.__name__
            namespace[name] = getattr(module, name)
    return sorted(names)
