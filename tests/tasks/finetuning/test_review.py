"""What a model got wrong: kept beside its scores, shown by `report` as text and on the page."""

from __future__ import annotations

import json

import pytest

from bertkit.errors import DataError
from bertkit.tasks.finetuning.review import NAME, ROWS, as_text, excerpt, read_review, write_review
from tasks.finetuning.world import answers_of, texts, write_table


def test_wrong_labels_are_those_of_the_predictions_the_surest_first(bertkit, words, place):
    rows = [(f"{text} <b>x</b> {'the ' * 200}", label) for text, label in texts(40, 1)]
    write_table(place / "dev.tsv", rows)
    run = bertkit(
        *words, "--max-steps", 2, "--predict-file", place / "dev.tsv", "--output", place / "run"
    )
    assert run.status == 0, run.err
    kept = read_review(place / "run")
    (tables,) = kept["files"].values()
    answers = answers_of(place / "run")
    wrong = [
        (number, answer["probabilities"][answer["label"]])
        for number, (answer, (_, label)) in enumerate(zip(answers, rows, strict=True))
        if answer["label"] != label
    ]
    wrong.sort(key=lambda pair: -pair[1])
    found = tables["Wrong, the surest first"]
    assert len(found) == min(len(wrong), ROWS) > 0
    assert [row["place"].rpartition(":")[2] for row in found] == [
        str(number + 2) for number, _ in wrong[:ROWS]
    ]
    assert {row["label"]: row["examples"] for row in tables["Labels"]} == {"bad": 20, "good": 20}
    assert sum(row["examples"] - row["right"] for row in tables["Labels"]) == len(wrong)

    (place / "run/metrics.jsonl").unlink()  # curves take their time
    shown = bertkit("report", place / "run", "--json")
    assert shown.result["answers"][str(place / "run")] == kept
    page = (place / "run/report.html").read_text()
    assert "&lt;b&gt;x" in page and "<b>x" not in page
    assert "Wrong, the surest first" in page and "the the the" in page
    assert len((place / "run" / NAME).read_text()) < 20_000
    assert "Wrong, the surest first" in as_text(kept)


def test_texts_are_cut_around_what_is_to_be_seen():
    assert excerpt("a\n b") == "a b"
    long = "x" * 300 + " here " + "y" * 300
    assert excerpt(long) == "x" * 240 + "…"
    assert "here" in excerpt(long, 302)
    assert excerpt(long, 302)[0] == excerpt(long, 302)[-1] == "…"
    assert len(excerpt(long, 302)) <= 242


def test_nothing_wrong_is_said(tmp_path):
    write_review(tmp_path, "classify", {"dev.tsv": {"Wrong": []}})
    assert as_text(read_review(tmp_path)) == "nothing was wrong"


def test_reviews_of_other_tasks_and_broken_ones(tmp_path):
    (tmp_path / NAME).write_text('{"groups": {}, "right": [], "wrong": []}')
    assert read_review(tmp_path) is None
    for tables in ({"a": [{"x": 1}, {"y": 1}]}, {"a": [{"x": [1]}]}, [], {"a": [3]}):
        (tmp_path / NAME).write_text(json.dumps({"task": "tag", "files": {"f": tables}}))
        with pytest.raises(DataError, match="not a review of predictions"):
            read_review(tmp_path)
