"""What the figures were taken on."""

from __future__ import annotations

import os
import platform
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np


def cpu_name() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def best(function, rounds: int = 5) -> float:
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def measured_rates() -> dict[str, float]:
    """What NumPy reaches here: float32 matrix product in GFLOP/s (all cores) and copying in GB/s."""
    a = np.random.default_rng(0).random((1024, 1024), dtype=np.float32)
    source = np.zeros(16 << 20, np.float32)
    target = np.ones_like(source)
    return {
        "numpy_sgemm_gflops": 2 * 1024**3 / best(lambda: a @ a) / 1e9,
        "numpy_copy_gbytes": 2 * source.nbytes / best(lambda: np.copyto(target, source)) / 1e9,
    }


def describe(command: str, versions: dict[str, str]) -> dict[str, object]:
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "command": command,
        "cpu": cpu_name(),
        "cores": len(os.sched_getaffinity(0)),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "versions": versions,
        "cpu_level": os.environ.get("PYTENSOR_ISA", "best"),
        **measured_rates(),
    }
