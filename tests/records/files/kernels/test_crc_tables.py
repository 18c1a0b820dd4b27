"""Contributions to checksums that are looked up, against the checksum of all bytes."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from bertkit.kernels import crc32c
from bertkit.records.files.kernels import crc_tables
from bertkit.records.instances.kernels.pair_plan import PAIR

HEADS = {
    "mask_head": b"mask",
    "weights_head": b"these weights",
    "next_head": b"next",
    "segments_head": b"segments",
}
FLOAT = np.float32(1).tobytes()


@numba.njit
def register(parts, pairs, data, begin, ids_end, end):
    return crc_tables.record_register(parts, pairs[0], data, begin, ids_end, end)


@pytest.mark.parametrize(("length", "predictions"), [(8, 1), (64, 10), (512, 76)])
def test_a_record_has_the_checksum_of_its_bytes(length, predictions):
    generator = np.random.default_rng(length)
    parts = crc_tables.constant_parts(length, predictions, **HEADS)
    for _ in range(40):
        first = int(generator.integers(1, length - 3))
        second = int(generator.integers(1, length - 2 - first))
        masked, label = int(generator.integers(0, predictions + 1)), int(generator.integers(2))
        begin, used = first + 2, first + second + 3
        before = bytes(7)
        ids, labels = generator.bytes(3 * length), generator.bytes(5 * predictions + 1)
        mask = HEADS["mask_head"] + bytes([1] * used + [0] * (length - used))
        end = HEADS["weights_head"] + FLOAT * masked + bytes(4 * (predictions - masked))
        end += HEADS["next_head"] + bytes([label]) + HEADS["segments_head"]
        end += bytes([0] * begin + [1] * (used - begin) + [0] * (length - used))
        record = ids + mask + labels + end
        data = np.frombuffer(before + record, np.uint8)
        pairs = np.array([(0, 0, first, second, masked, label)], PAIR)
        found = register(
            parts, pairs, data, np.uint64(7), np.uint64(7 + len(ids)), np.uint64(len(data))
        )
        assert found == crc32c.extend(crc32c.EMPTY, data, 7, len(record))
