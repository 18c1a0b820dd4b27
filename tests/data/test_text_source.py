"""Instances on the fly are those of the record files that make-records writes."""

from __future__ import annotations

import numpy as np
import pytest

from bertkit.data import text_source
from bertkit.data.record_feed import RecordFeed
from bertkit.data.record_source import RecordSource
from bertkit.data.sample_order import SampleOrder
from bertkit.data.text_source import TextSource
from bertkit.errors import ConfigError, DataError
from bertkit.records.config import RecordsConfig
from bertkit.records.make import make_records
from bertkit.tokenization.vocabulary import SPECIAL_TOKENS, save_vocab

WORDS = [f"w{number}" for number in range(40)]


@pytest.fixture
def vocab(tmp_path):
    path = tmp_path / "vocab.txt"
    save_vocab(path, [*SPECIAL_TOKENS, *WORDS, "##a", "##b"])
    return path


@pytest.fixture
def texts(tmp_path):
    """Twelve files, so that 10 stands before 2 by name, and one without sentences."""
    random = np.random.default_rng(3)
    folder = tmp_path / "text"
    folder.mkdir()
    for number in range(12):
        documents = [
            "\n".join(
                " ".join(random.choice([*WORDS, "w1a", "w2ab"], random.integers(2, 9)))
                for _ in range(random.integers(2, 8))
            )
            for _ in range(5)
        ]
        (folder / f"part-{number}.txt").write_text("\n\n".join(documents) + "\n")
    (folder / "part-5.txt").write_text("\n\n")
    return folder


def config(**changes):
    return RecordsConfig(max_seq_length=32, dupe_factor=2, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"style": "mlperf", "whole_word_mask": True},
        {"shards": "one-corpus", "outputs": 3, "seed": 7},
    ],
)
def test_the_batches_are_those_of_the_record_files(texts, vocab, tmp_path, changes):
    rules = config(**changes)
    make_records(rules, [str(texts)], tmp_path / "records", vocab, workers=1)
    records = RecordSource([str(tmp_path / "records")])
    source = TextSource([str(texts)], rules, vocab, tmp_path / "cache")
    assert len(source) == len(records)
    assert source.max_seq_length == records.max_seq_length
    assert source.max_predictions_per_seq == records.max_predictions_per_seq
    assert source.tokenizers == records.tokenizers
    shuffled = np.random.default_rng(0).permutation(len(records))
    ours, theirs = source.batch(shuffled), records.batch(shuffled)
    assert ours.keys() == theirs.keys()
    for name, values in theirs.items():
        assert ours[name].dtype == values.dtype
        np.testing.assert_array_equal(ours[name], values)


def test_a_second_start_reads_the_cache(texts, vocab, tmp_path, monkeypatch):
    first = TextSource([str(texts)], config(), vocab, tmp_path / "cache")
    monkeypatch.setattr("bertkit.data.text_source._make", None)
    again = TextSource([str(texts)], config(), vocab, tmp_path / "cache")
    assert again.fingerprint == first.fingerprint
    every = np.arange(len(first))
    for name, values in first.batch(every).items():
        np.testing.assert_array_equal(again.batch(every)[name], values)


def test_caches_hold_nothing_but_what_was_written(texts, vocab, tmp_path, monkeypatch):
    """Whatever memory held before: the same bytes in every run."""
    empty = np.empty
    for fill in (3, 7):

        def filled(*shape, fill=fill, **options):
            array = empty(*shape, **options)
            array.view(np.uint8).fill(fill) if array.dtype.names else array.fill(fill)
            return array

        monkeypatch.setattr(np, "empty", filled)
        TextSource([str(texts)], config(), vocab, tmp_path / str(fill))
    one, two = (sorted((tmp_path / name).rglob("*.npy")) for name in "37")
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two] != []


