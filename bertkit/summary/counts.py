"""Holds what is counted in text; the counts of parts add up to those of the whole."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from bertkit.summary.sketch import Sketch

_SORTED_TOGETHER = 1 << 21


def _nothing() -> Sketch:
    return Sketch(np.zeros(0, np.uint64), np.zeros(0, np.int64))


@dataclass(frozen=True)
class TextCounts:
    """Counts of a text of lines, where blank lines end documents.

    Attributes:
        bytes: of the text, unpacked.
        files: how many.
        documents, sentences: sentences are the lines that are not blank.
        words: runs of letters, digits and marks; every ideograph is one.
        one_sentence: documents of a single sentence.
        empty: blank lines that end no document.
        overlong: lines of more than 2,000 characters.
        histogram: number of bits of the characters in a line → lines.
        characters: code point → occurrences; no line ends.
        lines, texts: the lines, and the documents, that repeat another one.
        tokens, unknown: tokens, and [UNK] among them; None where there is no vocabulary.
    """

    bytes: int = 0
    files: int = 0
    documents: int = 0
    sentences: int = 0
    words: int = 0
    one_sentence: int = 0
    empty: int = 0
    overlong: int = 0
    histogram: dict[int, int] = field(default_factory=dict)
    characters: dict[int, int] = field(default_factory=dict)
    lines: Sketch = field(default_factory=_nothing)
    texts: Sketch = field(default_factory=_nothing)
    tokens: int | None = None
    unknown: int | None = None

    def __add__(self, other: TextCounts) -> TextCounts:
        values: dict[str, Any] = {
            item.name: _sum(getattr(self, item.name), getattr(other, item.name), self, other)
            for item in fields(self)
        }
        return TextCounts(**values)


def _sum(one: Any, two: Any, first: TextCounts, second: TextCounts) -> Any:
    if isinstance(one, dict) and isinstance(two, dict):
        return {key: one.get(key, 0) + two.get(key, 0) for key in {**one, **two}}
    if one is None or two is None:  # known of all the text or not at all
        return one if second.files == 0 else two if first.files == 0 else None
    return one + two


class CountsSum:
    """Adds up the counts of many parts; sorts hashes only now and then."""

    def __init__(self) -> None:
        self._total = TextCounts()
        self._waiting: list[TextCounts] = []
        self._hashes = 0

    def add(self, part: TextCounts) -> None:
        """Add a part."""
        self._waiting.append(part)
        self._hashes += len(part.lines.keys) + len(part.texts.keys)
        if self._hashes > _SORTED_TOGETHER:
            self._total = self.result()
            self._waiting, self._hashes = [], 0

    def result(self) -> TextCounts:
        """The sum so far."""
        parts = [self._total, *self._waiting]
        while len(parts) > 1:  # in pairs, so that no hash is sorted many times
            pairs = zip(parts[::2], parts[1::2], strict=False)
            parts = [one + two for one, two in pairs] + parts[len(parts) // 2 * 2 :]
        return parts[0]
