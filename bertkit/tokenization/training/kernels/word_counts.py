"""Counts the words of UTF-8 text in one pass, cut as BERT's basic tokenizer cuts them.

Words are gathered character by character through the table of `characters.py` and counted in
a hash table; their bytes lie one after the other in an arena. What needs its neighbours (a
capital sigma, some rare marks) is left to the Python tokenizer: the kernel takes back what it
counted since the last ASCII space, stops, and says where.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import int64, uint64

from bertkit.kernels.jit import kernel
from bertkit.kernels.memory import load_u64
from bertkit.kernels.utf8 import decode_character
from bertkit.tokenization.kernels.characters import (
    ALONE,
    HARD,
    KIND_BITS,
    LINE,
    MARK,
    NOTHING,
    PART,
    SPACE,
    WORD,
)
from bertkit.tokenization.kernels.trie import MIX, cut_word

SECOND_MIX = np.uint64(0xD6E8FEB86659FD93)
# Of ten pieces of text one is held out; a piece is a line, or so many bytes of a longer one.
HELD_OUT_OF = 10
PIECE = 4096
_LOOKED_AT = 64  # bytes of a piece that decide
MOST_BYTES = 15  # of one character's text

DONE, NEEDS_PAGE, NEEDS_PYTHON, NEEDS_ROOM, NOT_UTF8 = range(5)

# int64[:] `state`: where the kernel is.
AT = 0  # next byte of the block
SIZE = 1  # bytes of the word being gathered
CHARACTERS = 2  # characters of it
WORDS = 3  # words in the table
HELD = 4  # 1 while the piece of text is held out
PIECE_AT = 5  # bytes since the piece began
JOURNAL = 6  # words counted since CHUNK_AT
CHUNK_AT = 7  # byte behind the last ASCII space
PAGE = 8  # the page wanted, with NEEDS_PAGE
CUT = 9  # places where a word was cut because it is too long
STATE = 10


class Tables(NamedTuple):
    """All that the kernel reads and writes.

    Attributes:
        classes: uint8[256], by byte; lower: uint8[256], what an ASCII letter becomes.
        pages, entries, texts: the character table.
        slots: int32[2**b], number of a word + 1, or 0; shift: uint64[1], 64 - b.
        hashes: uint64[n]; ends: int64[n + 1], of each word's bytes in `arena`, ends[0] = 0.
        counts: int64[2, n], of each word in the text to learn from, and in the held-out text.
        arena, scratch: uint8[:]; the word being gathered is in the second.
        journal: int64[:], words counted since the last ASCII space.
        longest: int64[1], characters after which a word is cut.
        state: int64[STATE].
    """

    classes: np.ndarray
    lower: np.ndarray
    pages: np.ndarray
    entries: np.ndarray
    texts: np.ndarray
    slots: np.ndarray
    shift: np.ndarray
    hashes: np.ndarray
    ends: np.ndarray
    counts: np.ndarray
    arena: np.ndarray
    scratch: np.ndarray
    journal: np.ndarray
    longest: np.ndarray
    state: np.ndarray


@kernel
def _hash(scratch: Any, size: Any) -> Any:
    """Hash of the `size` bytes in `scratch`, behind which eight bytes are cleared."""
    for k in range(uint64(8)):
        scratch[size + k] = 0
    value = size * SECOND_MIX
    for at in range(uint64(0), size, uint64(8)):
        value = (value ^ load_u64(scratch, at)) * MIX
        value ^= value >> uint64(29)
    return value * MIX


@kernel
def _same(tables: Any, word: Any, size: Any) -> Any:
    start = uint64(tables.ends[word])
    if uint64(tables.ends[word + 1]) - start != size:
        return False
    for k in range(size):  # noqa: SIM110 - compiled
        if tables.arena[start + k] != tables.scratch[k]:
            return False
    return True


@kernel
def _word_number(tables: Any, size: Any) -> Any:
    """Number of the word in `scratch`, entered if it is new; there must be room."""
    value = _hash(tables.scratch, size)
    last = uint64(len(tables.slots) - 1)
    slot = value >> tables.shift[0]
    while tables.slots[slot] != 0:
        word = int64(tables.slots[slot]) - 1
        if tables.hashes[word] == value and _same(tables, word, size):
            return word
        slot = (slot + uint64(1)) & last
    word = tables.state[WORDS]
    tables.slots[slot] = word + 1
    tables.hashes[word] = value
    start = uint64(tables.ends[word])
    for k in range(size):
        tables.arena[start + k] = tables.scratch[k]
    tables.ends[word + 1] = tables.ends[word] + int64(size)
    tables.state[WORDS] = word + 1
    return word


@kernel
def _has_room(tables: Any, size: Any) -> Any:
    """Whether the gathered word and one more character may both be new words."""
    words = tables.state[WORDS]
    if words + 2 > len(tables.hashes) or 2 * (words + 2) > len(tables.slots):
        return False
    return tables.ends[words] + int64(size) + MOST_BYTES <= len(tables.arena)


@kernel
def _count(tables: Any, size: Any) -> None:
    """Count the word in `scratch`."""
    word = _word_number(tables, size)
    tables.counts[tables.state[HELD], word] += 1
    tables.journal[tables.state[JOURNAL]] = word
    tables.state[JOURNAL] += 1


@kernel
def _is_held_out(data: Any, at: Any) -> Any:
    """Whether the piece of text that begins at `at` is held out, by a hash of its first bytes."""
    value = uint64(0)
    k = uint64(0)
    while k < uint64(_LOOKED_AT) and data[at + k] != 10 and data[at + k] != 0:
        value = (value ^ uint64(data[at + k])) * MIX
        value ^= value >> uint64(29)
        k += uint64(1)
    return int64(k > uint64(0) and (value >> uint64(33)) % uint64(HELD_OUT_OF) == uint64(0))


@kernel
def _take_back(tables: Any) -> None:
    """Forget what was counted since the last ASCII space."""
    for k in range(tables.state[JOURNAL]):
        tables.counts[tables.state[HELD], tables.journal[k]] -= 1
    tables.state[JOURNAL] = 0
    tables.state[SIZE] = 0
    tables.state[CHARACTERS] = 0


@kernel
def count_words(data: Any, end: Any, tables: Any) -> Any:
    """Count the words of data[state[AT]:end]; a word may continue into the next block.

    Args:
        data: uint8[:], zeros in the 64 bytes beyond `end`, which is no middle of a character.
        end: bytes to read.
        tables: see Tables; `state` is updated. The caller sets AT and CHUNK_AT to 0 for a new
            block.

    Returns:
        DONE, or why it stopped: the caller helps and calls again.
    """
    state = tables.state
    at = uint64(state[AT])
    longest = tables.longest[0]
    while at < uint64(end):
        byte_class = tables.classes[data[at]]
        size = uint64(state[SIZE])
        # Every way out below leaves things as they are before this character.
        state[AT] = int64(at)
        if not _has_room(tables, size):
            return NEEDS_ROOM
        if state[JOURNAL] + 2 > len(tables.journal):  # text without any space
            state[JOURNAL] = 0
            state[CHUNK_AT] = int64(at)
        if byte_class == WORD:
            if state[CHARACTERS] >= longest:
                _count(tables, size)
                state[CUT] += 1
                state[CHARACTERS] = 0
                size = uint64(0)
            tables.scratch[size] = tables.lower[data[at]]
            state[SIZE] = int64(size) + 1
            state[CHARACTERS] += 1
            at += uint64(1)
        elif byte_class in (MARK, SPACE, LINE):
            if size > uint64(0):
                _count(tables, size)
                state[SIZE] = 0
                state[CHARACTERS] = 0
            if byte_class == MARK:
                tables.scratch[0] = data[at]
                _count(tables, uint64(1))
            at += uint64(1)
            if byte_class != MARK:
                state[PIECE_AT] += int64(at) - state[CHUNK_AT]
                state[JOURNAL] = 0
                state[CHUNK_AT] = int64(at)
                if byte_class == LINE or state[PIECE_AT] >= PIECE:
                    state[PIECE_AT] = 0
                    state[HELD] = _is_held_out(data, at)
        else:
            code, width = decode_character(data, at)
            if width == uint64(0):
                return NOT_UTF8
            page = tables.pages[uint64(code >> 8)]
            if page < 0:
                state[PAGE] = code >> 8
                return NEEDS_PAGE
            entry = tables.entries[uint64(page) + uint64(code & 0xFF)]
            kind = entry & KIND_BITS
            if kind == uint64(HARD):
                _take_back(tables)
                return NEEDS_PYTHON
            at += width
            begin = entry >> uint64(16)
            more = (entry >> uint64(8)) & uint64(0xFF)
            characters = int64((entry >> uint64(4)) & uint64(0xF))
            too_long = kind == uint64(PART) and state[CHARACTERS] + characters > longest
            if size > uint64(0) and (too_long or (kind != uint64(PART) and kind != NOTHING)):
                _count(tables, size)
                state[CUT] += int64(too_long)
                state[CHARACTERS] = 0
                size = uint64(0)
                state[SIZE] = 0
            if kind == uint64(PART) or kind == uint64(ALONE):
                for k in range(more):
                    tables.scratch[size + k] = tables.texts[begin + k]
                if kind == uint64(ALONE):
                    _count(tables, more)
                else:
                    state[SIZE] = int64(size + more)
                    state[CHARACTERS] += characters
    state[AT] = int64(at)
    return DONE


@kernel
def begin_text(data: Any, tables: Any) -> None:
    """Begin a text, whose first bytes are in `data`."""
    tables.state[PIECE_AT] = 0
    tables.state[HELD] = _is_held_out(data, uint64(0))


@kernel
def end_text(tables: Any) -> Any:
    """Count the last word of a text; False if there is no room for it."""
    size = uint64(tables.state[SIZE])
    if not _has_room(tables, size):
        return False
    if size > uint64(0):
        _count(tables, size)
    tables.state[SIZE] = 0
    tables.state[CHARACTERS] = 0
    tables.state[JOURNAL] = 0
    tables.state[PIECE_AT] = 0
    return True


@kernel
def add_words(tables: Any, arena: Any, ends: Any, counts: Any, which: Any) -> None:
    """Add the counts int64[2, n] of the words uint8[:] `arena` [ends[i]:ends[i + 1]].

    Args:
        which: int64[:], numbers of the words to add. `tables` must have room for them.
    """
    for number in which:
        start = uint64(ends[number])
        size = uint64(ends[number + 1]) - start
        for k in range(size):
            tables.scratch[k] = arena[start + k]
        word = _word_number(tables, size)
        tables.counts[0, word] += counts[0, number]
        tables.counts[1, word] += counts[1, number]


@kernel
def fill_slots(tables: Any) -> None:
    """Enter all words into the empty, larger table of slots."""
    last = uint64(len(tables.slots) - 1)
    for word in range(tables.state[WORDS]):
        slot = tables.hashes[word] >> tables.shift[0]
        while tables.slots[slot] != 0:
            slot = (slot + uint64(1)) & last
        tables.slots[slot] = word + 1


@kernel
def count_pieces(trie: Any, arena: Any, ends: Any, pieces: Any, scratch: Any, found: Any) -> None:
    """Into int64[n] `pieces`: how many a vocabulary cuts each word into; 0 where it is [UNK].

    `scratch` (uint8) and `found` (int64) have room for the longest word.
    """
    for word in range(len(ends) - 1):
        size = ends[word + 1] - ends[word]
        for k in range(size):
            scratch[k] = arena[ends[word] + k]
        count = cut_word(trie, scratch, size, found)
        pieces[word] = 0 if found[0] == trie.unknown[0] else count
