"""What each group is to reach against PyTorch, and what bounds the rows that don't get there."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from benchmarks.runner import Measurement

BOUNDS = Path(__file__).parent / "bounds.toml"


@dataclass(frozen=True)
class Target:
    """Ratios, torch's time over pytensor's: a group's geometric mean and what no row may fall below."""

    mean: float
    floor: float


# Names as in the overview: a group, a section of a group, or all rows.
TARGETS = {
    "attention": Target(1.5, 1.2),
    "conv: forward, 3x3 stride 1, 64 channels and more": Target(1.5, 1.2),
    "conv: other": Target(1.5, 1.05),
    "index": Target(1.5, 1.0),
    "matmul": Target(1.08, 1.0),
    "norm": Target(2.0, 1.2),
    "optim": Target(3.0, 2.0),
    "overhead": Target(2.5, 1.3),
    "pointwise": Target(2.0, 1.1),
    "pool": Target(8.0, 2.0),
    "random": Target(2.0, 1.0),
    "reduce": Target(2.0, 1.0),
    "rnn": Target(1.6, 1.15),
    "train": Target(2.0, 1.15),
    "all": Target(2.2, 1.0),
}
PEER = "torch"  # the targets are against PyTorch's eager mode only


def target_of(line: str, peer: str) -> Target | None:
    """The target of a line of the overview."""
    return TARGETS.get(line) if peer == PEER else None


def floor_of(m: Measurement) -> float:
    """The ratio that a row may not fall below; 0 where there is no target."""
    names = (f"{m.group}: {m.section}",) if m.section else (m.group, f"{m.group}: other")
    return next((t.floor for name in names if (t := target_of(name, m.peer))), 0.0)


def bounds(path: Path = BOUNDS) -> dict[tuple[str, str], str]:
    """(group, row) -> what bounds it, from a file of ``[[bound]]`` tables with ``group``, ``rows`` and ``why``."""
    tables = tomllib.loads(path.read_text())["bound"]
    return {(table["group"], row): " ".join(table["why"].split()) for table in tables for row in table["rows"]}
