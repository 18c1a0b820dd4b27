"""Reads blocks of bzip2: Huffman codes, move-to-front, and the table that a walk goes through.

The format is that of bzip2 1.0 (Seward 2019), section "decompress.c" of its sources. The walk
is bzip2_walk.py's. Everything that is used as an index is checked before: damaged input ends with a
status.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import int64, uint32, uint64

from bertkit.kernels.jit import kernel

# What a block or the end of a stream begins with: digits of pi and of its root.
_BLOCK, _END = 0x314159265359, 0x177245385090
# States that `read_block` returns.
BLOCK, STREAM_END, MORE, DAMAGED, RANDOMISED = range(5)
# Places of what `read_block` finds: bit behind it, bytes, start of the walk, stored checksum.
NEXT, SIZE, START, CHECKSUM = range(4)

_GROUP, _SELECTORS, _LONGEST, _CODES = 50, 18002, 20, 258
_SHORT = 10  # bits of codes that one look-up finds
_SHORT_CODES = 1 << _SHORT


class Work(NamedTuple):
    """Scratch space of `read_block`; its place here is part of what numba keeps."""

    alphabet: np.ndarray
    selectors: np.ndarray
    lengths: np.ndarray
    short: np.ndarray
    first: np.ndarray
    number: np.ndarray
    offset: np.ndarray
    order: np.ndarray
    counts: np.ndarray
    later: np.ndarray


def new_work() -> Work:
    """Scratch space, in any state."""
    return Work(
        alphabet=np.zeros(256, np.uint8),
        selectors=np.zeros(_SELECTORS, np.uint8),
        lengths=np.zeros(258, np.uint8),
        short=np.zeros((6, _SHORT_CODES), np.uint16),
        first=np.zeros((6, 21), np.int64),
        number=np.zeros((6, 21), np.int64),
        offset=np.zeros((6, 21), np.int64),
        order=np.zeros((6, 258), np.int64),
        counts=np.zeros(256, np.uint64),
        later=np.zeros(256, np.uint8),
    )


@kernel
def _bits(data: np.ndarray, bit: Any, count: Any) -> Any:
    """The next `count` bits, 32 at most."""
    at = bit >> uint64(3)
    word = uint64(0)
    for k in range(uint64(5)):
        word = word << uint64(8) | uint64(data[at + uint64(k)])
    return word >> (uint64(40) - (bit & uint64(7)) - count) & ((uint64(1) << count) - uint64(1))


@kernel
def _code_tables(
    lengths: np.ndarray,
    symbols: int,
    short: np.ndarray,
    first: np.ndarray,
    number: np.ndarray,
    offset: np.ndarray,
    order: np.ndarray,
) -> bool:
    """Tables of one Huffman code; False for lengths that make none.

    Args:
        lengths: uint8[258], of each symbol's code, 1 to 20.
        symbols: how many there are.
        short: uint16[1024], filled with symbol << 4 | length by the next ten bits, or 0.
        first: int64[21], filled with the first code of each length.
        number: int64[21], filled with how many codes of each length there are.
        offset: int64[21], filled with their start in `order`.
        order: int64[258], filled with the symbols by length.
    """
    number[:] = 0
    for symbol in range(symbols):
        number[lengths[symbol]] += 1
    code = place = int64(0)
    for length in range(1, _LONGEST + 1):
        code <<= 1
        first[length], offset[length] = code, place
        for symbol in range(symbols):
            if lengths[symbol] == length:
                order[place] = symbol
                place += 1
        code += number[length]
        if code > int64(1) << length:
            return False
    short[:] = 0
    for length in range(1, _SHORT + 1):
        for k in range(number[length]):
            begin = (first[length] + k) << (_SHORT - length)
            for at in range(begin, begin + (int64(1) << (_SHORT - length))):
                short[at] = order[offset[length] + k] << 4 | length
    return True


@kernel
def _read_tables(data: np.ndarray, bit: Any, end: Any, work: Work) -> Any:
    """Reads what stands before a block's codes into `work`; (state, bit, symbols, selectors)."""
    # The bytes that occur.
    used = _bits(data, bit, uint64(16))
    bit += uint64(16)
    count = int64(0)
    for high in range(16):
        if used >> uint64(15 - high) & uint64(1):
            row = _bits(data, bit, uint64(16))
            bit += uint64(16)
            for low in range(16):
                if row >> uint64(15 - low) & uint64(1):
                    work.alphabet[count] = high << 4 | low
                    count += 1
    symbols = count + 2
    groups = int64(_bits(data, bit, uint64(3)))
    selectors = int64(_bits(data, bit + uint64(3), uint64(15)))
    bit += uint64(18)
    if count == 0 or groups < 2 or groups > 6 or selectors < 1:
        return DAMAGED, bit, symbols, selectors
    # Which code is used for each fifty symbols, moved to front.
    recent = int64(0x543210)
    for k in range(selectors):
        level = int64(0)
        while _bits(data, bit, uint64(1)):
            bit += uint64(1)
            level += 1
            if level >= groups:
                return DAMAGED, bit, symbols, selectors
        bit += uint64(1)
        if bit > end:
            return MORE, bit, symbols, selectors
        chosen = recent >> 4 * level & 15
        below = recent & (1 << 4 * level) - 1
        recent = recent >> 4 * (level + 1) << 4 * (level + 1) | below << 4 | chosen
        if k < _SELECTORS:
            work.selectors[k] = chosen
    for group in range(groups):
        length = int64(_bits(data, bit, uint64(5)))
        bit += uint64(5)
        for symbol in range(symbols):
            while True:
                if length < 1 or length > _LONGEST:
                    return DAMAGED, bit, symbols, selectors
                step = _bits(data, bit, uint64(2))
                if step < uint64(2):
                    bit += uint64(1)
                    break
                bit += uint64(2)
                length += 1 if step == uint64(2) else -1
            work.lengths[symbol] = length
            if bit > end:
                return MORE, bit, symbols, selectors
        if not _code_tables(
            work.lengths,
            symbols,
            work.short[group],
            work.first[group],
            work.number[group],
            work.offset[group],
            work.order[group],
        ):
            return DAMAGED, bit, symbols, selectors
    return BLOCK, bit, symbols, min(selectors, _SELECTORS)


