"""Counts the words of text as BERT's basic tokenizer cuts them, in bounded memory.

Lines do not matter, and a line may have any length. Of every ten lines (or pieces of a long
line) one is counted apart, as held-out text. Where there are more than `MOST_WORDS` different
words, the rarest are dropped; their characters stay counted.
"""

from __future__ import annotations

import string
from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np

from bertkit.errors import DataError
from bertkit.text.encoding import not_utf8
from bertkit.tokenization.kernels.characters import CharacterTable, byte_classes
from bertkit.tokenization.normalisation import Normalisation
from bertkit.tokenization.training.kernels import word_counts as kernels
from bertkit.tokenization.vocabulary import UNK, Vocab
from bertkit.tokenization.wordpiece import WordPieceTokenizer

# Beyond so many different words the rarest are dropped, down to half as many.
MOST_WORDS = 2_000_000
BLOCK = 1 << 20
SLACK = 64  # the kernel looks ahead
_SPACES = (b" ", b"\t", b"\n")
_JOURNAL = 1 << 14


@dataclass
class WordCounts:
    """Words and how often each occurs.

    Attributes:
        arena: uint8[:], the bytes of the words, one after the other.
        ends: int64[n + 1], where each ends in it; ends[0] = 0.
        counts: int64[2, n], occurrences in the text to learn from and in the held-out text.
        dropped: the same numbers of occurrences for the rare words that were dropped.
        dropped_characters: character → its occurrences in those, as a pair.
        cut: how often a word was cut because it is too long.
        bytes: of the text.
    """

    arena: np.ndarray
    ends: np.ndarray
    counts: np.ndarray
    dropped: np.ndarray = field(default_factory=lambda: np.zeros(2, np.int64))
    dropped_characters: dict[str, np.ndarray] = field(default_factory=dict)
    cut: int = 0
    bytes: int = 0

    def __len__(self) -> int:
        return len(self.ends) - 1

    def together(self) -> WordCounts:
        """The same, with the held-out text as part of the text to learn from."""
        nothing = np.zeros_like(self.counts[0])
        counts = np.stack([self.counts.sum(axis=0), nothing])
        dropped = np.array([self.dropped.sum(), 0])
        return replace(self, counts=counts, dropped=dropped)

    def words(self) -> list[str]:
        """The words as strings."""
        blob = self.arena.tobytes()
        ends = self.ends.tolist()
        return [blob[a:b].decode() for a, b in pairwise(ends)]

    def characters(self) -> dict[str, np.ndarray]:
        """Character → its occurrences as int64[2]: in the text to learn from, and held out."""
        codes, word = codes_of(self.arena, self.ends)
        found, place = np.unique(codes, return_inverse=True)
        totals = [np.bincount(place, self.counts[held][word]) for held in (0, 1)]
        kept = {
            chr(code): np.array(pair, np.int64)
            for code, *pair in zip(found.tolist(), *totals, strict=True)
        }
        for character, pair in self.dropped_characters.items():
            kept[character] = kept.get(character, 0) + pair
        return kept


