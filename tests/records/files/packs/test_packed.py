"""Files of packs read as the single instances they hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bertkit.errors import DataError
from bertkit.manifests.manifest import read_manifest
from bertkit.records.config import RecordsConfig
from bertkit.records.files.open import open_records
from bertkit.records.files.packs.packed import PackFile
from bertkit.records.files.tfrecord.frames import (
    decode_example,
    encode_example,
    read_records,
    write_records,
)
from bertkit.records.make import make_records
from bertkit.records.tools.verify import verify
from records.conftest import VOCAB, only_file


@pytest.mark.parametrize("name", ["graphcore", "habana-tfrecord"])
def test_packs_have_the_bytes_of_the_readable_encoder(folders, name):
    payloads = list(read_records(only_file(folders / name)))
    assert payloads == [encode_example(decode_example(payload)) for payload in payloads]


def test_packs_hold_more(folders, plain):
    (facts,) = read_manifest(folders / "graphcore").outputs.values()
    assert facts["instances"] == len(plain)
    assert facts["records"] < 0.8 * len(plain)
    first = decode_example(next(read_records(only_file(folders / "graphcore"))))
    assert len(first["packed_next_sentence_labels"]) == 3


def test_instances_without_a_plan_are_packed_too(text, tmp_path):
    config = RecordsConfig(style="cerebras", max_seq_length=64, dupe_factor=2)
    make_records(config, [text], tmp_path / "plain", VOCAB)
    make_records(replace(config, packing="habana"), [text], tmp_path / "packed", VOCAB)
    assert verify(str(tmp_path / "plain"), str(tmp_path / "packed"), order="any").same


@pytest.mark.parametrize(
    ("name", "values", "says"),
    [
        ("packed_segment_ids", None, "record 2 .* lacks a feature"),
        ("packed_next_sentence_labels", np.zeros(4, np.int64), "record 2 .* not of the same sizes"),
        ("packed_input_mask", np.zeros(64, np.int64), "record 2 is a pack without sequences"),
        ("packed_next_sentence_mask", np.zeros(3, np.float32), "record 2: not a pack"),
    ],
)
def test_an_external_pack_is_named(folders, tmp_path, name, values, says):
    packs = [decode_example(p) for p in read_records(only_file(folders / "graphcore"))]
    packs[2][name] = values
    if values is None:
        del packs[2][name]
    write_records(tmp_path / "packs.tfrecord", [encode_example(pack) for pack in packs])
    with pytest.raises(DataError, match=says):
        open_records(tmp_path / "packs.tfrecord").batch(range(12))


def test_graphcores_own_packs_hold_its_own_records(shared):
    folder = shared / "data" / "tfrecord_samples" / "graphcore"
    packed, single = (str(folder / f"sample_text{end}.tfrecord") for end in ("_packed", ""))
    reader = open_records(packed)
    assert isinstance(reader, PackFile)
    assert (len(reader), reader.max_seq_length, reader.max_predictions_per_seq) == (45, 128, 20)
    assert verify(packed, single, order="any").same
    assert not verify(packed, single).same
