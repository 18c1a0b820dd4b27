"""Fixtures of the tests on IPUs: a run of three steps, on the stand-in and on the CPU."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import synthetic

from bertkit.backends import registry
from bertkit.backends.ipu.options import IpuOptions
from bertkit.model.config import BertConfig
from bertkit.tasks.pretraining.config import PretrainConfig
from bertkit.tasks.pretraining.pretrain import pretrain

from .copies import engine

SHAPE = BertConfig(
    vocab_size=synthetic.VOCAB, hidden_size=8, num_hidden_layers=2, num_attention_heads=2,
    intermediate_size=16, max_position_embeddings=16, hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
)  # fmt: skip


# Layers on two IPUs and the heads back on the first: three stages.
TWO = IpuOptions(layers_per_ipu=[1, 1], embedding_serialization=4, memory_proportion=[0.3, 0.2])


@pytest.fixture
def poptorch():
    with engine() as module:
        yield module


@pytest.fixture(scope="session")
def records(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ipu")
    synthetic.write(folder / "train.tfrecord", 40, length=16, predictions=3, seed=1)
    synthetic.write(folder / "eval.tfrecord", 7, length=16, predictions=3, seed=2)
    return folder


@pytest.fixture
def settings(records, tmp_path):
    return lambda **changes: replace(plain(records, tmp_path / "run"), **changes)


def plain(records: Path, output: Path) -> PretrainConfig:
    """Three steps of sixteen sequences, eight micro-batches each, evaluated after two."""
    return PretrainConfig(
        input=[str(records / "train.tfrecord")], eval_input=[str(records / "eval.tfrecord")],
        output=str(output), global_batch_size=16, micro_batch_size=2, max_steps=3, layout="padded",
        learning_rate=0.5, save_every=1, eval_every=2, log_every=1, max_grad_norm=0.7,
        optimizer="sgd", model=SHAPE, ipu=TWO,
    )  # fmt: skip


@pytest.fixture(scope="session")
def on_cpu(records, tmp_path_factory):
    """The same run on the CPU."""
    config = plain(records, tmp_path_factory.mktemp("cpu") / "run")
    return pretrain(config, registry.get("cpu"))
