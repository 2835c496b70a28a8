"""A picture of the ratios, one strip per group."""

from __future__ import annotations

from pathlib import Path

from benchmarks.report import by_group, geometric_mean
from benchmarks.runner import Measurement


def plot(measurements: list[Measurement], path: str | Path) -> None:
    """Writes a picture: a dot per workload, a bar at each group's geometric mean, a line at equal speed."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    groups = {k: [m.ratio for m in rows if not m.error] for k, rows in by_group(measurements).items()}
    groups = {k: ratios for k, ratios in groups.items() if ratios}
    names = list(dict.fromkeys((group, peer) for group, peer, _ in groups))
    threads = sorted({t for _, _, t in groups})
    colors = dict(zip(threads, ("#1f6f8b", "#d9822b", "#6a4c93", "#4f772d"), strict=False))
    figure, axes = plt.subplots(figsize=(8, 0.7 + 0.55 * len(names)), layout="constrained")
    axes.axvline(1.0, color="0.45", linewidth=1)
    for (group, peer, count), ratios in groups.items():
        offset = 0.0 if len(threads) == 1 else 0.34 * (threads.index(count) / (len(threads) - 1) - 0.5)
        y = names.index((group, peer)) + offset
        axes.plot(ratios, [y] * len(ratios), "o", color=colors[count], alpha=0.45, markersize=5, markeredgewidth=0)
        axes.plot([geometric_mean(ratios)], [y], "|", color=colors[count], markersize=15, markeredgewidth=2.5)
    for count in threads:
        axes.plot([], [], "o", color=colors[count], label=f"{count} thread{'s'[: count > 1]}")
    peers = {peer for _, peer in names}
    labels = [group if len(peers) == 1 else f"{group} ({peer})" for group, peer in names]
    axes.set_yticks(range(len(names)), labels)
    axes.invert_yaxis()
    axes.set_xscale("log")
    ticks = [0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128]
    low, high = axes.get_xlim()
    axes.xaxis.set_major_locator(FixedLocator([t for t in ticks if low <= t <= high]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}x"))
    axes.set_xlabel(
        f"time of {' / '.join(sorted(peers))} divided by time of pytensor (right of 1x: pytensor is faster)"
    )
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)
    axes.legend(loc="lower right", frameon=False)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    plt.close(figure)
