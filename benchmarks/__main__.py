"""The command line: see ``python -m benchmarks --help`` and the package's docstring."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tqdm import tqdm

from benchmarks import Row
from benchmarks.location import prefer_installed
from benchmarks.machine import describe
from benchmarks.plot import plot
from benchmarks.report import line, markdown, merged, put_between_marks, read_json, summary, summary_section, to_json
from benchmarks.runner import Measurement, Runner
from benchmarks.startup import measure_startup
from benchmarks.suites import group_names, rows_of

STARTUP = "startup"
ARRAY_PEERS = ("numpy", "jax")
PEERS = ("torch", "torch.compile", *ARRAY_PEERS)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measures pytensor against its peers.")
    parser.add_argument("groups", nargs="*", help=f"of {', '.join([*group_names(), STARTUP])}; all when none is named")
    parser.add_argument("--threads", default="1", help="numbers of threads, as in 1,2 (default 1)")
    parser.add_argument("--peer", action="append", choices=PEERS, help="default: torch; may be repeated")
    parser.add_argument("--filter", default="", help="only rows whose name contains this text")
    parser.add_argument("--quick", action="store_true", help="few and short rounds: to see that everything runs")
    parser.add_argument("--json", type=Path, help="write all rounds to this file")
    parser.add_argument("--plot", type=Path, help="write a picture of the ratios")
    parser.add_argument("--markdown", type=Path, help="write the results as a page")
    parser.add_argument("--readme", type=Path, help="replace the overview between the marks of this file")
    parser.add_argument(
        "--from", dest="sources", type=Path, action="append", help="measure nothing: report what JSON files hold"
    )
    options = parser.parse_args(arguments)
    unknown = set(options.groups) - {*group_names(), STARTUP}
    if unknown:
        parser.error(f"no such group: {', '.join(sorted(unknown))}")
    options.groups = options.groups or [*group_names(), STARTUP]
    return options


def selected(options: argparse.Namespace, peer: str) -> list[tuple[str, Row]]:
    """The rows to measure against a peer: NumPy and JAX take part where a row has a version for them."""
    rows = [(group, row) for group in options.groups if group != STARTUP for row in rows_of(group)]
    found = [(group, row) for group, row in rows if options.filter in row.name]
    return [(group, row) for group, row in found if row.array is not None] if peer in ARRAY_PEERS else found


def run(options: argparse.Namespace) -> tuple[list[Measurement], dict[str, object]]:
    """Measures and prints as it goes. Returns the measurements, and versions and peaks of what was measured."""
    rounds, seconds = (5, 0.012) if options.quick else (9, 0.1)
    peers, counts = options.peer or ["torch"], [int(t) for t in options.threads.split(",")]
    work = [(peer, threads, selected(options, peer)) for peer in peers for threads in counts]
    measurements: list[Measurement] = []
    versions: dict[str, str] = {}
    peaks = {}
    with tqdm(total=sum(len(rows) for *_, rows in work), unit="row", disable=None, smoothing=0.05) as bar:
        for peer, threads, rows in work:
            if not rows:
                continue
            with Runner(peer, threads, rounds, seconds) as runner:
                versions |= runner.versions()
                peaks[str(threads)] = runner.peaks
                for group, row in rows:
                    bar.set_postfix_str(f"{group} / {row.name}"[:40], refresh=False)
                    measurements.append(runner.measure(group, row))
                    bar.update()
                    bar.write(line(measurements[-1]))
                    sys.stdout.flush()
    if STARTUP in options.groups and not options.filter and "torch" in peers:
        for measurement in measure_startup("torch", 1, min(rounds, 5)):
            measurements.append(measurement)
            print(line(measurement), flush=True)
    return measurements, {"versions": versions, "peaks": {k: v for k, v in peaks.items() if v}}


def write_page(path: Path, machine: dict, measurements: list[Measurement], picture: str) -> None:
    path.write_text(markdown(machine, measurements, picture))


def write_overview(path: Path, machine: dict, measurements: list[Measurement], picture: str) -> None:
    path.write_text(put_between_marks(path.read_text(), summary_section(machine, measurements, picture)))


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    prefer_installed()
    if options.sources:
        machine, measurements = merged([read_json(path) for path in options.sources])
    else:
        measurements, facts = run(options)
        command = "python -m benchmarks " + " ".join(sys.argv[1:] if arguments is None else arguments)
        machine = describe(command.strip(), facts)
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
