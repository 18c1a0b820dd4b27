"""The cases of the training benchmarks: a model at a length, and records made for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

LENGTHS = str(Path(__file__).with_name("wikipedia_lengths.json"))
VOCAB = 30522
CLS, SEP, MASK, FIRST = 101, 102, 103, 1000
PREDICTIONS = {128: 20, 512: 76}
SHAPES = {  # name: layers, hidden size, heads
    "tiny": (2, 128, 2),
    "mini": (4, 256, 4),
    "small": (4, 512, 8),
    "base": (12, 768, 12),
    "large": (24, 1024, 16),
    "test": (1, 32, 2),
}


@dataclass(frozen=True)
class Case:
    """One model at one length.

    Attributes:
        shape: a key of `SHAPES`.
        length: tokens per record, padding included.
        batch: sequences per optimizer step.
        records: how many are made; they are seen again and again.
        dropout: of hidden rows and attention.
    """

    shape: str
    length: int
    batch: int
    records: int = 512
    dropout: float = 0.1

    def sizes(self) -> dict[str, Any]:
        """The model's sizes and rates under the names of bert_config.json."""
        layers, hidden, heads = SHAPES[self.shape]
        return {
            "vocab_size": VOCAB,
            "hidden_size": hidden,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "intermediate_size": 4 * hidden,
            "max_position_embeddings": 512,
            "hidden_dropout_prob": self.dropout,
            "attention_probs_dropout_prob": self.dropout,
        }


def make_records(case: Case, histogram: list[int], seed: int = 1) -> dict[str, np.ndarray]:
    """Records with the lengths of a histogram (cut at the case's length) and Zipf's words."""
    random = np.random.default_rng(seed)
    count, length, most = case.records, case.length, PREDICTIONS.get(case.length, 20)
    chances = np.asarray(histogram, np.float64)
    drawn = random.choice(len(chances), count, p=chances / chances.sum()) + 1
    lengths = np.clip(drawn, 8, length)
    real = np.arange(length)[None, :] < lengths[:, None]
    ids = FIRST + (random.zipf(1.2, (count, length)) % (VOCAB - FIRST))
    first = lengths // 2
    segments = (np.arange(length)[None, :] > first[:, None]) & real
    rows = np.arange(count)
    ids[:, 0], ids[rows, first], ids[rows, lengths - 1] = CLS, SEP, SEP
    positions, labels = np.zeros((2, count, most), np.int64)
    weights = np.zeros((count, most), np.float32)
    for row in range(count):
        words = np.setdiff1d(np.arange(1, lengths[row] - 1), [first[row]])
        wanted = min(most, max(1, round(0.15 * int(lengths[row]))), len(words))
        chosen = np.sort(random.choice(words, wanted, replace=False))
        positions[row, :wanted], labels[row, :wanted] = chosen, ids[row, chosen]
        weights[row, :wanted] = 1.0
        ids[row, chosen] = MASK
    return {
        "input_ids": np.where(real, ids, 0),
        "input_mask": real.astype(np.int64),
        "segment_ids": segments.astype(np.int64),
        "masked_lm_positions": positions,
        "masked_lm_ids": labels,
        "masked_lm_weights": weights,
        "next_sentence_labels": random.integers(0, 2, (count, 1)),
    }


class InMemory:
    """Records as a source of bertkit's `RecordFeed`."""

    def __init__(self, records: dict[str, np.ndarray]) -> None:
        self.records = records
        self.max_seq_length = records["input_ids"].shape[1]
        self.max_predictions_per_seq = records["masked_lm_ids"].shape[1]
        self.fingerprint = "made"
        self.tokenizers: list = []

    def __len__(self) -> int:
        return len(self.records["input_ids"])

    def at_epoch(self, epoch: int) -> InMemory:
        """The records are the same in every epoch."""
        return self

    def batch(self, indices: np.ndarray) -> dict[str, np.ndarray]:
        """Rows by number."""
        return {name: values[indices] for name, values in self.records.items()}


def real_tokens(case: Case, records: dict[str, np.ndarray]) -> Iterator[int]:
    """Real tokens of every step, in the order in which all arms see the records."""
    lengths = records["input_mask"].sum(1)
    position = 0
    while True:
        rows = (position + np.arange(case.batch)) % case.records
        yield int(lengths[rows].sum())
        position += case.batch


def load_histogram(path: str) -> list[int]:
    """Numbers of sequences by length, from 1, of Wikipedia at 512 tokens."""
    found: list[int] = json.loads(Path(path).read_text())["wikipedia_512"]
    return found


def described(case: Case, records: dict[str, np.ndarray]) -> dict[str, Any]:
    """The case in numbers."""
    real = float(records["input_mask"].mean())
    masked = float(records["masked_lm_weights"].sum() / case.records)
    return {**asdict(case), "real_share": round(real, 3), "masked_per_sequence": round(masked, 1)}
