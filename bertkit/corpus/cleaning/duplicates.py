"""Finds pairs of equal or similar documents, and repeated lines, by ranges of hashes.

Each piece of the survey has its keys in order, so a task reads the keys of one range from
every piece and nothing else: the tasks are independent, and none is larger for a larger corpus.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from bertkit.corpus.cleaning.kernels.clusters import WHOLE, equal_pairs, similar_pairs
from bertkit.corpus.cleaning.kernels.signatures import NO_KEY
from bertkit.corpus.cleaning.scratch import Scratch
from bertkit.corpus.cleaning.survey import Piece

# Keys in a range, about: 24 bytes each while it is sorted. Documents whose signatures are held
# at a time. Fewer keys than SMALL are one task.
RANGE = 4_000_000
CANDIDATES = 100_000
SMALL = 50_000
EXACT, NEAR, LINES = "exact", "near", "lines"
_NO_SETS = (np.zeros(0, np.uint32), np.zeros(0, np.int64))


class Range(NamedTuple):
    """Keys of one kind, in `part` of `parts` equal ranges.

    Attributes:
        row: which row of the keys: 0, or 1 and more for bands.
    """

    row: int
    part: int
    parts: int

    @property
    def limits(self) -> tuple[int, int]:
        """The first key, and the one after the last; `NO_KEY` belongs to none."""
        low, high = (number * (1 << 64) // self.parts for number in (self.part, self.part + 1))
        return max(low, int(NO_KEY) + 1), high


@dataclass(frozen=True)
class PairTask:
    """Ranges to look for pairs in.

    Attributes:
        name: of the array of pairs; no other task, nor other input, has the same.
        kind: EXACT, NEAR or LINES.
        ranges: of keys.
        pieces: of the survey, in order.
        scratch: where they lie.
        near: the least similarity.
        by_sets: compare candidates by their n-grams.
    """

    name: str
    kind: str
    ranges: tuple[Range, ...]
    pieces: tuple[Piece, ...]
    scratch: Scratch
    near: float = 0.0
    by_sets: bool = False


def pair_tasks(
    kind: str,
    rows: Sequence[int],
    pieces: Sequence[Piece],
    key: str,
    scratch: Scratch,
    *,
    near: float = 0.0,
    by_sets: bool = False,
) -> list[PairTask]:
    """The tasks that find all pairs of a kind: one per range; those of a small corpus together.

    `key` is that of all that the pairs are made from.
    """
    total = sum(piece.lines if kind == LINES else piece.documents for piece in pieces)
    parts = max(1, -(-total // RANGE))
    ranges = [Range(row, part, parts) for row in rows for part in range(parts)]
    together = len(ranges) if total < SMALL else 1
    groups = [tuple(ranges[i : i + together]) for i in range(0, len(ranges), together)]
    return [
        PairTask(
            name=f"pairs/{kind}-{number:06d}-{key[:16]}",
            kind=kind,
            ranges=group,
            pieces=tuple(pieces),
            scratch=scratch,
            near=near,
            by_sets=by_sets,
        )
        for number, group in enumerate(groups)
    ]


def find_pairs(task: PairTask) -> str:
    """Find the pairs (earlier, later) of some ranges, unless that is done; runs in a worker.

    Returns:
        Name of an int64[n, 2] array in the scratch folder.
    """
    if not task.scratch.holds(task.name):
        work = _near_pairs if task.kind == NEAR else _equal_pairs
        found = [work(task, part) for part in task.ranges]
        task.scratch.save(task.name, np.concatenate(found))
    return task.name


def starts_of(pieces: Sequence[Piece], lines: bool = False) -> list[int]:
    """Number of the first document, or line, of each piece, and of all."""
    return [0, *accumulate(piece.lines if lines else piece.documents for piece in pieces)]


def _slices(task: PairTask, part: Range) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Of every piece its number, the keys in the range, and whose they are."""
    ending = "line_keys" if task.kind == LINES else "keys"
    low, high = part.limits
    for number, piece in enumerate(task.pieces):
        if not piece.documents:
            continue
        keys = task.scratch.load(f"{piece.name}.{ending}")[part.row]
        first = int(np.searchsorted(keys, np.uint64(low)))
        last = len(keys)
        if high < 1 << 64:
            last = int(np.searchsorted(keys, np.uint64(high)))
        order = task.scratch.load(f"{piece.name}.{ending}_order")[part.row]
        yield number, np.array(keys[first:last]), order[first:last].astype(np.int64)


