"""Utilities: :mod:`pytensor.utils.data`, imported when it is first asked for."""

from __future__ import annotations

import importlib
from typing import Any


def __getattr__(name: str) -> Any:
    if name == "data":
        return importlib.import_module("pytensor.utils.data")
    raise AttributeError(f"module 'pytensor.utils' has no attribute {name!r}")
