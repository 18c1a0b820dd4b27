"""Places that options take: runs in folders, vocabularies by name."""

from __future__ import annotations

from pathlib import Path

from bertkit.command_line import values


def test_runs_are_found_below_what_is_typed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for run in ("a/b/run", "a/other", "top", ".hidden/run", "a/b/c/d/deep"):
        Path(run).mkdir(parents=True)
        Path(run, "metrics.jsonl").touch()
    Path("empty").mkdir()
    assert sorted(values.runs("")) == ["a/b/run", "a/other", "top"]
    assert sorted(values.runs("a/b/")) == ["a/b/c/d/deep", "a/b/run"]
    assert list(values.runs("t")) == ["top"] and list(values.runs("no/such")) == []


def test_no_more_folders_are_looked_at_than_a_key_press_allows(tmp_path, monkeypatch):
    for number in range(9):
        (tmp_path / str(number)).mkdir()
    (tmp_path / "8" / "state.json").touch()
    assert list(values.runs(f"{tmp_path}/")) == [f"{tmp_path}/8"]
    monkeypatch.setattr(values, "_MOST", 5)
    assert list(values.runs(f"{tmp_path}/")) == []


def test_vocabularies_that_ship_with_bertkit():
    assert values.vocabularies() == ["bertkit-uncased-8k"]


def test_a_place_is_text_as_it_is():
    assert values.Place("PATH").convert("s3://b/*.txt", None, None) == "s3://b/*.txt"
