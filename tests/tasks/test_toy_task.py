"""A task of one file, made through the public seam alone: is a sequence's first token even?

What stands above the line of dashes is all that the task needs; nothing else knows of it.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.utils.checkpoint import checkpoint as checkpoint_of_torch

from bertkit.backends import registry
from bertkit.backends.base import StepShape
from bertkit.backends.sections import BackendSections, options_of
from bertkit.configuration.config import as_dict, setting
from bertkit.configuration.settings import FREE, override
from bertkit.data.sample_feed import SampleFeed, side_by_side
from bertkit.data.sample_order import SampleOrder
from bertkit.data.step_batch import MicroBatch
from bertkit.errors import ConfigError, DataError, StoppedError
from bertkit.model.bert import BertModel
from bertkit.model.checkpoints.hf import save_pretrained
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForPreTraining
from bertkit.model.losses import weighted_cross_entropy
from bertkit.report.logs.trackers import make_trackers
from bertkit.train.checkpoints import checkpoint
from bertkit.train.config import ComputeConfig, TrainingConfig
from bertkit.train.evaluation import measure
from bertkit.train.run import TrainingRun
from bertkit.train.step_settings import (
    chosen_precision,
    make_step_plan,
    optimizer_spec,
    refuse,
)
from bertkit.train.task import TrainingData, TrainingTask
from bertkit.train.token_batch import token_batch


@dataclass(frozen=True)
class ToyConfig(TrainingConfig, BackendSections):
    """What the task adds to the shared settings, and the default that differs."""

    backend: str = override(ComputeConfig, "backend", choices=registry.choices())
    sequences: int = setting(64, help="To train on.", minimum=1)
    eval_sequences: int = setting(32, help="To evaluate on.", minimum=1, on_resume=FREE)
    learning_rate: float = override(TrainingConfig, "learning_rate", 5e-3)
    model: BertConfig = field(default_factory=BertConfig)


class ToyModel(nn.Module):
    """The encoder and two scores from its pooled output."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.config = config
        self.bert = BertModel(config)
        self.classifier = nn.Linear(config.hidden_size, 2)

    def forward(self, tokens):
        (first,) = self.bert.at(tokens, [tokens.cls_rows])
        return self.classifier(self.bert.pooler(first))


class ToyObjective:
    """Cross entropy of the two scores."""

    trains_all = True

    def losses(self, model, tensors, batch):
        found = weighted_cross_entropy(
            model(token_batch(tensors, batch)), tensors["labels"], tensors["weights"]
        )
        return found.loss, {
            "even_loss_sum": found.plain,
            "even_correct": found.correct,
            "even_count": found.cases,
        }


class ToyTask(TrainingTask):
    """Even or odd, on sequences drawn at random."""

    new_weights = ("classifier.",)
    ignored_weights = ("cls.",)

    def __init__(self, config: ToyConfig, adapter) -> None:
        precision = chosen_precision(adapter, config.precision, config.model.hidden_size)
        layout = adapter.caps.layout(config.layout)
        self.config = replace(config, layout=layout, precision=precision)
        self.shape = config.model
        self.objective = ToyObjective()
        self.samples = self.draw(config.sequences, seed=0)
        self.held_out = self.draw(config.eval_sequences, seed=1)
        self.fingerprint = hashlib.sha256(b"".join(map(bytes, self.samples))).hexdigest()
        self.start = Path(config.init_checkpoint) if config.init_checkpoint else None
        shape = StepShape(
            micro_batch_size=config.micro_size,
            accumulation=config.accumulation(),
            sequence_length=12,
        )
        options = options_of(config, adapter.caps.name)
        self.step_plan = make_step_plan(self.config, shape, self.shape, options)
        refuse(adapter.validate(self.step_plan, optimizer_spec(config)))

    def draw(self, count: int, seed: int) -> list[np.ndarray]:
        random = np.random.default_rng(seed)
        lengths = random.integers(4, 13, count)
        return [random.integers(5, self.shape.vocab_size, length) for length in lengths]

    def make_model(self) -> nn.Module:
        return ToyModel(self.shape)

    def make_batch(self, samples: Sequence[np.ndarray]) -> MicroBatch:
        ids = sorted(samples, key=len, reverse=True)
        padded = 12 if self.config.layout == "padded" else 0
        batch = side_by_side(ids, [np.zeros_like(tokens) for tokens in ids], padded)
        batch.arrays["labels"] = np.array([tokens[0] % 2 for tokens in ids])
        return batch

    def feed(self, samples, size: int) -> SampleFeed:
        order = SampleOrder(len(samples), self.config.seed)
        return SampleFeed(samples, order, self.make_batch, size, self.config.micro_size)

    def training_data(self, adapter) -> TrainingData:
        return TrainingData(
            feed=self.feed(self.samples, self.config.global_batch_size),
            samples=len(self.samples),
            summary=f"{len(self.samples)} sequences",
        )

    def evaluator(self, model, stepper, adapter):
        feed = self.feed(self.held_out, self.config.micro_size)
        return lambda: measure(stepper, adapter, feed.once, feed.parts())


