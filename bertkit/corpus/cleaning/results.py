"""Says what `clean` found and did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class CleanResult:
    """What was found, and dropped.

    Attributes:
        output: the folder, or empty for a report.
        files: read.
        documents, lines, words, bytes: of the input.
        criteria: per criterion its documents (`lines`: lines), bytes, shares of the input,
            examples, and whether they are dropped.
        dropped: documents and bytes that go for all criteria of `--drop` together; what only
            loses lines is not among them.
        kept: documents, sentences and bytes that were written.
        parts: written.
        against: evaluation texts that are looked for, those that a document overlaps, and
            those that are too short to be looked for.
        scratch_bytes: disk that signatures and keys took.
        seconds: 0 where the folder was complete already.
    """

    output: str
    files: int
    documents: int
    lines: int
    words: int
    bytes: int
    criteria: dict[str, dict[str, Any]]
    dropped: dict[str, int]
    kept: dict[str, int]
    parts: int
    against: dict[str, int]
    scratch_bytes: int
    seconds: float
    up_to_date: bool
