"""Defines a sentence of words with their tags, and where in its file each of them stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Columns:
    """Where words and tags are.

    Attributes:
        words: number of the column from 1, or from -1 at the end, in CoNLL files; name of the
            field in JSON lines. None: as the file has it, see its reader.
        tags: the same.
    """

    words: str | None = None
    tags: str | None = None


BY_DEFAULT = Columns()


@dataclass(frozen=True)
class Sentence:
    """Words and their tags.

    Attributes:
        words: may be empty texts.
        tags: one for each word; None where they are not known or not asked for.
        file: they come from.
        lines: of the file, from 1, one for each word.
        text: that the words were found in; empty where they were given as words.
        spans: first character in `text` of each word, and the one after its last.
    """

    words: Sequence[str]
    tags: Sequence[str] | None
    file: str
    lines: Sequence[int]
    text: str = ""
    spans: Sequence[tuple[int, int]] = ()

    def place(self, word: int) -> str:
        """File and line of a word."""
        return f"{self.file}:{self.lines[word]}"