def train(config: ToyConfig, **more):
    adapter = registry.get(config.backend)
    with_toy = TrainingRun(ToyTask(config, adapter), adapter, make_trackers=make_trackers, **more)
    with_toy.train()
    return with_toy


# ---------------------------------------------------------------------------------------------


@pytest.fixture
def config(tmp_path):
    shape = BertConfig(
        vocab_size=32, hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=16, initializer_range=0.1,
    )  # fmt: skip
    return ToyConfig(
        backend="cpu", output=str(tmp_path / "run"), model=shape, global_batch_size=16,
        micro_batch_size=8, max_steps=12, eval_every=6, save_every=0, log_every=4,
    )  # fmt: skip


def tensors(run):
    folder = run.progress.checkpoint
    moments = torch.load(folder / "optimizer.pt", weights_only=True)["optimizer"]
    flat = {f"{name} {key}": v for name, own in moments.items() for key, v in own.items()}
    return {**load_file(folder / "model.safetensors"), **flat}


def lines(run):
    return [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]


def test_it_learns_and_evaluates_during_training(config):
    run = train(replace(config, max_steps=90, eval_every=30, learning_rate=1e-2, sequences=256))
    evaluations = [line for line in lines(run) if line["kind"] == "eval"]
    assert [line["step"] for line in evaluations] == [30, 60, 90]
    assert evaluations[-1]["even_accuracy"] > 0.9
    assert run.progress.evaluation["even_loss"] == evaluations[-1]["even_loss"]
    assert {path.name for path in run.folder.iterdir()} == {
        "config.yaml", "machine.json", "metrics.jsonl", "step-0000090",
    }  # fmt: skip


@pytest.mark.parametrize("cut", [1, 5, 6, 11])
def test_it_stops_and_resumes_bit_for_bit(config, tmp_path, cut):
    whole = train(replace(config, output=str(tmp_path / "whole")))
    with pytest.raises(StoppedError, match=f"at step {cut} of 12"):
        train(replace(config, steps_this_run=cut))
    resumed = train(config)
    assert resumed.first_step == cut
    one, other = tensors(whole), tensors(resumed)
    assert [name for name in one if not torch.equal(one[name], other[name])] == []
    told = [[line for line in lines(run) if line["kind"] == "eval"] for run in (whole, resumed)]
    for first, second in zip(*told, strict=True):
        assert first["even_loss"] == second["even_loss"]
    again = train(config)
    assert again.first_step == again.progress.step == 12