@kernel
def _read_bytes(
    data: np.ndarray,
    bit: Any,
    end: Any,
    symbols: int,
    selectors: int,
    table: np.ndarray,
    limit: Any,
    work: Work,
) -> Any:
    """Reads a block's codes into the low bytes of `table`; (state, bit, bytes)."""
    counts = work.counts
    counts[:] = 0
    # The eight bytes used last stand in a word, the first one lowest; the others in `later`.
    later = work.later
    recent = uint64(0)
    for k in range(symbols - 2):
        later[k] = work.alphabet[k]
        if k < 8:
            recent |= uint64(work.alphabet[k]) << uint64(8 * k)
    size = uint64(0)
    run, weight = uint64(0), uint64(1)
    last = uint64(symbols - 1)
    for k in range(selectors):
        if bit > end:
            return MORE, bit, size
        group = uint64(work.selectors[k])
        short = work.short[group]
        for _ in range(_GROUP):
            at = bit >> uint64(3)
            word = (
                uint64(data[at]) << uint64(24)
                | uint64(data[at + uint64(1)]) << uint64(16)
                | uint64(data[at + uint64(2)]) << uint64(8)
                | uint64(data[at + uint64(3)])
            ) << (bit & uint64(7)) & uint64(0xFFFFFFFF)
            found = uint64(short[word >> uint64(32 - _SHORT)])
            if found:
                bit += found & uint64(15)
                symbol = found >> uint64(4)
            else:
                length = _SHORT + 1
                while length <= _LONGEST:
                    rank = int64(word >> uint64(32 - length)) - work.first[group, length]
                    if 0 <= rank < work.number[group, length]:
                        break
                    length += 1
                if length > _LONGEST:
                    return DAMAGED, bit, size
                bit += uint64(length)
                symbol = uint64(work.order[group, work.offset[group, length] + rank])
            if symbol < uint64(2):
                run += weight << symbol
                weight <<= uint64(1)
                if run > limit:
                    return DAMAGED, bit, size
                continue
            if run:
                byte = recent & uint64(255)
                if size + run > limit:
                    return DAMAGED, bit, size
                counts[byte] += run
                for place in range(size, size + run):
                    table[place] = byte
                size += run
                run, weight = uint64(0), uint64(1)
            if symbol == last:
                return (MORE if bit > end else BLOCK), bit, size
            if size >= limit:
                return DAMAGED, bit, size
            position = symbol - uint64(1)
            if position < uint64(8):
                shift = position << uint64(3)
                byte = recent >> shift & uint64(255)
                below = recent & ((uint64(1) << shift) - uint64(1))
                above = recent >> shift >> uint64(8) << shift << uint64(8)
                recent = above | below << uint64(8) | byte
            else:
                byte = uint64(later[position])
                while position > uint64(8):
                    later[position] = later[position - uint64(1)]
                    position -= uint64(1)
                later[8] = recent >> uint64(56)
                recent = recent << uint64(8) | byte
            counts[byte] += uint64(1)
            table[size] = byte
            size += uint64(1)
    return (MORE if bit > end else DAMAGED), bit, size


