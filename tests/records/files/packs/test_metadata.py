"""The file beside Habana's packs that says how many sequences a pack holds."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

from bertkit.errors import DataError
from bertkit.records.files.open import open_records
from bertkit.records.files.packs.metadata import read_average
from bertkit.records.files.tfrecord.frames import decode_example, read_records
from bertkit.records.tools.inspect import inspect_records
from records.conftest import only_file


def test_the_mean_number_of_sequences_stands_beside_habanas_packs(folders):
    """Where and how Habana's training program looks for it."""
    for name in ("habana-hdf5", "habana-tfrecord"):
        reader = open_records(only_file(folders / name))
        beside = os.path.join(folders, name, "..", f"{name}_metadata.json")
        with open(beside, encoding="utf-8") as stream:
            average = json.load(stream)["avg_seq_per_sample"]
        assert average == len(reader) / reader.packs == read_average(folders / name)
        assert 1 < average <= 5
        facts, text = inspect_records([only_file(folders / name)])
        assert facts["sequences_per_pack"] == round(average, 4)
        assert f"{average:.4g} in the file beside the folder" in text
    assert not os.path.exists(folders / "graphcore_metadata.json")
    assert read_average(folders / "graphcore") is None


def test_graphcores_program_finds_every_pack_by_the_index_beside_the_file(folders):
    """As its TFRecordPretrainingDataset does: lines are counted, workers read their shard."""
    reader = pytest.importorskip("tfrecord.reader")
    path = only_file(folders / "graphcore")
    index = path.replace(".tfrecord", ".index")
    with open(index, encoding="ascii") as stream:
        lines = sum(1 for _ in stream)
    packs = list(map(decode_example, read_records(path)))
    assert lines == len(packs) > 4
    keys = sorted(packs[0])
    for shards in (1, 3):
        found = [
            row
            for shard in range(shards)
            for row in reader.tfrecord_loader(path, index, keys, (shard, shards))
        ]
        assert len(found) == len(packs)
        for theirs, ours in zip(found, packs, strict=True):
            for key in keys:
                np.testing.assert_array_equal(theirs[key], ours[key], err_msg=key)
    assert not list((folders / "habana-tfrecord").glob("*.index"))


@pytest.mark.parametrize("text", ["{}", "[1]", "1.2", '{"avg_seq_per_sample": 0}', "{"])
def test_a_broken_file_beside_packs_is_named(tmp_path, text):
    (tmp_path / "packs_metadata.json").write_text(text)
    with pytest.raises(
        DataError, match=r"packs_metadata\.json:(1: not JSON| .*avg_seq_per_sample)"
    ):
        read_average(tmp_path / "packs")
