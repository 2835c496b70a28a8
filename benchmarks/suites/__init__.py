"""The workloads, one file per group, each with a list ``ROWS``."""

from __future__ import annotations

import importlib
import pkgutil

from benchmarks import Row


def group_names() -> list[str]:
    return sorted(info.name for info in pkgutil.iter_modules(__path__))


def rows_of(group: str) -> list[Row]:
    rows = importlib.import_module(f"{__name__}.{group}").ROWS
    names = [row.name for row in rows]
    if len(set(names)) != len(names):
        raise ValueError(f"two rows of group {group} have the same name")
    return rows
