"""Packs: every sequence in exactly one, within the limits, and back again unharmed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import packs as oracle
from oracle.packs import PACKERS, graphcore_pack

from bertkit.errors import DataError
from bertkit.records.config import RecordsConfig
from bertkit.records.files.instance import Row, rows_of
from bertkit.records.files.pack_layouts import (
    PackShape,
    layout_of,
    pack_shape,
    unpack,
    usual_predictions,
)
from bertkit.records.files.tfrecord import decode_example, read_records
from bertkit.records.instances.packing import Packs, plan_packs
from bertkit.records.instances.pairs import plan_shard
from records.instances.test_pairs import made_up

LENGTH, PREDICTIONS = 32, 4


def row(ids: list[int], cut: int, positions: list[int], label: int = 0) -> Row:
    segments = [int(n >= cut) for n in range(len(ids))]
    labels = [100 + position for position in positions]
    arrays = (np.array(values, np.int64) for values in (ids, segments, positions, labels))
    return Row(*arrays, label)


ROWS = [
    row([2, 11, 12, 3, 13, 3], 4, [1, 4], 1),
    row([2, 21, 3, 22, 23, 24, 3], 3, [5], 0),
    row([2, 31, 3, 32, 3], 3, [1, 3], 1),
]

lengths = st.lists(
    st.integers(5, LENGTH).flatmap(
        lambda n: st.tuples(st.just(n), st.integers(0, min(PREDICTIONS, n - 3)))
    ),
    max_size=60,
)


def planned(classes, shape):
    """The packs as lists of sequence numbers."""
    tokens, predictions = np.array(classes, np.int64).reshape(-1, 2).T
    return [row[row >= 0].tolist() for row in plan_packs(tokens, predictions, shape)]


@settings(deadline=None, max_examples=150)
@given(lengths, st.integers(2, 5), st.sampled_from(sorted(PACKERS)))
def test_every_sequence_is_in_one_pack_within_its_limits(classes, sequences, layout):
    shape = pack_shape(layout, LENGTH, PREDICTIONS, sequences)
    packs = planned(classes, shape)
    assert sorted(number for pack in packs for number in pack) == list(range(len(classes)))
    for pack in packs:
        assert 1 <= len(pack) <= sequences
        assert sum(classes[number][0] for number in pack) <= LENGTH
        assert sum(classes[number][1] for number in pack) <= shape.predictions
    assert packs == oracle.plan_packs(classes, shape)


def test_what_fits_together_goes_together():
    shape = PackShape(128, 40, 3)
    halves = [(64, 10)] * 10
    assert planned(halves, shape) == [[n, n + 1] for n in range(0, 10, 2)]
    thirds = [(128, 20), (100, 15), (28, 4), (40, 6), (40, 6), (48, 7)]
    assert planned(thirds, shape) == [[0], [1, 2], [3, 4, 5]]


def test_packing_saves_about_what_it_promises():
    """Krell et al. 2021: packs of three hold Wikipedia at 512 nearly without padding."""
    random = np.random.default_rng(0)
    lengths = np.minimum(512, random.integers(20, 700, 20_000))
    packs = plan_packs(lengths, np.full(20_000, 3), pack_shape("habana", 512, 76, 3))
    assert lengths.sum() / (512 * len(packs)) > 0.95


@pytest.mark.parametrize("layout", PACKERS)
@pytest.mark.parametrize("whole_words", [False, True])
@pytest.mark.parametrize("length", [16, 64, 200])
def test_packs_of_a_plan_equal_those_made_one_by_one(layout, whole_words, length):
    generator = np.random.default_rng(length)
    sizes = [generator.integers(1, 40, generator.integers(1, 9)).tolist() for _ in range(60)]
    _, text, vocab = made_up(sizes, 40)
    config = RecordsConfig(
        max_seq_length=length, short_seq_prob=0.6, dupe_factor=3, whole_word_mask=whole_words,
        sequences_per_pack=4,
    )  # fmt: skip
    plan = plan_shard(text, config, vocab)
    shape = pack_shape(layout, length, config.predictions, 4)
    found = Packs(plan, layout, shape)
    rows = list(rows_of(plan.batch(range(len(plan)))))
    members = oracle.plan_packs([(row.length, len(row.positions)) for row in rows], shape)
    expected = [PACKERS[layout]([rows[number] for number in pack], shape) for pack in members]
    assert len(found) == len(expected) > 100
    assert found.instances(range(len(found))) == len(rows)
    batch = found.batch(range(len(found)))
    assert batch.keys() == expected[0].keys()
    for name, values in batch.items():
        stacked = np.stack([pack[name] for pack in expected])
        assert (values.dtype.kind, values.itemsize) == (stacked.dtype.kind, 4)
        np.testing.assert_array_equal(values, stacked, err_msg=name)
    with pytest.raises(IndexError):
        found.batch([len(found)])


@pytest.mark.parametrize("layout", PACKERS)
def test_a_pack_and_back(layout):
    shape = pack_shape(layout, LENGTH, PREDICTIONS, 3)
    assert shape.predictions == PREDICTIONS + (2 if layout == "graphcore" else 3)
    assert usual_predictions(layout, shape) == PREDICTIONS
    for rows in (ROWS, ROWS[:1], ROWS[1:]):
        pack = PACKERS[layout](rows, shape)
        assert layout_of(pack) == layout
        for one, other in zip(unpack(layout, pack), rows, strict=True):
            assert one.next_label == other.next_label
            for name in ("ids", "segments", "positions", "labels"):
                np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_habana_layout_by_hand():
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
    with pytest.raises(DataError, match="not a pack in habana's layout"):
        unpack("habana", pack)
