"""Masked CRC-32C, as TensorFlow stores it, in plain NumPy.

The compiled kernel for records belongs to a floor that the model must not know, and a
checkpoint is read too rarely to wait for a compiler. A long buffer is cut into equal
pieces that advance side by side, one vector operation for all of them, and the pieces'
registers are joined at the end: the CRC is linear over bits.
"""

from __future__ import annotations

import numpy as np

_POLYNOMIAL = 0x82F63B78  # Castagnoli's, bits reversed
_MASK_DELTA = 0xA282EAD8  # stored value = rotate(crc, 15 right) + this
_PIECES = 4096  # a power of two
_LONG = 64 * _PIECES  # shorter buffers are not worth the joining
_COLUMNS = 64  # words of every piece that are brought together in memory at once


def _byte_table() -> np.ndarray:
    """uint32[256]: the register after one byte from register 0."""
    values: np.ndarray = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        values = (values >> np.uint32(1)) ^ (values & np.uint32(1)) * np.uint32(_POLYNOMIAL)
    return values


_BYTE = _byte_table()
_BYTES = [int(value) for value in _BYTE]


def _shift(registers: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Apply a linear operator uint32[4, 256] (by byte of the register) to uint32[...]."""
    shifted: np.ndarray = (
        table[0, registers & 0xFF]
        ^ table[1, (registers >> 8) & 0xFF]
        ^ table[2, (registers >> 16) & 0xFF]
        ^ table[3, registers >> 24]
    )
    return shifted


def _zeros_operator(count: int) -> np.ndarray:
    """uint32[4, 256]: what `count` zero bytes do to a register."""
    starts = np.arange(256, dtype=np.uint32)
    identity = np.stack([starts << np.uint32(8 * place) for place in range(4)])
    power = _BYTE[identity & 0xFF] ^ (identity >> np.uint32(8))
    result = identity
    while count:
        if count & 1:
            result = _shift(result, power)
        power = _shift(power, power)
        count >>= 1
    return result


def _word_tables() -> tuple[np.ndarray, np.ndarray]:
    """uint32[65536] each: what the low and the high half of a 4-byte word do."""
    four = _zeros_operator(4)
    halves = np.arange(65536, dtype=np.uint32)
    return _shift(halves, four), _shift(halves << np.uint32(16), four)


_LOW, _HIGH = _word_tables()


def crc32c(data: bytes | memoryview) -> int:
    """CRC-32C (Castagnoli) of a buffer."""
    register, start = 0xFFFFFFFF, 0
    if len(data) >= _LONG:
        register, start = _long_register(data)
    for byte in memoryview(data)[start:]:
        register = _BYTES[(register ^ byte) & 0xFF] ^ (register >> 8)
    return register ^ 0xFFFFFFFF


def _long_register(data: bytes | memoryview) -> tuple[int, int]:
    """(register, bytes taken) of the largest multiple of `_PIECES` words at the front."""
    words = len(data) // (4 * _PIECES)
    table = np.frombuffer(data, "<u4", words * _PIECES).reshape(_PIECES, words)
    registers = np.zeros(_PIECES, np.uint32)
    registers[0] = 0xFFFFFFFF
    for first in range(0, words, _COLUMNS):
        for column in np.ascontiguousarray(table[:, first : first + _COLUMNS].T):
            mixed = registers ^ column
            registers = _LOW[mixed & 0xFFFF] ^ _HIGH[mixed >> 16]
    operator = _zeros_operator(4 * words)
    while len(registers) > 1:
        registers = _shift(registers[0::2], operator) ^ registers[1::2]
        operator = _shift(operator, operator)
    return int(registers[0]), 4 * words * _PIECES


def masked_crc32c(data: bytes | memoryview) -> int:
    """CRC-32C in the masked form that table and bundle files store."""
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & 0xFFFFFFFF
