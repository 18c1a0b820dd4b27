"""Numbers as varints, against protobuf's definition spelled out."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from bertkit.kernels import memory
from bertkit.records.files.kernels import serialise


def by_definition(value: int) -> bytes:
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.append(value & 0x7F)
    return bytes([group | 0x80 for group in groups[:-1]] + groups[-1:])


EDGES = [0, 1, 0x7F, 0x80, 0x81, 0x3FFF, 0x4000, 0x4001, 0xFFFF]


@numba.njit
def in_eights(numbers, shuffles, out):
    at = numba.uint64(0)
    for k in range(len(numbers) // 8):
        first = numba.uint64(k * 8 * numbers.itemsize)
        at += memory.put_eight_varints(numbers, first, shuffles, out, at)
    return at


@pytest.mark.skipif(not serialise.IN_EIGHTS, reason="the processor cannot shuffle bytes")
@pytest.mark.parametrize("dtype", [np.uint16, np.uint32])
def test_eight_at_once(dtype):
    edges = EDGES + ([0x10000, 0x1FFFFF] if dtype is np.uint32 else [])
    generator = np.random.default_rng(1)
    numbers = generator.choice(edges, 4000).astype(dtype)
    out = np.zeros(3 * len(numbers) + 16, np.uint8)
    size = in_eights(numbers, memory.varint_shuffles(), out)
    assert out[:size].tobytes() == b"".join(by_definition(int(n)) for n in numbers)


def test_one_at_a_time():
    table = serialise._varints(1 << 17)
    for value in [*EDGES, 0x10000]:
        entry = int(table[value])
        assert entry.to_bytes(4, "little")[: entry >> 24] == by_definition(value)
