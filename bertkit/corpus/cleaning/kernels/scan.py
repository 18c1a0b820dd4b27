"""Cuts a block of text into words, lines and documents, and hashes each of them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import uint32, uint64

from bertkit.corpus.cleaning.characters import CLASS_SHIFT, DIGIT, LETTER, SPACE, UNSPACED
from bertkit.kernels.jit import inlined, kernel

# Odd numbers without a pattern, which spread the bits of what they multiply.
K1 = np.uint64(0x9E3779B97F4A7C15)
K2 = np.uint64(0xC2B2AE3D27D4EB4F)
K3 = np.uint64(0xFF51AFD7ED558CCD)

# Columns of a document.
START, END, LINE = 0, 1, 2  # first and last byte in the block, number of lines before it
FIRST_LINE, LINES = 3, 4  # its lines in the block's arrays of lines
FIRST_WORD, WORDS = 5, 6
CHARACTERS = 7  # of the normalised text
LETTER_WORDS = 8  # words with a letter
UNSPACED_WORDS = 9  # words that are a character of a script without spaces
SYMBOLS = 10  # "#" and ellipses
HASH_1, HASH_2 = 11, 12  # 128 bits of the normalised text
COLUMNS = 13

_HASHMARK, _ELLIPSIS, _DOT = 0x23, 0x2026, 0x2E


class Scan(NamedTuple):
    """What `scan` fills.

    Attributes:
        words: uint64[n], hash of each word.
        lengths: uint32[n], its characters.
        places: uint32[n, 2], first byte in the block, and the one after the last.
        lines: uint64[m], hash of each line's normalised text.
        line_facts: uint32[m, 3], words of the line, its characters and bytes.
        documents: uint64[d, COLUMNS].
    """

    words: np.ndarray
    lengths: np.ndarray
    places: np.ndarray
    lines: np.ndarray
    line_facts: np.ndarray
    documents: np.ndarray


def room_for(size: int) -> Scan:
    """Arrays that are large enough for a block of so many bytes.

    Two words are two bytes at least: a letter and a gap, or a character of its own. So are
    a line and its end; a document has a blank line besides.
    """
    words = size // 2 + 2
    return Scan(
        np.empty(words, np.uint64),
        np.empty(words, np.uint32),
        np.empty((words, 2), np.uint32),
        np.empty(words, np.uint64),
        np.empty((words, 3), np.uint32),
        np.empty((size // 3 + 2, COLUMNS), np.uint64),
    )


@inlined
def rotated(value: Any, bits: Any) -> Any:
    """A 64-bit number with its bits moved up in a circle."""
    return (value << uint64(bits)) | (value >> uint64(64 - bits))


@inlined
def mixed(value: Any) -> Any:
    """A number whose every bit depends on all bits of `value`."""
    value ^= value >> uint64(32)
    value *= K3
    value ^= value >> uint64(29)
    value *= K2
    return value ^ (value >> uint64(32))


@inlined
def _character(text: Any, at: Any) -> Any:
    """(code point, bytes) at a place of valid UTF-8."""
    first = uint32(text[at])
    if first < uint32(0x80):
        return first, uint64(1)
    second = uint32(text[at + uint64(1)]) & uint32(0x3F)
    if first < uint32(0xE0):
        return ((first & uint32(0x1F)) << uint32(6)) | second, uint64(2)
    third = uint32(text[at + uint64(2)]) & uint32(0x3F)
    if first < uint32(0xF0):
        code = ((first & uint32(0x0F)) << uint32(12)) | (second << uint32(6)) | third
        return code, uint64(3)
    fourth = uint32(text[at + uint64(3)]) & uint32(0x3F)
    code = ((first & uint32(0x07)) << uint32(18)) | (second << uint32(12))
    return code | (third << uint32(6)) | fourth, uint64(4)


@inlined
def _begin(document: Any, at: Any, line: Any, lines: Any, words: Any) -> None:
    """Fill the columns of a document that begins here."""
    for column in range(COLUMNS):
        document[column] = uint64(0)
    document[START], document[LINE] = at, line
    document[FIRST_LINE], document[FIRST_WORD] = lines, words


@inlined
def _end_token(document: Any, token: Any, line: Any) -> Any:
    """Take a run of characters without white space into the hashes of line and document."""
    token = mixed(token)
    document[HASH_1] = (rotated(document[HASH_1], 5) ^ token) * K1
    document[HASH_2] = rotated(document[HASH_2] ^ token, 23) * K2 + K3
    return (rotated(line, 5) ^ token) * K1


@inlined
def _add_word(into: Any, count: Any, word: Any, length: Any, start: Any, stop: Any) -> Any:
    """List a word; returns its hash."""
    word = mixed(word)
    into.words[count] = word
    into.lengths[count] = uint32(length)
    into.places[count, 0], into.places[count, 1] = uint32(start), uint32(stop)
    return word


@inlined
def _end_line(into: Any, number: Any, document: Any, line: Any, facts: Any, end: Any) -> None:
    """List a line that is not blank, `facts` = (words, characters, first byte), and count it."""
    into.lines[number] = mixed(line)
    into.line_facts[number, 0], into.line_facts[number, 1] = uint32(facts[0]), uint32(facts[1])
    into.line_facts[number, 2] = uint32(end - facts[2])
    document[CHARACTERS] += facts[1]
    document[END] = end


@inlined
def _end_document(document: Any, lines: Any, words: Any) -> None:
    """Fill what is known at the end of a document only."""
    document[LINES] = lines - document[FIRST_LINE]
    document[WORDS] = words - document[FIRST_WORD]


@kernel
def scan(text: Any, size: Any, table: Any, into: Any, counts: Any) -> None:
    """Cut uint8[:] `text`, valid UTF-8 that holds whole documents and ends with a newline.

    Args: bytes of it; `characters.character_table`; `Scan` with room for it; and int64[4],
    which gets the numbers of words, lines, documents, and line ends.
    """
    at, one, zero = uint64(0), uint64(1), uint64(0)
    words, lines, documents, ends = zero, zero, zero, zero
    token, line, dots = zero, zero, zero
    line_words, characters, line_start = zero, zero, zero
    open_document, in_token, in_line = False, False, False
    while at < size:
        code, width = _character(text, at)
        entry = table[code]
        kind = entry >> uint32(CLASS_SHIFT)
        if kind == uint32(SPACE):
            if in_token:
                line = _end_token(into.documents[documents], token, line)
                token, dots, in_token = zero, zero, False
            at += width
            if code == uint32(10):
                ends += one
                document = into.documents[documents]
                if in_line:
                    facts = (words - line_words, characters, line_start)
                    _end_line(into, lines, document, line, facts, at)
                    lines += one
                    in_line = False
                elif open_document:
                    _end_document(document, lines, words)
                    documents += one
                    open_document = False
            continue
        if not in_token:
            characters += one  # the space before it
            if not in_line:
                if not open_document:
                    _begin(into.documents[documents], at, ends, lines, words)
                    open_document = True
                line, line_words, characters, in_line = zero, words, zero, True
                line_start = at
            in_token = True
        if kind == uint32(LETTER) or kind == uint32(DIGIT):
            start, length, has_letter = at, zero, False
            word = K2
            # The rest of the word.
            while kind == uint32(LETTER) or kind == uint32(DIGIT):
                word = (rotated(word, 5) ^ uint64(entry)) * K1
                has_letter |= kind == uint32(LETTER)
                length += one
                at += width
                code, width = _character(text, at)
                entry = table[code]
                kind = entry >> uint32(CLASS_SHIFT)
            word = _add_word(into, words, word, length, start, at)
            words += one
            into.documents[documents, LETTER_WORDS] += uint64(has_letter)
            token = (rotated(token, 5) ^ word) * K1
            characters += length
            dots = zero
            continue
        characters += one
        token = (rotated(token, 5) ^ uint64(entry)) * K1
        if kind == uint32(UNSPACED):
            _add_word(into, words, (K2 ^ uint64(entry)) * K1, one, at, at + width)
            words += one
            into.documents[documents, UNSPACED_WORDS] += one
            into.documents[documents, LETTER_WORDS] += one
            dots = zero
        else:
            dots = dots + one if code == uint32(_DOT) else zero
            symbol = code == uint32(_HASHMARK) or code == uint32(_ELLIPSIS) or dots == uint64(3)
            into.documents[documents, SYMBOLS] += uint64(symbol)
        at += width
    if open_document:
        _end_document(into.documents[documents], lines, words)
        documents += one
    counts[0], counts[1], counts[2], counts[3] = words, lines, documents, ends
