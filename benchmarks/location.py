"""Which pytensor is measured: the source tree's when it is built in place, otherwise the installed one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def built_in_place() -> bool:
    return any((ROOT / "pytensor").glob("_C*.so"))


def prefer_installed() -> None:
    """Takes the source tree off the path unless it can be imported. (``benchmarks`` is loaded by then.)"""
    if not built_in_place():
        sys.path[:] = [entry for entry in sys.path if Path(entry or os.curdir).resolve() != ROOT]


def environment(threads: int) -> dict[str, str]:
    """The environment of a measured process."""
    count = str(threads)
    paths = [str(ROOT)] * built_in_place() + [p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]
    inherited = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return dict(
        inherited,
        OMP_NUM_THREADS=count,
        MKL_NUM_THREADS=count,
        OPENBLAS_NUM_THREADS=count,
        PYTENSOR_NUM_THREADS=count,
        PYTHONPATH=os.pathsep.join(paths),
    )
