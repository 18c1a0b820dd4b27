"""What inspect shows of records with other features than BERT's."""

from __future__ import annotations

import numpy as np
import pytest

from bertkit.errors import DataError
from bertkit.records.files.tfrecord.frames import encode_example, write_records
from bertkit.records.tools.external_features import preview
from bertkit.records.tools.inspect import inspect_records
from records.external import write_examples, write_sequences


def test_names_types_sizes_and_values(tmp_path):
    write_examples(tmp_path / "a.tfrecord", 5)
    write_examples(tmp_path / "b.tfrecord", 2, label=([7], "int"))
    facts, text = inspect_records([str(tmp_path / "a.tfrecord"), str(tmp_path / "b.tfrecord")])
    assert (facts["files"], facts["records"]) == (2, 7)
    assert facts["features"]["label"] == "int64[2]"
    assert facts["features"]["image"] == "2 byte strings"
    assert facts["types"] == {
        "image": "bytes", "label": "int64", "none": "int64", "scores": "float32"
    }  # fmt: skip
    assert "1 to 2" in text
    assert "7 in 2 files" in text
    assert "Record 2:" in text
    assert "Record 3:" not in text
    assert "label: -2, 2" in text
    assert "scores: 0.1, 2" in text
    assert "0x89504e470002" in text


def test_a_feature_that_some_records_lack(tmp_path):
    records = [{"a": np.array([1])}, {"a": np.array([1]), "b": np.array([2.5])}]
    write_records(tmp_path / "x.tfrecord", [encode_example(record) for record in records * 2])
    facts, text = inspect_records([str(tmp_path / "x.tfrecord")], count=1, start=1)
    assert facts["types"] == {"a": "int64", "b": "float32"}
    assert "50.0%" in text
    assert "Record 1:\n  a: 1\n  b: 2.5" in text
    assert "Record 0:" not in text
    assert "looked at" in inspect_records([str(tmp_path / "x.tfrecord")], limit=2)[1]


def test_steps_of_sequences(tmp_path):
    write_sequences(tmp_path / "videos.tfrecord", 3)
    facts, text = inspect_records([str(tmp_path / "videos.tfrecord")])
    assert facts["features"] == {"id": "int64[1]", "frames": "2 steps", "words": "2 steps"}
    assert facts["types"]["words"] == "list of bytes"
    assert "words: 'a' | 'b', 'c'" in text


def test_a_damaged_record_is_named(tmp_path):
    path = write_examples(tmp_path / "a.tfrecord", 3)
    blob = bytearray(path.read_bytes())
    blob[-10] ^= 1
    path.write_bytes(blob)
    with pytest.raises(DataError, match="record 2 at byte"):
        inspect_records([str(path)])


def test_values_as_text():
    assert preview(np.arange(20)) == "0, 1, 2, 3, 4, 5, 6, 7, ..."
    assert preview(np.float32([0.1, 1e-9])) == "0.1, 1e-09"
    assert preview(["Straße".encode(), b"a\nb"]) == r"'Straße', 'a\nb'"
    assert preview([b"x" * 50]) == f"'{'x' * 40}'... (50 bytes)"
    assert preview([b"\xff" * 3]) == "0xffffff"
