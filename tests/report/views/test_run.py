"""A run as text: its units, and rows for what it tells alone."""

from __future__ import annotations

import json

from bertkit.report.views.run import read_scores, view_run


def cells(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_the_scores_of_an_answering_run_are_in_the_unit_of_its_evaluations(tmp_path):
    lines = [
        {"kind": "train", "step": 4, "loss": 2.0, "span_accuracy": 0.5},
        {"kind": "eval", "step": 4, "exact": 40.0, "f1": 50.0, "HasAns_total": 5928},
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "scores.json").write_text('{"exact": 40.0, "f1": 50.0, "HasAns_total": 5928}')
    last, text = view_run(str(tmp_path))
    assert last["f1"] == 50.0  # as the run wrote it
    rows = cells(text)
    assert rows.count(["F1", "(%)", "50.00"]) == 1 and ["F1", "(%)", "-", "50.00"] in rows
    assert ["answer", "span", "accuracy", "(%)", "50.00", "-"] in rows
    assert ["HasAns", "total", "5,928"] in rows
    assert "sequences" not in text and "real tokens" not in text  # which it does not tell


def test_scores_of_labels_are_percent_and_errors_are_not(tmp_path):
    scores = {"accuracy": 0.875, "pearson": -0.5, "mse": 0.25, "other/accuracy": 1.0, "bad": None}
    facts = {"task": "classify", "scores": scores}
    (tmp_path / "scores.json").write_text(json.dumps(facts))
    assert read_scores(str(tmp_path)) == {
        "accuracy (%)": "87.50", "Pearson correlation (%)": "-50.00", "mse": "0.2500",
        "other/accuracy (%)": "100.00",
    }  # fmt: skip
