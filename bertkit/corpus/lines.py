"""Reads the lines of raw files in bounded memory, and collects those of a document."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, NamedTuple

from bertkit.codecs.packed_stream import PIECE
from bertkit.corpus.raw_file import RawFile, marked_encoding, open_source

if TYPE_CHECKING:
    from bertkit.corpus.forms.form import Span


class Line(NamedTuple):
    """One line, or a piece of a line longer than a megabyte.

    Attributes:
        number: line number from 1.
        offset: of its first byte in the (unpacked) file.
        blob: its bytes, with the newline.
        begins: False for the second and later pieces of a long line.
    """

    number: int
    offset: int
    blob: bytes
    begins: bool


class DocumentBytes:
    """The lines of one document, collected until they are larger than what may be kept.

    Attributes:
        number: of the first line.
        offset: of its first byte in the (unpacked) file.
        size: bytes of all lines, also of those that were not kept.
    """

    def __init__(self, max_bytes: int) -> None:
        self.number = self.offset = self.size = 0
        self._max_bytes = max_bytes
        self._kept: list[bytes] = []

    def add(self, line: Line) -> None:
        """Append a line."""
        if not self.size:
            self.number, self.offset = line.number, line.offset
        self.size += len(line.blob)
        if self.too_large:
            self._kept.clear()
        else:
            self._kept.append(line.blob)

    @property
    def too_large(self) -> bool:
        """True if there is more than may be kept; then `blob` is empty or cut."""
        return self.size > self._max_bytes

    @property
    def blob(self) -> bytes:
        """The lines as one."""
        return b"".join(self._kept)


def lines(place: str | RawFile, span: Span | None = None) -> Iterator[Line]:
    """The lines of a file; a line longer than a megabyte comes in pieces.

    Args:
        place: the file.
        span: those of a span (forms/line_spans.py), with the numbers that they have in the file.

    Raises:
        DataError: as `open_source`.
    """
    with open_source(place) if span is None else _opened(RawFile.of(place), span) as stream:
        yield from lines_of(stream, *_begin(RawFile.of(place), span))


def lines_of(stream: IO[bytes], number: int = 1, offset: int = 0) -> Iterator[Line]:
    """The lines of an open stream, the first of which has this number and offset."""
    begins = True
    while blob := stream.readline(PIECE):
        yield Line(number, offset, blob, begins)
        offset += len(blob)
        begins = blob.endswith(b"\n")
        number += begins


def _begin(file: RawFile, span: Span | None) -> tuple[int, int]:
    """Number of the first line of a span, and where it is behind the mark of the encoding."""
    if span is None or not span.start:
        return 1, 0
    return span.line, span.start - _mark(file)


@contextlib.contextmanager
def _opened(file: RawFile, span: Span) -> Iterator[IO[bytes]]:
    start = span.start or _mark(file)
    with file.open_between(start, span.stop) as stream:
        yield stream


def _mark(file: RawFile) -> int:
    return marked_encoding(file.head(4))[1]


def first_line(place: str | RawFile) -> bytes:
    """The first line that is not blank, at most a megabyte of it; empty for an empty file."""
    for line in lines(place):
        if line.blob.strip():
            return line.blob
    return b""
