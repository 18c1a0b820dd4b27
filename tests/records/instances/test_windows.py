"""Cerebras' windows over a document's tokens."""

from __future__ import annotations

import numpy as np
import pytest

from bertkit.errors import DataError
from bertkit.records.files.open import open_records
from bertkit.records.files.tfrecord.frames import decode_example, read_records, write_records
from bertkit.records.files.tfrecord.sequence_example import decode_tokens, is_tokens
from records.conftest import unmasked


def test_a_damaged_window_is_named(shared, tmp_path):
    golden = shared / "goldens" / "records" / "cerebras_sample_mlmonly_128_dupe2_seed0.tfrecord"
    data = bytearray(golden.read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "bad.tfrecord").write_bytes(data)
    with pytest.raises(DataError, match=r"record \d+ at byte \d+: wrong checksum of its data"):
        reader = open_records(tmp_path / "bad.tfrecord")
        reader.batch(range(len(reader)))


def test_windows_read_as_one_segment_without_a_pair(shared):
    path = shared / "goldens" / "records" / "cerebras_sample_mlmonly_128_dupe2_seed0.tfrecord"
    reader = open_records(path)
    features = [decode_example(payload) for payload in read_records(path)]
    batch = reader.batch(range(len(reader)))
    assert len(reader) == 37
    for name in features[0]:
        expected = np.stack([record[name] for record in features])
        np.testing.assert_array_equal(batch[name], expected, err_msg=name)
    assert not batch["segment_ids"].any()
    assert (batch["next_sentence_labels"] == -1).all()


def test_unmasked_tokens_cannot_be_trained_on_but_read_back(tmp_path):
    tokens = ["[CLS]", "\u00e9", "", "x" * 300, "[SEP]"]
    payload = unmasked(tokens)
    assert is_tokens(payload)
    assert decode_tokens(payload) == [token.encode() for token in tokens]
    write_records(tmp_path / "tokens.tfrecord", [payload])
    with pytest.raises(DataError, match="unmasked tokens"):
        open_records(tmp_path / "tokens.tfrecord")
    for broken in (b"", payload[:-3], b"\xff" * 9):
        assert not is_tokens(broken)