@kernel
def read_block(
    data: np.ndarray,
    bit: Any,
    end: Any,
    limit: int,
    table: np.ndarray,
    found: np.ndarray,
    work: Work,
) -> int:
    """Reads one block, or the end of a stream.

    Args:
        data: uint8 array, with at least 256 bytes of any value behind `end`.
        bit: where the block begins.
        end: of the bits that count.
        limit: bytes of a block at most, 100,000 times the level.
        table: uint32[limit], filled for `walk`: at each place its byte, and above it the
            place that follows.
        found: int64[4], filled with `NEXT`, `SIZE`, `START` and `CHECKSUM`.
        work: `Work`, overwritten.

    Returns:
        BLOCK or STREAM_END; MORE where bits are missing; DAMAGED; RANDOMISED for a block as
        bzip2 before 0.9.5 wrote them, which is not read.
    """
    if bit + uint64(80) > end:
        return MORE
    mark = _bits(data, bit, uint64(24)) << uint64(24) | _bits(data, bit + uint64(24), uint64(24))
    found[CHECKSUM] = _bits(data, bit + uint64(48), uint64(32))
    bit += uint64(80)
    if mark == uint64(_END):
        found[NEXT] = bit + uint64(7) >> uint64(3) << uint64(3)
        return STREAM_END
    if mark != uint64(_BLOCK):
        return DAMAGED
    randomised = _bits(data, bit, uint64(1))
    start = _bits(data, bit + uint64(1), uint64(24))
    state, bit, symbols, selectors = _read_tables(data, bit + uint64(25), end, work)
    if state == BLOCK:
        state, bit, size = _read_bytes(
            data, bit, end, symbols, selectors, table, uint64(limit), work
        )
        if state == BLOCK and start >= size:
            state = DAMAGED
    if state != BLOCK:
        return MORE if bit > end else state
    if randomised:
        return RANDOMISED
    found[NEXT], found[SIZE], found[START] = bit, size, start
    place = uint32(0)
    for byte in range(256):
        count = uint32(work.counts[byte])
        work.counts[byte] = place
        place += count
    for at in range(uint64(size)):
        byte = uint64(table[at] & uint32(255))
        target = uint64(work.counts[byte])
        work.counts[byte] += uint64(1)
        table[target] |= uint32(at) << uint32(8)
    return BLOCK
