"""Turns UTF-8 text into token ids in one pass, exactly as `WordPieceTokenizer` does.

The text is never decoded as a whole. A run of ASCII letters and digits of at most 16
bytes, followed by ASCII, is most of any English text: its bytes are the key of a hash
table of words already cut into pieces. Everything else is gathered character by
character through the character table. What needs its neighbours (a capital sigma, some
rare marks) is left to the Python tokenizer: the kernel stops and says where.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import int64, uint64

from bertkit.kernels.jit import inlined, kernel
from bertkit.kernels.memory import letters_and_digits, load_u64, store_u64, trailing_zeros
from bertkit.kernels.utf8 import decode_character
from bertkit.tokenization.kernels.characters import (
    ALONE,
    BLANK_FLAG,
    HARD,
    KIND_BITS,
    LINE,
    MARK,
    NOTHING,
    OTHER,
    PART,
    WORD,
)
from bertkit.tokenization.kernels.trie import MIX, Trie, cut_word

LINE_FEED = 10
WIDEST_SPACE = 32  # bytes up to here that end a run are tab, line feed and space
KEY_BYTES = 16  # longer words are cut every time they are met
SLOT = 3  # uint64 values per word slot: key, key, place << 8 | count
SECOND_MIX = np.uint64(0xD6E8FEB86659FD93)

# Why the kernel stopped: at the end; to have a page of characters filled in, a word
# tokenized in Python, the word table enlarged; or before a byte that is not UTF-8.
DONE, NEEDS_PAGE, NEEDS_PYTHON, NEEDS_ROOM, NOT_UTF8 = range(5)

# Where the kernel is, in int64[:] `progress`; bytes are places in the data.
AT = 0  # next byte
TOKENS = 1  # tokens written
SENTENCES = 2  # sentences written
DOCUMENTS = 3  # documents written
DOCUMENT_START = 4  # sentences before this document
LINE_AT = 5  # first byte of this line
SOLID_END = 6  # end of the last character known not to be white space; earlier than
# LINE_AT: this line is blank so far (as long as it has no tokens either)
PAGE = 7  # the page wanted, with NEEDS_PAGE
PROGRESS = 8


class Tables(NamedTuple):
    """Everything the kernel looks things up in.

    Attributes:
        classes: uint8[256], by byte.
        marks: token[256], ids of the ASCII punctuation marks.
        case_bits: uint64[1], what to or into eight letters: 0x20.. lower-cases them.
        pages, entries, texts: the character table.
        trie: the vocabulary.
        words: uint64[SLOT * 2**b], hash table of words met.
        word_shift: uint64[1], 64 - b.
        pieces: token[:], the pieces of those words, one after the other.
        used: int64[2], words in the table and pieces in `pieces`.
        longest: uint64[1], characters of the longest word that is not [UNK] at once.
        scratch: uint8[:], the word being gathered.
        found: int64[:], its pieces.
    """

    classes: np.ndarray
    marks: np.ndarray
    case_bits: np.ndarray
    pages: np.ndarray
    entries: np.ndarray
    texts: np.ndarray
    trie: Trie
    words: np.ndarray
    word_shift: np.ndarray
    pieces: np.ndarray
    used: np.ndarray
    longest: np.ndarray
    scratch: np.ndarray
    found: np.ndarray


@inlined
def _has_room(tables: Any) -> Any:
    """True while the word table is at most half full and `pieces` takes another word."""
    slots = len(tables.words) // SLOT
    return tables.used[0] < slots // 2 and tables.used[1] + 2 * KEY_BYTES < len(tables.pieces)


@inlined
def _find_word(words: Any, shift: Any, low: Any, high: Any) -> Any:
    """Place in `words` of the word with key (low, high), or of the slot it belongs to."""
    last = uint64(len(words) // SLOT - 1)
    slot = ((low ^ (high * SECOND_MIX)) * MIX) >> shift
    place = slot * uint64(SLOT)
    while words[place] != uint64(0) and (words[place] != low or words[place + uint64(1)] != high):
        slot = (slot + uint64(1)) & last
        place = slot * uint64(SLOT)
    return place


@kernel
def _remember(tables: Any, place: Any, low: Any, high: Any, count: Any) -> None:
    """Enter a word, whose `count` pieces are in `tables.found`, if there is room."""
    if _has_room(tables):
        first = tables.used[1]
        for k in range(count):
            tables.pieces[uint64(first) + k] = tables.found[k]
        tables.words[place] = low
        tables.words[place + uint64(1)] = high
        tables.words[place + uint64(2)] = (uint64(first) << uint64(8)) | count
        tables.used[0] += 1
        tables.used[1] += int64(count)


@inlined
def _put_gathered(tables: Any, size: Any, characters: Any, tokens: Any, written: Any) -> Any:
    """Write the pieces of the word in `tables.scratch`; returns `written`."""
    if characters > tables.longest[0]:
        tokens[written] = tables.trie.unknown[0]
        return written + uint64(1)
    count = uint64(0)
    if size <= uint64(KEY_BYTES):
        for k in range(size, uint64(KEY_BYTES)):
            tables.scratch[k] = 0
        low = load_u64(tables.scratch, uint64(0))
        high = load_u64(tables.scratch, uint64(8))
        place = _find_word(tables.words, tables.word_shift[0], low, high)
        if tables.words[place] != uint64(0):
            first = tables.words[place + uint64(2)] >> uint64(8)
            count = tables.words[place + uint64(2)] & uint64(0xFF)
            for k in range(count):
                tokens[written + k] = tables.pieces[first + k]
            return written + count
        count = uint64(cut_word(tables.trie, tables.scratch, int64(size), tables.found))
        _remember(tables, place, low, high, count)
    else:
        count = uint64(cut_word(tables.trie, tables.scratch, int64(size), tables.found))
    for k in range(count):
        tokens[written + k] = tables.found[k]
    return written + count


@inlined
def _gather(tables: Any, entry: Any, size: Any, characters: Any) -> Any:
    """Append a character's text to the word in `tables.scratch`; returns its new extent."""
    if characters > tables.longest[0]:  # too long anyway
        return size, characters
    begin = entry >> uint64(16)
    count = (entry >> uint64(8)) & uint64(0xFF)
    for k in range(count):
        tables.scratch[size + k] = tables.texts[begin + k]
    return size + count, characters + ((entry >> uint64(4)) & uint64(0xF))


