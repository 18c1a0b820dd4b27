"""Counts text that comes in blocks of bytes, in bounded memory, at the speed of reading it."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

import numpy as np

from bertkit.summary.counts import TextCounts
from bertkit.summary.plain import count_plainly, kind_of
from bertkit.summary.sketch import LIMIT, Sketch, of_counts, of_hashes
from bertkit.text.encoding import not_utf8

# Text up to here is counted in Python: loading the kernel takes longer.
SMALL = 1 << 15
_CODES = 0x110000
_PAGE = 256
_PAIRS = 1 << 16
# The kernel counts pairs of bytes in 32 bits.
_FOLDED = 1 << 30
_HASHES = 2 * LIMIT  # so many wait until they are sorted
_READ = 1 << 18
Blob = bytes | bytearray | memoryview


class TextCounter:
    """Counts one text after another.

    Args:
        level: of the sketches to begin with, see `sketch.level_for`.
    """

    def __init__(self, level: int = 0) -> None:
        self._level = level
        self._done = TextCounts()
        self._held = bytearray()  # of the text, while it is small
        self._kernel: _Kernel | None = None
        self._name = ""
        self._begun = False

    def begin(self, name: str) -> None:
        """Begin a text; the one before it ends."""
        self.end()
        self._name, self._begun = name, True

    def feed(self, block: Blob) -> None:
        """Count the next bytes of the text.

        Raises:
            DataError: not UTF-8; names line and byte.
        """
        self._begun = True
        if self._held or len(block) < SMALL:
            self._held += block
            if len(self._held) < SMALL:
                return
            block = self._held
        if self._kernel is None:
            self._kernel = _Kernel(self._level)
        self._held = self._kernel.feed(block, self._name)

    def end(self) -> None:
        """End the text, and its last document.

        Raises:
            DataError: not UTF-8; names line and byte.
        """
        if not self._begun:
            return
        self._begun = False
        if self._kernel is None:
            text = _decoded(self._held, self._name)
            self._done += count_plainly(text, self._level)
        else:
            self._kernel.end(self._held, self._name)
        self._held = bytearray()

    def finished(self) -> TextCounts:
        """The counts of all texts."""
        self.end()
        if self._kernel is None:
            return self._done
        return self._done + self._kernel.counts()


def count_files(texts: Iterable[tuple[str, Any]], level: int = 0) -> TextCounts:
    """The counts of (name, open binary stream)s, each a text of its own.

    Raises:
        DataError: not UTF-8.
    """
    counter = TextCounter(level)
    buffer = memoryview(bytearray(_READ))
    for name, stream in texts:
        counter.begin(name)
        while count := stream.readinto(buffer):
            counter.feed(buffer[:count])
    return counter.finished()


def _decoded(blob: bytes | bytearray, name: str, line: int = 1, offset: int = 0) -> str:
    try:
        return blob.decode("utf-8")
    except UnicodeDecodeError as error:
        line += blob.count(b"\n", 0, error.start)
        raise not_utf8(name, line, offset + error.start, bytes(blob), offset) from error


@functools.lru_cache(maxsize=_CODES // _PAGE)
def _kinds_of(page: int) -> np.ndarray:
    """What each character of a page does; kept, because every text needs the first pages."""
    return np.array([kind_of(chr(code)) for code in range(page, page + _PAGE)], np.uint8)


class _Kernel:
    """The kernel's tables, and help where it stops."""

    def __init__(self, level: int) -> None:
        from bertkit.summary.kernels import count_text

        self._work = count_text
        self._offset = self._bytes = self._files = 0
        self._tables = count_text.Tables(
            classes=np.zeros(_CODES, np.uint8),
            characters=np.zeros(_CODES, np.int64),
            pairs=np.zeros(_PAIRS, np.uint32),
            histogram=np.zeros(count_text.BUCKETS, np.int64),
            lines=np.zeros(1 << 12, np.uint64),
            texts=np.zeros(1 << 12, np.uint64),
            levels=np.array([level, level], np.int64),
            hashes=np.array([count_text.FIRST, count_text.FIRST, 0], np.uint64),
            state=np.zeros(count_text.STATE, np.int64),
        )
        self._kinds = ("lines", count_text.LINES_USED), ("texts", count_text.DOCUMENTS_USED)
        self._sketches = [of_counts({}, level)] * 2
        self._in_pairs = 0
        self._pages: set[int] = set()
        self._look_up(b"a")

    def feed(self, blob: Blob, name: str) -> bytearray:
        """Count whole characters; returns the rest, at most three bytes."""
        end = len(blob)
        for back in range(1, min(4, end + 1)):
            byte = blob[end - back]
            if byte & 0xC0 != 0x80:
                width = 1 if byte < 0x80 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
                end -= back if width > back else 0
                break
        self._count(blob, end, name)
        return bytearray(blob[end:])

    def _count(self, blob: Blob, end: int, name: str) -> None:
        work = self._work
        data = np.frombuffer(blob, np.uint8)
        state = self._tables.state
        state[work.AT] = 0
        while (status := work.count_text(data, end, self._tables)) != work.DONE:
            at = int(state[work.AT])
            if status == work.NEEDS_CLASS:
                self._look_up(bytes(blob[at : at + 4]))
            elif status == work.NEEDS_ROOM:
                self._make_room()
            else:
                line = int(state[work.LINE_BREAKS]) + 1
                _decoded(bytes(blob[at:]), name, line, self._offset + at)
                raise AssertionError("the kernel refused valid UTF-8")
        self._offset += end
        self._bytes += end
        self._in_pairs += end
        if self._in_pairs > _FOLDED:
            self._fold()

    def _fold(self) -> None:
        """Add characters that were counted in pairs."""
        pairs = self._tables.pairs.reshape(256, 256)
        for axis in (0, 1):
            self._tables.characters[:256] += pairs.sum(axis, dtype=np.int64)
        pairs[:] = 0
        self._tables.characters[0] -= self._tables.state[self._work.PADDING]
        self._tables.state[self._work.PADDING] = 0
        self._in_pairs = 0

    def end(self, rest: bytearray, name: str) -> None:
        """End a text; `rest` are bytes that were not counted yet."""
        rest = self.feed(rest, name)
        if rest:
            _decoded(rest, name, int(self._tables.state[self._work.LINE_BREAKS]) + 1, self._offset)
        self._make_room()
        state = self._tables.state
        if state[self._work.SOLID]:
            self._work.end_line(self._tables)
        self._work.end_document(self._tables)
        for name_of_state in ("LINE_CHARACTERS", "IN_WORD", "SOLID", "LINE_BREAKS", "HELD"):
            state[getattr(self._work, name_of_state)] = 0
        self._tables.hashes[:] = self._work.FIRST, self._work.FIRST, 0
        self._files += 1
        self._offset = 0

    def _look_up(self, blob: bytes) -> None:
        """The classes of a character and its neighbours."""
        page = ord(blob.decode("utf-8", errors="ignore")[0]) // _PAGE * _PAGE
        self._pages.add(page)
        self._tables.classes[page : page + _PAGE] = _kinds_of(page)

    def _make_room(self) -> None:
        """Make room for hashes: enlarge their array, or keep how often each occurs."""
        for index, (kind, used) in enumerate(self._kinds):
            size = len(getattr(self._tables, kind))
            if self._tables.state[used] < size:
                continue
            if size < _HASHES:
                new = np.zeros(2 * size, np.uint64)
                new[:size] = getattr(self._tables, kind)
                self._tables = self._tables._replace(**{kind: new})
            else:
                self._sketches[index] = self._sketch(index)
                self._tables.levels[index] = self._sketches[index].level
                self._tables.state[used] = 0

    def _sketch(self, index: int) -> Sketch:
        """Hashes that were kept before, with those in the array."""
        kind, used = self._kinds[index]
        hashes = getattr(self._tables, kind)[: int(self._tables.state[used])]
        return self._sketches[index] + of_hashes(hashes, int(self._tables.levels[index]))

    def counts(self) -> TextCounts:
        """What was counted so far."""
        self._fold()
        work, state, tables = self._work, self._tables.state, self._tables
        # Not in the whole table: most of it was never touched.
        pages = [tables.characters[page : page + _PAGE] for page in sorted(self._pages)]
        found = [np.flatnonzero(page) for page in pages]
        codes = np.concatenate([p + f for p, f in zip(sorted(self._pages), found, strict=True)])
        sizes = np.flatnonzero(tables.histogram)
        return TextCounts(
            bytes=self._bytes,
            files=self._files,
            documents=int(state[work.DOCUMENTS]),
            sentences=int(state[work.SENTENCES]),
            words=int(state[work.WORDS]),
            one_sentence=int(state[work.ONE_SENTENCE]),
            empty=int(state[work.EMPTY]),
            overlong=int(state[work.OVERLONG_LINES]),
            histogram=dict(zip(sizes.tolist(), tables.histogram[sizes].tolist(), strict=True)),
            characters=dict(zip(codes.tolist(), tables.characters[codes].tolist(), strict=True)),
            lines=self._sketch(0),
            texts=self._sketch(1),
        )
