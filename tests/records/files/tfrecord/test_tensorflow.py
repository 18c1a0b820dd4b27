"""TensorFlow itself reads what make-records writes, and finds the same values in it."""

from __future__ import annotations

import hashlib
import json
import subprocess

import pytest

from bertkit.records.config import RecordsConfig
from bertkit.records.files.tfrecord.frames import decode_example, read_records
from bertkit.records.files.tfrecord.sequence_example import decode_tokens
from bertkit.records.make import make_records
from records import references

pytestmark = pytest.mark.slow

# Prints one digest per record: of its features' names, kinds and values, by name.
READER = """
import hashlib, json, sys, numpy as np, tensorflow as tf
for blob in tf.data.TFRecordDataset(sys.argv[1]):
    if sys.argv[2] == "SequenceExample":
        lists = tf.train.SequenceExample.FromString(blob.numpy()).feature_lists.feature_list
        found = {k: [b.hex() for f in v.feature for b in f.bytes_list.value] for k, v in lists.items()}
    else:
        features = tf.train.Example.FromString(blob.numpy()).features.feature
        found = {k: list(getattr(v, v.WhichOneof("kind")).value) for k, v in features.items()}
    text = json.dumps(found, sort_keys=True, separators=(",", ":"))
    print(hashlib.sha1(text.encode()).hexdigest())
"""  # noqa: E501
FORMS = {
    "google": RecordsConfig(dupe_factor=2),
    "mlperf-512": RecordsConfig(max_seq_length=512, style="mlperf", dupe_factor=2),
    "whole-word": RecordsConfig(whole_word_mask=True, dupe_factor=2),
    "cerebras": RecordsConfig(style="cerebras", dupe_factor=2, outputs=2),
    "cerebras-mlm": RecordsConfig(style="cerebras", objective="mlm", dupe_factor=2),
    "graphcore-packs": RecordsConfig(packing="graphcore", dupe_factor=2),
    "unmasked": RecordsConfig(style="cerebras", objective="unmasked", dupe_factor=1),
}


@pytest.mark.parametrize("form", FORMS)
def test_tensorflow_finds_our_values(form, shared, tensorflow_python, tmp_path):
    text = shared / "goldens" / "digests" / "eval.txt"
    vocab = shared / "data" / "vocab" / "bert-base-uncased-vocab.txt"
    made = make_records(FORMS[form], [str(text)], tmp_path / "records", vocab, workers=1)
    assert made.records > 100
    kind = "SequenceExample" if form == "unmasked" else "Example"
    for path in sorted((tmp_path / "records").glob("*.tfrecord*")):
        command = [tensorflow_python, "-c", READER, str(path), kind]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-1000:]
        assert done.stdout.split() == list(_our_digests(path, kind))


def _our_digests(path, kind):
    if kind == "Example":
        return map(references.record_sha1, map(decode_example, read_records(path)))
    return map(_tokens_sha1, map(decode_tokens, read_records(path)))


def _tokens_sha1(tokens):
    found = {"tokens": [token.hex() for token in tokens]}
    text = json.dumps(found, sort_keys=True, separators=(",", ":"))
    return hashlib.sha1(text.encode()).hexdigest()
