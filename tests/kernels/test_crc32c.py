"""CRC-32C against RFC 3720's vectors and a bit-by-bit computation."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest

from bertkit.kernels import crc32c

# RFC 3720, section B.4 (iSCSI); stored there in the byte order of the wire.
VECTORS = [
    (bytes(32), 0x8A9136AA),
    (b"\xff" * 32, 0x62A8AB43),
    (bytes(range(32)), 0x46DD794E),
    (bytes(range(31, -1, -1)), 0x113FDB5C),
    (b"123456789", 0xE3069283),
    (b"", 0),
]


def slow(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(crc):
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


@pytest.mark.parametrize(("data", "crc"), VECTORS)
def test_published_vectors(data, crc):
    assert slow(data) == crc
    assert crc32c.masked_crc32c(data) == masked(crc)


def check_lengths_and_alignments():
    data = np.random.default_rng(3).integers(0, 256, 1300, np.uint8)
    for length in [*range(40), 127, 128, 383, 384, 385, 500, 767, 768, 1200]:
        for start in (0, 1, 7):
            crc = int(crc32c.extend(crc32c.EMPTY, data, start, length)) ^ 0xFFFFFFFF
            assert crc == slow(data[start : start + length].tobytes())


@pytest.mark.parametrize("count", [0, 1, 2, 7, 128, 541])
def test_zero_bytes_are_skipped(count):
    skip = numba.njit(lambda table, register: crc32c.skip(table, register))
    table = crc32c.skip_table(count)
    for register in (0, 1, 0xFFFFFFFF, 0x12345678):
        expected = crc32c.extend(np.uint64(register), np.zeros(count, np.uint8), 0, count)
        assert skip(table, np.uint64(register)) == expected


def test_every_length_and_alignment():
    check_lengths_and_alignments()


@pytest.mark.slow
def test_the_portable_way_gives_the_same():
    code = "import test_crc32c as t; assert not t.crc32c.HAS_INSTRUCTION; "
    subprocess.run(
        [sys.executable, "-c", code + "t.check_lengths_and_alignments()"],
        check=True,
        cwd=Path(__file__).parent,
        env={**os.environ, "BERTKIT_PORTABLE": "1"},
    )
