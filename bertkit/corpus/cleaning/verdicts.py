"""Decides which documents are kept, and counts what each criterion is about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bertkit.corpus.cleaning.config import FILTERS, CleanConfig
from bertkit.corpus.cleaning.duplicates import starts_of
from bertkit.corpus.cleaning.filters import FLAGS
from bertkit.corpus.cleaning.kernels.clusters import choose_kept, find_roots, unite
from bertkit.corpus.cleaning.scratch import Scratch
from bertkit.corpus.cleaning.survey import Piece

_STEP = 1 << 20


@dataclass
class Count:
    """What a criterion is about.

    Attributes:
        documents: with `lines`, lines.
        bytes: of them.
        first: numbers of the first of them.
    """

    documents: int = 0
    bytes: int = 0
    first: list[int] = field(default_factory=list)

    def add(self, numbers: np.ndarray, sizes: np.ndarray, wanted: int) -> None:
        """Count some more, in their order."""
        self.documents += len(numbers)
        self.bytes += int(sizes.sum())
        self.first += numbers[: max(0, wanted - len(self.first))].tolist()


def flags_named(names: Iterable[str]) -> np.uint16:
    """The bits of criteria; `lines` has none."""
    return np.uint16(sum(int(FLAGS[name]) for name in names if name in FLAGS))


def join(scratch: Scratch, name: str, pairs: Iterable[str], begin: np.ndarray | int) -> np.ndarray:
    """A table of the first document of each document's cluster.

    Args:
        scratch: where the pairs lie, and the table will.
        name: of the table.
        pairs: names of arrays of pairs, in any order.
        begin: the table to begin with, or how many documents there are.
    """
    length = begin if isinstance(begin, int) else len(begin)
    roots = scratch.table(name, length, np.int64, 0)
    for start in range(0, length, _STEP):
        stop = min(length, start + _STEP)
        roots[start:stop] = np.arange(start, stop) if isinstance(begin, int) else begin[start:stop]
    for each in pairs:
        unite(roots, np.array(scratch.load(each)))
    find_roots(roots)
    return roots


class Verdicts:
    """The criteria that every document falls under.

    Attributes:
        flags: uint16 table by document.
        kept: by the criteria `exact` and `near`, tables of the document that stays, by root.
        counts: by criterion, `lines` not among them.
        dropped: of all that goes.
    """

    def __init__(
        self,
        scratch: Scratch,
        pieces: Sequence[Piece],
        roots: dict[str, np.ndarray],
        config: CleanConfig,
        examples: int,
    ) -> None:
        self._scratch, self._pieces, self._roots = scratch, pieces, roots
        self._starts = starts_of(pieces)
        total = self._starts[-1]
        self._mask = flags_named(config.dropped)
        self.flags = scratch.table("flags", total, np.uint16, 0)
        self.kept = {name: scratch.table(f"kept_{name}", total, np.int64, -1) for name in roots}
        self.counts = {name: Count() for name in ("exact", "near", *FILTERS)}
        self.dropped = Count()
        self._choose(flags_named(name for name in config.dropped if name in FILTERS))
        self._judge(examples)

    def _rows(self) -> Iterator[tuple[int, np.ndarray]]:
        for start, piece in zip(self._starts, self._pieces, strict=False):
            yield start, self._scratch.load(f"{piece.name}.rows")

    def _choose(self, mask: np.uint16) -> None:
        """Of each cluster the first document stays that nothing else drops."""
        for start, rows in self._rows():
            able = (rows["flags"] & mask) == 0
            for name, roots in self._roots.items():
                choose_kept(roots, start, able, self.kept[name])

    def _judge(self, examples: int) -> None:
        for start, rows in self._rows():
            numbers = np.arange(start, start + len(rows))
            sizes = rows["bytes"]
            flags = np.array(rows["flags"])
            copies = self._leaves("exact", numbers)
            flags[copies] |= FLAGS["exact"]
            flags[self._leaves("near", numbers) & ~copies] |= FLAGS["near"]
            self.flags[start : start + len(rows)] = flags
            for name, count in self.counts.items():
                hit = (flags & FLAGS[name]) != 0
                count.add(numbers[hit], sizes[hit], examples)
            gone = (flags & self._mask) != 0
            self.dropped.add(numbers[gone], sizes[gone], 0)

    def _leaves(self, name: str, numbers: np.ndarray) -> np.ndarray:
        """bool[n]: another document of the cluster stays in the place of this one."""
        found: np.ndarray = self.original(name, numbers) != numbers
        return found

    def original(self, name: str, numbers: np.ndarray) -> np.ndarray:
        """The documents that stay in the place of these."""
        if not len(numbers):
            return numbers
        roots = self._roots[name][numbers]
        kept = self.kept[name][roots]
        found: np.ndarray = np.where(kept < 0, roots, kept)
        return found

    def gone(self, start: int, stop: int) -> np.ndarray:
        """bool[n]: which of these documents are dropped."""
        found: np.ndarray = (self.flags[start:stop] & self._mask) != 0
        return found


class LineVerdicts:
    """Which lines repeat an earlier one of a document that stays.

    Attributes:
        repeated: bool table by line.
        count: of them.
        originals: of the lines in `count.first`, an earlier one.
    """

    def __init__(self, scratch: Scratch, pieces: Sequence[Piece]) -> None:
        self._scratch, self._pieces = scratch, pieces
        self.starts = starts_of(pieces, lines=True)
        self.repeated = scratch.table("repeated_lines", self.starts[-1], bool, False)
        self.count = Count()
        self.originals: list[int] = []

    def exclude(self, verdicts: Verdicts) -> None:
        """Write the table of lines whose documents are dropped."""
        table = self._scratch.table("dropped_lines", self.starts[-1], bool, False)
        begin = 0
        for start, piece in zip(self.starts, self._pieces, strict=False):
            rows = self._scratch.load(f"{piece.name}.rows")
            gone = verdicts.gone(begin, begin + len(rows))
            table[start : start + piece.lines] = np.repeat(gone, rows["lines"])
            begin += len(rows)

    def take(self, names: Iterable[str], examples: int) -> None:
        """Take in arrays of pairs, and count."""
        first: list[tuple[int, int]] = []
        for name in names:
            pairs = np.array(self._scratch.load(name))
            self.repeated[pairs[:, 1]] = True
            order = np.argsort(pairs[:, 1])[:examples]
            first = sorted([*first, *((b, a) for a, b in pairs[order].tolist())])[:examples]
        for start, piece in zip(self.starts, self._pieces, strict=False):
            if piece.documents:
                sizes = self._scratch.load(f"{piece.name}.line_bytes")
                hit = np.flatnonzero(self.repeated[start : start + piece.lines])
                self.count.add(hit + start, sizes[hit], 0)
        self.count.first = [later for later, _ in first]
        self.originals = [earlier for _, earlier in first]


def found_overlaps(
    scratch: Scratch, pieces: Sequence[Piece], key_of_file: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Every overlap: number of the document, the n-gram, number of the evaluation text."""
    for start, piece in zip(starts_of(pieces), pieces, strict=False):
        for found in scratch.note(f"{piece.name}.overlaps", key_of_file[piece.file]) or ():
            yield {**found, "document": start + found["document"]}
