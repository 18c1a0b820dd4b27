"""A tiny encoder and files of examples, for the tests of the shared room."""

from __future__ import annotations

import io
import json

import pytest

from tasks.finetuning.world import make_encoder, texts, write_table


@pytest.fixture
def place(tmp_path):
    """A folder with an encoder, and files to train and to score on."""
    make_encoder(tmp_path)
    write_table(tmp_path / "train.tsv", texts(40))
    write_table(tmp_path / "dev.tsv", texts(20, seed=1))
    return tmp_path


@pytest.fixture
def words(place):
    """A command line of a run that learns the labels, without its output."""
    return [
        "finetune", "--task", "classify", "--backend", "cpu", "--msl", 16,
        "--init-checkpoint", place / "encoder", "--train-file", place / "train.tsv",
        "--eval-file", place / "dev.tsv", "--gbs", 8, "--max-steps", 20, "--lr", "1e-2",
        "--log-every", 4, "--json",
    ]  # fmt: skip


@pytest.fixture
def ask(bertkit, monkeypatch):
    """`bertkit predict` with objects on standard input."""

    def function(*words, lines=()):
        text = "\n".join(json.dumps(line) for line in lines)
        stream = io.TextIOWrapper(io.BytesIO(text.encode()), "utf-8")
        monkeypatch.setattr("sys.stdin", stream)
        return bertkit("predict", "--backend", "cpu", *words)

    return function
