"""Counts the text that `extract` writes, part by part, and says what is unusual in it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO, Any

from bertkit.corpus.raw_file import open_source
from bertkit.summary import report
from bertkit.summary.counter import TextCounter
from bertkit.summary.counts import CountsSum, TextCounts


class CountedStream:
    """A stream to write to that counts what is written.

    Args:
        stream: gets the bytes.
        level: of the sketches, see `bertkit.summary.sketch.level_for`.
    """

    def __init__(self, stream: IO[bytes], level: int) -> None:
        self._stream = stream
        self._counter = TextCounter(level)
        self._counter.begin(getattr(stream, "name", ""))

    def write(self, blob: bytes) -> None:
        """Write and count whole characters."""
        self._stream.write(blob)
        self._counter.feed(blob)

    def counts(self) -> TextCounts:
        """Of all that was written; ends the text."""
        return self._counter.finished()


class WrittenText:
    """The text of a run: counts of its parts, in whatever order they are finished."""

    def __init__(self, level: int) -> None:
        self._level = level
        self._sum = CountsSum()
        self._added: set[str] = set()

    def add(self, name: str, counts: TextCounts | None) -> None:
        """Add a part that this run made."""
        if counts is not None:
            self._sum.add(counts)
            self._added.add(name)

    def figures(self, names: Iterable[str], folder: str) -> dict[str, Any]:
        """The figures of all parts; those that were made before are read again."""
        for name in names:
            if name not in self._added:
                counter = TextCounter(self._level)
                counter.begin(name)
                with open_source(f"{folder}/{name}") as stream:
                    while block := stream.read(1 << 20):
                        counter.feed(block)
                self.add(name, counter.finished())
        return report.figures(self._sum.result())


def say(figures: dict[str, Any]) -> None:
    """Log the figures of a run's text, with warnings."""
    report.say(figures)
