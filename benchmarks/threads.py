"""Rows of pytensor with one thread and with more, in turns in one process: ``python -m benchmarks.threads [groups...]``.

A second thread must never cost time. Each row is called back to back, where the workers of the pool spin, and alone
after a pause, where they sleep. The ratio is the time of one thread over that of more: below 1 they cost. Rows below
``--below`` are printed (``--below 99`` prints all), medians in microseconds.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator

import pytensor
from benchmarks.suites import group_names, rows_of

PAUSE = 2e-3  # seconds: workers sleep by then
ROUNDS = 7


def seconds(run: Callable[[], object], number: int) -> float:
    start = time.perf_counter()
    for _ in range(number):
        run()
    return (time.perf_counter() - start) / number


def back_to_back(run: Callable[[], object], each: float) -> float:
    number = max(1, int(4e-3 / each))
    run()
    return seconds(run, number)


def alone(run: Callable[[], object], each: float) -> float:
    times = []
    for _ in range(5 if each < 2e-3 else 1):
        until = time.perf_counter() + PAUSE  # busy: a processor that sleeps wakes up slowly
        while time.perf_counter() < until:
            pass
        times.append(seconds(run, 1))
    return statistics.median(times)


def measure(run: Callable[[], object], threads: int, how: Callable[..., float], each: float) -> tuple[float, ...]:
    """Median times of one thread and of more, and the larger relative distance between their quartiles."""
    times: dict[int, list[float]] = {1: [], threads: []}
    for _ in range(ROUNDS):
        for count, taken in times.items():
            pytensor.set_num_threads(count)
            taken.append(how(run, each))
    middle = [statistics.median(taken) for taken in times.values()]
    quartiles = [statistics.quantiles(taken, n=4) for taken in times.values()]
    return *middle, max((q[2] - q[0]) / m for q, m in zip(quartiles, middle, strict=True))


def measured(groups: list[str], text: str, threads: int) -> Iterator[tuple[str, str, float, float, float]]:
    for group in groups:
        for row in rows_of(group):
            if text not in row.name:
                continue
            pytensor.manual_seed(0)
            pytensor.set_num_threads(1)
            run = row.setup(pytensor)
            each = min(seconds(run, 1) for _ in range(3))
            for how in (back_to_back, alone):
                yield f"{group}: {row.name}", how.__name__, *measure(run, threads, how, each)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", nargs="*", default=group_names())
    parser.add_argument("--filter", default="", help="rows whose name contains this")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--below", type=float, default=0.97)
    options = parser.parse_args()
    for name, how, one, more, noise in measured(options.groups, options.filter, options.threads):
        if one / more < options.below:
            figures = f"{one * 1e6:10.1f} {more * 1e6:10.1f}  {one / more:5.2f} ± {noise:.2f}"
            print(f"{name:70s} {how:13s} {figures}", flush=True)


if __name__ == "__main__":
    main()
