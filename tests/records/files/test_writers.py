"""What is written reads back in every format, also by other programs."""

from __future__ import annotations

import hashlib
import pickle

import numpy as np
import pytest

from bertkit.data.record_source import RecordSource
from bertkit.manifests.manifest import read_manifest
from bertkit.records.config import RecordsConfig
from bertkit.records.files.open import open_records
from bertkit.records.make import make_records
from bertkit.records.tools.verify import verify
from records.conftest import FORMATS, VOCAB, only_file


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_instances_in_every_format(folders, plain, name):
    reader = open_records(only_file(folders / name))
    assert len(reader) == len(plain)
    assert reader.max_seq_length == 64
    assert reader.max_predictions_per_seq == plain.max_predictions_per_seq
    everything, expected = reader.batch(range(len(reader))), plain.batch(range(len(plain)))
    if "-" not in name and name != "graphcore":
        for feature, values in expected.items():
            np.testing.assert_array_equal(everything[feature], values, err_msg=feature)
            assert everything[feature].dtype == values.dtype
    order = "any" if read_manifest(folders / name).config["packing"] != "none" else "files"
    assert verify(str(folders / "tfrecord"), str(folders / name), order=order).same
    picked = [3, 0, len(reader) - 1, 3, -2]
    again = pickle.loads(pickle.dumps(reader)).batch(picked)
    for feature, values in again.items():
        np.testing.assert_array_equal(values, everything[feature][picked], err_msg=feature)
    for wrong in (len(reader), -len(reader) - 1):
        with pytest.raises(IndexError):
            reader.batch([wrong])


@pytest.mark.parametrize("name", FORMATS)
def test_training_reads_every_format(folders, plain, name):
    source = RecordSource([str(folders / name)])
    assert len(source) == len(plain)
    assert source.batch(np.array([1, 0]))["input_ids"].shape == (2, 64)


@pytest.mark.parametrize("name", FORMATS)
def test_again_the_same_bytes(text, folders, tmp_path, name):
    config = RecordsConfig(max_seq_length=64, dupe_factor=3, short_seq_prob=0.6, **FORMATS[name])
    make_records(config, [text], tmp_path / "out", VOCAB)
    one, two = only_file(tmp_path / "out"), only_file(folders / name)
    with open(one, "rb") as a, open(two, "rb") as b:
        data = a.read()
        assert data == b.read()
    (facts,) = read_manifest(tmp_path / "out").outputs.values()
    assert facts["bytes"] == len(data)
    if "crc_sha256" in facts:  # TFRecords: a hash of the records' checksums
        checks = [data[end - 4 : end] for end in frame_ends(data)]
        assert facts["crc_sha256"] == hashlib.sha256(b"".join(checks)).hexdigest()
    else:
        assert facts["sha256"] == hashlib.sha256(data).hexdigest()


def frame_ends(data: bytes) -> list[int]:
    ends = [0]
    while ends[-1] < len(data):
        length = int.from_bytes(data[ends[-1] : ends[-1] + 8], "little")
        ends.append(ends[-1] + length + 16)
    return ends[1:]
