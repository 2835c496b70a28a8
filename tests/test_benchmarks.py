"""The benchmarks: every workload runs in pytensor, and reports say what was measured."""

import sys
from pathlib import Path

import numpy as np
import pytest

import pytensor

ROOT = Path(__file__).resolve().parents[1]
if not (ROOT / "benchmarks").is_dir():
    pytest.skip("the benchmarks are not part of the installed package", allow_module_level=True)
sys.path.append(str(ROOT))  # at the end: pytensor still comes from where it is installed

from benchmarks import compare, report, runner  # noqa: E402
from benchmarks.suites import group_names, rows_of  # noqa: E402
from benchmarks.worker import flatten  # noqa: E402


@pytest.mark.parametrize("group", group_names())
def test_workloads_run(group):
    for row in rows_of(group):
        pytensor.manual_seed(0)
        results = flatten(pytensor, row.setup(pytensor)())
        assert results, f"{group} / {row.name} returns nothing that could be compared"
        assert all(np.isfinite(r).all() for r in results), f"{group} / {row.name}"


def measurement(row="a", ours=(1.0, 1.1, 0.9), theirs=(2.0, 2.2, 1.8), **fields):
    return runner.Measurement("group", row, "torch", 1, ours=list(ours), theirs=list(theirs), **fields)


def test_ratio_is_the_peers_time_over_ours():
    m = measurement(flops=2e9)
    assert m.ratio == pytest.approx(2.0)
    assert m.rate == pytest.approx(2.0)
    assert m.noise == pytest.approx(0.0, abs=1e-12)  # both libraries were slow in the same rounds


def test_reports_name_every_row():
    rows = [measurement("first", flops=1e9), measurement("second", error="NotImplementedError: x")]
    assert "ratio   2.00" in report.line(rows[0]) and "FAILED" in report.line(rows[1])
    machine = {
        "date": "2026-01-01",
        "command": "python -m benchmarks",
        "cpu": "a CPU",
        "cores": 2,
        "system": "Linux",
        "python": "3.11",
        "numpy": "2.0",
        "versions": {"torch": "2.13.0"},
        "numpy_sgemm_gflops": 1.0,
        "numpy_copy_gbytes": 1.0,
    }
    page = report.markdown(machine, rows, "ratios.png")
    assert "| first |" in page and "failed: NotImplementedError: x" in page and "![Ratios by group](ratios.png)" in page
    assert "1 failed" in report.summary(rows)[0]
    section = report.summary_section(machine, rows, "ratios.png")
    text = report.put_between_marks("before\n" + "\n".join(report.MARKS) + "\nafter", section)
    assert text.startswith("before\n") and text.endswith("\nafter") and "**2.00**" in text
    assert report.put_between_marks(text, section) == text


def test_json_is_read_back(tmp_path):
    rows = [measurement(), measurement("b", error="broken")]
    path = tmp_path / "run.json"
    path.write_text(report.to_json({"cpu": "a CPU"}, rows))
    assert report.read_json(path) == ({"cpu": "a CPU"}, rows)


def test_changes_beyond_the_noise_are_listed():
    old = [
        measurement("slower"),
        measurement("same"),
        measurement("broken"),
        measurement("noisy", ours=(0.5, 1.0, 2.0)),
    ]
    new = [
        measurement("slower", ours=(2.0, 2.0, 2.0), theirs=(2.0, 2.0, 2.0)),
        measurement("same", ours=(1.01, 1.0, 1.0), theirs=(2.0, 2.0, 2.0)),
        measurement("broken", error="broken"),
        measurement("noisy", ours=(0.6, 1.2, 2.4)),
    ]
    texts = [text for _, text in compare.changes(old, new)]
    assert len(texts) == 2 and "fails now" in texts[0] and "2.00 -> 1.00 (-50%)" in texts[1]


def test_results_are_compared(tmp_path):
    first, second = tmp_path / "a.npz", tmp_path / "b.npz"
    np.savez(first, np.array([1.0, 2.0]))
    np.savez(second, np.array([1.0, 2.002]))
    assert runner.difference(str(first), str(second)) == pytest.approx(0.001, rel=1e-2)
    np.savez(second, np.array([1.0, np.nan]))
    with pytest.raises(runner.WorkerError, match="finite"):
        runner.difference(str(first), str(second))
    np.savez(second, np.array([1.0]))
    with pytest.raises(runner.WorkerError, match="shape"):
        runner.difference(str(first), str(second))
