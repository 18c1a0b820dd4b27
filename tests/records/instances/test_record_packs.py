"""Packs of stored records: sums within a pack, and packs that are read back."""

from __future__ import annotations

import numpy as np
import pytest

from bertkit.records.files.instance import instances_of
from bertkit.records.files.packs.formats import pack_shape, unpack
from bertkit.records.instances.record_packs import RecordPacks, _before


def test_sums_begin_anew_with_every_pack():
    sizes, slots = np.array([3, 4, 5, 6, 7, 8]), np.array([0, 1, 0, 0, 1, 2])
    assert _before(sizes, slots).tolist() == [0, 3, 0, 0, 6, 13]


@pytest.mark.parametrize("packing", ["habana", "graphcore"])
def test_every_record_is_in_one_pack_and_comes_out_as_it_was(plain, packing):
    shape = pack_shape(packing, plain.max_seq_length, plain.max_predictions_per_seq, 4)
    packs = RecordPacks(plain, packing, shape)
    found = []
    for number in range(len(packs)):
        batch = packs.batch([number])
        found += unpack(packing, {name: values[0] for name, values in batch.items()})
    wanted = list(instances_of(plain.batch(range(len(plain)))))

    def key(one):
        return (*one.ids.tolist(), *one.positions.tolist(), *one.labels.tolist(), one.next_label)

    assert len(packs) < len(plain)
    assert sorted(map(key, found)) == sorted(map(key, wanted))