def test_layouts_and_accumulation_give_the_same_run(config, tmp_path):
    calm = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    base = replace(config, model=BertConfig(**{**as_dict(config.model), **calm}))
    ways = [{}, {"layout": "padded"}, {"micro_batch_size": 4}, {"recompute": True}]
    runs = [
        train(replace(base, output=str(tmp_path / str(number)), **way))
        for number, way in enumerate(ways)
    ]
    for other in runs[1:]:
        assert other.progress.train["loss"] == pytest.approx(runs[0].progress.train["loss"], 1e-5)


def test_layers_are_recomputed_though_the_task_says_nothing_of_it(config, tmp_path, monkeypatch):
    seen = []

    def noted(layer, *rest, **more):
        seen.append(layer)
        return checkpoint_of_torch(layer, *rest, **more)

    monkeypatch.setattr("bertkit.model.bert.checkpoint", noted)
    deep = replace(config, model=replace(config.model, num_hidden_layers=3), max_steps=1)
    train(deep)
    assert not seen
    train(replace(deep, output=str(tmp_path / "again"), recompute=True))
    # All layers but the last one, in both micro-batches.
    assert len(seen) == 4 and len(set(seen)) == 2


class OwnShape(BertConfig):
    """Of a model that is not BERT, as its config.json says."""

    def to_dict(self, architecture="", facts=None):
        return {"model_type": "modernbert", "architectures": [architecture]}


class OwnModel(nn.Module):
    """Not BERT; names that BERT's files have without `bert.` are its own."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.embeddings = nn.Embedding(config.vocab_size, 8)
        self.layers = nn.ModuleList([nn.Module()])
        self.layers[0].attn = nn.Module()
        self.layers[0].attn.Wqkv = nn.Linear(8, 2)

    def forward(self, tokens):
        return self.layers[0].attn.Wqkv(self.embeddings(tokens.ids)[tokens.cls_rows])


def test_a_model_that_is_not_bert_is_saved_and_goes_on(config, tmp_path, monkeypatch):
    monkeypatch.setattr(ToyTask, "make_model", lambda self: OwnModel(self.shape))
    own = replace(config, model=OwnShape(**as_dict(config.model)))
    whole = train(replace(own, output=str(tmp_path / "whole")))
    with pytest.raises(StoppedError):
        train(replace(own, steps_this_run=5))
    resumed = train(own)
    one, other = tensors(whole), tensors(resumed)
    assert [name for name in one if not torch.equal(one[name], other[name])] == []
    said = json.loads((resumed.progress.checkpoint / "config.json").read_text())
    assert said == {"model_type": "modernbert", "architectures": ["OwnModel"]}


def test_it_starts_from_an_encoder(config, tmp_path):
    encoder = BertForPreTraining(config.model)
    save_pretrained(encoder, tmp_path / "encoder")
    start = replace(config, init_checkpoint=str(tmp_path / "encoder"), max_steps=1, warmup_steps=1)
    found = tensors(train(start))  # the first step of a warm-up has rate 0
    name = "bert.embeddings.word_embeddings.weight"
    assert torch.equal(found[name], encoder.state_dict()[name])


def test_settings_and_data_that_decide_numbers_are_kept(config):
    with pytest.raises(StoppedError):
        train(replace(config, steps_this_run=2))
    with pytest.raises(ConfigError, match=r"learning_rate 0\.005, now 0\.1"):
        train(replace(config, learning_rate=0.1))
    with pytest.raises(DataError, match="other records"):
        train(replace(config, sequences=63))
    with pytest.raises(DataError, match="holds a run already"):
        train(replace(config, resume="never"))
    # Of these, none decides a number.
    changed = train(replace(config, save_every=3, eval_every=0, eval_sequences=8, keep_last=1))
    assert [step for step, _ in checkpoint.in_run(changed.folder)] == [12]
    assert train(replace(config, max_steps=3), overwrite=True).progress.step == 3


def test_the_task_is_small():
    source = inspect.getsource(sys.modules[__name__]).partition("# -----")[0]
    assert len(source.splitlines()) < 160
