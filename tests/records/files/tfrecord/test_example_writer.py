"""Plans written to files: in parts, in small pieces, and read back by another package."""

from __future__ import annotations

import numpy as np
import pytest

from bertkit.records.config import RecordsConfig
from bertkit.records.files.tfrecord import example_writer
from bertkit.records.files.tfrecord.example_writer import write_plan
from bertkit.records.files.tfrecord.frames import read_records
from bertkit.records.files.tfrecord.reader import RecordFile
from bertkit.records.instances.pairs import plan_pairs
from bertkit.records.read_text import TextReader
from bertkit.tokenization.normalisation import UNCASED
from bertkit.tokenization.vocabulary import find_vocab, load_vocab
from records.conftest import VOCAB


@pytest.fixture(scope="module")
def plan(text):
    reader = TextReader(load_vocab(find_vocab(VOCAB)), "google", UNCASED)
    config = RecordsConfig(max_seq_length=64, dupe_factor=3, short_seq_prob=0.6)
    return plan_pairs(reader.corpus([text]), config, reader.vocab)


@pytest.mark.slow
def test_small_buffers_write_the_same_file(tmp_path, monkeypatch, plan):
    whole = write_plan(tmp_path / "whole", plan)
    monkeypatch.setattr(example_writer, "_BLOCK", 1)
    assert write_plan(tmp_path / "small", plan) == whole
    assert (tmp_path / "whole").read_bytes() == (tmp_path / "small").read_bytes()


def test_parts_and_orders(tmp_path, plan):
    write_plan(tmp_path / "all", plan)
    records = list(read_records(tmp_path / "all"))
    for index in range(3):
        write_plan(tmp_path / "part", plan, range(index, len(plan), 3))
        assert list(read_records(tmp_path / "part")) == records[index::3]
    write_plan(tmp_path / "none", plan, [])
    assert (tmp_path / "none").read_bytes() == b""
    chosen = [len(plan) - 1, 0, 5, 5]
    stored = RecordFile(tmp_path / "all").batch(chosen)
    for name, values in plan.batch(chosen).items():
        np.testing.assert_array_equal(values, stored[name])
    with pytest.raises(IndexError):
        plan.batch([len(plan)])


def test_the_tfrecord_package_reads_a_written_plan(tmp_path, plan):
    from tfrecord.reader import tfrecord_loader

    write_plan(tmp_path / "records", plan)
    batch = plan.batch(range(len(plan)))
    for row, record in enumerate(tfrecord_loader(str(tmp_path / "records"), None)):
        for name, values in record.items():
            np.testing.assert_array_equal(values, np.atleast_1d(batch[name][row]))
    assert row == len(plan) - 1
