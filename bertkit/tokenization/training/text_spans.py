"""Cuts input files into spans of text, so that several processes can count their words.

The spans follow from the files alone, so the counts do not depend on the number of workers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import pairwise
from typing import IO, Any

from bertkit.storage import files
from bertkit.summary.counter import TextCounter
from bertkit.summary.counts import TextCounts
from bertkit.tokenization.normalisation import Normalisation
from bertkit.tokenization.training.word_counts import WordCounter, WordCounts

SPAN = 32_000_000
_LOOKED_AT = 1 << 20  # bytes in which a cut looks for a space
_HEAD = 64
_BOM = b"\xef\xbb\xbf"

# Opens a file for reading its text, unpacked.
Opener = Callable[[str], AbstractContextManager[IO[bytes]]]


@dataclass(frozen=True)
class Span:
    """Bytes of a file: from `start`, `size` of them, or all that follow."""

    path: str
    start: int = 0
    size: int | None = None


@dataclass(frozen=True)
class CountTask:
    """All that a worker needs to count the words of some spans."""

    spans: tuple[Span, ...]
    normalisation: Normalisation
    longest: int
    opener: Opener
    level: int = 0


class _Counted:
    """A stream of text that counts what is read from it."""

    def __init__(self, stream: IO[bytes], counter: TextCounter) -> None:
        self._stream, self._counter = stream, counter

    def readinto(self, view: memoryview) -> int:
        """Fill the view, as far as the stream has bytes at hand."""
        count: int = self._stream.readinto(view)  # type: ignore[attr-defined]
        self._counter.feed(view[:count])
        return count


def count_spans(task: CountTask) -> tuple[WordCounts, TextCounts]:
    """The words of some spans, and what else is counted in them; runs in a worker.

    Raises:
        DataError: a file cannot be read, or is not UTF-8.
    """
    counter = WordCounter(task.normalisation, task.longest)
    text = TextCounter(task.level)
    for span in task.spans:
        # A span from the middle of a file is of one that the opener leaves as it is.
        with open(span.path, "rb") if span.start else task.opener(span.path) as stream:
            if span.start:
                stream.seek(span.start)
            text.begin(span.path)
            counter.feed(span.path, _Counted(stream, text), span.size, span.start)
    return counter.finished(), text.finished()


def tasks_of(inputs: Sequence[str], opener: Opener, **settings: Any) -> Iterator[CountTask]:
    """The inputs as tasks: small files together, large ones in several."""
    held: list[Span] = []
    size = 0
    for path in inputs:
        length = files.size_of(path)
        spans = _cut(path, length, opener) if length > SPAN else [Span(path)]
        if size + length > SPAN and held:
            yield CountTask(tuple(held), opener=opener, **settings)
            held, size = [], 0
        if len(spans) > 1:
            for span in spans:
                yield CountTask((span,), opener=opener, **settings)
        else:
            held.append(spans[0])
            size += length
    if held:
        yield CountTask(tuple(held), opener=opener, **settings)


def _cut(path: str, length: int, opener: Opener) -> list[Span]:
    """A large file as spans that end behind white space; compressed and remote ones are one."""
    if files.is_remote(path) or not _is_plain(path, opener):
        return [Span(path)]
    cuts = [0]
    with open(path, "rb") as stream:
        for nominal in range(SPAN, length, SPAN):
            stream.seek(nominal)
            cuts.append(nominal + _behind_space(stream.read(_LOOKED_AT)))
    # The first one leaves out a byte order mark, and so ends earlier by its size.
    with open(path, "rb") as stream:
        mark = len(_BOM) if stream.read(len(_BOM)) == _BOM else 0
    spans = [
        Span(path, start, stop - start - (0 if start else mark)) for start, stop in pairwise(cuts)
    ]
    return [*spans, Span(path, cuts[-1])]


def _is_plain(path: str, opener: Opener) -> bool:
    """Whether the opener gives the very bytes of the file, which can then be read anywhere."""
    with open(path, "rb") as raw, opener(path) as stream:
        head = raw.read(_HEAD).removeprefix(_BOM)
        return stream.read(len(head)) == head


def _behind_space(block: bytes) -> int:
    """Where a cut may be made: behind a line, else a space, else before a character."""
    if (line := block.find(b"\n")) >= 0:
        return line + 1
    spaces = (block.find(space) for space in (b" ", b"\t"))
    found = min((place for place in spaces if place >= 0), default=-1)
    if found >= 0:
        return found + 1
    return next((k for k in range(min(4, len(block))) if block[k] & 0xC0 != 0x80), 0)
