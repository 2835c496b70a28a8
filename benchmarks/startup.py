"""What it costs to have the library at all: import time, size on disk, memory. Each in fresh processes."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.location import environment
from benchmarks.runner import OURS, Measurement

TRAIN = """
import {lib} as torch
model = torch.nn.Sequential(torch.nn.Linear(784, 256), torch.nn.ReLU(), torch.nn.Linear(256, 10))
optimizer = torch.optim.Adam(model.parameters())
x, y = torch.randn(64, 784), torch.randint(0, 10, (64,))
for _ in range(20):
    optimizer.zero_grad()
    torch.nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()
# Not ru_maxrss: a new process inherits that from the one that started it.
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(int(status["VmHWM"].split()[0]) * 1024)
"""


def run(code: str, threads: int) -> str:
    done = subprocess.run([sys.executable, "-P", "-c", code], env=environment(threads), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return done.stdout


def seconds(code: str, threads: int) -> float:
    start = time.perf_counter()
    run(code, threads)
    return time.perf_counter() - start


def installed_bytes(library: str) -> int:
    """Size of the installed package on disk: its folder and the shared libraries put beside it."""
    folder = Path(importlib.util.find_spec(library).submodule_search_locations[0])
    beside = [folder, *folder.parent.glob(f"{library}*.libs"), *folder.parent.glob(f"{library}_engine*.libs")]
    skip = {"__pycache__"}
    files = (f for top in beside for f in top.rglob("*") if f.is_file() and not skip & set(f.parts))
    return sum(f.stat().st_size for f in files)


def measure_startup(peer: str, threads: int, rounds: int) -> list[Measurement]:
    """Import time (a bare Python taken off), size on disk, peak memory of a small training run."""
    importing = Measurement("startup", "import (bare Python taken off)", peer, threads)
    memory = Measurement("startup", "peak memory, 20 steps of an MLP", peer, threads, unit="B")
    size = Measurement("startup", "size on disk", peer, threads, unit="B")
    libraries = ((OURS, "ours"), (peer, "theirs"))
    try:
        for library, _ in libraries:
            run(f"import {library}", threads)  # byte-compiles, and fills the page cache
        for _ in range(rounds):
            for library, side in libraries:
                bare = seconds("pass", threads)
                getattr(importing, side).append(max(seconds(f"import {library}", threads) - bare, 1e-4))
        for library, side in libraries:
            getattr(size, side).append(float(installed_bytes(library)))
        for library, side in libraries:
            getattr(memory, side).append(float(run(TRAIN.format(lib=library), threads)))
    except RuntimeError as error:
        for m in (importing, size, memory):
            m.error = m.error if m.ours and m.theirs else str(error)
    return [importing, size, memory]
