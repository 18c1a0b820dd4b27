"""Counts characters, words, lines and documents of UTF-8 text, and which lines repeat."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import int64, uint64

from bertkit.kernels.jit import inlined, kernel

# What a character does; 0: not looked up yet.
UNKNOWN, PART, SPACE, ALONE, MARK = range(5)
FIRST = np.uint64(0xCBF29CE484222325)  # FNV-1a
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
LINES_USED = 11  # slots of each table
DOCUMENTS_USED = 12
LINE_BREAKS = 13
STATE = 14


class Tables(NamedTuple):
    """All that the kernel reads and writes.

    Attributes:
        classes: uint8[0x110000], by code point, those of ASCII filled in.
        characters: int64[0x110000], occurrences.
        histogram: int64[BUCKETS], lines by the bits of their number of characters.
        line_keys, document_keys: uint64[2**b], hashes, 0 where empty; line_counts,
            document_counts: int32[2**b].
        levels: int64[2]: of a hash so many first bits must be 0 to be kept.
        hashes: uint64[2], of the line and the document so far.
        state: int64[STATE].
    """

    classes: np.ndarray
    characters: np.ndarray
    histogram: np.ndarray
    line_keys: np.ndarray
    line_counts: np.ndarray
    document_keys: np.ndarray
    document_counts: np.ndarray
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


@kernel
def insert(keys: Any, counts: Any, key: Any, count: Any) -> Any:
    """Add to a hash's count; whether it is new. The table must have room."""
    last = uint64(len(keys) - 1)
    slot = ((key * MIX) >> uint64(20)) & last
    while keys[slot] != uint64(0) and keys[slot] != key:
        slot = (slot + uint64(1)) & last
    new = keys[slot] == uint64(0)
    keys[slot] = key
    counts[slot] += count
    return new


@inlined
def _kept(key: Any, level: Any) -> Any:
    return level == 0 or key >> uint64(64 - level) == uint64(0)


@kernel
def end_document(tables: Any) -> None:
    """End the document, if there is one; its table must have room."""
    state = tables.state
    if state[DOCUMENT_LINES] == 0:
        return
    state[DOCUMENTS] += 1
    state[ONE_SENTENCE] += int64(state[DOCUMENT_LINES] == 1)
    key = _finished(tables.hashes[1])
    if _kept(key, tables.levels[1]):
        new = insert(tables.document_keys, tables.document_counts, key, 1)
        state[DOCUMENTS_USED] += int64(new)
    state[DOCUMENT_LINES] = 0
    tables.hashes[1] = FIRST


@kernel
def end_line(tables: Any) -> None:
    """End the line; the tables must have room."""
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
        key = _finished(tables.hashes[0])
        if _kept(key, tables.levels[0]):
            new = insert(tables.line_keys, tables.line_counts, key, 1)
            state[LINES_USED] += int64(new)
        tables.hashes[1] = (tables.hashes[1] ^ key) * PRIME
        tables.hashes[1] ^= tables.hashes[1] >> uint64(31)
        state[DOCUMENT_LINES] += 1
    state[LINE_CHARACTERS] = 0
    state[IN_WORD] = 0
    state[SOLID] = 0
    tables.hashes[0] = FIRST


@inlined
def _decode(data: Any, at: Any) -> Any:
    """(code point, bytes) of the UTF-8 character at `at`; 0 bytes if it is not valid."""
    first = int64(data[at])
    if first < 0x80:
        return first, uint64(1)
    size = 2 if first < 0xE0 else (3 if first < 0xF0 else 4)
    code = first & (0xFF >> (size + 1))
    for k in range(uint64(1), uint64(size)):
        byte = int64(data[at + k])
        if byte & 0xC0 != 0x80:
            return int64(0), uint64(0)
        code = (code << 6) | (byte & 0x3F)
    smallest = 0x80 if size == 2 else (0x800 if size == 3 else 0x10000)
    wrong = first < 0xC0 or first > 0xF7 or code < smallest or code > 0x10FFFF
    if wrong or 0xD800 <= code <= 0xDFFF:
        return int64(0), uint64(0)
    return code, uint64(size)


@kernel
def count_text(data: Any, end: Any, tables: Any) -> Any:
    """Count the characters of data[state[AT]:end], which is cut between characters.

    Args:
        data: uint8[:], readable three bytes beyond `end`.
        end: bytes to read.
        tables: see Tables; lines and documents may go on from block to block.

    Returns:
        DONE, or why it stopped before a character: the caller helps and calls again.
    """
    state = tables.state
    at = uint64(state[AT])
    characters, classes = tables.characters, tables.classes
    value, words = tables.hashes[0], int64(0)
    size, in_word, solid = state[LINE_CHARACTERS], state[IN_WORD], state[SOLID]
    status = DONE
    while at < uint64(end):
        byte = data[at]
        # Most of most text, in the fewest steps.
        while byte < 0x80 and byte != 10 and byte != 13:
            kind = classes[uint64(byte)]
            value = (value ^ uint64(byte)) * PRIME
            characters[uint64(byte)] += 1
            size += 1
            part = int64(kind == PART)
            words += part & (1 - in_word)
            in_word = part
            solid |= int64(kind != SPACE)
            at += uint64(1)
            if at >= uint64(end):
                break
            byte = data[at]
        if at >= uint64(end):
            break
        if byte == 10:
            if 2 * (state[LINES_USED] + 2) > len(tables.line_keys) or 2 * (
                state[DOCUMENTS_USED] + 2
            ) > len(tables.document_keys):
                status = NEEDS_ROOM
                break
            tables.hashes[0] = value
            state[LINE_CHARACTERS], state[SOLID] = size, solid
            end_line(tables)
            state[LINE_BREAKS] += 1
            value, size, in_word, solid = FIRST, int64(0), int64(0), int64(0)
            at += uint64(1)
            continue
        code, width = _decode(data, at)
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
        for k in range(width):
            value = (value ^ uint64(data[at + k])) * PRIME
        size += 1
        characters[uint64(code)] += 1
        at += width
        if kind == PART:
            words += 1 - in_word
        elif kind == ALONE:
            words += 1
        in_word = int64(kind == PART)
        solid |= int64(kind != SPACE)
    tables.hashes[0] = value
    state[LINE_CHARACTERS], state[IN_WORD], state[SOLID] = size, in_word, solid
    state[WORDS] += words
    state[AT] = int64(at)
    return status


@kernel
def move(old_keys: Any, old_counts: Any, keys: Any, counts: Any, level: Any) -> Any:
    """Enter what `level` keeps of a table into an empty one; returns how many."""
    used = 0
    for slot in range(len(old_keys)):
        key = old_keys[slot]
        if key != uint64(0) and _kept(key, level):
            insert(keys, counts, key, old_counts[slot])
            used += 1
    return used
