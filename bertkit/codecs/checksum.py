"""Computes the masked CRC-32C that TensorFlow stores beside the blocks and tensors of a checkpoint.

Record files have a kernel of their own (`bertkit.kernels.crc32c`), which other kernels call
and which numba compiles; a checkpoint is read too rarely to wait for a compiler.
"""

from __future__ import annotations

from crc32c import crc32c

_MASK_DELTA = 0xA282EAD8  # stored value = rotate(crc, 15 right) + this


def masked_crc32c(data: bytes | bytearray | memoryview) -> int:
    """CRC-32C (Castagnoli) of a buffer in the masked form that TensorFlow's files store.

    The mask keeps the checksum of data that contains checksums meaningful; see
    tensorflow/core/lib/hash/crc32c.h.
    """
    return masked(crc32c(data))


def masked(crc: int) -> int:
    """A CRC-32C in that form."""
    return (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & 0xFFFFFFFF
