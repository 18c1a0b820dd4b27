"""The settings that a model is used with go where it goes, without the folder of its run."""

from __future__ import annotations

import json
import shutil

import pytest
import transformers

from bertkit.model.config import USED_WITH
from bertkit.tasks.classify.config import ClassifyConfig
from bertkit.tasks.finetuning.config import settings_of_run
from bertkit.tasks.finetuning.predict import settings_of_model
from tasks.finetuning.world import texts, write_table

LINES = [{"review": text} for text, _ in texts(6, seed=3)]


@pytest.fixture
def train(bertkit, words, place):
    """Makes a run on texts of a column `review`, of 16 tokens."""

    def function():
        write_table(place / "train.tsv", texts(40), ("review", "label"))
        write_table(place / "dev.tsv", texts(20, seed=1), ("review", "label"))
        done = bertkit(*words, "--text-column", "review", "--max-steps", 2, "--eval-every", 1,
                       "--output", place / "run")  # fmt: skip
        assert done.status == 0, done.err
        return place / "run"

    return function


@pytest.fixture
def run(train):
    return train()


def kept(place) -> dict:
    """What a model's settings are without its run."""
    (layer,) = settings_of_run(str(place), ClassifyConfig.of_the_run)
    return dict(layer.values)


def test_checkpoints_that_are_copied_and_converted_models_keep_their_settings(
    run, bertkit, ask, tmp_path
):
    (last,) = sorted(run.glob("step-*"))[-1:]
    wanted = ask("--init-checkpoint", last, lines=LINES).out
    of_best = ask("--init-checkpoint", run, lines=LINES).out
    assert len(wanted.splitlines()) == len(of_best.splitlines()) == len(LINES)
    moved = {"step": tmp_path / "elsewhere/step", "best": tmp_path / "elsewhere/best"}
    shutil.copytree(last, moved["step"])
    shutil.copytree(run / "best", moved["best"])
    one, two = tmp_path / "once", tmp_path / "twice"
    assert bertkit("convert", run, "--output", one).status == 0
    assert bertkit("convert", one, "--output", two).status == 0
    for place in (*moved.values(), one, two):
        found = kept(place)
        assert (found["text_column"], found["max_seq_length"]) == ("review", 16)
        assert found["pair_column"] == "none" and found["label_column"] == ["label"]
        assert settings_of_model(str(place)) == {"task": "classify", "max_seq_length": 16}
    shutil.rmtree(run)
    for place in (*moved.values(), one, two):
        told = ask("--init-checkpoint", place, lines=LINES)
        assert told.out == (wanted if place == moved["step"] else of_best), told.err


def test_another_program_hands_them_on_unless_it_makes_another_model_of_it(run, bertkit, tmp_path):
    assert bertkit("convert", run, "--output", tmp_path / "model").status == 0
    before = json.loads((tmp_path / "model/config.json").read_text())[USED_WITH]
    same = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "model")
    same.save_pretrained(tmp_path / "same")
    assert kept(tmp_path / "same")["text_column"] == "review"
    assert json.loads((tmp_path / "same/config.json").read_text())[USED_WITH] == before
    other = transformers.AutoModelForTokenClassification.from_pretrained(tmp_path / "model")
    other.save_pretrained(tmp_path / "other")
    assert settings_of_run(str(tmp_path / "other"), ClassifyConfig.of_the_run) == []
    assert settings_of_model(str(tmp_path / "other"))["task"] == "tag"


def test_a_model_of_an_earlier_version_is_told(train, bertkit, tmp_path, monkeypatch):
    monkeypatch.setattr("bertkit.tasks.finetuning.task.used_with", lambda config, names: {})
    made = bertkit("convert", train(), "--output", tmp_path / "model")
    assert made.status == 0, made.err
    (line,) = [line for line in made.err.splitlines() if "earlier version" in line]
    assert "give those that are not the defaults again" in line


def test_of_models_that_keep_their_settings_or_have_none_nothing_is_told(run, bertkit, tmp_path):
    for place in (run, tmp_path / "encoder"):
        made = bertkit("convert", place, "--output", tmp_path / f"{place.name}-model")
        assert made.status == 0 and "earlier version" not in made.err


def test_junk_in_a_config_is_no_settings(run, tmp_path, bertkit):
    assert bertkit("convert", run, "--output", tmp_path / "model").status == 0
    path = tmp_path / "model/config.json"
    values = json.loads(path.read_text())
    for junk in ("x", [1], {"task": 3}, {"task": "other"}, {}):
        path.write_text(json.dumps({**values, USED_WITH: junk}))
        assert settings_of_run(str(tmp_path / "model"), ("task", "text_column")) == []
