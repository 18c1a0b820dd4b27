"""Trains, keeps the best, scores, predicts and resumes: what all tasks have."""

from __future__ import annotations

import json
import re
import shutil

import pytest
from safetensors.torch import load_file

from bertkit import load_model
from bertkit.backends.torch.cpu import CpuAdapter
from bertkit.model.checkpoints.hf import load_weights
from bertkit.report.views.run import read_scores
from bertkit.tasks.comparison.scored_run import read_scored
from bertkit.train.checkpoints.starting_point import open_start
from tasks.finetuning.world import texts, write_table


def weights(place):
    return load_file(place / "model.safetensors")


def same(first, second):
    return all(bool((first[name] == second[name]).all()) for name in first)


def test_trains_scores_and_predicts(bertkit, words, place):
    new = write_table(place / "new.tsv", [(text,) for text, _ in texts(10, seed=2)], ("text",))
    run = bertkit(*words, "--output", place / "run", "--predict-file", new)
    assert run.status == 0, run.err
    assert run.result["scores"]["accuracy"] >= 0.9 and run.result["step"] == 20
    kept = json.loads((place / "run/scores.json").read_text())
    assert kept["scores"] == run.result["scores"] and kept["examples"] == 20
    assert (kept["task"], kept["metric"], kept["seed"], kept["step"]) == (
        "classify", "accuracy", 12345, 20,
    )  # fmt: skip
    assert kept["encoder"] == str(place / "encoder") and kept["eval_file"] == str(place / "dev.tsv")
    lines = [json.loads(line) for line in (place / "run/predictions.jsonl").open()]
    right = [a["label"] == b for a, (_, b) in zip(lines, texts(10, seed=2), strict=True)]
    assert sum(right) >= 8
    config = json.loads((place / "run/step-0000020/config.json").read_text())
    assert config["architectures"] == ["BertForSequenceClassification"]
    assert config["id2label"] == {"0": "bad", "1": "good"} and config["label2id"]["good"] == 1
    # Its lines are those of `inspect`.
    told = bertkit(*words[:-1], "--output", place / "run", "--predict-file", new)
    shown = dict(re.split("  +", line) for line in told.out.splitlines())
    assert read_scores(str(place / "run")).items() <= shown.items()
    assert shown["accuracy (%)"] == f"{100 * run.result['scores']['accuracy']:.2f}"
    # A finished run is scored again, with its own settings, and nothing is trained.
    again = bertkit(
        "finetune", "--eval-file", place / "dev.tsv", "--output", place / "run", "--json",
        "--backend", "cpu",
    )  # fmt: skip
    assert again.status == 0, again.err
    assert again.result["scores"] == run.result["scores"]
    assert again.result["train_examples"] == 0 and again.result["step"] == 20
    rescored = json.loads((place / "run/scores.json").read_text())
    assert (rescored["encoder"], rescored["step"]) == (kept["encoder"], 20)


def test_the_best_evaluation_is_kept_and_used(bertkit, words, place):
    # With the labels the other way round, training makes it worse.
    rows = texts(20, seed=1)
    flipped = [(text, {"bad": "good", "good": "bad"}[label]) for text, label in rows]
    write_table(place / "dev.tsv", flipped)
    run = bertkit(*words, "--eval-every", 5, "--output", place / "run", "--metric", "f1_macro")
    assert run.status == 0, run.err
    lines = [json.loads(line) for line in (place / "run/metrics.jsonl").open()]
    values = {line["step"]: line["f1_macro"] for line in lines if line["kind"] == "eval"}
    assert list(values) == [5, 10, 15, 20]
    assert f"evaluation at step 20: accuracy {lines[-1]['accuracy']:.4f}, f1 " in run.err
    best = max(values, key=lambda step: (values[step], -step))
    assert values[best] > values[20], "the last one is not the best"
    facts = json.loads((place / "run/best/best.json").read_text())
    assert (facts["step"], facts["metric"], facts["value"]) == (best, "f1_macro", values[best])
    assert run.result["scores"]["f1_macro"] == pytest.approx(values[best])
    assert run.result["step"] == best and run.result["checkpoint"].endswith("best")
    last = weights(place / "run/step-0000020")
    assert not same(weights(place / "run/best"), last)
    # Without keeping, the last weights are scored.
    other = bertkit(*words, "--eval-every", 5, "--no-keep-best", "--output", place / "other")
    assert other.result["scores"]["f1_macro"] == pytest.approx(values[20])
    assert not (place / "other/best").exists() and same(weights(place / "other/step-0000020"), last)


