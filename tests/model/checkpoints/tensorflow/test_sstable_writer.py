"""Tables that are written have the bytes of TensorFlow's, and are read back whole."""

from __future__ import annotations

import pytest

from bertkit.model.checkpoints.tensorflow import sstable_writer
from bertkit.model.checkpoints.tensorflow.sstable import read_table
from bertkit.model.checkpoints.tensorflow.sstable_writer import table


def test_the_index_of_a_published_model_is_written_again_byte_by_byte(samples):
    path = samples / "index_only/chinese_L-12_H-768_A-12.bert_model.ckpt.index"
    entries = read_table(path)
    assert len(entries) > 200
    assert table(entries) == path.read_bytes()


@pytest.mark.parametrize("size", [16, 300, 1 << 18])
def test_blocks_of_any_size_are_read_back(tmp_path, monkeypatch, size):
    monkeypatch.setattr(sstable_writer, "_BLOCK_BYTES", size)
    entries = {b"layer/%d/name" % n: b"value %d" % n * (n % 5) for n in range(200)}
    entries |= {b"": b"header", b"layer": b"", b"\xff\xff": b"last"}
    (tmp_path / "x.index").write_bytes(table(entries))
    assert read_table(tmp_path / "x.index") == dict(sorted(entries.items()))


@pytest.mark.parametrize("entries", [{}, {b"": b"header"}, {b"\xff": b"1"}])
def test_small_tables(tmp_path, entries):
    (tmp_path / "x.index").write_bytes(table(entries))
    assert read_table(tmp_path / "x.index") == entries
