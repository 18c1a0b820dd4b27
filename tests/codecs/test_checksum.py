"""Checkpoints' checksums: the published value, and those of the kernel for records."""

from __future__ import annotations

import os

from bertkit.codecs.checksum import masked_crc32c
from bertkit.kernels.crc32c import masked_crc32c as masked_by_kernel


def test_the_published_value_masked_by_hand():
    # RFC 3720, B.4: CRC-32C of "123456789"; rotated right by 15, plus the constant.
    crc = 0xE3069283
    rotated = (crc >> 15 | crc << 17) & 0xFFFFFFFF
    assert masked_crc32c(b"123456789") == (rotated + 0xA282EAD8) % (1 << 32)


def test_any_buffer_of_any_size():
    data = os.urandom(1_500_001)
    for size in (0, 1, 7, 262_143, 262_144, len(data)):
        expected = masked_by_kernel(data[:size])
        assert masked_crc32c(data[:size]) == expected
        assert masked_crc32c(bytearray(data[:size])) == expected
        assert masked_crc32c(memoryview(data)[:size]) == expected
