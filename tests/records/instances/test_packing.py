"""Packing: every sequence in exactly one pack, within the limits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import packs as oracle
from oracle.packs import PACKERS

from bertkit.records.config import RecordsConfig
from bertkit.records.files.instance import instances_of
from bertkit.records.files.packs.formats import PackShape, pack_shape
from bertkit.records.instances.packing import Packs, plan_packs
from bertkit.records.instances.pairs import plan_pairs
from records.instances.test_pairs import made_up

LENGTH, PREDICTIONS = 32, 4


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
def test_every_sequence_is_in_one_pack_within_its_limits(classes, sequences, packing):
    shape = pack_shape(packing, LENGTH, PREDICTIONS, sequences)
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


@pytest.mark.parametrize("packing", PACKERS)
@pytest.mark.parametrize("whole_words", [False, True])
@pytest.mark.parametrize("length", [16, 64, 200])
def test_packs_of_a_plan_equal_those_made_one_by_one(packing, whole_words, length):
    generator = np.random.default_rng(length)
    sizes = [generator.integers(1, 40, generator.integers(1, 9)).tolist() for _ in range(60)]
    _, text, vocab = made_up(sizes, 40)
    config = RecordsConfig(
        max_seq_length=length, short_seq_prob=0.6, dupe_factor=3, whole_word_mask=whole_words,
        sequences_per_pack=4,
    )  # fmt: skip
    plan = plan_pairs(text, config, vocab)
    shape = pack_shape(packing, length, config.predictions, 4)
    found = Packs(plan, packing, shape)
    rows = list(instances_of(plan.batch(range(len(plan)))))
    members = oracle.plan_packs([(row.length, len(row.positions)) for row in rows], shape)
    expected = [PACKERS[packing]([rows[number] for number in pack], shape) for pack in members]
    assert len(found) == len(expected) > 100
    assert found.sizes(range(len(found))).sum() == len(rows)
    batch = found.batch(range(len(found)))
    assert batch.keys() == expected[0].keys()
    for name, values in batch.items():
        stacked = np.stack([pack[name] for pack in expected])
        assert (values.dtype.kind, values.itemsize) == (stacked.dtype.kind, 4)
        np.testing.assert_array_equal(values, stacked, err_msg=name)
    with pytest.raises(IndexError):
        found.batch([len(found)])