def test_a_run_stands_for_its_best_model_wherever_it_is_named(bertkit, words, place):
    # With the labels the other way round, training makes it worse: the best is not the last.
    flip = {"bad": "good", "good": "bad"}
    rows = [(text, flip[label]) for text, label in texts(20, seed=1)]
    write_table(place / "dev.tsv", rows)
    run, last = place / "run", place / "run/step-0000020"
    assert bertkit(*words, "--eval-every", 5, "--output", run).status == 0
    step = json.loads((run / "best/best.json").read_text())["step"]
    assert step < 20 and not same(weights(run / "best"), weights(last))

    for given, taken, at in ((run, run / "best", step), (last, last, 20)):
        out = place / f"model-{at}"
        told = bertkit("convert", given, "--output", out)
        assert told.status == 0 and f"taken from {taken}, in {out}\n" in told.out, told.err
        assert same(weights(out), weights(taken))
        checked = bertkit("convert", given, "--check", "--json").result
        assert (checked["checkpoint"], checked["step"]) == (str(taken), at)
        assert same(load_model(given).state_dict(), load_model(taken).state_dict())
        assert open_start(str(given)).path == taken
        again = [given if word == place / "encoder" else word for word in words]
        after = bertkit(*again, "--max-steps", 1, "--output", place / f"further-{at}")
        assert after.status == 0 and f"weights from {taken}\n" in after.err
    assert f"best model      step {step}, by accuracy (best/)\n" in bertkit("inspect", run).out
    moments = bertkit("convert", run, "--keep-optimizer", "--output", place / "moments")
    assert moments.status == 3 and f"give a checkpoint of it, {run}/step-*" in moments.err


def test_a_run_goes_on_bit_for_bit_and_keeps_its_best(bertkit, words, place):
    words = [*words, "--eval-every", 3, "--save-every", 5]
    whole = bertkit(*words, "--output", place / "whole")
    assert whole.status == 0, whole.err
    part = bertkit(*words, "--output", place / "run", "--steps-this-run", 7)
    assert part.status == 75
    shutil.rmtree(place / "run/step-0000007")  # as if killed after the save of step 5
    for folder in place.glob("run/step-*"):
        assert folder.name == "step-0000005", "one checkpoint is kept"
    again = bertkit(*words, "--output", place / "run")
    assert again.status == 0, again.err
    assert same(weights(place / "run/step-0000020"), weights(place / "whole/step-0000020"))
    assert same(weights(place / "run/best"), weights(place / "whole/best"))
    assert again.result["scores"] == whole.result["scores"]
    for name in ("scores.json", "best/best.json"):
        mine, theirs = ((place / run / name).read_text() for run in ("run", "whole"))
        assert mine.replace("/run/", "/whole/") == theirs


def test_the_length_of_words_is_that_of_the_encoder(bertkit, ask, words, place):
    """A word of 250 letters is [UNK] to most encoders, and not to one of such sequences."""
    word, facts = "good" + "great" * 50, {"word_length": 300, "do_lower_case": True}
    (place / "encoder/tokenizer_config.json").write_text(json.dumps(facts))
    vocab = (place / "encoder/vocab.txt").read_text().splitlines()
    vocab[-1] = "##great"
    (place / "encoder/vocab.txt").write_text("\n".join(vocab) + "\n")
    words = [*words, "--eval-every", 1, "--max-steps", 1, "--output", place / "run"]
    run = bertkit(*words)
    assert run.status == 0, run.err
    for folder in ("run/step-0000001", "run/best"):
        config = json.loads((place / folder / "tokenizer_config.json").read_text())
        assert config["word_length"] == 300 and (place / folder / "tokenizer.json").is_file()
    answers = ask(
        "--init-checkpoint", place / "run", "--json", lines=[{"text": word}, {"text": "[UNK]"}]
    )
    assert answers.status == 0, answers.err
    known, unknown = (answer["probabilities"] for answer in answers.result["answers"])
    assert known != unknown, "the word was read as [UNK]"


def test_layouts_and_micro_batches_give_the_same_weights(bertkit, words, place):
    words = [*words, "--optimizer", "sgd", "--lr", "0.1"]
    ways = {"unpadded": (), "padded": ("--layout", "padded"), "small": ("--micro-batch-size", 2)}
    found = {}
    for name, way in ways.items():
        run = bertkit(*words, *way, "--output", place / name)
        assert run.status == 0, run.err
        found[name] = weights(place / name / "step-0000020")
    for name in ("padded", "small"):
        for key, value in found["unpadded"].items():
            assert float((value - found[name][key]).abs().max()) < 1e-5, (name, key)
    head = "classifier.weight"
    assert float((found["unpadded"][head] - 0).abs().max()) > 0.1


