"""Results as text, JSON and a Markdown page."""

from __future__ import annotations

import json
import math
import statistics
from pathlib import Path
from typing import Any

from benchmarks.runner import Measurement
from benchmarks.targets import bounds, floor_of, target_of


def quantity(value: float, unit: str) -> str:
    """Seconds or bytes with three digits and a fitting prefix."""
    if unit == "s":
        for scale, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")):
            if value >= scale:
                return f"{value / scale:.3g} {name}"
        return f"{value / 1e-9:.3g} ns"
    for scale, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if value >= scale:
            return f"{value / scale:.3g} {name}"
    return f"{value:.0f} B"


def rate(m: Measurement) -> str:
    if not m.rate:
        return ""
    return f"{m.rate:.1f} {'GFLOP/s' if m.flops else 'GB/s'}"


def share(m: Measurement) -> str:
    return f"{m.share:.0%}" if m.share else ""


def line(m: Measurement) -> str:
    """One row as text."""
    head = f"{m.group:<10} {m.row:<44} {m.threads}t "
    if m.error:
        return f"{head} FAILED: {m.error}"
    ours, theirs = (quantity(statistics.median(v), m.unit) for v in (m.ours, m.theirs))
    text = f"{head} {m.peer} {theirs:>9}   pytensor {ours:>9}   ratio {m.ratio:6.2f} ±{m.noise:4.0%}   {rate(m)}"
    return f"{text}  {share(m)}".rstrip()


def geometric_mean(values: list[float]) -> float:
    return math.exp(statistics.fmean(math.log(v) for v in values))


def by_group(measurements: list[Measurement]) -> dict[tuple[str, str, int], list[Measurement]]:
    groups: dict[tuple[str, str, int], list[Measurement]] = {}
    for m in measurements:
        groups.setdefault((m.group, m.peer, m.threads), []).append(m)
    return groups


def lines_of(measurements: list[Measurement]) -> dict[tuple[str, str, int], list[Measurement]]:
    """What the overview has a line for: groups, sections of groups, and all rows of a peer that were timed."""
    lines: dict[tuple[str, str, int], list[Measurement]] = {}
    for (group, peer, threads), rows in by_group(measurements).items():
        sections = {m.section for m in rows if m.section}
        for section in sorted(sections):
            lines[f"{group}: {section}", peer, threads] = [m for m in rows if m.section == section]
        rest = [m for m in rows if not m.section]
        if rest:
            lines[f"{group}: other" if sections else group, peer, threads] = rest
    timed = [m for m in measurements if m.unit == "s" and not m.row.startswith("import ")]
    for peer, threads in sorted({(m.peer, m.threads) for m in timed}):
        lines["all", peer, threads] = [m for m in timed if (m.peer, m.threads) == (peer, threads)]
    return lines


def summary(measurements: list[Measurement]) -> list[str]:
    lines = []
    for (group, peer, threads), rows in lines_of(measurements).items():
        ratios = [m.ratio for m in rows if not m.error]
        failed = sum(bool(m.error) for m in rows)
        text = f"{group:<10} {peer}, {threads} thread{'s'[: threads > 1]}: "
        if ratios and len({m.unit for m in rows}) == 1:
            text += f"geometric mean {geometric_mean(ratios):.2f}, worst {min(ratios):.2f}, {len(ratios)} rows"
            target = target_of(group, peer)
            text += f", {sum(r < target.floor for r in ratios)} below the floor of {target.floor:g}" if target else ""
        lines.append(text + (f", {failed} failed" if failed else ""))
    return lines


def to_json(machine: dict[str, Any], measurements: list[Measurement]) -> str:
    return json.dumps({"machine": machine, "rows": [m.to_json() for m in measurements]}, indent=1) + "\n"


def read_json(path: str | Path) -> tuple[dict[str, Any], list[Measurement]]:
    content = json.loads(Path(path).read_text())
    names = set(Measurement.__dataclass_fields__)
    return content["machine"], [Measurement(**{k: v for k, v in row.items() if k in names}) for row in content["rows"]]


