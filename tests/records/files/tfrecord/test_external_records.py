"""Records with other features than BERT's, from files that the tfrecord package wrote."""

from __future__ import annotations

import pickle
import sys

import numpy as np
import pytest
from tfrecord.writer import TFRecordWriter

from bertkit.errors import DataError, MissingDependencyError
from bertkit.records.files.open import open_any_records, open_records
from bertkit.records.files.tfrecord.external_records import ExternalFile, decode_external
from bertkit.records.files.tfrecord.frames import decode_example, encode_example, write_records
from bertkit.records.files.tfrecord.reader import RecordFile
from bertkit.records.files.tfrecord.sequence_example import TokenFile
from records.conftest import unmasked
from records.external import write_examples, write_sequences


def test_every_type_reads_back(tmp_path):
    path = write_examples(tmp_path / "images.tfrecord", 5)
    reader = open_any_records(path)
    assert isinstance(reader, ExternalFile)
    assert len(reader) == 5
    record = reader.read(3)
    assert record.lists == {}
    assert record.features["image"] == [b"\x89PNG\x00\x03", b""]
    assert record.features["label"].dtype == np.int64
    assert record.features["label"].tolist() == [-3, 3]
    assert record.features["scores"].dtype == np.float32
    np.testing.assert_array_equal(record.features["scores"], np.float32([0.1, 3]))
    assert record.features["none"].tolist() == []
    assert pickle.loads(pickle.dumps(reader)).read(3).features["image"] == record.features["image"]
    # Our own reader of Examples, which has no such dependency, agrees.
    ours = decode_example(reader.record(3))
    assert ours.keys() == record.flat().keys()
    for name, values in ours.items():
        np.testing.assert_array_equal(values, record.features[name], err_msg=name)


def test_sequences_have_steps(tmp_path):
    path = write_sequences(tmp_path / "videos.tfrecord", 2)
    reader = open_any_records(path)
    assert isinstance(reader, ExternalFile)
    record = reader.read(1)
    assert record.features["id"].tolist() == [1]
    assert [values.tolist() for values in record.lists["frames"]] == [[0, 1], [1, 1]]
    assert record.lists["words"] == [[b"a"], [b"b", b"c"]]
    assert record.flat()["words[1]"] == [b"b", b"c"]
    assert record.flat().keys() == {"id", "frames[0]", "frames[1]", "words[0]", "words[1]"}


def test_a_wrong_checksum_is_found_before_the_message_is_parsed(tmp_path):
    path = write_examples(tmp_path / "images.tfrecord", 3)
    blob = bytearray(path.read_bytes())
    blob[-10] ^= 1
    path.write_bytes(blob)
    reader = open_any_records(path)
    assert reader.read(1).features["label"].tolist() == [-1, 1]
    with pytest.raises(DataError, match=r"record 2 at byte \d+: wrong checksum of its data"):
        reader.read(2)


def test_other_messages_are_refused(tmp_path):
    payloads = [encode_example({"a": np.zeros(1, np.int64)}), b"\xff\xff"]
    write_records(tmp_path / "odd.tfrecord", payloads)
    with pytest.raises(DataError, match=r"odd\.tfrecord: record 1: neither a tf\.train\.Example"):
        ExternalFile(tmp_path / "odd.tfrecord").read(1)


def test_without_the_package_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tfrecord", None)
    with pytest.raises(MissingDependencyError, match="need the package tfrecord"):
        decode_external(b"")


def test_files_are_opened_by_what_they_hold(tmp_path, plain):
    assert isinstance(open_any_records(plain.path), RecordFile)
    write_records(tmp_path / "tokens.tfrecord", [unmasked(["a", "b"])])
    tokens = open_any_records(tmp_path / "tokens.tfrecord")
    assert isinstance(tokens, TokenFile)
    assert tokens.tokens(0) == ["a", "b"]
    with pytest.raises(DataError, match="not BERT pretraining records: no feature input_ids"):
        open_records(write_examples(tmp_path / "images.tfrecord", 1))
    writer = TFRecordWriter(str(tmp_path / "empty.tfrecord"))
    writer.close()
    with pytest.raises(DataError, match="the file is empty"):
        open_any_records(tmp_path / "empty.tfrecord")