@inlined
def _read_run(data: Any, at: Any, tables: Any, tokens: Any, written: Any) -> Any:
    """Tokenize any characters up to an ASCII space, mark or line end.

    Returns (status, byte behind the last character read, tokens written, end of the last
    character that is not white space, or 0).
    """
    size = uint64(0)
    characters = uint64(0)
    solid_end = uint64(0)
    while True:
        byte_class = tables.classes[data[at]]
        if byte_class != WORD and byte_class != OTHER:
            break
        code, width = decode_character(data, at)
        if width == uint64(0):
            return NOT_UTF8, at, written, solid_end
        page = tables.pages[uint64(code >> 8)]
        if page < 0:
            return NEEDS_PAGE, at, written, solid_end
        entry = tables.entries[uint64(page) + uint64(code & 0xFF)]
        kind = entry & KIND_BITS
        if kind == uint64(HARD):
            return NEEDS_PYTHON, at, written, solid_end
        at += width
        if entry & BLANK_FLAG == uint64(0):
            solid_end = at
        if kind == uint64(PART):
            size, characters = _gather(tables, entry, size, characters)
        elif kind != uint64(NOTHING):
            if size > uint64(0):
                written = _put_gathered(tables, size, characters, tokens, written)
            size = uint64(0)
            characters = uint64(0)
            if kind == uint64(ALONE):
                own_size, own = _gather(tables, entry, size, characters)
                written = _put_gathered(tables, own_size, own, tokens, written)
    if size > uint64(0):
        written = _put_gathered(tables, size, characters, tokens, written)
    return DONE, at, written, solid_end


