"""Counts characters, words, lines and documents of UTF-8 text, and which lines repeat."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import int64, uint64

from bertkit.kernels.jit import inlined, kernel
from bertkit.kernels.memory import (
    letters_and_digits,
    line_ends_and_wide,
    load_u64,
    ones,
    trailing_zeros,
)
from bertkit.kernels.utf8 import decode_character

# What a character does; 0: not looked up yet.
UNKNOWN, PART, SPACE, ALONE, MARK = range(5)
BLOCK = 32  # bytes that are looked at together
FIRST = np.uint64(0xCBF29CE484222325)  # of FNV-1a, as PRIME
PRIME = np.uint64(0x100000001B3)
MIX = np.uint64(0x9E3779B97F4A7C15)
BUCKETS = 32
OVERLONG = 2000  # characters

DONE, NEEDS_CLASS, NEEDS_ROOM, NOT_UTF8 = range(4)

# int64[:] `state`
AT = 0  # next byte of the block
LINE_CHARACTERS = 1
IN_WORD = 2
SOLID = 3  # 1 once the line has more than white space
DOCUMENT_LINES = 4
WORDS = 5
SENTENCES = 6
DOCUMENTS = 7
ONE_SENTENCE = 8  # documents of one sentence
EMPTY = 9  # blank lines that end no document
OVERLONG_LINES = 10
LINES_USED = 11  # hashes of each kind
DOCUMENTS_USED = 12
LINE_BREAKS = 13
HELD = 14  # bytes of the line that wait in `hashes` until they are eight
PADDING = 15  # zeros in `pairs` that are none of the text's
STATE = 16


class Tables(NamedTuple):
    """All that the kernel reads and writes.

    Attributes:
        classes: uint8[0x110000], by code point, those of ASCII filled in.
        characters: int64[0x110000], occurrences.
        pairs: uint32[0x10000], occurrences of two ASCII bytes in a row, the first in the low
            bits: characters that are not in `characters` yet.
        histogram: int64[BUCKETS], lines by the bits of their number of characters.
        lines, texts: uint64[n], hashes of lines and of documents in their order.
        levels: int64[2]: of a hash so many first bits must be 0 to be kept.
        hashes: uint64[3], of the line and the document so far, and bytes that wait.
        state: int64[STATE].
    """

    classes: np.ndarray
    characters: np.ndarray
    pairs: np.ndarray
    histogram: np.ndarray
    lines: np.ndarray
    texts: np.ndarray
    levels: np.ndarray
    hashes: np.ndarray
    state: np.ndarray


@inlined
def _finished(value: Any) -> Any:
    """A hash whose bits all depend on all of it; never 0."""
    value ^= value >> uint64(32)
    value *= MIX
    value ^= value >> uint64(29)
    return value | uint64(1)


@inlined
def _mixed(value: Any, word: Any) -> Any:
    """The hash of a line with its next eight bytes."""
    value = (value ^ word) * MIX
    return value ^ (value >> uint64(32))


@inlined
def _appended(value: Any, held: Any, waiting: Any, word: Any, count: Any) -> Any:
    """(hash, held, waiting) of a line with `count` <= 8 more bytes, those beyond are 0."""
    if held == uint64(0):
        if count == uint64(8):
            return _mixed(value, word), held, waiting
        return value, count, word
    together = waiting | (word << (uint64(8) * held))
    total = held + count
    if total < uint64(8):
        return value, total, together
    rest = total - uint64(8)
    left = uint64(0) if rest == uint64(0) else word >> (uint64(8) * (count - rest))
    return _mixed(value, together), rest, left


@inlined
def _kept(key: Any, level: Any) -> Any:
    return level == 0 or key >> uint64(64 - level) == uint64(0)


@kernel
def end_document(tables: Any) -> None:
    """End the document, if there is one; there must be room for its hash."""
    state = tables.state
    if state[DOCUMENT_LINES] == 0:
        return
    state[DOCUMENTS] += 1
    state[ONE_SENTENCE] += int64(state[DOCUMENT_LINES] == 1)
    key = _finished(tables.hashes[1])
    if _kept(key, tables.levels[1]):
        tables.texts[state[DOCUMENTS_USED]] = key
        state[DOCUMENTS_USED] += 1
    state[DOCUMENT_LINES] = 0
    tables.hashes[1] = FIRST


@kernel
def end_line(tables: Any) -> None:
    """End the line; there must be room for hashes."""
    state = tables.state
    if state[SOLID] == 0:
        if state[DOCUMENT_LINES] == 0:
            state[EMPTY] += 1
        end_document(tables)
    else:
        state[SENTENCES] += 1
        size = state[LINE_CHARACTERS]
        state[OVERLONG_LINES] += int64(size > OVERLONG)
        bits = 0
        while size > 0:
            size >>= 1
            bits += 1
        tables.histogram[bits] += 1
        value = tables.hashes[0]
        if state[HELD] > 0:
            value = _mixed(value, tables.hashes[2])
        # With the length, because zeros fill up the last bytes.
        key = _finished(value ^ (uint64(state[LINE_CHARACTERS]) * PRIME))
        if _kept(key, tables.levels[0]):
            tables.lines[state[LINES_USED]] = key
            state[LINES_USED] += 1
        tables.hashes[1] = (tables.hashes[1] ^ key) * PRIME
        tables.hashes[1] ^= tables.hashes[1] >> uint64(31)
        state[DOCUMENT_LINES] += 1
    state[LINE_CHARACTERS] = 0
    state[IN_WORD] = 0
    state[SOLID] = 0
    state[HELD] = 0
    tables.hashes[0] = FIRST
    tables.hashes[2] = uint64(0)


@inlined
def _has_solid(data: Any, at: Any, count: Any, classes: Any) -> Any:
    """1 where one of `count` ASCII bytes is not white space."""
    found = int64(0)
    for k in range(uint64(0), count):
        found |= int64(classes[uint64(data[at + k])] != SPACE)
    return found


@kernel
def count_text(data: Any, end: Any, tables: Any) -> Any:
    """Count the characters of data[state[AT]:end], which is cut between characters.

    Args:
        data: uint8[:].
        end: bytes to read.
        tables: see Tables; lines and documents may go on from block to block.

    Returns:
        DONE, or why it stopped before a character: the caller helps and calls again.
    """
    state = tables.state
    at, stop = uint64(state[AT]), uint64(end)
    characters, classes, pairs = tables.characters, tables.classes, tables.pairs
    value, waiting, held = tables.hashes[0], tables.hashes[2], uint64(state[HELD])
    words, size, padding = int64(0), state[LINE_CHARACTERS], int64(0)
    in_word, solid = uint64(state[IN_WORD]), state[SOLID]
    status = DONE
    while at < stop:
        # Most of most text, in the fewest steps: ASCII up to the end of the line.
        if at + uint64(BLOCK) <= stop:
            count = min(trailing_zeros(line_ends_and_wide(data, at)), uint64(BLOCK))
            if count > uint64(0):
                parts = letters_and_digits(data, at) & ((uint64(1) << count) - uint64(1))
                words += int64(ones(parts & ~((parts << uint64(1)) | in_word)))
                in_word = parts >> (count - uint64(1))
                if solid == 0:
                    # Nearly all lines begin with a word.
                    solid = int64(1) if parts > uint64(0) else _has_solid(data, at, count, classes)
                size += int64(count)
                last = at + (count & ~uint64(7))
                while at < last:
                    word = load_u64(data, at)
                    # Written out: a loop takes a fifth longer.
                    pairs[word & uint64(0xFFFF)] += np.uint32(1)
                    pairs[(word >> uint64(16)) & uint64(0xFFFF)] += np.uint32(1)
                    pairs[(word >> uint64(32)) & uint64(0xFFFF)] += np.uint32(1)
                    pairs[(word >> uint64(48)) & uint64(0xFFFF)] += np.uint32(1)
                    value, held, waiting = _appended(value, held, waiting, word, uint64(8))
                    at += uint64(8)
                rest = count & uint64(7)
                if rest > uint64(0):
                    # As eight bytes, of which those beyond are 0: they are taken off again later.
                    word = load_u64(data, at) & ((uint64(1) << (uint64(8) * rest)) - uint64(1))
                    pairs[word & uint64(0xFFFF)] += np.uint32(1)
                    pairs[(word >> uint64(16)) & uint64(0xFFFF)] += np.uint32(1)
                    pairs[(word >> uint64(32)) & uint64(0xFFFF)] += np.uint32(1)
                    pairs[word >> uint64(48)] += np.uint32(1)
                    padding += int64(uint64(8) - rest)
                    value, held, waiting = _appended(value, held, waiting, word, rest)
                    at += rest
                continue
        if data[at] == 10:
            lines, documents = state[LINES_USED], state[DOCUMENTS_USED]
            if lines >= len(tables.lines) or documents >= len(tables.texts):
                status = NEEDS_ROOM
                break
            tables.hashes[0], tables.hashes[2], state[HELD] = value, waiting, int64(held)
            state[LINE_CHARACTERS], state[SOLID] = size, solid
            end_line(tables)
            state[LINE_BREAKS] += 1
            value, held, waiting = FIRST, uint64(0), uint64(0)
            size, in_word, solid = int64(0), uint64(0), int64(0)
            at += uint64(1)
            continue
        code, width = decode_character(data, at)
        if width == uint64(0):
            status = NOT_UTF8
            break
        kind = classes[uint64(code)]
        if kind == UNKNOWN:
            status = NEEDS_CLASS
            break
        if code == 13:
            at += uint64(1)
            continue
        word = uint64(0)
        for k in range(width):
            word |= uint64(data[at + k]) << (uint64(8) * k)
        value, held, waiting = _appended(value, held, waiting, word, width)
        size += 1
        characters[uint64(code)] += 1
        at += width
        if kind == PART:
            words += int64(uint64(1) - in_word)
        elif kind == ALONE:
            words += 1
        in_word = uint64(kind == PART)
        solid |= int64(kind != SPACE)
    tables.hashes[0], tables.hashes[2], state[HELD] = value, waiting, int64(held)
    state[LINE_CHARACTERS], state[IN_WORD], state[SOLID] = size, int64(in_word), solid
    state[WORDS] += words
    state[PADDING] += padding
    state[AT] = int64(at)
    return status
