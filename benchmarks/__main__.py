"""The command line: see ``python -m benchmarks --help`` and the package's docstring."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from benchmarks.location import prefer_installed
from benchmarks.machine import describe
from benchmarks.plot import plot
from benchmarks.report import line, markdown, put_between_marks, read_json, summary, summary_section, to_json
from benchmarks.runner import Measurement, Runner
from benchmarks.startup import measure_startup
from benchmarks.suites import group_names, rows_of

STARTUP = "startup"


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measures pytensor against its peers.")
    parser.add_argument("groups", nargs="*", help=f"of {', '.join([*group_names(), STARTUP])}; all when none is named")
    parser.add_argument("--threads", default="1", help="numbers of threads, as in 1,2 (default 1)")
    parser.add_argument("--peer", action="append", choices=["torch", "torch.compile"], help="default: torch")
    parser.add_argument("--filter", default="", help="only rows whose name contains this text")
    parser.add_argument("--quick", action="store_true", help="few and short rounds: to see that everything runs")
    parser.add_argument("--json", type=Path, help="write all rounds to this file")
    parser.add_argument("--plot", type=Path, help="write a picture of the ratios")
    parser.add_argument("--markdown", type=Path, help="write the results as a page")
    parser.add_argument("--readme", type=Path, help="replace the overview between the marks of this file")
    parser.add_argument("--from", dest="source", type=Path, help="measure nothing: report what a JSON file holds")
    options = parser.parse_args(arguments)
    unknown = set(options.groups) - {*group_names(), STARTUP}
    if unknown:
        parser.error(f"no such group: {', '.join(sorted(unknown))}")
    options.groups = options.groups or [*group_names(), STARTUP]
    return options


def run(options: argparse.Namespace) -> tuple[list[Measurement], dict[str, str]]:
    """Measures and prints as it goes."""
    rounds, seconds = (3, 0.02) if options.quick else (9, 0.1)
    measurements: list[Measurement] = []
    versions: dict[str, str] = {}
    for peer in options.peer or ["torch"]:
        for threads in (int(t) for t in options.threads.split(",")):
            with Runner(peer, threads, rounds, seconds) as runner:
                versions |= runner.versions()
                for group in options.groups:
                    rows = [] if group == STARTUP else [r for r in rows_of(group) if options.filter in r.name]
                    for row in rows:
                        measurements.append(runner.measure(group, row))
                        print(line(measurements[-1]), flush=True)
        if STARTUP in options.groups and not options.filter and peer == "torch":
            for measurement in measure_startup(peer, 1, rounds):
                measurements.append(measurement)
                print(line(measurement), flush=True)
    return measurements, versions


def write_page(path: Path, machine: dict, measurements: list[Measurement], picture: str) -> None:
    path.write_text(markdown(machine, measurements, picture))


def write_overview(path: Path, machine: dict, measurements: list[Measurement], picture: str) -> None:
    path.write_text(put_between_marks(path.read_text(), summary_section(machine, measurements, picture)))


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    prefer_installed()
    if options.source:
        machine, measurements = read_json(options.source)
    else:
        measurements, versions = run(options)
        command = "python -m benchmarks " + " ".join(sys.argv[1:] if arguments is None else arguments)
        machine = describe(command.strip(), versions)
    print("\n" + "\n".join(summary(measurements)))
    for path in (options.json, options.plot, options.markdown):
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
    if options.json:
        options.json.write_text(to_json(machine, measurements))
    if options.plot:
        plot(measurements, options.plot)
    for path, write in ((options.markdown, write_page), (options.readme, write_overview)):
        if path is not None:
            picture = os.path.relpath(options.plot, path.parent) if options.plot else ""
            write(path, machine, measurements, picture)
    return any(m.error for m in measurements)


if __name__ == "__main__":
    sys.exit(main())
