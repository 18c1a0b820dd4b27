"""Blocks that the kernel refuses; those it reads are in tests/codecs/test_bzip2_blocks.py."""

import bz2

import numpy as np
import pytest

from bertkit.kernels import bzip2

PACKED = bz2.compress(b"to be or not to be " * 20)


def state_of(packed: bytes) -> int:
    data = np.frombuffer(packed + bytes(256), np.uint8).copy()
    found, table = np.zeros(4, np.int64), np.zeros(900_000, np.uint32)
    end = np.uint64(8 * len(packed))
    return bzip2.read_block(data, np.uint64(32), end, 900_000, table, found, bzip2.new_work())


@pytest.mark.parametrize("size", range(4, len(PACKED) - 10, 5))
def test_a_part_of_a_block_wants_more(size):
    assert state_of(PACKED[:size]) == bzip2.MORE


def test_marks():
    assert state_of(PACKED) == bzip2.BLOCK
    assert state_of(bz2.compress(b"") + bytes(20)) == bzip2.STREAM_END
    assert state_of(b"BZh9" + bytes(80)) == bzip2.DAMAGED


def test_a_randomised_block_is_told():
    packed = bytearray(PACKED)
    packed[14] |= 0x80  # the bit behind the checksum
    assert state_of(bytes(packed)) == bzip2.RANDOMISED