def merged(runs: list[tuple[dict[str, Any], list[Measurement]]]) -> tuple[dict[str, Any], list[Measurement]]:
    """Several runs of one machine as one; rows of later runs replace the same of earlier ones.

    ValueError when they come from different machines.
    """
    machine = dict(runs[0][0])
    for other, _ in runs[1:]:
        if (machine["cpu"], machine["cores"]) != (other["cpu"], other["cores"]):
            raise ValueError(f"runs of {machine['cpu']} and {other['cpu']} do not belong on one page")
        machine["versions"] = other["versions"] | machine["versions"]
        machine["command"] += f"`, `{other['command']}"
    rows = {(m.group, m.row, m.peer, m.threads): m for _, measurements in runs for m in measurements}
    return machine, list(rows.values())


def markdown(machine: dict[str, Any], measurements: list[Measurement], plot: str = "") -> str:
    """The page docs/benchmarks.md."""
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    page = [
        "# pytensor and PyTorch, measured",
        "",
        "Written by the benchmarks themselves; do not edit. A ratio is the peer's time divided by pytensor's: above 1,",
        "pytensor is faster. Both libraries run the same code on the same cores with the same number of threads and",
        "take turns; their results are compared before anything is timed. Times are medians of the rounds (a round in",
        "which another process took a core away is repeated, at most three times); ± is half the distance between the",
        "quartiles of the rounds' own ratios. Times depend on the machine and on what else runs there, ratios much less.",
        "The last column holds pytensor's rate against the most that this machine was measured to do",
        "(`benchmarks/peak.cpp`): fused multiply-adds of the row's dtype, or copying arrays of the row's size",
        "(rows that mostly read can be faster than copying).",
        "",
        f"- Command: `{machine['command']}`",
        f"- Date: {machine['date']}",
        f"- Machine: {machine['cpu']}, {machine['cores']} cores, {machine['system']}; NumPy reaches"
        f" {machine['numpy_sgemm_gflops']:.0f} GFLOP/s in a float32 matrix product on all cores and copies"
        f" {machine['numpy_copy_gbytes']:.0f} GB/s",
        *peaks_line(machine),
        f"- Versions: {versions}, NumPy {machine['numpy']}, Python {machine['python']}",
        "",
    ]
    if plot:
        page += [f"![Ratios by group]({plot})", ""]
    page += overview(measurements)
    page += slow_rows(measurements)
    for (group, peer, threads), rows in by_group(measurements).items():
        page += ["", f"## {group}: {threads} thread{'s'[: threads > 1]}, against {peer}", ""]
        page += table(rows, peer)
    return "\n".join(page) + "\n"


def peaks_line(machine: dict[str, Any]) -> list[str]:
    found = []
    for threads, peaks in machine.get("peaks", {}).items():
        copy = ", ".join(f"{quantity(int(size), 'B')}: {value:.0f}" for size, value in peaks["copy"].items())
        found.append(
            f"- Peak of {threads} thread{'s'[: threads != '1']}: {peaks['float32']:.0f} GFLOP/s float32,"
            f" {peaks['float64']:.0f} float64; GB/s copied, by size: {copy}"
        )
    return found