def test_a_head_goes_on_only_where_it_means_the_same(bertkit, words, place, monkeypatch):
    first = bertkit(*words, "--output", place / "first")
    assert first.status == 0, first.err
    trained = load_weights(place / "first/step-0000020")
    words[words.index(place / "encoder")] = place / "first/step-0000020"
    start = [*words, "--max-steps", 1, "--lr", 0, "--no-do-eval"]
    for labels, keeps in ((("bad", "good"), True), (("good", "bad"), False)):
        name = "-".join(labels)
        run = bertkit(*start, "--output", place / name, "--labels", *labels)
        assert run.status == 0, run.err
        new = weights(place / name / "step-0000001")
        assert bool((new["classifier.weight"] == trained["classifier.weight"]).all()) == keeps
        encoder = "bert.encoder.layer.0.output.dense.weight"
        assert bool((new[encoder] == trained[encoder]).all())


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(bertkit, words, place):
    run = bertkit(*words, "--output", place / "run", "--dry-run")
    assert run.status == 0, run.err
    assert run.result["training_examples"] == 40 and run.result["steps"] == 20
    assert run.result["labels"] == "bad, good"
    assert not (place / "run").exists()
    shown = bertkit(*words[:-1], "--output", place / "run", "--dry-run").out
    assert "text_column" in shown and "derived" in shown
    assert "\ntraining examples   40\n" in shown and "cuda.compile" not in shown


def test_report_shows_a_run(bertkit, words, place):
    pytest.importorskip("matplotlib")
    assert bertkit(*words, "--eval-every", 4, "--output", place / "run").status == 0
    report = bertkit("report", place / "run", "--output", place / "curves.png", "--json")
    assert report.status == 0, report.err
    assert (place / "curves.png").stat().st_size > 1000


def test_half_precision_learns(bertkit, words, place):
    run = bertkit(*words, "--precision", "bf16", "--output", place / "run")
    assert run.status == 0, run.err
    assert run.result["scores"]["accuracy"] >= 0.9


def test_a_run_keeps_the_precision_that_was_chosen_when_it_began(
    bertkit, words, place, monkeypatch
):
    words = [*words, "--max-steps", 6, "--output", place / "run"]
    monkeypatch.setattr(CpuAdapter, "best_precision", lambda self, size: "fp32")
    assert bertkit(*words, "--steps-this-run", 2).status == 75
    monkeypatch.setattr(CpuAdapter, "best_precision", lambda self, size: "bf16")
    again = bertkit(*words)
    assert again.status == 0, again.err
    assert "precision fp32, with which this run began" in again.err
    assert again.result["step"] == 6
    anew = bertkit(*words, "--overwrite", "--dry-run")
    assert anew.status == 0 and "with which this run began" not in anew.err


@pytest.mark.parametrize(
    ("given", "rate"), [((), 0.25), (("--classifier-dropout", 0.1), 0.1)], ids=["own", "given"]
)
def test_the_head_has_the_dropout_of_the_checkpoints_configuration(
    bertkit, words, place, given, rate
):
    """As transformers, which takes `classifier_dropout` of the configuration."""
    transformers = pytest.importorskip("transformers")
    shape = transformers.BertConfig.from_pretrained(place / "encoder", classifier_dropout=0.25)
    shape.save_pretrained(place / "encoder")
    assert transformers.BertForSequenceClassification(shape).dropout.p == 0.25
    call = (*words, *given, "--output", place / "run")
    first = bertkit(*call, "--steps-this-run", 10)
    assert first.status == 75, first.err
    saved = json.loads((place / "run/step-0000010/config.json").read_text())
    assert saved["classifier_dropout"] == rate
    assert bertkit(*call).status == 0
    saved = json.loads((place / "run/step-0000020/config.json").read_text())
    assert saved["classifier_dropout"] == rate


def test_files_of_one_name_are_scored_and_predicted_beside_each_other(bertkit, words, place):
    for number, folder in enumerate(("a", "b")):
        (place / folder).mkdir()
        write_table(place / folder / "test.tsv", texts(10 + number, seed=2 + number))
    files = [place / "a/test.tsv", place / "b/test.tsv"]
    given = [word for path in files for word in ("--eval-file", path, "--predict-file", path)]
    run = bertkit(*words, *given, "--output", place / "run")
    assert run.status == 0, run.err
    names = {score.rpartition("/")[0] for score in run.result["scores"]}
    assert names == {"", "test", "b-test"}
    for path, name in zip(files, ("test", "b-test"), strict=True):
        alone = bertkit("finetune", "--init-checkpoint", place / "run", "--task", "classify",
                        "--eval-file", path, "--output", place / name, "--json")  # fmt: skip
        assert alone.result["scores"]["accuracy"] == run.result["scores"][f"{name}/accuracy"]
        lines = (place / f"run/predictions-{name}.jsonl").read_text().splitlines()
        assert len(lines) == len(path.read_text().splitlines()) - 1
    found = read_scored(place / "run")
    assert [one.examples for one in found] == [20, 10, 11]
    assert all("accuracy" in one.scores for one in found)
