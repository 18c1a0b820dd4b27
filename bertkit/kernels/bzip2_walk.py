"""Turns blocks of bzip2 into bytes: the Burrows-Wheeler walk, runs, and the checksum.

The walk through a block waits for memory at every byte, so those of several blocks are done in
turns: their waits overlap.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import int64, uint32, uint64

from bertkit.kernels.jit import kernel


def _byte_tables() -> np.ndarray:
    """uint32[8, 256]: row k is the effect of a byte that k zero bytes follow, high bit first."""
    tables = np.zeros((8, 256), np.uint32)
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = ((value << 1) ^ (0x04C11DB7 if value & 1 << 31 else 0)) & 0xFFFFFFFF
        tables[0, byte] = value
    for row in range(1, 8):
        above = tables[row - 1]
        tables[row] = tables[0, above >> np.uint32(24)] ^ (above << np.uint32(8))
    return tables


TABLES = _byte_tables()


@kernel
def walk(
    tables: np.ndarray, rows: np.ndarray, sizes: np.ndarray, places: np.ndarray, out: np.ndarray
) -> None:
    """Undoes the Burrows-Wheeler transform of several blocks in turns.

    Args:
        tables: uint32[blocks, limit], of `read_block`.
        rows: uint64[blocks], the blocks in the order of `sizes`.
        sizes: int64[blocks], none smaller than the next.
        places: uint64[blocks], START of each; overwritten.
        out: uint8[blocks, limit], filled.
    """
    blocks = sizes.size
    for k in range(uint64(blocks)):
        places[k] = tables[rows[k], places[k]] >> uint32(8)
    step = uint64(0)
    for active in range(blocks, 0, -1):
        while step < uint64(sizes[active - 1]):
            for k in range(uint64(active)):
                row = rows[k]
                entry = tables[row, places[k]]
                out[row, step] = entry & uint32(255)
                places[k] = uint64(entry >> uint32(8))
            step += uint64(1)


@kernel
def size_of_runs(block: np.ndarray) -> Any:
    """Bytes that a block's runs make (a byte four times, then how often more); -1 for damage."""
    size = uint64(block.size)
    total = int64(0)
    same, last = 0, -1
    at = uint64(0)
    while at < size:
        byte = int64(block[at])
        at += uint64(1)
        total += 1
        same = same + 1 if byte == last else 1
        last = byte
        if same == 4:
            if at == size:
                return int64(-1)
            total += int64(block[at])
            at += uint64(1)
            same, last = 0, -1
    return total


@kernel
def unpack_runs(block: np.ndarray, out: np.ndarray) -> None:
    """Fills `out`, as long as `size_of_runs` says."""
    size = uint64(block.size)
    place = uint64(0)
    same, last = 0, -1
    at = uint64(0)
    while at < size:
        byte = int64(block[at])
        at += uint64(1)
        out[place] = byte
        place += uint64(1)
        same = same + 1 if byte == last else 1
        last = byte
        if same == 4:
            for _ in range(block[at]):
                out[place] = byte
                place += uint64(1)
            at += uint64(1)
            same, last = 0, -1


@kernel
def checksum(data: np.ndarray, tables: np.ndarray) -> Any:
    """The CRC-32 of bzip2 (high bit first) of a uint8 array; `tables` is `TABLES`."""
    register = uint64(0xFFFFFFFF)
    at, size = uint64(0), uint64(data.size)
    while at + uint64(8) <= size:
        value = uint64(0)
        for k in range(uint64(4)):
            value = value << uint64(8) | uint64(data[at + k])
        value ^= register
        register = uint64(
            tables[7, value >> uint64(24)]
            ^ tables[6, value >> uint64(16) & uint64(255)]
            ^ tables[5, value >> uint64(8) & uint64(255)]
            ^ tables[4, value & uint64(255)]
            ^ tables[3, data[at + uint64(4)]]
            ^ tables[2, data[at + uint64(5)]]
            ^ tables[1, data[at + uint64(6)]]
            ^ tables[0, data[at + uint64(7)]]
        )
        at += uint64(8)
    while at < size:
        shifted = register << uint64(8) & uint64(0xFFFFFFFF)
        register = shifted ^ uint64(tables[0, register >> uint64(24) ^ uint64(data[at])])
        at += uint64(1)
    return register ^ uint64(0xFFFFFFFF)
