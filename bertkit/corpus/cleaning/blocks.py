"""Reads a sentence file as blocks of whole documents."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from bertkit.corpus.document import MAX_LINE, decode_sentences
from bertkit.corpus.raw_file import open_source
from bertkit.errors import DataError

SIZE = 2 << 20
_TAIL = 1 << 16
# Lines of ASCII spaces; one of other white space is blank too, but a block need not end there.
_BLANK = re.compile(rb"\n[ \t\r\f\v]*\n")


class Block(NamedTuple):
    """Whole documents of a file.

    Attributes:
        blob: their bytes, valid UTF-8, with a newline at the end.
        lines: how many lines of the file lie before it.
        offset: of its first byte in the (unpacked) file.
        size: bytes that the file has of it: a newline at the very end may be ours.
    """

    blob: bytes
    lines: int
    offset: int
    size: int


def read_blocks(path: str, size: int = SIZE) -> Iterator[Block]:
    """The blocks of a file, of about `size` bytes; larger where a document is.

    Raises:
        DataError: unreadable, not UTF-8 (names the byte), or a line above 16 MB.
    """
    held = bytearray()
    lines, offset = 0, 0
    with open_source(path) as stream:
        while True:
            more = stream.read(size)
            searched = max(0, len(held) - _TAIL)  # what lies before has been looked at
            held += more
            end = _last_blank(held, searched) if more else len(held)
            if end:
                blob = bytes(held[:end])
                _check(blob, path, lines, offset)
                whole = blob if blob.endswith(b"\n") else blob + b"\n"
                yield Block(whole, lines, offset, len(blob))
                lines += blob.count(b"\n")
                offset += end
                del held[:end]
            elif len(held) > MAX_LINE:
                _check(bytes(held), path, lines, offset, whole=False)
            if not more:
                return


def _last_blank(held: bytearray, start: int) -> int:
    """The byte behind the last blank line, or 0."""
    # Looked for from the end, a piece at a time.
    stop = len(held)
    while stop > start:
        begin = max(start, stop - _TAIL)
        ends = [found.end() for found in _BLANK.finditer(held, begin, min(len(held), stop + 1))]
        if ends:
            return ends[-1]
        stop = begin
    return 0


def _check(blob: bytes, path: str, lines: int, offset: int, *, whole: bool = True) -> None:
    if len(blob) > MAX_LINE:
        for number, line in enumerate(blob.split(b"\n"), lines + 1):
            if len(line) > MAX_LINE:
                raise DataError(
                    f"{path}:{number}: the line is longer than {MAX_LINE:,} bytes",
                    "a file of one sentence per line is expected; `bertkit extract` makes such",
                )
    if whole:
        decode_sentences(blob, path, lines + 1, offset)
