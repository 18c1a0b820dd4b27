"""From a question file to scores, with a model small enough to learn it by heart."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
import transformers
from terminated import terminated

from bertkit.backends.torch.cpu import CpuAdapter
from bertkit.backends.torch.step import TorchStepper
from bertkit.errors import BertkitError, ConfigError, DataError, StoppedError
from bertkit.model.checkpoints.hf import load_weights, save_pretrained
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForPreTraining
from bertkit.report.views.run import read_scores
from bertkit.tasks.squad.config import SquadConfig
from bertkit.tasks.squad.finetune import finetune
from tasks.squad.world import SIZES, paragraph, squad


@pytest.mark.parametrize("layout", ["unpadded", "padded"])
def test_learns_a_handful_of_questions_by_heart(settings, layout):
    settings["max_steps"] = 120
    result = finetune(SquadConfig(**settings, layout=layout), CpuAdapter())
    assert result.scores == {"exact_match": 100.0, "f1": 100.0}
    assert (result.step, result.train_windows, result.predict_windows) == (120, 5, 5)
    run = Path(result.output)
    answers = json.loads((run / "predictions.json").read_text())
    assert sorted(answers.values()) == ["1844", "London", "Maria", "The Seine", "a poem"]
    assert json.loads((run / "scores.json").read_text()) == result.scores
    shown = dict(re.split("  +", line) for line in result.text().splitlines())
    assert read_scores(str(run)).items() <= shown.items() and shown["F1 (%)"] == "100.00"
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert lines[0]["loss"] > 10 * lines[-1]["loss"]
    assert lines[-1]["span_accuracy"] == 1.0
    theirs, info = transformers.BertForQuestionAnswering.from_pretrained(
        result.checkpoint, output_loading_info=True
    )
    assert not info["missing_keys"]
    assert theirs.config.max_position_embeddings == 64


@pytest.mark.slow
def test_parts_one_after_the_other_give_the_same(settings, tmp_path):
    whole = finetune(SquadConfig(**settings), CpuAdapter())
    settings["output"] = str(tmp_path / "parts")
    trained = finetune(SquadConfig(**settings, do_predict=False), CpuAdapter())
    assert not trained.predictions
    asking = {**settings, "train_file": None, "init_checkpoint": None}
    asked = finetune(SquadConfig(**asking, do_eval=False), CpuAdapter())
    assert asked.predictions
    assert not asked.scores
    scored = finetune(SquadConfig(**asking, do_predict=False, do_eval=True), CpuAdapter())
    assert scored.scores == whole.scores
    for name in ("predictions.json", "nbest_predictions.json"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "run" / name).read_bytes()


def test_interrupted_and_resumed_run_has_the_same_weights(settings, encoder, tmp_path):
    shape = BertConfig.from_file(encoder)
    shape.hidden_dropout_prob = shape.attention_probs_dropout_prob = 0.1
    shape.to_file(encoder)
    whole = finetune(SquadConfig(**settings, do_predict=False), CpuAdapter())
    settings["output"] = str(tmp_path / "again")
    with pytest.raises(StoppedError, match="stopped by SIGTERM at step 30 of 80"):
        finetune(SquadConfig(**settings, do_predict=False), terminated(CpuAdapter(), 30))
    again = finetune(SquadConfig(**settings, do_predict=False), CpuAdapter())
    before, after = load_weights(whole.checkpoint), load_weights(again.checkpoint)
    assert all(torch.equal(before[name], after[name]) for name in before)
    with pytest.raises(ConfigError, match=r"learning_rate 0\.001, now 0\.1"):
        finetune(SquadConfig(**{**settings, "learning_rate": 0.1}), CpuAdapter())
    with pytest.raises(DataError, match="holds a run already"):
        finetune(SquadConfig(**settings, resume="never"), CpuAdapter())
    replaced = SquadConfig(**{**settings, "max_steps": 3, "do_predict": False})
    assert finetune(replaced, CpuAdapter(), overwrite=True).step == 3


def test_version_2_learns_to_say_nothing(settings, write):
    cities = paragraph(
        "The old king built a bridge in London.",
        ("Who built a bridge?", "The old king"),
        ("When was Anna born?", ""),
    )
    del cities["qas"][1]["is_impossible"]
    nowhere = {"context": "", "qas": [{"id": "z", "question": "Who?", "answers": []}]}
    file = str(write("v2.json", squad(nowhere, cities, version="v2.0")))
    settings |= {"train_file": file, "predict_file": file, "version_2_with_negative": True}
    result = finetune(SquadConfig(**settings), CpuAdapter())
    assert (result.scores["exact"], result.scores["NoAns_exact"]) == (100.0, 100.0)
    odds = json.loads(Path(result.output, "null_odds.json").read_text())
    assert [value > 0 for value in odds.values()] == [True, False, True]
    assert json.loads(Path(result.predictions).read_text())["z"] == ""
    assert max(value for name, value in result.scores.items() if "thresh" not in name) == 100.0


def test_what_does_not_fit_together_is_said_before_anything_is_written(
    settings, tmp_path, vocab_file, write
):
    def refuse(error, text, **changes):
        with pytest.raises(error, match=text):
            finetune(SquadConfig(**{**settings, **changes}), CpuAdapter())

    other = tmp_path / "other.txt"
    other.write_text(vocab_file.read_text() + "more\nwords\n" * 1)
    new = r"other\.txt has \d+ tokens, .* has weights for \d+: 2 new \(token 'more', 'words'\)"
    refuse(ConfigError, new, vocab=str(other))
    refuse(ConfigError, "more than the 64 positions", max_seq_length=65)
    unanswerable = str(write("v2.json", squad(paragraph("Anna.", ("Who?", "")))))
    refuse(DataError, "is_impossible", train_file=unanswerable)
    refuse(DataError, "holds no question", predict_file=str(write("e.json", {"data": []})))
    refuse(DataError, "no such checkpoint", init_checkpoint=str(tmp_path / "absent"))
    refuse(ConfigError, "has no span head", train_file=None)
    refuse(DataError, "no checkpoint in", train_file=None, init_checkpoint=None)
    only_score = {"train_file": None, "do_predict": False, "do_eval": True}
    refuse(DataError, r"no .*predictions\.json", **only_score)
    (tmp_path / "encoder" / "vocab.txt").unlink()
    refuse(ConfigError, r"there is no .*vocab\.txt")
    assert not (tmp_path / "run" / "config.yaml").exists()
    assert not list((tmp_path / "run").glob("*.json"))


def test_padded_vocabulary_of_a_checkpoint_is_accepted(settings, tmp_path, vocab_file):
    size = -(-len(vocab_file.read_text().split()) // 64) * 64
    place = tmp_path / "padded"
    save_pretrained(BertForPreTraining(BertConfig(vocab_size=size, **SIZES)), place)
    settings |= {"init_checkpoint": str(place), "vocab": str(vocab_file), "max_steps": 2}
    assert finetune(SquadConfig(**settings), CpuAdapter()).step == 2


def test_a_checkpoint_inside_the_run_is_not_overwritten(settings):
    result = finetune(SquadConfig(**{**settings, "max_steps": 2}), CpuAdapter())
    again = SquadConfig(**{**settings, "init_checkpoint": result.checkpoint})
    with pytest.raises(ConfigError, match="is a checkpoint of --output itself"):
        finetune(again, CpuAdapter(), overwrite=True)


def test_config_names_what_contradicts():
    def problems(**values):
        return "; ".join(SquadConfig(**values).problems())

    assert "--output is required; nothing to do" in problems()
    assert "--do-train needs --train-file" in problems(output="x", do_train=True)
    assert "--do-eval needs --predict-file" in problems(output="x", do_eval=True)
    assert "--train-file needs --init-checkpoint" in problems(output="x", train_file="t")
    assert "not a multiple" in problems(output="x", predict_file="p", micro_batch_size=5)
    assert "no room" in problems(output="x", predict_file="p", max_query_length=381)
    assert not problems(output="x", predict_file="p")


def test_evaluations_during_training_are_recorded_and_change_no_number(settings, tmp_path):
    settings |= {"max_steps": 30, "do_predict": False, "log_every": 15}
    plain = finetune(SquadConfig(**settings), CpuAdapter())
    settings["output"] = str(tmp_path / "evaluated")
    result = finetune(SquadConfig(**settings, eval_every=10), CpuAdapter())
    one, other = load_weights(plain.checkpoint), load_weights(result.checkpoint)
    assert all(torch.equal(one[name], other[name]) for name in one)
    lines = map(json.loads, (tmp_path / "evaluated" / "metrics.jsonl").read_text().splitlines())
    found = {line["step"]: line for line in lines if line["kind"] == "eval"}
    assert list(found) == [10, 20, 30]
    # What the trained model then answers has the scores of the last evaluation.
    settings |= {"do_predict": True, "train_file": None, "init_checkpoint": result.checkpoint}
    scores = finetune(SquadConfig(**settings), CpuAdapter()).scores
    assert {name: found[30][name] for name in scores} == scores


def test_settings_shared_with_pretraining_decide_numbers(settings, tmp_path):
    settings |= {"max_steps": 3, "do_predict": False}
    base = load_weights(finetune(SquadConfig(**settings), CpuAdapter()).checkpoint)
    same = {"recompute": True, "background_save": False, "measure_peak": True}
    for number, (change, differs) in enumerate(
        [(same, False), ({"beta1": 0.5}, True), ({"warmup_steps": 2}, True), ({"eps": 1e-3}, True)]
    ):
        settings["output"] = str(tmp_path / str(number))
        found = load_weights(finetune(SquadConfig(**settings, **change), CpuAdapter()).checkpoint)
        assert differs != all(torch.equal(base[name], found[name]) for name in base), change


def test_a_model_that_is_not_finite_is_refused_by_name(settings, encoder):
    """Not after the first step, with advice about the learning rate."""
    model = BertForPreTraining(BertConfig.from_file(encoder))
    with torch.no_grad():
        model.bert.embeddings.LayerNorm.weight[0] = float("nan")
    save_pretrained(model, encoder)
    with pytest.raises(DataError, match=r"not finite .*: bert\.embeddings\.LayerNorm\.weight"):
        finetune(SquadConfig(**settings), CpuAdapter())


def test_steps_left_out_are_counted(settings, monkeypatch):
    train = TorchStepper.train

    def broken(self, batch, step):
        if step == 1:
            batch.micro_batches[0].arrays["span_weights"][:] = float("inf")
        return train(self, batch, step)

    monkeypatch.setattr(TorchStepper, "train", broken)
    settings |= {"max_steps": 3, "save_every": 0}
    with pytest.raises(BertkitError, match="at step 2; there is no checkpoint yet"):
        finetune(SquadConfig(**settings), CpuAdapter())
    result = finetune(SquadConfig(**settings, on_nonfinite="skip"), CpuAdapter())
    assert result.step == 3 and result.train["skipped_steps"] == 1
    assert re.search(r"skipped steps +1\n", result.text())
