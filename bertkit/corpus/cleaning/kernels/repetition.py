"""Measures how much of a document repeats itself: the shares of Gopher's filters.

Rae et al. (2021), Scaling Language Models, table A1. Shares are of characters in words; of an
n-gram that overlaps itself no character counts twice among the duplicates.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import uint32, uint64

from bertkit.corpus.cleaning.kernels.scan import (
    CHARACTERS,
    FIRST_LINE,
    FIRST_WORD,
    LINES,
    WORDS,
    mixed,
)
from bertkit.corpus.cleaning.kernels.signatures import BASE, ngram_power
from bertkit.kernels.jit import inlined, kernel

# Columns of the shares.
DUPLICATE_LINES, DUPLICATE_LINE_CHARACTERS = 0, 1
TOP_2 = 2  # of the 2-gram with most characters; 3 and 4 words follow
DUPLICATE_5 = 5  # of all 5-grams that occurred before; 6 to 10 words follow
SHARES = 11

FEWEST_WORDS = 50  # of a document whose n-grams are judged, as in Gopher
FEWEST_LINES = 4
# Of an n-gram that is called the most frequent one: two may be chance.
OFTEN = 3


class Counter(NamedTuple):
    """A hash table that is emptied by counting up.

    Attributes:
        keys: uint64[2**b].
        marks: uint32[2**b], of the round that a slot was filled in.
        counts: uint32[2**b].
        round: uint32[1], the present one.
    """

    keys: np.ndarray
    marks: np.ndarray
    counts: np.ndarray
    round: np.ndarray


def counter_for(items: int) -> Counter:
    """An empty table for so many different keys."""
    size = 1 << max(4, (2 * items).bit_length())
    return Counter(
        np.zeros(size, np.uint64),
        np.zeros(size, np.uint32),
        np.zeros(size, np.uint32),
        np.zeros(1, np.uint32),
    )


@inlined
def _occurred(table: Any, key: Any, last: Any) -> Any:
    """Count a key; returns how often it has occurred by now. `last` = slots in use - 1."""
    slot = key & last
    while table.marks[slot] == table.round[0]:
        if table.keys[slot] == key:
            table.counts[slot] += uint32(1)
            return uint64(table.counts[slot])
        slot = (slot + uint64(1)) & last
    table.marks[slot] = table.round[0]
    table.keys[slot] = key
    table.counts[slot] = uint32(1)
    return uint64(1)


@inlined
def _empty(table: Any, items: Any) -> Any:
    """Begin a round for so many items; a mask for slots, few so that they stay in the cache."""
    table.round[0] += uint32(1)
    if table.round[0] == uint32(0):
        for slot in range(len(table.marks)):
            table.marks[slot] = uint32(0)
        table.round[0] = uint32(1)
    slots = uint64(16)
    while slots < uint64(2) * items:
        slots *= uint64(2)
    return slots - uint64(1)


@kernel
def _lines(scanned: Any, document: Any, table: Any, shares: Any) -> None:
    first, count = document[FIRST_LINE], document[LINES]
    last = _empty(table, count)
    again, characters = uint64(0), uint64(0)
    for k in range(first, first + count):
        if _occurred(table, scanned.lines[k], last) > uint64(1):
            again += uint64(1)
            characters += uint64(scanned.line_facts[k, 1])
    shares[DUPLICATE_LINES] = again / count
    shares[DUPLICATE_LINE_CHARACTERS] = characters / document[CHARACTERS]


@kernel
def _top(scanned: Any, document: Any, size: Any, table: Any) -> Any:
    """Characters of the occurrences of the n-gram that has most; and its greatest count."""
    first, count = document[FIRST_WORD], document[WORDS]
    last = _empty(table, count)
    power = ngram_power(uint64(size))
    value, length = uint64(0), uint64(0)
    most, greatest = uint64(0), uint64(0)
    for k in range(first, first + count):
        value = value * BASE + scanned.words[k]
        length += uint64(scanned.lengths[k])
        if k - first + uint64(1) < uint64(size):
            continue
        if k - first >= uint64(size):
            value -= power * scanned.words[k - uint64(size)]
            length -= uint64(scanned.lengths[k - uint64(size)])
        times = _occurred(table, mixed(value), last)
        greatest = max(greatest, times)
        if times >= uint64(OFTEN):
            most = max(most, times * length)
    return most, greatest


@kernel
def _duplicates(scanned: Any, document: Any, size: Any, table: Any) -> Any:
    """Characters in n-grams that occurred before, none counted twice."""
    first, count = document[FIRST_WORD], document[WORDS]
    last = _empty(table, count)
    power = ngram_power(uint64(size))
    value, length, found, held = uint64(0), uint64(0), uint64(0), uint64(0)
    for k in range(first, first + count):
        value = value * BASE + scanned.words[k]
        length += uint64(scanned.lengths[k])
        held += uint64(1)
        if held > uint64(size):
            value -= power * scanned.words[k - uint64(size)]
            length -= uint64(scanned.lengths[k - uint64(size)])
            held = uint64(size)
        if held == uint64(size) and _occurred(table, mixed(value), last) > uint64(1):
            # Go on behind it.
            found += length
            value, length, held = uint64(0), uint64(0), uint64(0)
    return found


@kernel
def measure_repetition(scanned: Any, documents: Any, table: Any, out: Any) -> None:
    """Fill float64[d, SHARES]; shares of what is too short to be judged are 0.

    Args: `Scan`; its uint64[d, COLUMNS] documents; `Counter` for the words and lines of the
    largest of them; shares to fill.
    """
    for d in range(len(documents)):
        document, shares = documents[d], out[d]
        for column in range(SHARES):
            shares[column] = 0.0
        if document[LINES] >= uint64(FEWEST_LINES):
            _lines(scanned, document, table, shares)
        if document[WORDS] < uint64(FEWEST_WORDS):
            continue
        characters, longest = uint64(0), uint64(0)
        for k in range(document[FIRST_WORD], document[FIRST_WORD] + document[WORDS]):
            characters += uint64(scanned.lengths[k])
            longest = max(longest, uint64(scanned.lengths[k]))
        most, greatest = _top(scanned, document, 2, table)
        shares[TOP_2] = most / characters
        for size in range(3, 5):
            # No longer n-gram occurs more often than the pairs in it.
            if greatest >= uint64(OFTEN) and greatest * uint64(size) * longest * 10 > characters:
                most, greatest = _top(scanned, document, size, table)
                shares[TOP_2 + size - 2] = most / characters
        for size in range(5, 11):
            found = _duplicates(scanned, document, size, table)
            shares[DUPLICATE_5 + size - 5] = found / characters
            if found == uint64(0):  # nor is a longer one repeated
                break
