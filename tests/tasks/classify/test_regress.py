"""Scores are learnt, predicted, and the same in transformers."""

from __future__ import annotations

import pytest

from tasks.finetuning.world import answers_of, texts, write_table


def test_scores_are_learnt_and_predicted(bertkit, ask, words, place):
    transformers = pytest.importorskip("transformers")
    for name, seed in (("train", 0), ("dev", 1)):
        rows = [(text, 1.0 if label == "good" else -0.5) for text, label in texts(40, seed)]
        write_table(place / f"{name}.tsv", rows, ("text", "score"))
    words[words.index("classify")] = "regress"
    given = ("--predict-file", place / "dev.tsv", "--lr", "3e-3", "--max-steps", 40)
    run = bertkit(*words, *given, "--output", place / "run")
    assert run.status == 0, run.err
    assert run.result["scores"]["pearson"] > 0.5 and run.result["scores"]["spearman"] > 0.5
    kept = answers_of(place / "run")
    pipeline = transformers.pipeline(
        "text-classification", str(place / "run/step-0000040"), device="cpu"
    )
    theirs = pipeline([text for text, _ in texts(40, 1)], function_to_apply="none")
    assert [a["score"] for a in kept] == pytest.approx([t["score"] for t in theirs], abs=1e-5)
    (told,) = ask("--init-checkpoint", place / "run", "--text", texts(1, 1)[0][0]).out.splitlines()
    assert told == f"{kept[0]['score']:.4f}"
    write_table(place / "dev.tsv", [("a film", "four")], ("text", "score"))
    wrong = bertkit(*words, "--output", place / "other")
    assert wrong.status == 3 and "dev.tsv:2: the score 'four' is no number" in wrong.err


def test_correlations_of_scores_that_are_all_the_same_are_said_to_mean_nothing(
    bertkit, words, place
):
    write_table(place / "train.tsv", [("a film", "1"), ("it is", "2")], ("text", "score"))
    write_table(place / "dev.tsv", [("a film", "3"), ("it is", "3")], ("text", "score"))
    words[words.index("classify")] = "regress"
    run = bertkit(*words, "--max-steps", 1, "--output", place / "run")
    assert run.status == 0 and run.result["scores"]["pearson"] == 0
    assert "all 2 scores of the file are the same" in " ".join(run.err.split())
