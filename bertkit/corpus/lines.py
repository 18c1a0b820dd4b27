"""Reads the lines of raw files in bounded memory, and collects those of a document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from bertkit.codecs.packed_stream import PIECE
from bertkit.corpus.raw_file import RawFile, open_source


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


def lines(place: str | RawFile) -> Iterator[Line]:
    """The lines of a file; a line longer than a megabyte comes in pieces.

    Raises:
        DataError: as `open_source`.
    """
    number, offset, begins = 1, 0, True
    with open_source(place) as stream:
        while blob := stream.readline(PIECE):
            yield Line(number, offset, blob, begins)
            offset += len(blob)
            begins = blob.endswith(b"\n")
            number += begins


def first_line(place: str | RawFile) -> bytes:
    """The first line that is not blank, at most a megabyte of it; empty for an empty file."""
    for line in lines(place):
        if line.blob.strip():
            return line.blob
    return b""
