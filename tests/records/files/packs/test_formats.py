"""The two formats of packs: sequences into a pack by the readable code, and back."""

from __future__ import annotations

import numpy as np
import pytest
from oracle.packs import PACKERS, graphcore_pack

from bertkit.errors import DataError
from bertkit.records.files.instance import Instance
from bertkit.records.files.packs.formats import (
    PackShape,
    pack_format_of,
    pack_shape,
    unpack,
    usual_predictions,
)
from bertkit.records.files.tfrecord.frames import decode_example, read_records

LENGTH, PREDICTIONS = 32, 4


def row(ids: list[int], cut: int, positions: list[int], label: int = 0) -> Instance:
    segments = [int(n >= cut) for n in range(len(ids))]
    labels = [100 + position for position in positions]
    arrays = (np.array(values, np.int64) for values in (ids, segments, positions, labels))
    return Instance(*arrays, label)


ROWS = [
    row([2, 11, 12, 3, 13, 3], 4, [1, 4], 1),
    row([2, 21, 3, 22, 23, 24, 3], 3, [5], 0),
    row([2, 31, 3, 32, 3], 3, [1, 3], 1),
]


@pytest.mark.parametrize("packing", PACKERS)
def test_a_pack_and_back(packing):
    shape = pack_shape(packing, LENGTH, PREDICTIONS, 3)
    assert shape.predictions == PREDICTIONS + (2 if packing == "graphcore" else 3)
    assert usual_predictions(packing, shape) == PREDICTIONS
    for rows in (ROWS, ROWS[:1], ROWS[1:]):
        pack = PACKERS[packing](rows, shape)
        assert pack_format_of(pack) == packing
        for one, other in zip(unpack(packing, pack), rows, strict=True):
            assert one.next_label == other.next_label
            for name in ("ids", "segments", "positions", "labels"):
                np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_habanas_format_by_hand():
    pack = PACKERS["habana"](ROWS[:2], PackShape(16, 5, 3))
    assert {name: values.tolist() for name, values in pack.items()} == {
        "input_ids": [2, 11, 12, 3, 13, 3, 2, 21, 3, 22, 23, 24, 3, 0, 0, 0],
        "input_mask": [1] * 6 + [2] * 7 + [0] * 3,
        "segment_ids": [0, 0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0],
        "positions": [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5, 6, 0, 0, 0],
        "masked_lm_positions": [1, 4, 11, 0, 0],
        "masked_lm_ids": [101, 104, 105, 0, 0],
        "masked_lm_weights": [1, 1, 2, 0, 0],
        "next_sentence_positions": [0, 6, 0],
        "next_sentence_labels": [1, 0, 0],
        "next_sentence_weights": [1, 1, 0],
    }


def test_graphcore_makes_the_same_packs_of_the_same_rows(shared):
    path = shared / "data" / "tfrecord_samples" / "graphcore" / "sample_text_packed.tfrecord"
    packs = [decode_example(payload) for payload in read_records(path)]
    assert len(packs) == 44
    for pack in packs:
        ours = graphcore_pack(unpack("graphcore", pack), PackShape(128, 22, 3))
        assert ours.keys() == pack.keys()
        for name, values in ours.items():
            np.testing.assert_array_equal(values, pack[name], err_msg=name)
            assert values.dtype == pack[name].dtype


def test_a_broken_pack_is_named():
    pack = PACKERS["habana"](ROWS, pack_shape("habana", LENGTH, PREDICTIONS, 3))
    pack["positions"][2] = 9
    with pytest.raises(DataError, match="positions of sequence 1 have gaps"):
        unpack("habana", pack)
    del pack["positions"]
    with pytest.raises(DataError, match="not a pack in habana's format"):
        unpack("habana", pack)
