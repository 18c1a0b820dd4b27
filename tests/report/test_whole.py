"""The whole report: which runs have curves, and which only predictions to look at."""

from __future__ import annotations

import json

import pytest

from bertkit.errors import DataError
from bertkit.report.whole import report_runs
from bertkit.tasks.finetuning.review import write_review

SQUAD = {
    "questions": 1,
    "groups": {"question word": [{"group": "who", "questions": 1, "exact": 0.0, "f1": 0.0}]},
    "right": [],
    "wrong": [
        {"question": "who?", "answer": "a", "probability": 0.5, "wanted": ["b"], "passage": "b"}
    ],
}


def test_runs_of_all_kinds_on_one_page(tmp_path):
    for name in ("squad", "tags", "curves"):
        (tmp_path / name).mkdir()
    (tmp_path / "squad/review.json").write_text(json.dumps(SQUAD))
    write_review(tmp_path / "tags", "tag", {"dev": {"Wrong": [{"word": "Oslo"}]}})
    line = {"kind": "train", "step": 1, "loss": 2.0}
    (tmp_path / "curves/metrics.jsonl").write_text(json.dumps(line) + "\n")
    runs = [str(tmp_path / name) for name in ("squad", "tags", "curves")]
    found = report_runs(runs)
    assert found.output == f"{runs[0]}/report.html"
    assert [row["run"] for row in found.runs] == ["curves"]
    assert list(found.answers) == runs[:2]
    page = (tmp_path / "squad/report.html").read_text()
    assert page.index("who?") < page.index("Oslo") and "Oslo" in found.shown
    (tmp_path / "squad/review.json").write_text("[]")
    with pytest.raises(DataError, match="not a review of answers"):
        report_runs(runs)