def overview(measurements: list[Measurement], brief: bool = False) -> list[str]:
    """One line per group (or section of one), peer and number of threads, and one for all rows of a peer.

    ``brief``: of the peers without targets only the lines of all rows.
    """
    page = [
        "| group | peer | threads | rows | geometric mean | worst | best | target: mean, floor | rows below the floor |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for (group, peer, threads), rows in lines_of(measurements).items():
        ratios = [m.ratio for m in rows if not m.error]
        if ratios and len({m.unit for m in rows}) == 1:
            target = target_of(group, peer)
            if brief and not target and not group.startswith("all"):
                continue
            page.append(
                f"| {group} | {peer} | {threads} | {len(ratios)} | **{geometric_mean(ratios):.2f}** |"
                f" {min(ratios):.2f} | {max(ratios):.2f} |"
                + (
                    f" {target.mean:g}, {target.floor:g} | {sum(r < target.floor for r in ratios)} |"
                    if target
                    else " | |"
                )
            )
    return page


def below_floor(rows: list[Measurement]) -> list[Measurement]:
    return [m for m in rows if not m.error and m.ratio < floor_of(m)]


def slow_rows(measurements: list[Measurement]) -> list[str]:
    """The rows below their floor at any number of threads, and what bounds them."""
    low = {(m.group, m.row) for m in below_floor(measurements)}
    if not low:
        return []
    reasons = bounds()
    found: dict[tuple[str, str], list[Measurement]] = {}
    for m in measurements:
        if (m.group, m.row) in low and floor_of(m) and not m.error:
            found.setdefault((m.group, m.row), []).append(m)
    page = [
        "",
        "## Rows below their floor",
        "",
        "Bold: below. The reasons are kept by hand in `benchmarks/bounds.toml`.",
        "",
        "| group | workload | ratio (threads) | floor | what bounds it |",
        "|---|---|--:|--:|---|",
    ]
    for (group, row), runs in found.items():
        ratios = ", ".join(ratio_with_threads(m) for m in runs)
        page.append(
            f"| {group} | {row} | {ratios} | {floor_of(runs[0]):g} | {reasons.get((group, row), 'not known')} |"
        )
    return page


def ratio_with_threads(m: Measurement) -> str:
    mark = "**" if m.ratio < floor_of(m) else ""
    return f"{mark}{m.ratio:.2f}{mark} ± {m.noise:.0%} ({m.threads})"


MARKS = ("<!-- benchmarks: written by the benchmarks, do not edit -->", "<!-- end of benchmarks -->")


def summary_section(machine: dict[str, Any], measurements: list[Measurement], plot: str = "") -> str:
    """The overview for a README: groups, and what it costs to have each library at all."""
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    lines = [*overview(measurements, brief=True), ""]
    whole = [m for m in measurements if m.unit != "s" or m.row.startswith("import ")]
    if whole:
        peer = whole[0].peer
        lines += [f"| | {peer} | pytensor | ratio |", "|---|--:|--:|--:|"]
        for m in whole:
            if not m.error:
                ours, theirs = (quantity(statistics.median(v), m.unit) for v in (m.ours, m.theirs))
                lines.append(f"| {m.row} | {theirs} | {ours} | **{m.ratio:.1f}** |")
        lines.append("")
    if plot:
        lines += [f"![Ratios by group]({plot})", ""]
    lines.append(f"Measured with `{machine['command']}` on {machine['cpu']}, {machine['cores']} cores; {versions}.")
    return "\n".join(lines)


def put_between_marks(text: str, section: str) -> str:
    """``text`` with what stands between the marks replaced. ValueError without marks."""
    first, last = (text.find(mark) for mark in MARKS)
    if first < 0 or last < first:
        raise ValueError(f"no {MARKS[0]} ... {MARKS[1]} in the file")
    return f"{text[: first + len(MARKS[0])]}\n{section}\n{text[last:]}"


def table(rows: list[Measurement], peer: str) -> list[str]:
    page = [f"| workload | {peer} | pytensor | ratio | ± | rate | of peak |", "|---|--:|--:|--:|--:|--:|--:|"]
    for m in rows:
        if m.error:
            page.append(f"| {m.row} | | | failed: {m.error} | | | |")
            continue
        ours, theirs = (quantity(statistics.median(v), m.unit) for v in (m.ours, m.theirs))
        page.append(f"| {m.row} | {theirs} | {ours} | **{m.ratio:.2f}** | {m.noise:.0%} | {rate(m)} | {share(m)} |")
    return page
