"""Masked-LM-only records in the styles of programs that make pairs."""

from __future__ import annotations

import numpy as np
import pytest

from bertkit.records.config import RecordsConfig
from bertkit.records.files.open import open_records
from bertkit.records.instances.full_windows import plan_full_windows
from bertkit.records.make import make_records
from bertkit.records.read_text import TextReader
from bertkit.tokenization.normalisation import UNCASED
from bertkit.tokenization.vocabulary import find_vocab, load_vocab

TEXT = "".join(
    "".join(f"Sentence {n} of document {d} is here, and it has an end.\n" for n in range(9)) + "\n"
    for d in range(5)
)
VOCAB = "bertkit-uncased-8k"


@pytest.fixture
def corpus(tmp_path) -> str:
    (tmp_path / "text.txt").write_text(TEXT)
    return str(tmp_path / "text.txt")


def config(style: str = "google", **more) -> RecordsConfig:
    settings = {"max_seq_length": 32, "dupe_factor": 2, "short_seq_prob": 0.0, **more}
    return RecordsConfig(style=style, objective="mlm", **settings)


@pytest.mark.parametrize("style", ["google", "mlperf", "nvidia", "hf"])
def test_every_token_is_in_one_window_per_pass(corpus, tmp_path, style):
    assert config(style).problems() == []
    result = make_records(config(style), [corpus], tmp_path / "out", VOCAB, workers=1)
    vocab = load_vocab(find_vocab(VOCAB))
    records = open_records(tmp_path / "out" / ("text.json" if style == "hf" else "text.tfrecord"))
    assert len(records) == result.records
    batch = records.batch(range(len(records)))
    assert (batch["next_sentence_labels"] == -1).all() and not batch["segment_ids"].any()
    rows = []
    for ids, mask, places, labels, weights in zip(
        *(batch[name] for name in ("input_ids", "input_mask", "masked_lm_positions",
                                   "masked_lm_ids", "masked_lm_weights")), strict=True
    ):  # fmt: skip
        ids = ids.copy()
        ids[places[weights > 0]] = labels[weights > 0]
        ids = ids[: mask.sum()]
        assert ids[0] == vocab.cls_id and ids[-1] == vocab.sep_id
        assert list(ids).count(vocab.sep_id) == 1
        rows.append(ids[1:-1])
    text = TextReader(vocab, "google", UNCASED).corpus([corpus])
    counts = np.bincount(np.concatenate(rows), minlength=len(vocab))
    assert np.array_equal(counts, 2 * np.bincount(text.tokens, minlength=len(vocab)))
    # Windows are full but for the last of each document.
    assert sum(len(row) == 30 for row in rows) >= len(rows) - 10


@pytest.mark.parametrize("windows", [1, 3])
def test_a_document_of_full_windows_leaves_no_empty_one(tmp_path, windows):
    """[CLS] [SEP] alone, with nothing to predict."""
    line = " ".join(["the"] * 10)
    (tmp_path / "text.txt").write_text("\n".join([line] * 3 * windows) + "\n")
    vocab = load_vocab(find_vocab(VOCAB))
    text = TextReader(vocab, "google", UNCASED).corpus([str(tmp_path / "text.txt")])
    plan = plan_full_windows(text, config(), vocab)
    assert len(plan) == 2 * windows
    assert (plan.batch(range(len(plan)))["input_mask"] == 1).all()


def test_order_and_masks_follow_the_seed(corpus):
    vocab = load_vocab(find_vocab(VOCAB))
    text = TextReader(vocab, "google", UNCASED).corpus([corpus])
    one, same, other = (
        plan_full_windows(text, config(seed=seed), vocab).batch(range(20)) for seed in (1, 1, 2)
    )
    assert all(np.array_equal(one[name], same[name]) for name in one)
    assert not np.array_equal(one["input_ids"], other["input_ids"])


def test_from_text_without_files(corpus, tmp_path):
    from bertkit.data.text_source import TextSource

    make_records(config(), [corpus], tmp_path / "out", VOCAB, workers=1)
    records = open_records(tmp_path / "out" / "text.tfrecord")
    source = TextSource([corpus], config(), VOCAB)
    assert len(source) == len(records)
    numbers = np.arange(len(records))[::-1]
    ours, theirs = source.batch(numbers), records.batch(numbers)
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert np.array_equal(ours[name], theirs[name]), name
