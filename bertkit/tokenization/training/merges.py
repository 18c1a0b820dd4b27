"""Learns the merged pieces of a vocabulary from counted words, exactly as `tokenizers` does.

A word begins with the symbol of its first character and goes on with "##" symbols. The most
frequent pair of neighbours becomes a new symbol, everywhere at once, again and again; of
equally frequent pairs the one whose symbols have the smaller numbers comes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bertkit.tokenization.training.kernels import merging as kernels
from bertkit.tokenization.training.word_counts import WordCounts, codes_of

_PREFIX = "##"


def learn_merges(
    words: WordCounts, tokens: Sequence[str], size: int, min_frequency: int
) -> list[str]:
    """The pieces that merging adds to a vocabulary, in the order in which they are found.

    Args:
        words: the text; words with a character that has no token are left out.
        tokens: those the vocabulary has already, by number: "a" and "##a" of the alphabet.
        size: tokens to end with.
        min_frequency: how often a pair must occur.
    """
    least = max(1, min_frequency)
    ids = {token: number for number, token in enumerate(tokens)}
    names = list(tokens)
    tables = _Tables(words, ids)
    tables.run(kernels.count_pairs, least)
    while len(names) < size:
        found, first, second = kernels.best_pair(tables.now, least)
        if not found:
            break
        name = names[first] + names[second].removeprefix(_PREFIX)
        number = ids.setdefault(name, len(names))
        if number == len(names):
            names.append(name)
        tables.run(kernels.merge, first, second, number, least)
    return names[len(tokens) :]


class _Tables:
    """The kernels' tables, enlarged as they need it."""

    def __init__(self, words: WordCounts, ids: dict[str, int]) -> None:
        symbols, starts, sizes, counts = _as_symbols(words, ids)
        bits = 16
        pairs = max(1, len(symbols) - len(starts))
        self.now = kernels.Tables(
            symbols=symbols,
            starts=starts,
            sizes=sizes,
            counts=counts,
            **_pair_tables(bits),
            arena=np.zeros(pairs, np.int32),
            **_heap_tables(1 << 14),
            touched=np.zeros(1 << 14, np.uint64),
            **_change_tables(1 << 14),
            state=np.zeros(kernels.STATE, np.int64),
        )

    def run(self, kernel: Any, *values: int) -> None:
        """Call a kernel until it is done."""
        while (status := kernel(self.now, *values)) != kernels.DONE:
            if status == kernels.NEEDS_TABLE:
                self._more_pairs()
            elif status == kernels.NEEDS_CHANGES:
                room = int(self.now.state[kernels.NEXT])
                self.now = self.now._replace(**_change_tables(room + room // 2))
            elif status == kernels.NEEDS_ARENA:
                self._longer("arena")
            else:
                names = ("heap_counts", "heap_pairs", "heap_at", "heap_sizes", "touched")
                self._longer(*names)

    def _more_pairs(self) -> None:
        old = self.now
        bits = (2 * len(old.keys) - 1).bit_length()
        self.now = old._replace(**_pair_tables(bits))
        kernels.move_pairs(old, self.now)

    def _longer(self, *names: str) -> None:
        for name in names:
            old = getattr(self.now, name)
            new = np.zeros(2 * len(old), old.dtype)
            new[: len(old)] = old
            self.now = self.now._replace(**{name: new})


def _pair_tables(bits: int) -> dict[str, np.ndarray]:
    return {
        "keys": np.zeros(1 << bits, np.uint64),
        "shift": np.array([64 - bits], np.uint64),
        "totals": np.zeros(1 << bits, np.int64),
        "last": np.zeros(1 << bits, np.int32),
        "listed": np.zeros(1 << bits, np.int64),
        "list_at": np.zeros(1 << bits, np.int64),
    }


def _heap_tables(size: int) -> dict[str, np.ndarray]:
    return {
        "heap_counts": np.zeros(size, np.int64),
        "heap_pairs": np.zeros(size, np.uint64),
        "heap_at": np.zeros(size, np.int64),
        "heap_sizes": np.zeros(size, np.int64),
    }


def _change_tables(size: int) -> dict[str, np.ndarray]:
    return {
        "change_pairs": np.zeros(size, np.uint64),
        "change_words": np.zeros(size, np.int32),
        "change_signs": np.zeros(size, np.int8),
    }


def _as_symbols(
    words: WordCounts, ids: dict[str, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(symbols, starts, sizes, counts) of the words that the alphabet can write."""
    codes, word = codes_of(words.arena, words.ends)
    begins = np.ones(len(codes), bool)
    begins[1:] = word[1:] != word[:-1]
    found, place = np.unique(codes, return_inverse=True)
    characters = [chr(code) for code in found.tolist()]
    first = np.array([ids.get(character, -1) for character in characters], np.int32)
    later = np.array([ids.get(_PREFIX + character, -1) for character in characters], np.int32)
    symbols = np.where(begins, first[place], later[place]).astype(np.int32)
    known = np.ones(len(words), bool)
    known[word[symbols < 0]] = False
    sizes = np.bincount(word, minlength=len(words))[known]
    ends = np.cumsum(sizes)
    counts = words.counts.sum(axis=0)[known]
    return symbols[known[word]], ends - sizes, sizes.astype(np.int32), counts
