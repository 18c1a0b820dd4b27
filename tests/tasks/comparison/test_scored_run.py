from __future__ import annotations

import hashlib
import json

import pytest

from bertkit.tasks.comparison.scored_run import NotScoredError, read_scored


def only(folder):
    (run,) = read_scored(folder)
    return run


def test_shares_become_percent_and_losses_stay(runs):
    run = only(runs.scored("a", 0.5))
    assert run.scores == {"matthews": 50.0, "loss": 1.5}
    assert (run.task, run.metric, run.examples, run.seed, run.step) == (
        "classify", "matthews", 527, 1, 9,
    )  # fmt: skip


def test_the_evaluation_file_is_known_by_its_content(runs):
    place = runs.file("dev.tsv", "a sentence\n")
    expected = hashlib.sha256(b"a sentence\n").hexdigest()
    assert only(runs.scored("a", eval_file=place)).eval_sha256 == expected
    assert only(runs.scored("b", eval_file=place, eval_sha256="ab")).eval_sha256 == "ab"
    assert only(runs.scored("c", eval_file="gone.tsv")).eval_sha256 == ""


def test_the_checkpoint_tells_data_and_starting_weights(runs):
    state = {"finished": True, "step": 9, "data_fingerprint": "f", "start": {"digest": "d"}}
    run = only(runs.scored("a", state=state))
    assert (run.encoder_digest, run.train_digest) == ("d", "f")


def test_an_unfinished_run_is_told(runs):
    folder = runs.scored("a", state={"finished": False, "step": 4})
    with pytest.raises(NotScoredError, match="not finished, at step 4"):
        only(folder)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({}, "no scores.json: not a scored run"),
        ({"config.yaml": "train_file: a\n"}, "no scores.json: not finished, or not scored"),
        ({"scores.json": "{}"}, "not of a known form"),
        ({"scores.json": "[1]"}, "does not hold an object"),
        ({"scores.json": "{"}, "scores.json"),
        ({"scores.json": '{"scores": {"a": 1}}'}, "not of a known form: KeyError"),
        ({"scores.json": '{"f1": 50.0}'}, "neither scored.json nor config.yaml"),
        ({"scores.json": '{"f1": 50.0}', "config.yaml": "a: [\n"}, "config.yaml"),
    ],
)
def test_what_cannot_be_compared_is_told_in_one_line(tmp_path, files, reason):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(NotScoredError, match=reason) as caught:
        only(tmp_path)
    assert "\n" not in caught.value.message


def test_scores_of_squad_are_percent_already(tmp_path):
    (tmp_path / "scores.json").write_text('{"exact": 40.0, "f1": 50.0, "total": 7}')
    (tmp_path / "config.yaml").write_text(
        "predict_file: dev.json\nseed: 3\ninit_checkpoint: base\n"
    )
    run = only(tmp_path)
    assert run.scores == {"exact": 40.0, "f1": 50.0, "total": 7.0}
    assert (run.task, run.metric, run.eval_file, run.examples) == ("squad", "f1", "dev.json", 7)
    assert (run.encoder, run.seed) == ("base", 3)
    beside = {"task": "squad", "metric": "f1", "eval_file": "b", "eval_sha256": "c", "seed": 4}
    (tmp_path / "scored.json").write_text(json.dumps(beside))
    assert (only(tmp_path).eval_sha256, only(tmp_path).seed) == ("c", 4)


def test_settings_that_decide_nothing_do_not_count(tmp_path):
    (tmp_path / "scores.json").write_text('{"f1": 50.0}')
    given = "predict_file: a\nseed: 1\noutput: b\nlog_every: 7\nlearning_rate: 1.0e-4\n"
    (tmp_path / "config.yaml").write_text(given)
    settings = only(tmp_path).settings
    assert settings["learning_rate"] == 1e-4
    assert settings["doc_stride"] == 128  # a setting that the run's bertkit did not write
    assert not settings.keys() & {"seed", "output", "predict_file", "log_every"}


def test_a_score_that_is_no_number_is_left_out(runs):
    folder = runs.scored("a", scores={"pearson": None, "spearman": 0.25}, metric="pearson")
    assert only(folder).scores == {"spearman": 25.0}


def test_several_files_have_scores_of_their_own(runs):
    folder = runs.scored(
        "a", eval_file=["mnli/dev_matched.tsv", "mnli/dev_mismatched.tsv"], examples=[7, 8],
        scores={"accuracy": 0.5, "loss": 2.0, "dev_mismatched/accuracy": 0.25},
        metric="accuracy", eval_sha256=["a", "b"],
    )  # fmt: skip
    first, second = read_scored(folder)
    assert (first.scores, first.examples) == ({"accuracy": 50.0, "loss": 2.0}, 7)
    assert (second.scores, second.examples) == ({"accuracy": 25.0}, 8)
    assert (second.eval_file, second.eval_sha256) == ("mnli/dev_mismatched.tsv", "b")


@pytest.mark.parametrize(("task", "metric"), [("summarise", "rougeLsum"), ("squad", "f1")])
def test_what_is_written_in_percent_stays(runs, task, metric):
    # rouge-score's F1 of a summary that is the given one, as `finetune` writes it.
    run = only(runs.scored("a", 75.0, task=task, metric=metric))
    assert run.scores[metric] == 75.0
