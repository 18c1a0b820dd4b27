"""SQuAD on Cerebras systems: on the vendor's package and on the stand-in, as in `test_cs.py`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tasks.squad.world import PEOPLE, RIVERS, WORDS, squad
from terminated import terminated

from bertkit.backends.cs import features as cs_data
from bertkit.backends.cs import step as cs_step
from bertkit.backends.cs.adapter import CsAdapter
from bertkit.backends.cs.options import CsOptions
from bertkit.backends.torch.cpu import CpuAdapter
from bertkit.errors import BertkitError, ConfigError, StoppedError
from bertkit.model.checkpoints.hf import save_pretrained
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForPreTraining
from bertkit.tasks.squad import predict
from bertkit.tasks.squad.config import PredictConfig, SquadConfig
from bertkit.tasks.squad.finetune import finetune
from bertkit.tasks.squad.prepare import prepare

from .runs import REAL, far

played = pytest.mark.skipif(REAL, reason="needs a system, which the stand-in plays")


@pytest.fixture
def settings(tmp_path):
    """Five questions, an encoder, and three steps of SGD on them."""
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS.split()]
    torch.manual_seed(0)
    shape = BertConfig(
        vocab_size=len(vocab), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=48, initializer_range=0.1,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    save_pretrained(BertForPreTraining(shape), tmp_path / "encoder")
    (tmp_path / "encoder/vocab.txt").write_text("\n".join(vocab) + "\n")
    file = tmp_path / "questions.json"
    file.write_text(json.dumps(squad(RIVERS, PEOPLE)))
    return SquadConfig(
        train_file=str(file), predict_file=str(file), init_checkpoint=str(tmp_path / "encoder"),
        output=str(tmp_path / "run"), max_seq_length=48, doc_stride=16, max_query_length=12,
        global_batch_size=4, micro_batch_size=2, max_steps=3, optimizer="sgd", learning_rate=0.5,
        warmup_proportion=0.0, max_grad_norm=0.3, predict_batch_size="2", save_every=2,
        keep_last=0, cs=CsOptions(device="cpu", artifacts=str(tmp_path / "logs")),
    )  # fmt: skip


def on_system(settings, **more) -> SquadConfig:
    options = replace(settings.cs, device="csx", address="cluster:9000", **more)
    return replace(settings, precision="bf16", cs=options)


def run(settings, adapter, name):
    """(weights after the last step, losses, guesses by question)."""
    place = Path(settings.output) / name
    result = finetune(replace(settings, output=str(place)), adapter)
    lines = [json.loads(line) for line in (place / "metrics.jsonl").read_text().splitlines()]
    guesses = json.loads((place / "nbest_predictions.json").read_text())
    weights = load_file(Path(result.checkpoint) / "model.safetensors")
    return weights, [line["loss"] for line in lines], guesses


def require_same(ours, theirs):
    assert far(ours[0], theirs[0]) < 1e-5
    assert ours[1] == pytest.approx(theirs[1], rel=1e-5)
    assert ours[2].keys() == theirs[2].keys()
    for name, guesses in theirs[2].items():
        for mine, other in zip(ours[2][name], guesses, strict=True):
            assert mine["text"] == other["text"]
            for what in ("start_logit", "end_logit", "probability"):
                assert mine[what] == pytest.approx(other[what], abs=1e-5)


def test_it_learns_and_answers_as_the_cpu_backend_does(cstorch, settings):
    """Five windows go in batches of two: the last one is filled up."""
    settings = replace(settings, log_every=1)
    require_same(run(settings, CsAdapter(), "cs"), run(settings, CpuAdapter(), "cpu"))


@played
def test_a_system_learns_and_answers_as_the_cpu_backend_does(cstorch, settings):
    settings = replace(settings, log_every=1)
    theirs = run(settings, CpuAdapter(), "cpu")
    require_same(run(on_system(settings), CsAdapter(), "cs"), theirs)
    assert cstorch.backends.csx.performance.micro_batch_size == "auto"


def test_questions_are_answered_without_training_first(cstorch, settings):
    ours, theirs = ({}, {})
    trained = finetune(replace(settings, predict_file=None), CpuAdapter())
    for found, adapter in ((ours, CsAdapter()), (theirs, CpuAdapter())):
        asked = PredictConfig(
            init_checkpoint=trained.checkpoint, max_seq_length=48, max_query_length=12,
            doc_stride=16, predict_batch_size="2", cs=settings.cs,
        )  # fmt: skip
        question = predict.one_question("Who built the castle?", PEOPLE["context"])
        (found["answer"],) = predict.predict(asked, [question], adapter).answers
    assert ours["answer"]["answer"] == theirs["answer"]["answer"]
    for mine, other in zip(ours["answer"]["nbest"], theirs["answer"]["nbest"], strict=True):
        assert mine["probability"] == pytest.approx(other["probability"], abs=1e-5)


def test_resuming_continues_bit_for_bit(cstorch, settings, tmp_path):
    plain = replace(settings, predict_file=None, max_steps=4)
    whole = finetune(replace(plain, output=str(tmp_path / "whole")), CsAdapter())
    with pytest.raises(StoppedError, match="stopped by SIGTERM at step 2 of 4"):
        finetune(plain, terminated(CsAdapter(), 2))
    rest = finetune(plain, CsAdapter())
    one, other = (load_file(f"{run.checkpoint}/model.safetensors") for run in (whole, rest))
    assert far(one, other) == 0.0


def test_sizes_are_not_tried_on_it(cstorch, settings):
    with pytest.raises(ConfigError, match="--predict-batch-size auto does not work on cs"):
        finetune(replace(settings, predict_batch_size="auto"), CsAdapter())
    several = on_system(settings, systems=3)
    with pytest.raises(ConfigError, match="more than the 2 rows of a step"):
        prepare(several, CsAdapter())
    assert prepare(replace(several, predict_batch_size="3"), CsAdapter()).predict_questions
    # Where nothing is answered, it does not matter.
    finetune(replace(settings, predict_file=None, predict_batch_size="auto"), CsAdapter())


def test_the_compiler_takes_both_steps(cs_command, settings, tmp_path):
    """Without a system: the training step, then the one that answers."""

    def validated(name, *words):
        done = cs_command(
            *words, "--backend", "cs", "--msl", 48, "--max-query-length", 12, "--precision",
            "bf16", "--set", "cs.validate_only=true", "--set", f"cs.artifacts={name}", "--json",
        )  # fmt: skip
        assert done.status == 0, done.err
        assert (tmp_path / name / "executors/000001/cirh.mlir").stat().st_size > 100
        return done

    done = validated(
        "first", "finetune-squad", "--train-file", settings.train_file, "--init-checkpoint",
        settings.init_checkpoint, "--gbs", 4, "--micro-batch-size", 2, "--output", "trained",
    )  # fmt: skip
    assert "nothing was trained" in done.err
    assert not list((tmp_path / "trained").glob("step-*"))
    trained = finetune(replace(settings, predict_file=None), CpuAdapter()).checkpoint
    done = validated(
        "second", "finetune-squad", "--predict-file", settings.predict_file, "--init-checkpoint",
        trained, "--output", "asked", "--predict-batch-size", 2,
    )  # fmt: skip
    assert "nothing was answered" in done.err
    assert not (tmp_path / "asked/predictions.json").exists()
    done = validated(
        "third", "predict", "--init-checkpoint", trained, "--question", "Who?", "--passage", "Anna."
    )  # fmt: skip
    assert json.loads(done.out.splitlines()[-1])["answers"] == []


def outside(self, batch):
    """Scores read where they were made, not where the engine lets them go."""
    session, _ = cs_step._session_of(batch)
    self.model.eval()
    session.begun or session.begin()
    found = self._predict(session.batch)
    result = {name: value.reshape(-1).numpy() for name, value in found.items()}
    session.advance()
    return result


def unmasked(batch, length, segment_padding=0):
    found = FEATURES(batch, length, segment_padding)
    return {**found, "input_mask": 1 - found["input_mask"]}


def unweighted(batch, length, segment_padding=0):
    """Every window counts as if it were alone."""
    found = FEATURES(batch, length, segment_padding)
    if "span_weights" in found:
        found["span_weights"] = np.ones_like(found["span_weights"])
    return found


def reversed_rows(parts, rows, segment_padding=0):
    return {name: values[::-1] for name, values in PADDED(parts, rows, segment_padding).items()}


def untrained(self, features):
    """Dropout and the like stay on."""
    self.model.train()
    self.model.bert.embeddings.rate = 0.5
    return PREDICT(self, features)


FEATURES, PADDED = cs_data.features, cs_data.padded_to_rows
PREDICT = cs_step.CsStepper._predict_body
BREAKAGES = {
    "scores read outside a closure": (cs_step.CsStepper, "predict", outside),
    "the mask not inverted": (cs_data, "features", unmasked),
    "weights of the step lost": (cs_data, "features", unweighted),
    "rows in another order": (cs_data, "padded_to_rows", reversed_rows),
    "dropout in answers": (cs_step.CsStepper, "_predict_body", untrained),
}


@played
@pytest.mark.parametrize("name", BREAKAGES)
def test_each_rule_is_kept_by_the_adapter_and_seen_when_broken(
    cstorch, settings, monkeypatch, name
):
    settings = replace(settings, log_every=1)
    theirs = run(settings, CpuAdapter(), "cpu")
    owner, attribute, broken = BREAKAGES[name]
    monkeypatch.setattr(owner, attribute, broken)
    with pytest.raises((AssertionError, RuntimeError, BertkitError)):
        require_same(run(on_system(settings), CsAdapter(), "cs"), theirs)
