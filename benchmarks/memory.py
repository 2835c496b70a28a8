"""Memory of the training steps: ``python -m benchmarks.memory [--filter TEXT] [--steps 50] [--markdown FILE]``.

Every row of the group ``train`` runs in a fresh process of each library and reports

peak       most memory in use (VmHWM) from the network's making to the end of the last step, less what the process held
           before: the library itself with all that it loads for its first training step (the group's first row)
faults     page faults a step after the first ten: memory that the operating system had to hand out or take back anew
growth     memory that the process holds after the last step, less that after the tenth
"""

from __future__ import annotations

import argparse
import importlib
import json
import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.location import ROOT, environment, prefer_installed
from benchmarks.report import quantity
from benchmarks.suites import rows_of

WARM = 10  # steps after which everything should have found its memory


@dataclass(frozen=True)
class Usage:
    peak: int
    faults: float
    growth: int


def status(field: str) -> int:
    """A size in bytes from /proc/self/status."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise KeyError(field)


def forget_peak() -> None:
    """The peak so far becomes what is held now."""
    Path("/proc/self/clear_refs").write_text("5")


def faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def use(library: str, name: str, steps: int, threads: int) -> Usage:
    """Runs a row in this process."""
    lib = importlib.import_module(library)
    lib.set_num_threads(threads)
    rows = rows_of("train")
    rows[0].setup(lib)()
    row = next(r for r in rows if r.name == name)
    lib.manual_seed(0)
    forget_peak()
    before = status("VmRSS")
    run = row.setup(lib)
    for _ in range(WARM):
        run()
    held, first = status("VmRSS"), faults()
    for _ in range(steps):
        run()
    last = faults()
    return Usage(status("VmHWM") - before, (last - first) / steps, status("VmRSS") - held)


def measured(library: str, name: str, steps: int, threads: int) -> Usage:
    """Runs a row in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.memory", "--run", library, "--filter", name]
    command += ["--steps", str(steps), "--threads", str(threads)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment(threads), cwd=ROOT)
    return Usage(**json.loads(done.stdout.splitlines()[-1]))


def table(found: dict[str, tuple[Usage, Usage]], steps: int) -> list[str]:
    lines = [
        "| training step | peak torch | peak pytensor | ratio | faults a step torch | faults pytensor"
        f" | growth in {steps} steps torch | growth pytensor |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name, (theirs, ours) in found.items():
        growths = (("-" if u.growth < 0 else "") + quantity(abs(u.growth), "B") for u in (theirs, ours))
        lines.append(
            f"| {name} | {quantity(theirs.peak, 'B')} | {quantity(ours.peak, 'B')} |"
            f" **{theirs.peak / max(ours.peak, 1):.2f}** | {theirs.faults:.1f} | {ours.faults:.1f} |"
            f" {' | '.join(growths)} |"
        )
    return lines


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__.splitlines()[0])
    parser.add_argument("--filter", default="", help="only rows whose name contains this text")
    parser.add_argument("--steps", type=int, default=50, help="steps that are watched (default 50)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--markdown", type=Path, help="write the table to this file")
    parser.add_argument("--run", metavar="LIBRARY", help="one row in this process, as JSON")
    options = parser.parse_args(arguments)
    if options.run:
        prefer_installed()
        print(json.dumps(vars(use(options.run, options.filter, options.steps, options.threads))))
        return 0
    found = {}
    for row in rows_of("train"):
        if options.filter in row.name:
            theirs, ours = (measured(lib, row.name, options.steps, options.threads) for lib in ("torch", "pytensor"))
            found[row.name] = theirs, ours
            print(table({row.name: found[row.name]}, options.steps)[-1], flush=True)
    if options.markdown:
        options.markdown.write_text("\n".join(table(found, options.steps)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
