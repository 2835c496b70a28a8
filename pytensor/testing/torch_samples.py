"""PyTorch's own samples for its tests of modules and optimizers, which its wheel carries."""

from __future__ import annotations

import importlib
import sys
import unittest
import warnings
from types import ModuleType
from typing import Any

__all__ = ["load"]


def _provide_expecttest() -> None:
    """torch.testing._internal imports the package expecttest, a base class of PyTorch's own test cases; the wheel
    does not require it and the samples do not use it."""
    try:
        import expecttest  # noqa: F401
    except ImportError:
        stand_in = ModuleType("expecttest")
        stand_in.TestCase = unittest.TestCase
        sys.modules["expecttest"] = stand_in


def load(name: str, attribute: str) -> Any:
    """``torch.testing._internal.<name>.<attribute>``."""
    _provide_expecttest()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(importlib.import_module(f"torch.testing._internal.{name}"), attribute)
