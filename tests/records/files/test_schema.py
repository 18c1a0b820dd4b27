"""Padding, types and digests of records."""

from __future__ import annotations

import hashlib
import json
import struct

import numpy as np
import pytest
from oracle.instances import Instance, to_features

from bertkit.records.files.schema import DTYPES, FEATURES, digest
from bertkit.records.files.tfrecord.frames import decode_example, encode_example, read_records
from bertkit.tokenization.vocabulary import Vocab
from records import references

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b"]
VOCAB = Vocab(WORDS, {token: number for number, token in enumerate(WORDS)}, "")
INSTANCE = Instance(
    ["[CLS]", "a", "[SEP]", "[MASK]", "[SEP]"], [0, 0, 0, 1, 1], True, [3], ["b"]
)  # fmt: skip


def test_padding_and_types():
    record = to_features(INSTANCE, VOCAB, 8, 2)
    assert {name: values.dtype for name, values in record.items()} == DTYPES
    assert {name: values.tolist() for name, values in record.items()} == {
        "input_ids": [2, 5, 3, 4, 3, 0, 0, 0],
        "input_mask": [1, 1, 1, 1, 1, 0, 0, 0],
        "segment_ids": [0, 0, 0, 1, 1, 0, 0, 0],
        "masked_lm_positions": [3, 0],
        "masked_lm_ids": [6, 0],
        "masked_lm_weights": [1.0, 0.0],
        "next_sentence_labels": [1],
    }


def test_an_instance_that_does_not_fit_is_refused():
    with pytest.raises(ValueError):
        to_features(INSTANCE, VOCAB, 4, 2)


def test_digest_follows_its_definition():
    record = {"b": np.array([1.0], np.float32), "a": np.array([2, -1])}
    expected = hashlib.sha256(
        b"a\0" + struct.pack("<qq", 2, -1) + b"b\0" + struct.pack("<f", 1.0)
    ).hexdigest()
    assert digest([record]) == expected
    assert digest([record, record]) != expected
    text = {"tokens": [b"ab", b""]}
    expected = hashlib.sha256(b"tokens\0\x02\0\0\0ab\0\0\0\0").hexdigest()
    assert digest([text]) == expected


def test_digest_does_not_depend_on_feature_order_or_integer_width():
    record = to_features(INSTANCE, VOCAB, 8, 2)
    turned = {name: record[name] for name in reversed(FEATURES)}
    turned["input_ids"] = turned["input_ids"].astype(np.int32)
    assert digest([record]) == digest([turned])


def test_survives_a_file(shared):
    path = shared / "goldens" / "records" / "google_sample_128.tfrecord"
    records = [decode_example(payload) for payload in read_records(path)]
    assert digest(records) == digest(decode_example(encode_example(r)) for r in records)
    first = json.loads(path.with_name(path.name + ".first3.json").read_text())[0]
    assert {name: first[name] for name in FEATURES} == {
        name: records[0][name].tolist() for name in FEATURES
    }
    sums = path.with_name(path.name + ".records.sha1").read_text().split()
    assert [references.record_sha1(record) for record in records] == sums
