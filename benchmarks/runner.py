"""Runs rows in alternating worker processes."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import Row
from benchmarks.location import ROOT, environment
from benchmarks.machine import measured_peaks, peak_of

OURS = "pytensor"
PR_SET_PDEATHSIG = 1  # linux/prctl.h
LONG = 0.05  # seconds: a call that takes longer needs neither an untimed one before it nor many rounds
FEW = 3
LOTS = 4  # tries at a lot that nothing else on the machine disturbs
PATIENCE = 0.1  # seconds that a turn waits for idle threads to sleep


class WorkerError(RuntimeError):
    """A workload failed in a library."""


def end_with_parent() -> None:
    """Of a child process: a worker must not outlive a killed runner."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """A worker process of one library, confined to some cores and threads.

    A turn ends when its threads sleep: idle threads of some libraries spin for milliseconds after their last work and
    would hold up a core of the other's. (Stopping the process by a signal is no way to that: spinning threads that go
    on where they were stopped may share a core for many milliseconds.)
    """

    def __init__(self, library: str, threads: int, cores: list[int]) -> None:
        self.library = library
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", library, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(threads),
            cwd=ROOT,
            preexec_fn=lambda: (end_with_parent(), os.sched_setaffinity(0, cores)),
        )

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        self.process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        self.wait_for_sleep()
        if not line:
            raise WorkerError(f"the worker of {self.library} ended with status {self.process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise WorkerError(f"{self.library}: {answer['error']}")
        return answer

    def wait_for_sleep(self) -> None:
        """Returns when no thread of the process runs, or after ``PATIENCE``."""
        end = time.monotonic() + PATIENCE
        while any(state == "R" for state in self.thread_states()) and time.monotonic() < end:
            time.sleep(5e-4)

    def thread_states(self) -> list[str]:
        """The letters of /proc/PID/task/TID/stat (proc_pid_stat(5)): R runs, S sleeps."""
        states = []
        for stat in Path(f"/proc/{self.process.pid}/task").glob("*/stat"):
            with contextlib.suppress(OSError):  # the thread has ended
                states.append(stat.read_text().rpartition(") ")[2][0])
        return states

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@dataclass
class Measurement:
    """A row measured in pytensor and a peer: seconds (or bytes) of each round."""

    group: str
    row: str
    peer: str
    threads: int
    unit: str = "s"
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    flops: float = 0
    bytes: float = 0
    dtype: str = "float32"
    section: str = ""
    peak: float = 0  # what the machine reaches at most, in the unit of `rate`
    error: str = ""

    @property
    def ratio(self) -> float:
        """Time of the peer over time of pytensor: above 1, pytensor is faster."""
        return statistics.median(self.theirs) / statistics.median(self.ours)

    @property
    def noise(self) -> float:
        """Relative spread of the rounds' own ratios (half the distance between their quartiles)."""
        ratios = sorted(t / o for t, o in zip(self.theirs, self.ours, strict=True))
        if len(ratios) < 3:
            return 0.0
        low, _, high = statistics.quantiles(ratios, n=4)
        return (high - low) / 2 / statistics.median(ratios)

    @property
    def rate(self) -> float:
        """pytensor's GFLOP/s or GB/s; 0 when the row states neither."""
        return (self.flops or self.bytes) / statistics.median(self.ours) / 1e9

    @property
    def share(self) -> float:
        """pytensor's share of the machine's measured peak; 0 when either is unknown."""
        return self.rate / self.peak if self.peak else 0.0

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | ({} if self.error else {"ratio": self.ratio, "noise": self.noise})


def difference(first: str, second: str) -> float:
    """Largest difference between two result files, relative to the largest magnitude of each array."""
    worst = 0.0
    with np.load(first) as a, np.load(second) as b:
        if a.files != b.files:
            raise WorkerError(f"{len(a.files)} results against {len(b.files)}")
        for name in a.files:
            x, y = a[name], b[name]
            if x.shape != y.shape:
                raise WorkerError(f"a result of shape {x.shape} against one of {y.shape}")
            x, y = x.astype(np.float64), y.astype(np.float64)
            if not (np.isfinite(x).all() and np.isfinite(y).all()):
                raise WorkerError("a result is not finite")
            if x.size:
                worst = max(worst, float(np.abs(x - y).max() / max(np.abs(y).max(), 1e-30)))
    return worst


class Runner:
    """Workers of pytensor and one peer, and the taking of turns."""

    def __init__(self, peer: str, threads: int, rounds: int, seconds: float) -> None:
        self.peer, self.threads, self.rounds, self.seconds = peer, threads, rounds, seconds
        available = sorted(os.sched_getaffinity(0))
        if threads > len(available):
            raise WorkerError(f"{threads} threads on {len(available)} cores would measure waiting")
        self.cores = available[:threads]
        self.processes: list[Process] = []
        self.peaks = measured_peaks(threads)

    def __enter__(self) -> Runner:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def start(self) -> None:
        self.processes = [Process(name, self.threads, self.cores) for name in (OURS, self.peer)]

    def close(self) -> None:
        for process in self.processes:
            process.close()
        self.processes = []

    def versions(self) -> dict[str, str]:
        return {process.library: process.ask("version")["version"] for process in self.processes}

    def measure(self, group: str, row: Row) -> Measurement:
        result = Measurement(
            group,
            row.name,
            self.peer,
            self.threads,
            flops=row.flops,
            bytes=row.bytes,
            dtype=row.dtype,
            section=row.section,
            peak=peak_of(self.peaks, row.flops, row.bytes, row.dtype) if row.flops or row.bytes else 0.0,
        )
        try:
            for process in self.processes:
                process.ask("setup", group=group, row=row.name)
            self.compare(row)
            lots = [process.ask("calibrate", seconds=self.seconds) for process in self.processes]
            slow = max(lot["each"] for lot in lots) > LONG
            for _ in range(min(self.rounds, FEW) if slow else self.rounds):
                for process, lot, times in zip(self.processes, lots, (result.ours, result.theirs), strict=True):
                    times.append(self.undisturbed(process, lot))
        except WorkerError as error:
            result.error = str(error)
            if any(process.process.poll() is not None for process in self.processes):
                self.close()
                self.start()
        return result

    def undisturbed(self, process: Process, lot: dict[str, Any]) -> float:
        """Seconds of an operation in a lot of which no thread lost its core to another, of a few lots else the fastest.

        A thread that waits for a descheduled one at a barrier can spin for milliseconds: what other processes of the
        machine do for a moment would count as the time of a small operation.
        """
        seconds = []
        for _ in range(LOTS):
            answer = process.ask("time", number=lot["number"], warm=lot["each"] < LONG)
            seconds.append(answer["seconds"])
            if not answer["switches"] or lot["each"] > LONG:
                break
        return min(seconds)

    def compare(self, row: Row) -> None:
        with tempfile.TemporaryDirectory() as folder:
            files = [os.path.join(folder, f"{i}.npz") for i in range(len(self.processes))]
            for process, file in zip(self.processes, files, strict=True):
                process.ask("result", file=file)
            worst = difference(*files)
        if not worst <= row.tolerance:
            raise WorkerError(f"results differ by {worst:.3g} of their magnitude (allowed {row.tolerance:g})")
