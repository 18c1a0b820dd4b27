"""Documents whose summaries are the sentences that a word marks, and a small encoder."""

from __future__ import annotations

import json
import random

import pytest
import torch

from bertkit.model.checkpoints.hf import save_pretrained
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForPreTraining

MARK = "whale"
WORDS = ["rain", "fell", "on", "the", "old", "town", "and", "its", "people", "came", "home"]
WORDS += ["by", "river", "late"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def documents(count: int, seed: int = 0) -> list[dict]:
    """Documents of four to eight sentences, two of them marked."""
    draw = random.Random(seed)
    found = []
    for number in range(count):
        sentences = [
            " ".join(draw.choice(WORDS) for _ in range(draw.randint(6, 9)))
            for _ in range(draw.randint(4, 8))
        ]
        marked = sorted(draw.sample(range(len(sentences)), 2))
        for place in marked:
            sentences[place] = f"{MARK} {sentences[place]}"
        summary = [sentences[place] for place in marked]
        found.append({"id": f"d{number}", "document": sentences, "summary": summary})
    return found


@pytest.fixture
def write(tmp_path):
    """Write objects as JSON lines under a name."""

    def function(name, records):
        path = tmp_path / name
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
        return path

    return function


@pytest.fixture
def encoder(tmp_path):
    """A pretraining checkpoint with the vocabulary beside it."""
    torch.manual_seed(0)
    place = tmp_path / "encoder"
    words = [*SPECIAL, MARK, *WORDS]
    shape = BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=96,
        initializer_range=0.1,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    save_pretrained(BertForPreTraining(shape), place)
    (place / "vocab.txt").write_text("\n".join(words) + "\n")
    return place


@pytest.fixture
def command(tmp_path, encoder, write):
    """A command line that trains; its output is `run`."""
    return [
        *("finetune", "--task", "summarise", "--backend", "cpu", "--init-checkpoint", encoder),
        *("--train-file", write("train.jsonl", documents(24)), "--output", tmp_path / "run"),
        *("--msl", 96, "--gbs", 8, "--micro-batch-size", 4, "--max-steps", 40, "--lr", "3e-3"),
        *("--save-every", 20, "--keep-last", 0, "--summary-sentences", 2, "--log-every", 5),
    ]
