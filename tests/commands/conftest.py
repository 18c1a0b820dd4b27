"""One small run on small records, made once through the command line."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import synthetic
import torch

SHAPE = [
    "vocab_size=64",
    "hidden_size=16",
    "num_hidden_layers=1",
    "num_attention_heads=2",
    "intermediate_size=32",
    "max_position_embeddings=32",
]
# Flags of a model that trains in a second.
TINY_MODEL = [word for item in SHAPE for word in ("--set", f"model.{item}")]


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Twenty training and ten evaluation records, and a run with checkpoints at steps 30 and 60."""
    from bertkit.cli import main

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("trained")
    train = synthetic.write(folder / "train.tfrecord", 20, seed=1)
    valid = synthetic.write(folder / "eval.tfrecord", 10, seed=2)
    words = ["--input", str(train), "--output", str(folder / "run"), "--eval-input", str(valid)]
    words += ["--max-steps", "60", "--gbs", "8", "--micro-batch-size", "8", "--backend", "cpu"]
    words += ["--lr", "3e-2", "--log-every", "20", "--save-every", "30", *TINY_MODEL]
    assert main(["pretrain", *words, "--quiet"]) == 0
    return SimpleNamespace(folder=folder, train=train, valid=valid, run=folder / "run")
