"""A process that runs the workloads of one library: commands in, answers out, one JSON object a line.

{"do": "setup", "group": g, "row": n}       -> {}
{"do": "result", "file": path}              -> {}, the first call's results in an .npz file
{"do": "calibrate", "seconds": s}           -> {"number": n, "each": s}, calls that take about so long
{"do": "time", "number": n, "warm": b}      -> {"seconds": s, "switches": k}, of one operation; how often a core was
                                               taken from a thread
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import Row
from benchmarks.location import prefer_installed
from benchmarks.suites import rows_of


def flatten(lib: Any, value: Any) -> list[np.ndarray]:
    """Results of a workload as NumPy arrays."""
    if isinstance(value, list | tuple):
        return [array for v in value for array in flatten(lib, v)]
    if hasattr(lib, "Tensor") and isinstance(value, lib.Tensor):
        value = value.detach()
        if str(value.dtype) == "torch.bfloat16":  # NumPy has no such type
            value = value.float()
        return [np.asarray(value.numpy())]
    return [] if value is None else [np.asarray(value)]


class TensorLibrary:
    """A library with PyTorch's API."""

    def __init__(self, name: str, threads: int) -> None:
        self.compiled = name == "torch.compile"
        self.module = importlib.import_module("torch" if self.compiled else name)
        self.module.set_num_threads(threads)
        self.version = self.module.__version__
        if self.compiled:
            importlib.import_module("torch._inductor.config").fallback_random = True  # the numbers of eager mode

    def workload(self, row: Row) -> Callable[[], Any]:
        if self.compiled:  # rows share functions: what was compiled for others must not count against the limit
            self.module._dynamo.reset()
        self.module.manual_seed(0)
        run = row.setup(self.module)
        return self.module.compile(run) if self.compiled else run


class ArrayLibrary:
    """NumPy, or JAX with every workload compiled."""

    def __init__(self, name: str, threads: int) -> None:
        self.jax = None
        if name == "jax":
            if threads == 1:
                os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
            self.jax = importlib.import_module("jax")
            self.jax.config.update("jax_platforms", "cpu")
            self.jax.config.update("jax_enable_x64", True)
        self.module = importlib.import_module("jax.numpy" if self.jax else name)
        self.version = (self.jax or self.module).__version__

    def workload(self, row: Row) -> Callable[[], Any]:
        function, arguments = row.array(self.module)
        if self.jax is None:
            return lambda: function(*arguments)
        compiled, wait = self.jax.jit(function), self.jax.block_until_ready
        return lambda: wait(compiled(*arguments))


class Worker:
    def __init__(self, library: str, threads: int) -> None:
        self.lib = (ArrayLibrary if library in ("numpy", "jax") else TensorLibrary)(library, threads)
        self.row: Row | None = None
        self.run: Callable[[], Any] = lambda: None

    def setup(self, group: str, row: str) -> dict[str, Any]:
        self.run = lambda: None  # lets go of the last workload's arrays
        self.row = next(r for r in rows_of(group) if r.name == row)
        self.run = self.lib.workload(self.row)
        return {}

    def result(self, file: str) -> dict[str, Any]:
        np.savez(file, *flatten(self.lib.module, self.run()))
        return {}

    def seconds(self, number: int) -> float:
        run = self.run
        start = time.perf_counter()
        for _ in range(number):
            run()
        return time.perf_counter() - start

    def calibrate(self, seconds: float) -> dict[str, Any]:
        number = 1
        while (taken := self.seconds(number)) < seconds / 4:
            number = max(2 * number, int(number * seconds / 4 / max(taken, 1e-9)))
        return {"number": max(1, round(number * seconds / taken)), "each": taken / number}

    def time(self, number: int, warm: bool) -> dict[str, Any]:
        if warm:  # wakes this process's threads and fills the caches
            self.run()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
        seconds = self.seconds(number) / number / self.row.calls
        return {"seconds": seconds, "switches": resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw - before}

    def version(self) -> dict[str, Any]:
        return {"version": self.lib.version}


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints must not mix with the answers
    prefer_installed()
    worker = Worker(sys.argv[1], int(sys.argv[2]))
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = getattr(worker, command.pop("do"))(**command)
        except Exception as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            answer = {"error": f"{type(error).__name__}: {error} ({os.path.basename(frame.filename)}:{frame.lineno})"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
