"""Runs and checksums of bzip2; whole files are in tests/codecs/test_bzip2_blocks.py."""

import bz2

import numpy as np
import pytest

from bertkit.kernels import bzip2_walk


@pytest.mark.parametrize("size", [1, 7, 8, 9, 100])
def test_checksum_is_that_of_the_file_format(size):
    data = bytes(k * k % 7 for k in range(size))
    # A file of one block holds its checksum behind the head and the mark of the block.
    stored = int.from_bytes(bz2.compress(data)[10:14], "big")
    assert bzip2_walk.checksum(np.frombuffer(data, np.uint8), bzip2_walk.TABLES) == stored


@pytest.mark.parametrize(
    ("block", "wanted"),
    [
        (b"abc", b"abc"),
        (b"aaaa\0b", b"aaaab"),
        (b"aaaa\3aab", b"aaaaaaaaab"),
        (b"aaaa\2aaaa\0", b"aaaaaaaaaa"),
        (b"aaaa", None),
    ],
)
def test_runs(block, wanted):
    data = np.frombuffer(block, np.uint8)
    size = bzip2_walk.size_of_runs(data)
    if wanted is None:
        assert size == -1
    else:
        out = np.zeros(size, np.uint8)
        bzip2_walk.unpack_runs(data, out)
        assert out.tobytes() == wanted