@inlined
def _read_known(
    data: Any,
    at: Any,
    end: Any,
    tables: Any,
    tokens: Any,
    written: Any,
    sentences: Any,
    count: Any,
    line_at: Any,
    word: Any,
) -> Any:
    """The fast path: known short ASCII words, spaces, marks and the ends of sentences.

    Stops at `end`, at the end of a line without tokens, and before anything else.
    Returns (byte where it stopped, tokens and sentences written, first byte of the line,
    (first byte of the word between ASCII spaces, tokens before that word)).
    """
    words, pieces, shift = tables.words, tables.pieces, tables.word_shift[0]
    classes, case_bits = tables.classes, tables.case_bits[0]
    width = uint64(tokens.itemsize)
    word_at, word_written = word
    line_written = uint64(sentences[count - uint64(1)]) if count > uint64(0) else uint64(0)
    while at < end:
        size = trailing_zeros(~letters_and_digits(data, at))  # up to 32
        byte_class = classes[data[at + size]]
        if byte_class == OTHER or size > uint64(KEY_BYTES):
            break
        if size > uint64(0):
            low = load_u64(data, at) | case_bits
            high = uint64(0)
            if size < uint64(8):
                low &= (uint64(1) << (size << uint64(3))) - uint64(1)
            elif size > uint64(8):  # the last eight bytes, less those that `low` has
                high = load_u64(data, at + size - uint64(8)) | case_bits
                high >>= (uint64(KEY_BYTES) - size) << uint64(3)
            place = _find_word(words, shift, low, high)
            if words[place] == uint64(0):  # not met before
                break
            entry = words[place + uint64(2)]
            first, stop = entry >> uint64(8), written + (entry & uint64(0xFF))
            # Eight bytes at once hold all pieces of nearly every word.
            store_u64(tokens, written * width, load_u64(pieces, first * width))
            for k in range(written + uint64(8) // width, stop):
                tokens[k] = pieces[first + k - written]
            at, written = at + size, stop
        if byte_class == MARK:
            tokens[written] = tables.marks[data[at]]
            written += uint64(1)
        elif byte_class == LINE:
            if written == line_written:
                break
            sentences[count] = written
            count, line_written = count + uint64(1), written
            line_at = at + uint64(1)
        at += uint64(1)
        if byte_class != MARK:
            word_at, word_written = at, written
    return at, written, count, line_at, (word_at, word_written)


@kernel
def tokenize_lines(
    data: Any, end: Any, tables: Any, tokens: Any, sentences: Any, documents: Any, progress: Any
) -> Any:
    """Tokenize the lines data[progress[AT]:end] and note where sentences and documents end.

    Args:
        data: uint8[:], readable 64 bytes beyond `end`.
        end: bytes to read; data[end - 1] is a line end.
        tables: see Tables.
        tokens: uint16 or uint32, room for one token per byte and 8 more.
        sentences: int64[:], gets the number of tokens after each sentence; room for one
            entry per line.
        documents: int64[:], gets the number of sentences after each document, likewise.
        progress: int64[PROGRESS], where to continue; updated. For each new block the caller
            sets the places in the data to 0.

    Returns:
        DONE, or why it stopped: the caller helps and calls again. With NEEDS_PYTHON and
        NEEDS_PAGE progress is at the beginning of the word between ASCII spaces.
    """
    at = uint64(progress[AT])
    written = uint64(progress[TOKENS])
    count = uint64(progress[SENTENCES])
    line_at = uint64(progress[LINE_AT])
    solid_end = uint64(progress[SOLID_END])
    word = (at, written)
    status = DONE
    while at < uint64(end) and status == DONE:
        # Most of the text is words met before; this stops at the first thing that is not.
        at, written, count, line_at, word = _read_known(
            data, at, uint64(end), tables, tokens, written, sentences, count, line_at, word
        )
        if at >= uint64(end):
            break
        if data[at] == LINE_FEED:  # no token on this line
            if solid_end <= line_at and int64(count) > progress[DOCUMENT_START]:
                documents[progress[DOCUMENTS]] = count
                progress[DOCUMENTS] += 1
                progress[DOCUMENT_START] = count
            at += uint64(1)
            line_at, word = at, (at, written)
            continue
        # One run of other characters, such as a word not met before.
        status, stop, new_written, run_solid_end = _read_run(data, at, tables, tokens, written)
        solid_end = max(solid_end, run_solid_end)
        if status == DONE:
            at, written = stop, new_written
            if not _has_room(tables) and data[at] <= WIDEST_SPACE:
                status = NEEDS_ROOM
        else:
            at, written = word  # back to its beginning, for another try or for the caller
            if status == NEEDS_PAGE:
                progress[PAGE] = decode_character(data, stop)[0] >> 8
    progress[AT] = at
    progress[TOKENS] = written
    progress[SENTENCES] = count
    progress[LINE_AT] = line_at
    progress[SOLID_END] = solid_end
    return status


@kernel
def move_words(old: Any, new: Any, shift: Any) -> None:
    """Insert all words of the table `old` into the empty, larger table `new`."""
    for place in range(0, len(old), SLOT):
        if old[place] != uint64(0):
            target = _find_word(new, shift, old[place], old[place + 1])
            for k in range(uint64(SLOT)):
                new[target + k] = old[uint64(place) + k]