def _equal_pairs(task: PairTask, part: Range) -> np.ndarray:
    starts = starts_of(task.pieces, task.kind == LINES)
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    dropped = None
    if task.kind == LINES:
        dropped = task.scratch.open_table("dropped_lines", starts[-1], bool)
    for number, keys, own in _slices(task, part):
        items = own + starts[number]
        if dropped is None:
            second = task.scratch.load(f"{task.pieces[number].name}.rows")["hash_2"][own]
        else:
            # Lines of documents that go anyway do not make a later one go.
            stay = ~dropped[items]
            keys, items = keys[stay], items[stay]
            second = keys
        parts.append((keys, second, items))
    keys, second, items = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(keys, kind="stable")
    out = np.empty((len(keys), 2), np.int64)
    return out[: equal_pairs(keys[order], second[order], items[order], out)]


def _near_pairs(task: PairTask, part: Range) -> np.ndarray:
    starts = starts_of(task.pieces)
    roots = task.scratch.open_table("exact_roots", starts[-1], np.int64)
    parts = []
    for number, keys, own in _slices(task, part):
        items = own + starts[number]
        # Of copies only the first is compared.
        first = roots[items] == items
        parts.append((keys[first], items[first]))
    keys, items = (np.concatenate(column) for column in zip(*parts, strict=True))
    if not len(keys):
        return np.zeros((0, 2), np.int64)
    order = np.argsort(keys, kind="stable")
    keys, items = keys[order], items[order]
    same = np.concatenate([[False], keys[1:] == keys[:-1], [False]])
    shared = same[1:] | same[:-1]
    keys, items = keys[shared], items[shared]
    found = [_compare(task, starts, keys[chosen], items[chosen]) for chosen in _portions(keys)]
    return np.concatenate([np.zeros((0, 2), np.int64), *found])


def _portions(keys: np.ndarray) -> Iterator[np.ndarray]:
    """Indices of whole groups of equal keys, about CANDIDATES at a time.

    A larger group comes in several portions, each of which begins with its first document.
    """
    begin = 0
    while begin < len(keys):
        end = min(len(keys), begin + CANDIDATES)
        if end < len(keys):
            # Back to the beginning of the group, if it lies in this portion.
            start = int(np.searchsorted(keys, keys[end]))
            end = start if start > begin else end
        chosen = np.arange(begin, end)
        head = int(np.searchsorted(keys, keys[begin]))
        yield chosen if head == begin else np.concatenate([[head], chosen])
        begin = end


def _compare(
    task: PairTask, starts: Sequence[int], keys: np.ndarray, items: np.ndarray
) -> np.ndarray:
    """The pairs among candidates that are similar."""
    unique, rows = np.unique(items, return_inverse=True)
    signatures, sets, ends = _evidence(task, starts, unique)
    out = np.empty((len(keys), 2), np.int64)
    room = np.empty(WHOLE, np.int64)
    # The least number that counts, safe from rounding.
    near = task.near - 1e-9
    count = similar_pairs(keys, rows, signatures, sets, ends, near, out, room)
    return unique[out[:count]]


def _evidence(
    task: PairTask, starts: Sequence[int], items: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Signatures of documents given in order, and their sets if those are compared."""
    signatures, sets = [], []
    edges = np.searchsorted(items, starts)
    for number, piece in enumerate(task.pieces):
        own = items[edges[number] : edges[number + 1]] - starts[number]
        if not len(own):
            continue
        if not task.by_sets:
            signatures.append(task.scratch.load(f"{piece.name}.signatures")[own])
            continue
        ends = task.scratch.load(f"{piece.name}.set_ends")
        whole = task.scratch.load(f"{piece.name}.sets")
        sets += [np.array(whole[ends[k] : ends[k + 1]]) for k in own]
    if not task.by_sets:
        return np.concatenate(signatures), *_NO_SETS
    return (
        np.zeros((0, 0), np.uint32),
        np.concatenate(sets),
        np.cumsum([0, *map(len, sets)]),
    )
