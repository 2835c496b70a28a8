"""Two runs compared: ``python -m benchmarks.compare old.json new.json`` lists what changed beyond the noise."""

from __future__ import annotations

import argparse
import sys

from benchmarks.report import read_json
from benchmarks.runner import Measurement

FLOOR = 0.05  # changes smaller than this are never listed


def key(m: Measurement) -> tuple[str, str, str, int]:
    return m.group, m.row, m.peer, m.threads


def changes(old: list[Measurement], new: list[Measurement]) -> list[tuple[float, str]]:
    """(new ratio / old ratio, text) of every row whose ratio moved by more than the noise of both runs."""
    before = {key(m): m for m in old}
    found = []
    for m in new:
        was = before.get(key(m))
        if was is None:
            continue
        if m.error or was.error:
            if bool(m.error) != bool(was.error):
                found.append(
                    (0.0 if m.error else 2.0, f"{name(m)}: {'fails now: ' + m.error if m.error else 'works now'}")
                )
            continue
        factor = m.ratio / was.ratio
        if abs(factor - 1) > max(FLOOR, 2 * (m.noise + was.noise)):
            found.append((factor, f"{name(m)}: ratio {was.ratio:.2f} -> {m.ratio:.2f} ({factor - 1:+.0%})"))
    return sorted(found)


def name(m: Measurement) -> str:
    return f"{m.group} / {m.row} ({m.threads}t, {m.peer})"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old")
    parser.add_argument("new")
    options = parser.parse_args(arguments)
    old, new = read_json(options.old)[1], read_json(options.new)[1]
    found = changes(old, new)
    for _, text in found:
        print(text)
    gone = {key(m) for m in old} - {key(m) for m in new}
    print(f"{len(found)} of {len(new)} rows changed beyond the noise; {len(gone)} rows are gone")
    return any(factor < 1 for factor, _ in found)


if __name__ == "__main__":
    sys.exit(main())
