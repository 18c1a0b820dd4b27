"""Tells how many items repeat another one, from their hashes and in bounded memory.

Up to a limit every hash is kept. Beyond it only those whose first bits are zero: a sample that
holds all occurrences of an item or none, the same in whatever order the text is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

LIMIT = 1 << 20


@dataclass(frozen=True)
class Sketch:
    """Hashes and how often each occurred.

    Attributes:
        keys: uint64[n], in order.
        counts: int64[n].
        level: of the hashes kept, so many first bits are 0; with 0 all are kept.
    """

    keys: np.ndarray
    counts: np.ndarray
    level: int = 0

    @property
    def exact(self) -> bool:
        """Whether every item is here, not a sample."""
        return self.level == 0

    @property
    def repeated_share(self) -> float:
        """Share of the items that are repeats of another one."""
        total = int(self.counts.sum())
        return (total - len(self.keys)) / total if total else 0.0

    def __add__(self, other: Sketch) -> Sketch:
        level = max(self.level, other.level)
        for one, two in ((self, other), (other, self)):
            if not len(one.keys):
                return limited(two.keys, two.counts, level)
        both = np.concatenate([self.keys, other.keys])
        order = np.argsort(both, kind="stable")  # two ordered runs are merged
        both = both[order]
        first = np.flatnonzero(np.concatenate([[True], both[1:] != both[:-1]]))
        counts = np.concatenate([self.counts, other.counts])[order]
        return limited(both[first], np.add.reduceat(counts, first), level)


def of_hashes(hashes: np.ndarray, level: int = 0) -> Sketch:
    """The sketch of uint64[n] hashes, each as often as it occurred."""
    if not len(hashes):
        return limited(hashes, np.zeros(0, np.int64), level)
    ordered = np.sort(hashes)  # much faster than argsort
    first = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    counts = np.diff(np.append(first, len(ordered)))
    return limited(ordered[first], counts, level)


def of_counts(hashes: Mapping[int, int], level: int = 0) -> Sketch:
    """The sketch of hashes → occurrences."""
    keys = np.array(sorted(hashes), np.uint64)
    counts = np.array([hashes[key] for key in sorted(hashes)], np.int64)
    return limited(keys, counts, level)


def limited(keys: np.ndarray, counts: np.ndarray, level: int) -> Sketch:
    """The sketch of ordered hashes at the lowest level that keeps at most `LIMIT` of them."""
    while True:
        if level:
            # Ordered, so those with zero bits in front come first.
            end = int(np.searchsorted(keys, np.uint64(1) << np.uint64(64 - level)))
            keys, counts = keys[:end], counts[:end]
        if len(keys) <= LIMIT:
            return Sketch(keys, counts, level)
        level += 1


def level_for(size: int) -> int:
    """The level to begin with for text of so many bytes: what most text comes to in the end."""
    return max(0, (size // (64 * LIMIT)).bit_length())
