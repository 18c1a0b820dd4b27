from __future__ import annotations

import hashlib
import json

import pytest

from bertkit.tasks.comparison.scored_run import NotScoredError, is_share, read_scored


def test_shares_become_percent_and_losses_stay(runs):
    run = read_scored(runs.scored("a", 0.5))
    assert run.scores == {"matthews": 50.0, "loss": 1.5}
    assert (run.task, run.metric, run.examples, run.seed, run.step) == (
        "classify", "matthews", 527, 1, 9,
    )  # fmt: skip
    assert is_share("matthews") and not is_share("loss") and not is_share("eval_perplexity")


def test_the_evaluation_file_is_known_by_its_content(runs):
    place = runs.file("dev.tsv", "a sentence\n")
    expected = hashlib.sha256(b"a sentence\n").hexdigest()
    assert read_scored(runs.scored("a", eval_file=place)).eval_sha256 == expected
    assert read_scored(runs.scored("b", eval_file=place, eval_sha256="ab")).eval_sha256 == "ab"
    assert read_scored(runs.scored("c", eval_file="gone.tsv")).eval_sha256 == ""


def test_the_checkpoint_tells_data_and_starting_weights(runs):
    state = {"finished": True, "step": 9, "data_fingerprint": "f", "start": {"digest": "d"}}
    run = read_scored(runs.scored("a", state=state))
    assert (run.encoder_digest, run.train_digest) == ("d", "f")


def test_an_unfinished_run_is_told(runs):
    folder = runs.scored("a", state={"finished": False, "step": 4})
    with pytest.raises(NotScoredError, match="not finished, at step 4"):
        read_scored(folder)


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
        read_scored(tmp_path)
    assert "\n" not in caught.value.message


def test_scores_of_squad_are_percent_already(tmp_path):
    (tmp_path / "scores.json").write_text('{"exact": 40.0, "f1": 50.0, "total": 7}')
    (tmp_path / "config.yaml").write_text(
        "predict_file: dev.json\nseed: 3\ninit_checkpoint: base\n"
    )
    run = read_scored(tmp_path)
    assert run.scores == {"exact": 40.0, "f1": 50.0, "total": 7.0}
    assert (run.task, run.metric, run.eval_file, run.examples) == ("squad", "f1", "dev.json", 7)
    assert (run.encoder, run.seed) == ("base", 3)
    beside = {"task": "squad", "metric": "f1", "eval_file": "b", "eval_sha256": "c", "seed": 4}
    (tmp_path / "scored.json").write_text(json.dumps(beside))
    assert (read_scored(tmp_path).eval_sha256, read_scored(tmp_path).seed) == ("c", 4)


def test_settings_that_decide_nothing_do_not_count(tmp_path):
    (tmp_path / "scores.json").write_text('{"f1": 50.0}')
    given = "predict_file: a\nseed: 1\noutput: b\nlog_every: 7\nlearning_rate: 1.0e-4\n"
    (tmp_path / "config.yaml").write_text(given)
    settings = read_scored(tmp_path).settings
    assert settings["learning_rate"] == 1e-4
    assert settings["doc_stride"] == 128  # a setting that the run's bertkit did not write
    assert not settings.keys() & {"seed", "output", "predict_file", "log_every"}


def test_a_score_that_is_no_number_is_left_out(runs):
    folder = runs.scored("a", scores={"pearson": None, "spearman": 0.25}, metric="pearson")
    assert read_scored(folder).scores == {"spearman": 25.0}
