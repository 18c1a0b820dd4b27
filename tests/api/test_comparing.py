"""What compares and reports, as its commands do."""

from __future__ import annotations

import json

import pytest

import bertkit as api
from bertkit.tasks.finetuning.review import write_review


@pytest.fixture
def run(tmp_path):
    """A run that was scored, without curves."""
    folder = tmp_path / "run"
    folder.mkdir()
    facts = {"task": "classify", "metric": "accuracy", "eval_file": "dev.tsv", "seed": 1}
    facts |= {"scores": {"accuracy": 0.75}, "encoder": "base", "examples": 4}
    (folder / "scores.json").write_text(json.dumps(facts))
    write_review(folder, "classify", {"dev.tsv": {"Wrong": [{"text": "a film"}]}})
    return folder


def test_a_report_and_a_comparison(run, tmp_path, bertkit):
    report = api.make_report(run, tmp_path / "page.html")
    assert report.output == str(tmp_path / "page.html")
    assert "a film" in (tmp_path / "page.html").read_text()
    words = ("report", run, "--output", tmp_path / "page.html", "--json")
    printed = bertkit(*words).result
    assert printed.pop("seconds") >= 0
    assert printed == {"command": "report", **report.as_dict()}
    table = api.compare([run])
    assert table.rows[0].cells[0].mean == 75.0
    printed = bertkit("compare", run, "--json").result
    assert printed.pop("seconds") >= 0
    assert printed == {"command": "compare", **json.loads(json.dumps(table.as_dict()))}
    assert api.compare(run, metrics="accuracy") == table
    with pytest.raises(api.UsageError, match="no run is given"):
        api.make_report([])


def test_text_that_is_published(tmp_path):
    (tmp_path / "eval.txt").write_text("other\n")
    found = api.verify_text(tmp_path)
    (file,) = [file for file in found.files if file.name == "eval.txt"]
    assert not found.same and file.bytes == 6 and file.result == "different"
    with pytest.raises(api.UsageError):
        api.verify_text(tmp_path, reference="nothing")
