"""Verification: blind to how instances are written, and to nothing else."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from bertkit.errors import ConfigError, DataError
from bertkit.manifests.manifest import Manifest
from bertkit.records.files.instance import instance_of, instances_of
from bertkit.records.files.jsonl import encode_line
from bertkit.records.files.tfrecord.frames import (
    decode_example,
    encode_example,
    read_records,
    write_records,
)
from bertkit.records.files.tfrecord.reader import RecordFile
from bertkit.records.tools import verify as verifying
from bertkit.records.tools.verify import verify
from records import references
from records.conftest import unmasked
from records.external import write_examples, write_sequences


@pytest.fixture
def golden(shared):
    return shared / "goldens" / "records" / "google_sample_128.tfrecord"


@pytest.fixture
def records(golden):
    return [decode_example(payload) for payload in read_records(golden)]


def write(path, records) -> str:
    write_records(path, [encode_example(record) for record in records])
    return str(path)


def test_the_same_file_is_the_same(golden, records, tmp_path):
    other = write(tmp_path / "again.tfrecord", records)
    found = verify(str(golden), other)
    assert found.same
    assert found.same_in_any_order
    assert found.records == (60, 60)
    assert found.digests[0] == found.digests[1]
    assert found.difference == ""


def test_padding_and_format_do_not_count(golden, records, tmp_path):
    wide = [
        {name: values if len(values) == 1 else np.append(values, np.zeros(9, values.dtype))
         for name, values in record.items()} for record in records
    ]  # fmt: skip
    assert verify(str(golden), write(tmp_path / "wide.tfrecord", wide)).same
    (tmp_path / "lines.jsonl").write_bytes(b"".join(map(encode_line, map(instance_of, records))))
    assert verify(str(golden), str(tmp_path / "lines.jsonl")).same


def change(records, name, at, value):
    changed = [dict(record) for record in records]
    changed[7][name] = changed[7][name].copy()
    changed[7][name][at] = value
    return changed


@pytest.mark.parametrize(
    ("name", "at", "value", "says"),
    [
        ("input_ids", 5, 1, "tokens (from number 5 on)"),
        ("segment_ids", 2, 1, "segments (from number 2 on)"),
        ("masked_lm_ids", 1, 77, "predicted tokens (from number 1 on)"),
        ("masked_lm_positions", 0, 3, "predicted positions (from number 0 on)"),
        ("masked_lm_weights", 0, 0.0, "predicted positions (from number 0 on), predicted tokens"),
        ("next_sentence_labels", 0, -1, "next sentence label"),
    ],
)
def test_every_part_counts(golden, records, tmp_path, shared, name, at, value, says):
    other = write(tmp_path / "other.tfrecord", change(records, name, at, value))
    found = verify(str(golden), other, references.vocab_path(shared, "vocab"))
    assert not found.same
    assert not found.same_in_any_order
    assert found.difference.startswith("instance 7 differs in")
    assert says in found.difference
    assert found.difference.count("Record 7:") == 2
    assert "[CLS]" in found.difference
    assert not verify(str(golden), other, order="any").same


def test_without_a_vocabulary_ids_are_shown(golden, records, tmp_path):
    other = write(tmp_path / "other.tfrecord", change(records, "input_ids", 5, 1))
    assert "A: 101 " in verify(str(golden), other).difference


def test_order_counts_unless_any_is_asked_for(golden, records, tmp_path):
    other = write(tmp_path / "turned.tfrecord", records[::-1])
    found = verify(str(golden), other)
    assert (found.same, found.same_in_any_order) == (False, True)
    assert "the same instances in another order" in found.difference
    found = verify(str(golden), other, order="any")
    assert found.same
    assert found.digests[0] == found.digests[1]


def test_one_instance_more_or_twice(golden, records, tmp_path):
    longer = write(tmp_path / "longer.tfrecord", [*records, records[3]])
    found = verify(str(golden), longer)
    assert found.difference == "60 instances in A, 61 in B\nthe first 60 are the same"
    found = verify(str(golden), longer, order="any")
    assert "1 instances only in B; the first:" in found.difference
    assert "only in A" not in found.difference


def test_dealt_files_are_read_in_turn(golden, records, tmp_path):
    folder = tmp_path / "dealt"
    for index in range(11):  # examples-10 comes after examples-2
        write(folder / f"examples-{index + 1}.tfrecords", records[index::11])
    assert verify(str(golden), str(folder), order="dealt").same
    assert not verify(str(golden), str(folder)).same


def test_unmasked_windows(tmp_path, golden):
    for name, tokens in (("a", ["[CLS]", "x", "[SEP]"]), ("b", ["[CLS]", "y", "[SEP]"])):
        write_records(tmp_path / f"{name}.tfrecord", [unmasked(tokens)] * 2)
    one, two = str(tmp_path / "a.tfrecord"), str(tmp_path / "b.tfrecord")
    assert verify(one, one).same
    found = verify(one, two)
    assert "instance 0 differs in tokens from position 1 on" in found.difference
    assert "[CLS] y [SEP]" in found.difference
    assert "kind" in verify(str(golden), two).difference


def test_what_cannot_be_compared(golden, tmp_path):
    with pytest.raises(ConfigError, match="no order 'random'"):
        verify(str(golden), str(golden), order="random")
    with pytest.raises(DataError, match="no such file"):
        verify(str(golden), str(tmp_path / "nothing"))
    Manifest("make-records", {}).write(tmp_path)
    with pytest.raises(DataError, match="incomplete"):
        verify(str(golden), str(tmp_path))


def test_records_with_other_features_are_compared_by_all_their_values(tmp_path, golden):
    one = write_examples(tmp_path / "a.tfrecord", 4)
    assert verify(str(one), str(write_examples(tmp_path / "b.tfrecord", 4))).same
    other = write_examples(tmp_path / "c.tfrecord", 4, label=([0, 0], "int"))
    found = verify(str(one), str(other))
    assert (found.same, found.records) == (False, (4, 4))
    assert "instance 1 differs in feature label" in found.difference
    assert "label: -1, 1" in found.difference
    more = write_examples(tmp_path / "d.tfrecord", 4, extra=([b"x"], "byte"), none=([2], "int"))
    assert "features extra (only in B), none" in verify(str(one), str(more)).difference
    found = verify(str(one), str(golden))
    assert "one set is records with other features, the other BERT's" in found.difference


def test_a_type_is_part_of_a_value(tmp_path):
    one = write_examples(tmp_path / "a.tfrecord", 1, label=([1, 1], "int"))
    other = write_examples(tmp_path / "b.tfrecord", 1, label=([1, 1], "float"))
    assert "feature label" in verify(str(one), str(other)).difference


def test_sequences_are_compared_step_by_step(tmp_path):
    one = write_sequences(tmp_path / "a.tfrecord", 3)
    assert verify(str(one), str(one)).same
    found = verify(str(one), str(write_sequences(tmp_path / "b.tfrecord", 2)))
    assert (found.same, found.records) == (False, (3, 2))
    assert "the first 2 are the same" in found.difference


def test_whoever_reads_and_in_whatever_parts_the_digests_are_the_same(golden, records, monkeypatch):
    plain = {order: verify(str(golden), str(golden), order=order) for order in verifying.ORDERS}
    hashes = [
        verifying._instance_digest(one)
        for one in instances_of(RecordFile(golden).batch(range(len(records))))
    ]
    assert plain["files"].digests[0] == hashlib.sha256(b"".join(hashes)).hexdigest()
    assert plain["any"].digests[0] == hashlib.sha256(b"".join(sorted(hashes))).hexdigest()
    monkeypatch.setattr(verifying, "_PART", 7)
    for order, expected in plain.items():
        found = verify(str(golden), str(golden), order=order)
        assert (found.digests, found.records) == (expected.digests, expected.records)
