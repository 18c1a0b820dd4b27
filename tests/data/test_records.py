"""Record files as a Python sequence, against the reader below and Google's names."""

from __future__ import annotations

import numpy as np
import pytest
import synthetic

import bertkit
from bertkit.errors import DataError


@pytest.fixture
def records(tmp_path):
    synthetic.write(tmp_path / "a.tfrecord", 7, seed=1)
    synthetic.write(tmp_path / "b.tfrecord", 5, seed=2)
    return bertkit.open_records(tmp_path)


def test_records_are_a_sequence_over_all_files(records):
    assert (len(records), len(records.files)) == (12, 2)
    assert repr(records) == "<12 records of 24 tokens>"
    wanted = [
        {name: values[row] for name, values in synthetic.batch(count, seed=seed).items()}
        for count, seed in ((7, 1), (5, 2))
        for row in range(count)
    ]
    for record, features in zip(records, wanted, strict=True):
        for name in ("input_ids", "input_mask", "segment_ids", "masked_lm_positions"):
            assert getattr(record, name).tolist() == features[name].tolist()
        assert record.next_sentence_label == int(features["next_sentence_labels"].reshape(-1)[0])
    assert records[-1].input_ids.tolist() == wanted[-1]["input_ids"].tolist()
    assert [r.input_ids.tolist() for r in records[5:9:2]] == [
        wanted[n]["input_ids"].tolist() for n in (5, 7)
    ]
    with pytest.raises(IndexError, match="record 12: there are 12"):
        records[12]


def test_masks_can_be_undone(records):
    for record in records:
        assert synthetic.MASK not in record.original_ids
        changed = np.flatnonzero(record.original_ids != record.input_ids)
        asked = record.masked_lm_positions[record.masked_lm_weights > 0]
        assert changed.tolist() == asked.tolist()


def test_arrays_of_many(records):
    found = records.batch([11, 0, 3])
    assert found["input_ids"][1].tolist() == records[0].input_ids.tolist()
    assert found["masked_lm_ids"].shape == (3, 4)


def test_nothing_there(tmp_path):
    with pytest.raises(DataError, match="nowhere"):
        bertkit.open_records(tmp_path / "nowhere")
