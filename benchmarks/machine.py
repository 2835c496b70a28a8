"""What the figures were taken on, and what that machine can do at most."""

from __future__ import annotations

import json
import math
import os
import platform
import shutil
import subprocess
import tempfile
import time
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

SOURCE = Path(__file__).with_name("peak.cpp")


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


@cache
def measured_peaks(threads: int) -> dict[str, Any]:
    """GFLOP/s of fused multiply-adds by dtype and GB/s of copying by size, of so many threads; see peak.cpp.

    Empty without a C++ compiler.
    """
    compiler = shutil.which("g++") or shutil.which("c++")
    if compiler is None:
        return {}
    cores = sorted(os.sched_getaffinity(0))[:threads]
    with tempfile.TemporaryDirectory() as folder:
        program = os.path.join(folder, "peak")
        subprocess.run([compiler, "-O3", "-march=native", "-pthread", SOURCE, "-o", program], check=True)
        done = subprocess.run(
            [program, str(threads)],
            check=True,
            capture_output=True,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
    return json.loads(done.stdout)


def peak_of(peaks: dict[str, Any], flops: float, nbytes: float, dtype: str) -> float:
    """The most GFLOP/s, or GB/s of copying arrays of about that size, that were measured; 0 when unknown."""
    if not peaks:
        return 0.0
    if flops:
        return float(peaks.get(dtype, 0.0))
    return float(min(peaks["copy"].items(), key=lambda item: abs(math.log(int(item[0]) / max(nbytes, 1))))[1])


def describe(command: str, facts: dict[str, object]) -> dict[str, object]:
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "command": command,
        "cpu": cpu_name(),
        "cores": len(os.sched_getaffinity(0)),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "cpu_level": os.environ.get("PYTENSOR_ISA", "best"),
        **measured_rates(),
        **facts,
    }
