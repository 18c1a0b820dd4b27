"""A tiny model on tiny records: a run takes a second."""

from __future__ import annotations

from dataclasses import replace

import pytest
import synthetic

from bertkit.model.config import BertConfig
from bertkit.tasks.pretraining.config import PretrainConfig

SHAPE = BertConfig(
    vocab_size=synthetic.VOCAB,
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=32,
    max_position_embeddings=32,
)


@pytest.fixture(scope="session")
def records(tmp_path_factory):
    """Forty training records and ten others."""
    folder = tmp_path_factory.mktemp("records")
    synthetic.write(folder / "train.tfrecord", 40, seed=1)
    synthetic.write(folder / "eval.tfrecord", 10, seed=2)
    return folder


@pytest.fixture
def settings(records, tmp_path):
    """A run of twenty steps of eight sequences: four epochs over forty records."""

    def make(**changes) -> PretrainConfig:
        base = PretrainConfig(
            input=[str(records / "train.tfrecord")],
            output=str(tmp_path / "run"),
            global_batch_size=8,
            micro_batch_size=4,
            max_steps=20,
            learning_rate=1e-2,
            save_every=0,
            log_every=5,
            model=SHAPE,
        )
        return replace(base, **changes)

    return make