def codes_of(arena: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(code point, number of its word) of every character of the words."""
    starts = (arena & 0xC0) != 0x80
    word = np.repeat(np.arange(len(ends) - 1), np.diff(ends))[starts]
    codes = np.frombuffer(arena.tobytes().decode().encode("utf-32-le"), np.uint32)
    return codes, word


class WordCounter:
    """Counts words of texts fed to it in blocks.

    Args:
        normalisation: what happens to the text first.
        longest: characters after which a word is cut into several.
        most: different words to keep, see `MOST_WORDS`.
    """

    def __init__(self, normalisation: Normalisation, longest: int, most: int = MOST_WORDS) -> None:
        self._characters = CharacterTable(normalisation)
        special = Vocab([UNK], {UNK: 0}, "")
        self._python = WordPieceTokenizer(special, normalisation)
        self._longest = longest
        self._most = most
        self._dropped = np.zeros(2, np.int64)
        self._dropped_characters: dict[str, np.ndarray] = {}
        self._bytes = 0
        lower = np.arange(256, dtype=np.uint8)
        if normalisation.do_lower_case:
            for letter in string.ascii_uppercase:
                lower[ord(letter)] = ord(letter.lower())
        self._lower = lower
        self._start(words=1 << 14, arena=1 << 18)

    def _start(self, words: int, arena: int) -> None:
        """Empty tables with room for so many words and bytes of words."""
        bits = max(15, (2 * words).bit_length())
        self._tables = kernels.Tables(
            classes=byte_classes(),
            lower=self._lower,
            pages=self._characters.pages,
            entries=self._characters.entries,
            texts=self._characters.texts,
            slots=np.zeros(1 << bits, np.int32),
            shift=np.array([64 - bits], np.uint64),
            hashes=np.zeros(words, np.uint64),
            ends=np.zeros(words + 1, np.int64),
            counts=np.zeros((2, words), np.int64),
            arena=np.zeros(arena, np.uint8),
            scratch=np.zeros(kernels.MOST_BYTES * (self._longest + 2) + SLACK, np.uint8),
            journal=np.zeros(_JOURNAL, np.int64),
            longest=np.array([self._longest], np.int64),
            state=np.zeros(kernels.STATE, np.int64),
        )

    def feed(self, name: str, stream: Any, size: int | None = None, start: int = 0) -> None:
        """Count the words of a text; its end ends a word.

        Args:
            name: for error messages.
            stream: of its bytes.
            size: how many of them; None: all.
            start: where they begin in the file, for error messages.

        Raises:
            DataError: not UTF-8; names line and byte.
        """
        buffer = bytearray(BLOCK + SLACK)
        kept = 0
        offset, left = start, size
        line = None if start else 1
        first = True
        while True:
            wanted = BLOCK - kept if left is None else min(BLOCK - kept, left)
            count = _read_full(stream, memoryview(buffer)[kept : kept + wanted])
            left = None if left is None else left - count
            filled = kept + count
            last = count < wanted or left == 0
            end = filled if last else _good_end(buffer, filled)
            rest = bytes(buffer[end:filled])
            buffer[end : end + SLACK] = bytes(SLACK)
            if first:
                kernels.begin_text(np.frombuffer(buffer, np.uint8), self._tables)
                first = False
            self._count(buffer, end, (name, line, offset))
            line = None if line is None else line + buffer.count(b"\n", 0, end)
            offset += end
            self._bytes += end
            buffer[: len(rest)] = rest
            kept = len(rest)
            if last:
                break
        while not kernels.end_text(self._tables):
            self._enlarge()

    def _count(self, buffer: bytearray, end: int, place: tuple[str, int | None, int]) -> None:
        """Run the kernel over buffer[:end] and help it where it stops."""
        data = np.frombuffer(buffer, np.uint8)
        state = self._tables.state
        state[[kernels.AT, kernels.CHUNK_AT]] = 0
        while True:
            status = kernels.count_words(data, end, self._tables)
            state = self._tables.state
            if status == kernels.DONE:
                break
            if status == kernels.NEEDS_PAGE:
                self._fill_page(int(state[kernels.PAGE]))
            elif status == kernels.NEEDS_ROOM:
                self._enlarge()
            elif status == kernels.NEEDS_PYTHON:
                self._count_hard(buffer, end)
            else:
                raise _refused(buffer, int(state[kernels.AT]), end, place)
        # What was counted stays: the journal does not reach into the next block.
        state[kernels.JOURNAL] = 0
        state[kernels.PIECE_AT] += end - state[kernels.CHUNK_AT]
        if int(state[kernels.WORDS]) > self._most:
            self._drop_rare()

    def _count_hard(self, buffer: bytearray, end: int) -> None:
        """Count the words up to the next ASCII space, cut by the readable tokenizer."""
        state = self._tables.state
        begin = int(state[kernels.CHUNK_AT])
        found = (buffer.find(space, int(state[kernels.AT]), end) for space in _SPACES)
        stop = min((place for place in found if place >= 0), default=end)
        text = bytes(buffer[begin:stop]).decode("utf-8", errors="replace").replace("\r", "")
        held = int(state[kernels.HELD])
        for word in self._python.basic_tokenize(text):
            pieces = [
                word[at : at + self._longest].encode() for at in range(0, len(word), self._longest)
            ]
            state[kernels.CUT] += len(pieces) - 1
            counts = np.zeros((2, len(pieces)), np.int64)
            counts[held] = 1
            self._add(b"".join(pieces), np.cumsum([0, *map(len, pieces)]), counts)
            state = self._tables.state
        state[kernels.AT] = stop

    def add(self, other: WordCounts) -> None:
        """Add what another counter found."""
        self._add(other.arena, other.ends, other.counts)
        self._tables.state[kernels.CUT] += other.cut
        self._dropped += other.dropped
        for character, pair in other.dropped_characters.items():
            self._dropped_characters[character] = self._dropped_characters.get(character, 0) + pair
        self._bytes += other.bytes
        if int(self._tables.state[kernels.WORDS]) > self._most:
            self._drop_rare()

    def _add(self, arena: bytes | np.ndarray, ends: np.ndarray, counts: np.ndarray) -> None:
        if isinstance(arena, bytes):
            arena = np.frombuffer(arena, np.uint8)
        words = int(self._tables.state[kernels.WORDS])
        wanted = words + len(ends) + 2
        size = int(self._tables.ends[words]) + len(arena) + SLACK
        while wanted > len(self._tables.hashes) or size > len(self._tables.arena):
            self._enlarge()
        which = np.arange(len(ends) - 1)
        # The word being gathered, if any, is in the scratch space, too.
        held = self._tables.scratch.copy()
        kernels.add_words(self._tables, arena, ends.astype(np.int64), counts, which)
        self._tables.scratch[:] = held

    def finished(self) -> WordCounts:
        """What was counted so far."""
        tables = self._tables
        words = int(tables.state[kernels.WORDS])
        used = tables.counts[:, :words].sum(axis=0) > 0  # some were only taken back
        arena, ends = _picked(tables.arena, tables.ends[: words + 1], used)
        return WordCounts(
            arena=arena,
            ends=ends,
            counts=tables.counts[:, :words][:, used],
            dropped=self._dropped,
            dropped_characters=self._dropped_characters,
            cut=int(tables.state[kernels.CUT]),
            bytes=self._bytes,
        )

    def _drop_rare(self) -> None:
        """Drop the rarest words, those of one frequency together, until half are left."""
        words = int(self._tables.state[kernels.WORDS])
        old = self._tables
        counts = old.counts[:, :words]
        totals = counts.sum(axis=0)
        limit = int(np.sort(totals)[words - self._most // 2 - 1])
        kept = totals > limit
        lost, lost_ends = _picked(old.arena, old.ends[: words + 1], ~kept)
        gone = WordCounts(lost, lost_ends, counts[:, ~kept])
        self._dropped += gone.counts.sum(axis=1)
        for character, pair in gone.characters().items():
            before = self._dropped_characters.get(character, 0)
            self._dropped_characters[character] = before + pair
        arena, ends = _picked(old.arena, old.ends[: words + 1], kept)
        self._start(len(old.hashes), len(old.arena))
        self._tables.scratch[:] = old.scratch
        self._tables.state[:] = old.state
        self._tables.state[kernels.WORDS] = 0
        self._add(arena, ends, np.ascontiguousarray(counts[:, kept]))

    def _fill_page(self, page: int) -> None:
        self._characters.fill(page)
        self._tables = self._tables._replace(
            entries=self._characters.entries, texts=self._characters.texts
        )

    def _enlarge(self) -> None:
        """Twice the room for words and for their bytes."""
        old = self._tables
        words = 2 * len(old.hashes)
        counts = np.zeros((2, words), np.int64)
        counts[:, : old.counts.shape[1]] = old.counts
        bits = (2 * words).bit_length()
        self._tables = old._replace(
            hashes=_longer(old.hashes, words),
            ends=_longer(old.ends, words + 1),
            arena=_longer(old.arena, 2 * len(old.arena)),
            counts=counts,
            slots=np.zeros(1 << bits, np.int32),
            shift=np.array([64 - bits], np.uint64),
        )
        kernels.fill_slots(self._tables)


def _longer(array: np.ndarray, size: int) -> np.ndarray:
    new: np.ndarray = np.zeros(size, array.dtype)
    new[: len(array)] = array
    return new


def _picked(
    arena: np.ndarray, ends: np.ndarray, which: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Bytes and ends of some of the words."""
    sizes = np.diff(ends)
    taken = np.repeat(which, sizes)
    return arena[: ends[-1]][taken], np.concatenate([[0], np.cumsum(sizes[which])])


def _read_full(stream: Any, view: memoryview) -> int:
    """Fill the view, however little the stream gives at a time; less only at its end."""
    done = 0
    while done < len(view):
        count = stream.readinto(view[done:])
        if not count:
            break
        done += count
    return done


def _good_end(buffer: bytearray, filled: int) -> int:
    """Where a block may end: behind a space, else at least not within a character."""
    end = max(buffer.rfind(space, 0, filled) for space in _SPACES) + 1
    if end:
        return end
    for back in range(1, 5):
        if buffer[filled - back] & 0xC0 != 0x80:  # the first byte of a character
            return filled - back
    return filled


def _refused(buffer: bytearray, at: int, end: int, place: tuple[str, int | None, int]) -> DataError:
    """The error for a byte that is not UTF-8 at or behind `at`."""
    name, line, offset = place
    try:
        bytes(buffer[at:end]).decode("utf-8")
    except UnicodeDecodeError as error:
        byte = at + error.start
        if line is None:  # of a span: the lines before it were not counted
            line = 1 + _lines_before(name, offset)
        line += buffer.count(b"\n", 0, byte)
        return not_utf8(name, line, offset + byte, bytes(buffer[at:end]), offset + at)
    raise AssertionError("the kernel refused valid UTF-8")


def _lines_before(path: str, end: int) -> int:
    """Line ends in the first bytes of a local file."""
    count = 0
    with open(path, "rb") as stream:
        while end > 0 and (block := stream.read(min(BLOCK, end))):
            count += block.count(b"\n")
            end -= len(block)
    return count


def as_counter(counts: WordCounts) -> Counter[str]:
    """Word → how often it occurs in all of the text, for tests and small texts."""
    return Counter(dict(zip(counts.words(), counts.counts.sum(axis=0).tolist(), strict=True)))
