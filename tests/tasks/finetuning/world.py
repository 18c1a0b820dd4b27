"""A tiny encoder, and texts whose labels it can learn."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import torch

from bertkit.model.checkpoints.hf import save_pretrained
from bertkit.model.config import BertConfig
from bertkit.model.heads import BertForPreTraining

SIZES = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 64, "max_position_embeddings": 32, "initializer_range": 0.1,
    "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
}  # fmt: skip
GOOD, BAD, OTHER = "good fine great lovely", "bad poor awful sad", "the a film book it was is ,"
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *f"{GOOD} {BAD} {OTHER}".split()]


def make_encoder(folder: Path, **sizes: object) -> Path:
    """A pretraining checkpoint with the vocabulary beside it."""
    torch.manual_seed(0)
    place = folder / "encoder"
    shape = BertConfig(vocab_size=len(WORDS), **(SIZES | sizes))
    save_pretrained(BertForPreTraining(shape), place)
    vocab = folder / "words.txt"
    vocab.write_text("\n".join(WORDS) + "\n")
    shutil.copy(vocab, place / "vocab.txt")
    return place


def texts(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """(text, label) of texts with good words, or bad ones, among others."""
    random = np.random.default_rng(seed)
    found = []
    for number in range(count):
        label = ("bad", "good")[number % 2]
        own = (BAD, GOOD)[number % 2].split()
        words = list(random.choice(OTHER.split(), random.integers(1, 8)))
        words.insert(int(random.integers(len(words) + 1)), str(random.choice(own)))
        found.append((" ".join(words), label))
    return found


def write_table(path: Path, rows: list[tuple], names: tuple[str, ...] = ("text", "label")) -> Path:
    """Rows as a TSV file with a header."""
    lines = ["\t".join(names), *("\t".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


def answers_of(run: Path) -> list[dict]:
    """What a run predicted."""
    return [json.loads(line) for line in (run / "predictions.jsonl").open()]