def test_a_cache_that_is_cut_off_is_named(texts, vocab, tmp_path):
    TextSource([str(texts)], config(), vocab, tmp_path / "cache")
    for path in sorted((tmp_path / "cache").rglob("*-00000/*.npy")):
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(DataError, match=f"damaged: {path.name}"):
            TextSource([str(texts)], config(), vocab, tmp_path / "cache").batch(np.arange(3))
        path.write_bytes(whole)


def test_the_fingerprint_tells_texts_settings_and_vocabularies_apart(texts, vocab, tmp_path):
    def of(**changes):
        return TextSource([str(texts)], config(**changes), vocab).fingerprint

    one = of()
    assert one == of() and one != of(seed=1)
    (texts / "part-0.txt").write_text("w1 w2\nw3\n")
    assert of() != one


def test_new_pairs_come_from_the_seed_and_the_epoch(texts, vocab, tmp_path):
    source = TextSource([str(texts)], config(), vocab, tmp_path / "cache", new_pairs=True)
    every = np.arange(len(source))
    first = source.at_epoch(0).batch(every)["input_ids"]
    second = source.at_epoch(1).batch(every)["input_ids"]
    assert (first != second).any()
    np.testing.assert_array_equal(first, source.batch(every)["input_ids"])
    other = TextSource([str(texts)], config(seed=12346), vocab)
    np.testing.assert_array_equal(second[:5], other.batch(np.arange(5))["input_ids"])
    for epoch in range(2, 5):
        source.at_epoch(epoch)
    kept = sorted(path.name for path in (tmp_path / "cache").glob("*/epoch-*"))
    assert kept == ["epoch-00000", "epoch-00003", "epoch-00004"]
    again = TextSource([str(texts)], config(), vocab, tmp_path / "cache", new_pairs=True)
    np.testing.assert_array_equal(second, again.at_epoch(1).batch(every)["input_ids"])


def test_a_resumed_feed_gives_what_the_whole_one_gave(texts, vocab, tmp_path):
    source = TextSource([str(texts)], config(), vocab, tmp_path / "cache", new_pairs=True)

    def steps(position, limit):
        order = SampleOrder(len(source), 5)
        feed = RecordFeed(source, order, 16, 8, "unpadded", "global_step", 100)
        return [
            [micro.arrays["ids"].tolist() for micro in step.micro_batches]
            for step in feed.steps(position, limit)
        ]

    count = len(source) // 16 + 4
    assert steps(16 * (count - 2), 2) == steps(0, count)[-2:]


def test_what_it_cannot_make_is_refused(texts, vocab, tmp_path):
    with pytest.raises(ConfigError, match="nvidia makes record files only; --text needs"):
        TextSource([str(texts)], RecordsConfig(style="nvidia"), vocab)
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(DataError, match="no sentences"):
        TextSource([str(tmp_path / "empty.txt")], config(), vocab)
    with pytest.raises(DataError, match="no such file"):
        TextSource([str(tmp_path / "absent.txt")], config(), vocab)


@pytest.mark.parametrize("raw", [True, False])
def test_text_that_was_not_split_into_sentences_is_said(texts, vocab, caplog, raw):
    for path in texts.glob("*.txt"):
        lines = path.read_text().replace("\n", ". A\n").split("\n\n")
        path.write_text("\n\n".join(text.replace("\n", " ") if raw else text for text in lines))
    TextSource([str(texts)], config(), vocab)
    assert ("not split yet" in caplog.text) == raw


def test_workers_plan_and_the_batches_do_not_depend_on_them(texts, vocab, tmp_path, monkeypatch):
    monkeypatch.setattr(text_source, "_SMALL_BYTES", 0)
    asked = []

    def run(function, tasks, workers):
        asked.append(workers)
        return map(function, tasks)

    monkeypatch.setattr(text_source, "run_tasks", run)
    sources = [
        TextSource([str(texts)], config(), vocab, tmp_path / str(n), workers=n) for n in (1, 3)
    ]
    assert asked == [1, 3]
    first, second = (source.batch(np.arange(5))["input_ids"] for source in sources)
    assert sources[0].fingerprint == sources[1].fingerprint
    np.testing.assert_array_equal(first, second)
