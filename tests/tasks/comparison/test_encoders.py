from __future__ import annotations

from bertkit.tasks.comparison.encoders import encoders_of
from bertkit.tasks.comparison.scored_run import ScoredRun


def run(folder: str, encoder: str, digest: str = "", task: str = "tag") -> ScoredRun:
    return ScoredRun(
        folder=folder, task=task, metric="f1", scores={}, eval_file="a",
        encoder=encoder, encoder_digest=digest,
    )  # fmt: skip


def test_tasks_take_different_parts_of_the_same_encoder():
    runs = [run("1", "runs/base/", "aa", "tag"), run("2", "runs/base", "bb", "squad")]
    found, notes = encoders_of(runs)
    assert found["1"] == found["2"]
    assert found["1"].name == "base" and notes == []


def test_the_same_weights_under_two_paths_are_one_encoder():
    runs = [run("1", "a/x", "aa"), run("2", "copy/y", "aa"), run("3", "copy/y", "bb", "squad")]
    found, notes = encoders_of(runs)
    assert {encoder.path for encoder in found.values()} == {"a/x"}
    assert notes == ["copy/y has the weights of a/x: one row"]


def test_other_weights_under_the_same_path_are_another_encoder():
    runs = [run("1", "base", "a" * 64), run("2", "base", "b" * 64)]
    found, notes = encoders_of(runs)
    assert found["1"].name == "base (aaaaaaa)" and found["2"].name == "base (bbbbbbb)"
    assert notes == ["base did not hold the same weights for all runs: kept apart"]


def test_without_a_digest_the_path_decides():
    found, _ = encoders_of([run("1", "a/x"), run("2", "b/x"), run("3", "./a/x"), run("4", "")])
    assert found["1"] == found["3"] != found["2"]
    assert found["4"].name == "new weights"
