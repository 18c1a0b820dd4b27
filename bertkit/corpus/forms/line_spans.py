"""Cuts large files of lines where a document begins, so that workers share them.

Documents are named by their line, so that the lines before each span are counted: the file is
read through once, as fast as the disk gives it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import IO

from bertkit.codecs.packed_stream import PIECE
from bertkit.corpus.forms.form import Span
from bertkit.corpus.lines import Line, lines_of
from bertkit.corpus.raw_file import RawFile, is_utf8, marked_encoding
from bertkit.storage.files import open_binary, size_of


def line_spans(
    file: RawFile, size: int, ends: Callable[[Line], bool] | None = None, least: int = 0
) -> list[Span]:
    """Spans of about `size` bytes, each at least, of a local file of lines.

    Args:
        file: one that is packed, or not in UTF-8, gives one span.
        size: in bytes.
        ends: whether a document can begin behind this line, whatever stands before it; None: behind
            every line.
        least: the second span begins at this place at the earliest.
    """
    total = size_of(file.path)
    coding, mark = marked_encoding(file.head(4))
    if file.compression() or not is_utf8(coding or file.encoding):
        return [Span(0, total)]
    with open_binary(file.path) as stream:
        begins = list(chain([(0, 1)], _begins(stream, size, ends, mark + least)))
    stops = [*(place for place, _ in begins[1:]), total]
    return [Span(place, stop, line) for (place, line), stop in zip(begins, stops, strict=True)]


def _begins(
    stream: IO[bytes], size: int, ends: Callable[[Line], bool] | None, least: int
) -> Iterator[tuple[int, int]]:
    """(place, number of the line there) of the spans behind the first."""
    place, number = 0, 1
    while True:
        # The line that the last byte before the wanted place is in, to its end.
        wanted = max(place + size, least) - 1
        number += _newlines(stream, wanted - place)
        for line in lines_of(stream, number, wanted):
            behind = line.offset + len(line.blob)
            ended = line.blob.endswith(b"\n")
            # That one may have begun before, and is not known to be a whole line.
            if ended and (ends is None or (line.offset > wanted and line.begins and ends(line))):
                break
        else:
            return
        place, number = behind, line.number + 1
        if not stream.peek(1):  # type: ignore[attr-defined]
            return
        yield place, number


def _newlines(stream: IO[bytes], size: int) -> int:
    """How many there are in so many bytes, which are passed over."""
    count = 0
    while size and (block := stream.read(min(size, PIECE))):
        count += block.count(b"\n")
        size -= len(block)
    return count
