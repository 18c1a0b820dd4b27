"""What a SQuAD run knows before it writes anything."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bertkit.backends.torch.cpu import CpuAdapter
from bertkit.errors import ConfigError, DataError
from bertkit.tasks.squad.config import SquadConfig
from bertkit.tasks.squad.prepare import answering_plan, prepare
from tasks.squad.world import RIVERS, paragraph, squad


def test_the_estimate_counts_without_writing(settings, tmp_path):
    plan = prepare(SquadConfig(**settings), CpuAdapter()).estimate()
    assert (plan["training_questions"], plan["training_windows_about"], plan["steps"]) == (5, 5, 80)
    assert not (tmp_path / "run").exists()


def test_settings_are_filled_in_and_arrive_in_the_plan(settings, tmp_path):
    given = SquadConfig(**settings, clip="before", loss_scale=4.0, max_grad_norm=0.5, seed=3)
    ready = prepare(given, CpuAdapter())
    assert (ready.config.layout, ready.config.micro_batch_size) == ("unpadded", 5)
    plan = ready.step_plan
    assert (plan.layout, plan.clip, plan.loss_scale) == ("unpadded", "before", 4.0)
    assert (plan.max_grad_norm, plan.seed, plan.training) == (0.5, 3, True)
    assert (plan.shape.micro_batch_size, plan.shape.accumulation) == (5, 1)
    answering = answering_plan(plan, ready.config)
    assert (answering.training, answering.shape.micro_batch_size) == (False, 32)
    assert ready.batcher.padded_length == 0
    assert prepare(replace(given, layout="padded"), CpuAdapter()).batcher.padded_length == 48


def test_the_fingerprint_is_that_of_questions_and_vocabulary(settings, tmp_path, vocab_file):
    first = prepare(SquadConfig(**settings), CpuAdapter())
    assert prepare(SquadConfig(**settings, limit=2), CpuAdapter()).fingerprint == first.fingerprint
    tokens = vocab_file.read_text().split()
    other = tmp_path / "other.txt"
    other.write_text("\n".join([*tokens[:-1], "different"]) + "\n")
    config = SquadConfig(**{**settings, "vocab": str(other)})
    with pytest.raises(DataError, match=r"encoder has vocabulary .*other.txt has vocabulary"):
        prepare(config, CpuAdapter())
    changed = prepare(replace(config, allow_other_vocab=True), CpuAdapter())
    assert changed.fingerprint != first.fingerprint


def test_evaluations_that_cannot_be_are_refused(settings, write, monkeypatch):
    bare = squad(paragraph("Anna wrote.", ("Who wrote?", "")))
    for question in bare["data"][0]["paragraphs"][0]["qas"]:
        question.pop("is_impossible")
    settings |= {"predict_file": str(write("bare.json", bare)), "eval_every": 5}
    with pytest.raises(ConfigError, match="--eval-every needs answers in --predict-file"):
        prepare(SquadConfig(**settings), CpuAdapter())
    settings["predict_file"] = settings["train_file"]
    assert prepare(SquadConfig(**settings), CpuAdapter()).predict_questions
    device = replace(CpuAdapter.caps, step_owner="device")
    monkeypatch.setattr(CpuAdapter, "caps", device)
    with pytest.raises(ConfigError, match="--eval-every does not work on cpu"):
        prepare(SquadConfig(**settings), CpuAdapter())


def test_questions_that_cannot_be_scored_are_told_before_training(settings, write):
    mixed = squad(RIVERS, paragraph("Anna wrote.", ("Who built?", "")))
    mixed["data"][0]["paragraphs"][1]["qas"][0].pop("is_impossible")
    settings |= {"predict_file": str(write("mixed.json", mixed))}
    with pytest.raises(DataError, match=r"mixed\.json: 1 of 3 questions have no answer") as error:
        prepare(SquadConfig(**settings), CpuAdapter())
    assert "--version-2-with-negative" in error.value.hint
    assert not prepare(SquadConfig(**settings, do_eval=False), CpuAdapter()).scores
    assert prepare(SquadConfig(**settings, version_2_with_negative=True), CpuAdapter()).scores
