"""The runs of `--seeds` as text: where each stands, and what their scores come to."""

from __future__ import annotations

import json

import pytest
from tasks.comparison.conftest import Runs

from bertkit.report.views.inspected import SEEDS, kind_of_input, view


@pytest.fixture
def folder(tmp_path):
    runs = Runs(tmp_path)
    for seed, score in ((1, 0.5), (2, 0.75)):
        place = runs.scored(f"all/seed-{seed}", score, seed=seed, metric="accuracy")
        line = {"kind": "train", "step": 5 * seed, "loss": 3.0 / seed, "seconds": 90.0 * seed}
        (place / "metrics.jsonl").write_text(json.dumps(line) + "\n")
        (place / "config.yaml").write_text("task: classify\nmax_steps: 10\n")
    runs.file("all/seeds.json", '{"seeds": [1, 2, 3]}')
    return tmp_path / "all"


def test_a_table_of_runs_and_of_what_they_scored(folder):
    assert kind_of_input(str(folder), lambda name: False) == SEEDS
    key, facts, text = view(SEEDS, str(folder))
    assert key == "seeds" and facts["folder"] == str(folder)
    assert [(run["run"], run["step"]) for run in facts["runs"]] == [("seed-1", 5), ("seed-2", 10)]
    assert facts["scores"]["rows"][0]["cells"][0]["mean"] == 62.5
    rows = [line.split() for line in text.splitlines()]
    assert ["seed-1", "5", "of", "10", "1", "min", "30", "s", "3.0000"] in rows
    assert ["seed-2", "10", "of", "10", "3", "min", "0", "s", "1.5000"] in rows
    assert ["seed-3", "no", "numbers", "yet", "-", "-"] in rows
    assert ["mean", "62.50", "1.5000"] in rows and ["deviation", "17.68", "0.0000"] in rows
    assert "in percent but for loss" in text and "seed-3: not begun" in text


def test_a_folder_whose_first_seed_still_trains(folder):
    for name in ("seeds.json", "seed-1/scores.json", "seed-2/scores.json"):
        (folder / name).unlink()
    _, facts, text = view(SEEDS, str(folder))
    assert facts["scores"] is None and text.endswith("no seed is scored yet")
    assert [run["run"] for run in facts["runs"]] == ["seed-1", "seed-2"]
