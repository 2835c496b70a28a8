"""A process that runs the workloads of one library: commands in, answers out, one JSON object a line.

{"do": "setup", "group": g, "row": n}       -> {}
{"do": "result", "file": path}              -> {}, the first call's results in an .npz file
{"do": "calibrate", "seconds": s}           -> {"number": n}, calls that take about so long
{"do": "time", "number": n}                 -> {"seconds": s}, of one operation
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import Row
from benchmarks.location import prefer_installed
from benchmarks.suites import rows_of

PAUSE = 0.01  # seconds


def flatten(lib: Any, value: Any) -> list[np.ndarray]:
    """Results of a workload as NumPy arrays."""
    if isinstance(value, list | tuple):
        return [array for v in value for array in flatten(lib, v)]
    if isinstance(value, lib.Tensor):
        return [np.asarray(value.detach().numpy())]
    return [] if value is None else [np.asarray(value)]


class Worker:
    def __init__(self, library: str, threads: int) -> None:
        self.compiled = library == "torch.compile"
        self.lib = importlib.import_module("torch" if self.compiled else library)
        self.lib.set_num_threads(threads)
        self.row: Row | None = None
        self.run: Callable[[], Any] = lambda: None

    def setup(self, group: str, row: str) -> dict[str, Any]:
        self.row = next(r for r in rows_of(group) if r.name == row)
        self.lib.manual_seed(0)
        self.run = self.row.setup(self.lib)
        if self.compiled:
            self.run = self.lib.compile(self.run)
        return {}

    def result(self, file: str) -> dict[str, Any]:
        np.savez(file, *flatten(self.lib, self.run()))
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
        return {"number": max(1, round(number * seconds / taken))}

    def time(self, number: int) -> dict[str, Any]:
        # An OpenMP thread of the other process spins for milliseconds after its last region: it would hold up one of
        # our cores. After the pause one untimed call wakes the threads of this process.
        time.sleep(PAUSE)
        self.run()
        return {"seconds": self.seconds(number) / number / self.row.calls}

    def version(self) -> dict[str, Any]:
        return {"version": self.lib.__version__, "path": os.path.dirname(self.lib.__file__)}


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
