from __future__ import annotations

import json
from pathlib import Path

import pytest

from bertkit.errors import DataError
from bertkit.tasks.comparison.find import scored_runs


def test_runs_below_a_folder_in_order_of_their_seeds(runs):
    for seed in (10, 2, 1):
        runs.scored(f"all/cola/seed-{seed}", seed=seed)
    runs.scored("all/cola/seed-1/step-0000009/old")
    runs.scored("all/.hidden/run")
    runs.scored("all/cola/replaced/run")
    found, left_out = scored_runs([str(runs.root / "all")])
    assert [run.seed for run in found] == [1, 2, 10]
    assert left_out == []


def test_a_run_named_twice_counts_once(runs):
    folder = runs.scored("a/seed-1")
    found, _ = scored_runs([str(folder), str(folder.parent), f"{folder}/../seed-1"])
    assert len(found) == 1


def test_unfinished_runs_are_told_and_pretraining_is_not(runs):
    runs.scored("all/good")
    for name, text in (("begun", "train_file: a\n"), ("pretraining", "input: [a]\n")):
        (runs.root / "all" / name).mkdir()
        (runs.root / "all" / name / "config.yaml").write_text(text)
    found, left_out = scored_runs([str(runs.root / "all")])
    assert len(found) == 1
    assert [place.rpartition("/")[2] for place, _ in left_out] == ["begun"]
    _, named = scored_runs([str(runs.root / "all/pretraining")])
    assert len(named) == 1


def test_seeds_that_were_not_begun_are_told(runs):
    runs.scored("a/seed-1")
    (runs.root / "a/seeds.json").write_text(json.dumps({"seeds": [1, 2]}))
    _, left_out = scored_runs([str(runs.root / "a")])
    assert left_out == [(str(runs.root / "a/seed-2"), "not begun: run the command again")]


def test_a_place_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        scored_runs([str(tmp_path / "nix")])
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="file is not a folder"):
        scored_runs([str(tmp_path / "file")])


def test_folders_that_may_not_be_read_are_passed_over(runs, monkeypatch):
    runs.scored("all/good")
    (runs.root / "all" / "others").mkdir()
    listed = Path.iterdir

    def iterdir(place):
        if place.name == "others":
            raise PermissionError(13, "Permission denied", str(place))
        return listed(place)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    found, _ = scored_runs([str(runs.root / "all")])
    assert len(found) == 1
    with pytest.raises(PermissionError):  # somebody asked for this one
        scored_runs([str(runs.root / "all/others")])
