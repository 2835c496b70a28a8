"""The instruction set levels and thread counts that kernel tests walk.

All that this CPU has, with one thread and two; in a process with ``PYTENSOR_ISA`` or ``PYTENSOR_NUM_THREADS`` only
those: continuous integration runs the kernel tests once more in each of these settings.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator

from pytensor import _C

__all__ = ["LEVELS", "SETTINGS", "THREADS", "each_setting"]

_ALL = ["plain", "baseline", "avx2", "avx512"]


def _levels() -> list[str]:
    only = os.environ.get("PYTENSOR_ISA")
    return [only] if only else _ALL[: _ALL.index(_C.best_cpu_level()) + 1]


def _threads() -> list[int]:
    only = os.environ.get("PYTENSOR_NUM_THREADS")
    return [int(only)] if only else [1, 2]


LEVELS = _levels()
THREADS = _threads()
SETTINGS = list(itertools.product(LEVELS, THREADS))


def each_setting() -> Iterator[None]:
    """Goes through SETTINGS; who uses it sets back level and threads afterwards."""
    for level, threads in SETTINGS:
        _C.set_cpu_level(level)
        _C.set_num_threads(threads)
        yield
