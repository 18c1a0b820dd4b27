"""Computes CRC-32C (Castagnoli), the checksum of TFRecord files, over whole buffers.

One step takes eight bytes: eight table look-ups anywhere, one instruction on x86
processors that have it. Each step waits for the one before, so three neighbouring
streams are computed at once and joined.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import uint32, uint64

from bertkit.kernels.jit import has_feature, inlined, kernel
from bertkit.kernels.memory import crc32c_step, load_u64

POLYNOMIAL = 0x82F63B78  # Castagnoli's, bits reversed
MASK_DELTA = 0xA282EAD8  # TFRecord stores rotate(crc, 15 right) + this, so that a CRC of
# data that contains CRCs stays meaningful

EMPTY = 0xFFFFFFFF  # the register before the first byte

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


def skip_table(count: int) -> np.ndarray:
    """uint32[4, 256]: the register after `count` zero bytes, by byte of the old register.

    The step is linear over bits, so the four bytes' effects are simply xored.
    """
    bytes_ = np.arange(256, dtype=np.uint32)
    table = np.stack([bytes_ << np.uint32(8 * place) for place in range(4)])
    power = TABLES[0, table & 0xFF] ^ (table >> np.uint32(8))  # after one, two, four ... bytes
    while count:
        if count & 1:
            table = _skipped(power, table)
        power = _skipped(power, power)
        count >>= 1
    return table


def _skipped(table: np.ndarray, registers: np.ndarray) -> np.ndarray:
    parts = [table[place, registers >> np.uint32(8 * place) & 0xFF] for place in range(4)]
    joined: np.ndarray = np.bitwise_xor.reduce(parts)
    return joined


TABLES = _byte_tables()
SKIP = skip_table(STREAM)


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
def skip(table: Any, register: Any) -> Any:
    """Register after as many zero bytes as `skip_table` was made for; uint64."""
    low = uint64(0xFF)
    return uint64(
        table[0, register & low]
        ^ table[1, (register >> uint64(8)) & low]
        ^ table[2, (register >> uint64(16)) & low]
        ^ table[3, (register >> uint64(24)) & low]
    )


@kernel
def extend(register: Any, data: Any, start: Any, length: Any) -> Any:
    """CRC register after `length` more bytes of uint8[:] `data` from `start`; uint64.

    Streams two and three start from 0; by linearity the register of the ones before is
    carried over a stream's length of zero bytes and xored in.
    """
    at = uint64(start)
    end = at + uint64(length)
    stream = uint64(STREAM)
    first = uint64(register)
    while at + uint64(3 * STREAM) <= end:
        second = uint64(0)
        third = uint64(0)
        stop = at + stream
        while at < stop:
            first = _step(first, load_u64(data, at))
            second = _step(second, load_u64(data, at + stream))
            third = _step(third, load_u64(data, at + stream + stream))
            at += uint64(8)
        first = skip(SKIP, skip(SKIP, first) ^ second) ^ third
        at += stream + stream
    while at + uint64(8) <= end:
        first = _step(first, load_u64(data, at))
        at += uint64(8)
    while at < end:
        byte = (first ^ uint64(data[at])) & uint64(0xFF)
        first = uint64(TABLES[0, byte]) ^ (first >> uint64(8))
        at += uint64(1)
    return first


@inlined
def masked(register: Any) -> Any:
    """The uint32 that TFRecord stores for a register."""
    crc = uint32(register ^ uint64(EMPTY))
    return uint32(((crc >> uint32(15)) | (crc << uint32(17))) + uint32(MASK_DELTA))


@kernel
def masked_crc(data: Any, start: Any, length: Any) -> Any:
    """The uint32 that TFRecord stores for `length` bytes of uint8[:] `data` from `start`."""
    return masked(extend(uint64(EMPTY), data, start, length))


def masked_crc32c(buffer: bytes | bytearray | memoryview | np.ndarray) -> int:
    """Masked CRC-32C of a whole buffer, as stored in TFRecord files."""
    data = np.frombuffer(buffer, np.uint8)
    return int(masked_crc(data, np.uint64(0), np.uint64(len(data))))
