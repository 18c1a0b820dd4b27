"""Small pretraining records made of counting sequences, which a tiny model can learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bertkit.records.files.tfrecord.frames import encode_example, write_records

VOCAB = 64
PAD, CLS, SEP, MASK = 0, 2, 3, 4
FIRST = 5


def record(random: np.random.Generator, length: int, predictions: int) -> dict[str, np.ndarray]:
    """One instance: [CLS] a a+1 a+2 ... [SEP] b b+1 ... [SEP], some tokens masked."""
    real = int(random.integers(length // 2, length + 1))
    first = (real - 3) // 2
    second = real - 3 - first
    words = VOCAB - FIRST
    a, b = random.integers(0, words, 2)
    following = bool(random.integers(0, 2))
    part_b = np.arange(second) + (a + first if following else b)
    tokens = np.concatenate(
        [[CLS], FIRST + (a + np.arange(first)) % words, [SEP], FIRST + part_b % words, [SEP]]
    )
    candidates = np.flatnonzero(tokens >= FIRST)
    count = min(predictions, max(1, round(0.15 * real)))
    positions = np.sort(random.choice(candidates, count, replace=False))
    ids = np.zeros(length, np.int64)
    ids[:real] = tokens
    ids[positions] = MASK

    def filled(values: np.ndarray, size: int, kind: type = np.int64) -> np.ndarray:
        row = np.zeros(size, kind)
        row[: len(values)] = values
        return row

    return {
        "input_ids": ids,
        "input_mask": filled(np.ones(real), length),
        "segment_ids": filled(np.arange(real) >= first + 2, length),
        "masked_lm_positions": filled(positions, predictions),
        "masked_lm_ids": filled(tokens[positions], predictions),
        "masked_lm_weights": filled(np.ones(count), predictions, np.float32),
        "next_sentence_labels": np.array([0 if following else 1]),
    }


def write(path: Path, count: int, *, length: int = 24, predictions: int = 4, seed: int = 0) -> Path:
    """Write a record file of so many instances."""
    random = np.random.default_rng(seed)
    write_records(path, [encode_example(record(random, length, predictions)) for _ in range(count)])
    return path


def batch(count: int, *, length: int = 24, predictions: int = 4, seed: int = 0) -> dict:
    """The same instances as the arrays a RecordFile gives."""
    random = np.random.default_rng(seed)
    rows = [record(random, length, predictions) for _ in range(count)]
    kinds = {"masked_lm_weights": np.float32}
    arrays = {
        name: np.stack([row[name] for row in rows]).astype(kinds.get(name, np.int32))
        for name in rows[0]
    }
    arrays["next_sentence_labels"] = arrays["next_sentence_labels"].reshape(-1)
    return arrays
