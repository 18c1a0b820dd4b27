from __future__ import annotations

import json
import sys

import pytest


@pytest.fixture
def sweep(benchmark_module):
    return benchmark_module("gpu_sweep")


def test_points_are_chosen_by_fused_layers_and_number(sweep):
    is_fused = [point.settings.get("fused", False) for point in sweep.POINTS]
    assert sweep.chosen() == list(sweep.POINTS)
    assert sweep.chosen(count=3) == list(sweep.POINTS[:3]) and all(is_fused[:3])
    only, without = sweep.chosen(fused=True), sweep.chosen(fused=False)
    assert len(only) == sum(is_fused) > 4 and len(only) + len(without) == len(sweep.POINTS)
    assert {point.case for point in only} > {"large-512", "base-128", "base-512"}
    assert all(not point.settings.get("fused") for point in without)
    assert sweep.chosen(fused=True, count=2) == only[:2]
    recorded = sweep.chosen(graphs=True)
    assert len(recorded) > 4 and all(point.settings["graphs"] for point in recorded)
    assert len(recorded) + len(sweep.chosen(graphs=False)) == len(sweep.POINTS)
    assert sweep.chosen(fused=True, graphs=True) == [p for p in recorded if p in only]


def test_settings_of_every_point_are_those_of_a_run(sweep, benchmark_module):
    """No point fails for a setting that is not there."""
    arms, cases = benchmark_module("arms"), benchmark_module("cases")
    case = cases.Case("test", 128, 4, records=8)
    records = cases.make_records(case, cases.load_histogram(cases.LENGTHS))
    kinds = {tuple(sorted(point.settings.items())): point.settings for point in sweep.POINTS}
    for settings in kinds.values():
        arm = arms.build_bertkit(case, records, "fp32", "cpu", **settings)
        assert arm.config.cuda.fused == settings.get("fused", False)
        assert arm.config.cuda.graphs == settings.get("graphs", False)


def test_the_program_measures_the_cases_that_it_is_told(sweep, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(sweep, "matrix_flops", lambda device, precision: 1e12)
    words = ["--device", "cpu", "--case", "test", "--case", "base-512", "--points", "1"]
    words += ["--fused", "--steps", "1", "--output", str(tmp_path / "new")]
    monkeypatch.setattr(sys, "argv", ["gpu_sweep.py", *words])
    sweep.main()
    first, row = map(json.loads, capsys.readouterr().out.splitlines())
    assert first == {"measured_tflops": 1}
    assert (row["case"], row["batch"], row["fused"]) == ("test", 4, True)
    assert row["sequences_per_second"] > 0 and row["computed_per_real"] >= 1


def test_a_bad_file_of_tiles_ends_it_at_once(sweep, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["gpu_sweep.py", "--tiles", str(tmp_path / "none.json")])
    with pytest.raises(SystemExit, match="No such file"):
        sweep.main()
