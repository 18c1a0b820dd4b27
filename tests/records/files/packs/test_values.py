"""Packs of others with numbers that no pack has: file and record are named."""

from __future__ import annotations

import numpy as np
import pytest

from bertkit.errors import DataError
from bertkit.records.files.open import open_records
from bertkit.records.files.tfrecord.frames import (
    decode_example,
    encode_example,
    read_records,
    write_records,
)
from records.conftest import only_file

GRAPHCORE = [
    ("packed_input_ids", 0, -1),
    ("packed_input_ids", 1, 2**40),
    ("packed_input_mask", 0, 9),
    ("packed_input_mask", 0, -1),
    ("packed_segment_ids", 1, 4),
    ("packed_position_ids", 1, 70),
    ("packed_position_ids", 1, -70),
    ("packed_masked_lm_positions", 0, 500),
    ("packed_masked_lm_positions", 0, -1),
    ("packed_masked_lm_ids", 0, -2),
    ("packed_next_sentence_labels", 0, 7),
    ("packed_next_sentence_labels", 0, 2**40),
]
HABANA = [
    ("input_ids", 0, -1),
    ("input_mask", 0, 9),
    ("segment_ids", 1, 4),
    ("positions", 1, 70),
    ("masked_lm_positions", 0, 500),
    ("masked_lm_positions", 0, -3),
    ("masked_lm_ids", 0, -2),
    ("next_sentence_positions", 0, 500),
    ("next_sentence_positions", 0, -64),
    ("next_sentence_labels", 0, 7),
]


def refused(path):
    with pytest.raises(DataError) as caught:
        reader = open_records(path)
        reader.batch(range(len(reader)))
    assert caught.value.message.startswith(f"{path}: record 2"), caught.value.message


@pytest.mark.parametrize(
    ("folder", "name", "at", "value"),
    [("graphcore", *case) for case in GRAPHCORE] + [("habana-tfrecord", *case) for case in HABANA],
)
def test_tfrecords(folders, tmp_path, folder, name, at, value):
    packs = [decode_example(p) for p in read_records(only_file(folders / folder))]
    packs[2][name] = packs[2][name].copy()
    packs[2][name][at] = value
    path = tmp_path / "packs.tfrecord"
    write_records(path, map(encode_example, packs))
    refused(path)


@pytest.mark.parametrize(("name", "at", "value"), [*HABANA, ("input_ids", 0, 2**40)])
def test_hdf5(folders, tmp_path, name, at, value):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "packs.hdf5"
    with (
        h5py.File(next((folders / "habana-hdf5").rglob("*.hdf5"))) as old,
        h5py.File(path, "w") as new,
    ):
        for feature in old:
            values = old[feature][:].astype(np.int64)
            if feature == name:
                values[2][at] = value
            new[feature] = values
    refused(path)


def test_missing_features_and_floats(folders, tmp_path):
    packs = [decode_example(p) for p in read_records(only_file(folders / "graphcore"))]
    path = tmp_path / "packs.tfrecord"
    for change, says in (
        (lambda pack: pack.pop("packed_segment_ids"), "no feature packed_segment_ids"),
        (
            lambda pack: pack.update(packed_input_ids=np.ones(64, np.float32)),
            "floats where whole numbers should be: packed_input_ids",
        ),
    ):
        changed = [dict(pack) for pack in packs]
        for pack in changed:
            change(pack)
        write_records(path, map(encode_example, changed))
        with pytest.raises(DataError, match=says):
            open_records(path)
