"""CRC-32C (Castagnoli) as TFRecord files use it, over whole buffers.

One step takes eight bytes: eight table look-ups anywhere, one instruction on x86
processors that have it. Each step waits for the one before, so three neighbouring
streams are computed at once and joined.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import uint32, uint64

from bertkit.records.kernels.bits import crc32c_step, load_u64
from bertkit.records.kernels.compile import has_feature, inlined, kernel

POLYNOMIAL = 0x82F63B78  # Castagnoli's, bits reversed
MASK_DELTA = 0xA282EAD8  # TFRecord stores rotate(crc, 15 right) + this, so that a CRC of
# data that contains CRCs stays meaningful

HAS_INSTRUCTION = has_feature("sse4.2")
STREAM = 128  # bytes per stream and round in the three-stream way


def _byte_tables() -> np.ndarray:
    """uint32[8, 256]: row k is the effect of a byte that k zero bytes follow."""
    tables = np.zeros((8, 256), np.uint32)
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (POLYNOMIAL if value & 1 else 0)
        tables[0, byte] = value
    for row in range(1, 8):
        above = tables[row - 1]
        tables[row] = tables[0, above & 0xFF] ^ (above >> np.uint32(8))
    return tables


def _skip_table() -> np.ndarray:
    """uint32[4, 256]: the register after STREAM zero bytes, by byte of the old register.

    The step is linear over bits, so the four bytes' effects are simply xored.
    """
    registers = np.array([[byte << (8 * place) for byte in range(256)] for place in range(4)])
    registers = registers.astype(np.uint32)
    for _ in range(STREAM):
        registers = TABLES[0, registers & 0xFF] ^ (registers >> np.uint32(8))
    return registers


TABLES = _byte_tables()
SKIP = _skip_table()


@inlined
def _table_step(register: Any, word: Any) -> Any:
    """Register after the eight bytes of `word`, slicing by eight; uint64."""
    low = uint64(0xFF)
    mixed = word ^ register
    return uint64(
        TABLES[7, mixed & low]
        ^ TABLES[6, (mixed >> uint64(8)) & low]
        ^ TABLES[5, (mixed >> uint64(16)) & low]
        ^ TABLES[4, (mixed >> uint64(24)) & low]
        ^ TABLES[3, (mixed >> uint64(32)) & low]
        ^ TABLES[2, (mixed >> uint64(40)) & low]
        ^ TABLES[1, (mixed >> uint64(48)) & low]
        ^ TABLES[0, mixed >> uint64(56)]
    )


_step = crc32c_step if HAS_INSTRUCTION else _table_step


@inlined
def _skip_stream(register: Any) -> Any:
    """Register after STREAM zero bytes."""
    low = uint64(0xFF)
    return uint64(
        SKIP[0, register & low]
        ^ SKIP[1, (register >> uint64(8)) & low]
        ^ SKIP[2, (register >> uint64(16)) & low]
        ^ SKIP[3, (register >> uint64(24)) & low]
    )


@kernel
def crc_register(data: Any, start: Any, length: Any) -> Any:
    """CRC register, not yet inverted, after `length` bytes of uint8[:] `data` from `start`.

    Streams two and three start from 0; by linearity the register of the ones before is
    carried over a stream's length of zero bytes and xored in.
    """
    at = uint64(start)
    end = at + uint64(length)
    stream = uint64(STREAM)
    first = uint64(0xFFFFFFFF)
    while at + uint64(3 * STREAM) <= end:
        second = uint64(0)
        third = uint64(0)
        stop = at + stream
        while at < stop:
            first = _step(first, load_u64(data, at))
            second = _step(second, load_u64(data, at + stream))
            third = _step(third, load_u64(data, at + stream + stream))
            at += uint64(8)
        first = _skip_stream(_skip_stream(first) ^ second) ^ third
        at += stream + stream
    while at + uint64(8) <= end:
        first = _step(first, load_u64(data, at))
        at += uint64(8)
    while at < end:
        byte = (first ^ uint64(data[at])) & uint64(0xFF)
        first = uint64(TABLES[0, byte]) ^ (first >> uint64(8))
        at += uint64(1)
    return first


@kernel
def masked_crc(data: Any, start: Any, length: Any) -> Any:
    """The uint32 that TFRecord stores for `length` bytes of uint8[:] `data` from `start`."""
    crc = uint32(crc_register(data, start, length) ^ uint64(0xFFFFFFFF))
    return uint32(((crc >> uint32(15)) | (crc << uint32(17))) + uint32(MASK_DELTA))


def masked_crc32c(buffer: bytes | bytearray | memoryview | np.ndarray) -> int:
    """Masked CRC-32C of a whole buffer, as stored in TFRecord files."""
    data = np.frombuffer(buffer, np.uint8)
    return int(masked_crc(data, np.uint64(0), np.uint64(len(data))))
