"""The benchmarks: every workload runs in pytensor, and reports say what was measured."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

import pytensor

ROOT = Path(__file__).resolve().parents[1]
if not (ROOT / "benchmarks").is_dir():
    pytest.skip("the benchmarks are not part of the installed package", allow_module_level=True)
sys.path.append(str(ROOT))  # at the end: pytensor still comes from where it is installed

from benchmarks import compare, machine, report, runner, targets  # noqa: E402
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
    facts = {
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
    page = report.markdown(facts, rows, "ratios.png")
    assert "| first |" in page and "failed: NotImplementedError: x" in page and "![Ratios by group](ratios.png)" in page
    assert "1 failed" in report.summary(rows)[0]
    section = report.summary_section(facts, rows, "ratios.png")
    text = report.put_between_marks("before\n" + "\n".join(report.MARKS) + "\nafter", section)
    assert text.startswith("before\n") and text.endswith("\nafter") and "**2.00**" in text
    assert report.put_between_marks(text, section) == text


def test_json_is_read_back(tmp_path):
    rows = [measurement(), measurement("b", error="broken")]
    path = tmp_path / "run.json"
    path.write_text(report.to_json({"cpu": "a CPU"}, rows))
    assert report.read_json(path) == ({"cpu": "a CPU"}, rows)


def test_runs_of_one_machine_are_merged():
    first = {"cpu": "a CPU", "cores": 2, "command": "one", "versions": {"torch": "2"}}, [measurement("a")]
    again = measurement("a", ours=(0.5, 0.5, 0.5))
    second = {"cpu": "a CPU", "cores": 2, "command": "two", "versions": {"jax": "1"}}, [measurement("b"), again]
    facts, rows = report.merged([first, second])
    assert facts["versions"] == {"torch": "2", "jax": "1"} and facts["command"] == "one`, `two"
    assert [m.row for m in rows] == ["a", "b"] and rows[0] is again and first[0]["command"] == "one"
    second[0]["cpu"] = "another"
    with pytest.raises(ValueError, match="a CPU and another"):
        report.merged([first, second])


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


def test_the_comparison_of_two_files_says_what_got_slower(tmp_path, capsys):
    files = [str(tmp_path / name) for name in ("old.json", "new.json")]
    for file, ours in zip(files, (1.0, 1.5), strict=True):
        Path(file).write_text(report.to_json({}, [measurement("row", ours=[ours] * 3, theirs=[2.0] * 3)]))
    assert compare.main(files) == 1
    assert "group / row (1t, torch): ratio 2.00 -> 1.33 (-33%)" in capsys.readouterr().out
    assert compare.main(files[::-1]) == 0
    assert compare.main([files[0]] * 2) == 0
    assert "0 of 1 rows changed" in capsys.readouterr().out.splitlines()[-1]


def test_sections_have_a_line_of_their_own_and_all_rows_one():
    rows = [measurement("a", section="wide"), measurement("b"), measurement("c", ours=[4.0] * 3, theirs=[2.0] * 3)]
    lines = "\n".join(report.overview(rows))
    assert "| group: wide | torch | 1 | 1 | **2.00** | 2.00 | 2.00 | | |" in lines
    assert "| group: other | torch | 1 | 2 | **1.00** | 0.50 | 2.00 |" in lines
    assert "| all | torch | 1 | 3 | **1.26** |" in lines


def test_rows_below_their_floor_are_listed_with_what_bounds_them():
    rows = [
        runner.Measurement("pointwise", name, "torch", threads, ours=[1.0] * 3, theirs=[ratio] * 3)
        for name, threads, ratio in (("add", 1, 1.05), ("add", 2, 1.2), ("exp", 1, 0.5), ("tanh", 1, 3.0))
    ]
    page = "\n".join(report.slow_rows(rows))
    assert "| pointwise | add | **1.05** ± 0% (1), 1.20 ± 0% (2) | 1.1 | Bytes: " in page
    assert "| pointwise | exp | **0.50** ± 0% (1) | 1.1 | not known |" in page
    assert "tanh" not in page
    assert "| 2, 1.1 | 2 |" in "\n".join(report.overview(rows))
    conv = runner.Measurement("conv", "5x5", "torch", 1, ours=[1.0], theirs=[1.0])
    assert targets.floor_of(conv) == 1.05
    conv.section = "forward, 3x3 stride 1, 64 channels and more"
    assert targets.floor_of(conv) == 1.2
    conv.peer = "jax"
    assert targets.floor_of(conv) == 0.0


def test_every_line_of_the_overview_has_a_target_and_every_bound_a_row():
    lines = {f"{g}: {r.section or 'other'}" if g == "conv" else g for g in group_names() for r in rows_of(g)}
    assert lines | {"all"} == set(targets.TARGETS)
    names = {(group, row.name) for group in group_names() for row in rows_of(group)}
    assert set(targets.bounds()) <= names


def test_rates_are_held_against_the_peak_of_their_kind_and_size():
    peaks = {"float32": 100.0, "float64": 50.0, "copy": {"1024": 80.0, "1048576": 10.0}}
    assert machine.peak_of(peaks, 1e9, 0, "float64") == 50.0
    assert machine.peak_of(peaks, 0, 2000, "float32") == 80.0
    assert machine.peak_of(peaks, 0, 1e9, "float32") == 10.0
    assert machine.peak_of({}, 1e9, 0, "float32") == 0.0
    assert measurement(flops=2e9, peak=4.0).share == pytest.approx(0.5)
    assert measurement(flops=2e9).share == 0.0


ARRAY_ROWS = [(group, row) for group in group_names() for row in rows_of(group) if row.array is not None]


@pytest.mark.parametrize("group", sorted({group for group, _ in ARRAY_ROWS}))
def test_numpy_versions_of_rows_compute_the_same(group):
    for name, row in ARRAY_ROWS:
        if name == group and row.flops < 2e8:  # larger ones are the same code
            function, arguments = row.array(np)
            ours, theirs = flatten(pytensor, row.setup(pytensor)()), flatten(np, function(*arguments))
            for a, b in zip(ours, theirs, strict=True):
                assert a.shape == b.shape, row.name
                np.testing.assert_allclose(
                    a, b, rtol=0, atol=row.tolerance * max(np.abs(b).max(), 1e-30), err_msg=row.name
                )


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


def test_a_worker_sleeps_when_its_turn_ends():
    process = runner.Process("numpy", 1, [min(os.sched_getaffinity(0))])
    try:
        assert process.ask("version") == {"version": np.__version__}
        assert process.thread_states() and "R" not in process.thread_states()
        with pytest.raises(runner.WorkerError, match=r"numpy: .*no_such_group"):
            process.ask("setup", group="no_such_group", row="")
    finally:
        process.close()
    assert process.process.returncode == 0
