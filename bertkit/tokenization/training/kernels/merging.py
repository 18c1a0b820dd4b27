"""Merges the most frequent pair of symbols again and again, as the `tokenizers` package does.

Words are rows of symbol numbers. A table keeps how often each pair occurs; a heap keeps pairs
by frequency, each with the words it was seen in. Counts change as merges go on, so a pair that
comes to the top with an old count goes back with the new one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import int64, uint64

from bertkit.kernels.jit import kernel
from bertkit.tokenization.kernels.trie import MIX

DONE, NEEDS_TABLE, NEEDS_ARENA, NEEDS_HEAP, NEEDS_CHANGES = range(5)
LOW = np.uint64(0xFFFFFFFF)

# int64[:] `state`
NEXT = 0  # word or change to go on with
PAIRS = 1  # pairs in the table
ARENA = 2  # entries of the arena in use
HEAP = 3  # entries of the heap
TOUCHED = 4  # pairs whose list of words is being made
CHANGES = 5  # changes of the merge being made
PHASE = 6  # 0: nothing begun; 1: words are merged, counts not yet; 2: counts are
STATE = 7


class Tables(NamedTuple):
    """All that the kernels read and write.

    Attributes:
        symbols: int32[:], of all words; starts: int64[words]; sizes: int32[words];
            counts: int64[words], how often each word occurs.
        keys: uint64[2**b], first << 32 | second symbol, plus 1, or 0; shift: uint64[1], 64 - b.
        totals: int64[2**b], how often each pair occurs.
        last: int32[2**b], last word put on the pair's new list, or -1; listed: int64[2**b],
            words on it; list_at: int64[2**b], where it is in `arena`.
        arena: int32[:], numbers of words.
        heap_counts: int64[:]; heap_pairs: uint64[:]; heap_at, heap_sizes: int64[:].
        touched: uint64[:], pairs with a new list.
        change_pairs: uint64[:]; change_words: int32[:]; change_signs: int8[:].
        state: int64[STATE].
    """

    symbols: np.ndarray
    starts: np.ndarray
    sizes: np.ndarray
    counts: np.ndarray
    keys: np.ndarray
    shift: np.ndarray
    totals: np.ndarray
    last: np.ndarray
    listed: np.ndarray
    list_at: np.ndarray
    arena: np.ndarray
    heap_counts: np.ndarray
    heap_pairs: np.ndarray
    heap_at: np.ndarray
    heap_sizes: np.ndarray
    touched: np.ndarray
    change_pairs: np.ndarray
    change_words: np.ndarray
    change_signs: np.ndarray
    state: np.ndarray


@kernel
def _slot(keys: Any, shift: Any, pair: Any) -> Any:
    """Slot of a pair, or the empty one where it belongs."""
    key = pair + uint64(1)
    last = uint64(len(keys) - 1)
    slot = (key * MIX) >> shift
    while keys[slot] != uint64(0) and keys[slot] != key:
        slot = (slot + uint64(1)) & last
    return slot


@kernel
def _enter(tables: Any, pair: Any) -> Any:
    """Slot of a pair, entered if it is new."""
    slot = _slot(tables.keys, tables.shift[0], pair)
    if tables.keys[slot] == uint64(0):
        tables.keys[slot] = pair + uint64(1)
        tables.totals[slot] = 0
        tables.last[slot] = -1
        tables.listed[slot] = 0
        tables.state[PAIRS] += 1
    return slot


@kernel
def _announce(tables: Any, slot: Any, pair: Any, word: Any) -> None:
    """Note that a word will stand on the pair's new list."""
    if tables.last[slot] != word:
        if tables.listed[slot] == 0:
            tables.touched[tables.state[TOUCHED]] = pair
            tables.state[TOUCHED] += 1
        tables.last[slot] = word
        tables.listed[slot] += 1


@kernel
def _put(tables: Any, pair: Any, word: Any) -> None:
    """Put a word on the pair's new list."""
    slot = _slot(tables.keys, tables.shift[0], pair)
    if tables.last[slot] != word:
        tables.arena[tables.list_at[slot] + tables.listed[slot]] = word
        tables.last[slot] = word
        tables.listed[slot] += 1


@kernel
def _place_lists(tables: Any) -> Any:
    """Give each new list its place in the arena, empty; False if there is no room."""
    total = 0
    for k in range(tables.state[TOUCHED]):
        total += tables.listed[_slot(tables.keys, tables.shift[0], tables.touched[k])]
    if tables.state[ARENA] + total > len(tables.arena):
        return False
    for k in range(tables.state[TOUCHED]):
        slot = _slot(tables.keys, tables.shift[0], tables.touched[k])
        tables.list_at[slot] = tables.state[ARENA]
        tables.state[ARENA] += tables.listed[slot]
        tables.listed[slot] = 0
        tables.last[slot] = -1
    return True


@kernel
def _before(tables: Any, one: Any, other: Any) -> Any:
    """Whether entry `one` of the heap is merged before `other`: more frequent, then smaller."""
    if tables.heap_counts[one] != tables.heap_counts[other]:
        return tables.heap_counts[one] > tables.heap_counts[other]
    return tables.heap_pairs[one] < tables.heap_pairs[other]


@kernel
def _swap(tables: Any, one: Any, other: Any) -> None:
    counts, pairs = tables.heap_counts, tables.heap_pairs
    places, sizes = tables.heap_at, tables.heap_sizes
    counts[one], counts[other] = counts[other], counts[one]
    pairs[one], pairs[other] = pairs[other], pairs[one]
    places[one], places[other] = places[other], places[one]
    sizes[one], sizes[other] = sizes[other], sizes[one]


@kernel
def _sift_down(tables: Any) -> None:
    """Move the top of the heap to where it belongs."""
    at = 0
    size = tables.state[HEAP]
    while True:
        best = at
        for child in range(2 * at + 1, min(2 * at + 3, size)):
            if _before(tables, child, best):
                best = child
        if best == at:
            return
        _swap(tables, at, best)
        at = best


@kernel
def _push_lists(tables: Any, least: Any) -> None:
    """Push every pair with a new list that occurs at least `least` times; forget the lists."""
    for k in range(tables.state[TOUCHED]):
        pair = tables.touched[k]
        slot = _slot(tables.keys, tables.shift[0], pair)
        if tables.totals[slot] >= least:
            at = tables.state[HEAP]
            tables.heap_counts[at] = tables.totals[slot]
            tables.heap_pairs[at] = pair
            tables.heap_at[at] = tables.list_at[slot]
            tables.heap_sizes[at] = tables.listed[slot]
            tables.state[HEAP] += 1
            while at > 0 and _before(tables, at, (at - 1) // 2):
                _swap(tables, at, (at - 1) // 2)
                at = (at - 1) // 2
        tables.listed[slot] = 0
        tables.last[slot] = -1
    tables.state[TOUCHED] = 0


@kernel
def _pair(first: Any, second: Any) -> Any:
    return (uint64(first) << uint64(32)) | uint64(second)


@kernel
def count_pairs(tables: Any, least: Any) -> Any:
    """Count all pairs of all words and fill the heap; returns DONE, or what needs room."""
    state = tables.state
    if state[PHASE] == 0:
        while state[NEXT] < len(tables.starts):
            word = state[NEXT]
            size = int64(tables.sizes[word])
            if 2 * (state[PAIRS] + size) > len(tables.keys):
                return NEEDS_TABLE
            if state[TOUCHED] + size > len(tables.touched):
                return NEEDS_HEAP
            start = tables.starts[word]
            for at in range(start, start + size - 1):
                pair = _pair(tables.symbols[at], tables.symbols[at + 1])
                slot = _enter(tables, pair)
                tables.totals[slot] += tables.counts[word]
                _announce(tables, slot, pair, word)
            state[NEXT] += 1
        state[PHASE] = 1
    if state[TOUCHED] > len(tables.heap_counts):
        return NEEDS_HEAP
    if not _place_lists(tables):
        return NEEDS_ARENA
    for word in range(len(tables.starts)):
        start = tables.starts[word]
        for at in range(start, start + int64(tables.sizes[word]) - 1):
            _put(tables, _pair(tables.symbols[at], tables.symbols[at + 1]), word)
    _push_lists(tables, least)
    state[PHASE] = 0
    state[NEXT] = 0
    return DONE


@kernel
def best_pair(tables: Any, least: Any) -> Any:
    """The pair to merge next, at the top of the heap: (found, first symbol, second symbol)."""
    state = tables.state
    while state[HEAP] > 0:
        pair = tables.heap_pairs[0]
        total = tables.totals[_slot(tables.keys, tables.shift[0], pair)]
        if total == tables.heap_counts[0]:
            if total < least or total < 1:
                return False, 0, 0
            return True, int64(pair >> uint64(32)), int64(pair & LOW)
        tables.heap_counts[0] = total
        _sift_down(tables)
    return False, 0, 0


@kernel
def _change(tables: Any, first: Any, second: Any, word: Any, sign: Any) -> None:
    at = tables.state[CHANGES]
    tables.change_pairs[at] = _pair(first, second)
    tables.change_words[at] = word
    tables.change_signs[at] = sign
    tables.state[CHANGES] += 1


@kernel
def _merge_word(tables: Any, word: Any, first: Any, second: Any, merged: Any) -> None:
    """Replace the pair in a word, and note which pairs appear and disappear."""
    start = tables.starts[word]
    size = int64(tables.sizes[word])
    symbols = tables.symbols
    read = 0
    written = 0
    while read < size:
        symbol = symbols[start + read]
        if symbol == first and read + 1 < size and symbols[start + read + 1] == second:
            if written > 0:
                before = symbols[start + written - 1]
                _change(tables, before, first, word, -1)
                _change(tables, before, merged, word, 1)
            read += 2
            if read < size:
                behind = symbols[start + read]
                _change(tables, second, behind, word, -1)
                _change(tables, merged, behind, word, 1)
            symbols[start + written] = merged
        else:
            symbols[start + written] = symbol
            read += 1
        written += 1
    tables.sizes[word] = written


@kernel
def merge(tables: Any, first: Any, second: Any, merged: Any, least: Any) -> Any:
    """Merge the pair at the top of the heap into the symbol `merged`.

    Returns DONE, or what needs room: the caller enlarges it and calls again.
    """
    state = tables.state
    if state[PHASE] == 0:
        at, count = tables.heap_at[0], tables.heap_sizes[0]
        room = 0
        for k in range(at, at + count):
            room += 2 * int64(tables.sizes[tables.arena[k]])
        if room > len(tables.change_pairs):
            state[NEXT] = room  # what is needed
            return NEEDS_CHANGES
        state[HEAP] -= 1
        _swap(tables, 0, state[HEAP])
        _sift_down(tables)
        state[CHANGES] = 0
        for k in range(at, at + count):
            _merge_word(tables, tables.arena[k], first, second, merged)
        state[NEXT] = 0
        state[PHASE] = 1
    if state[PHASE] == 1:
        while state[NEXT] < state[CHANGES]:
            if 2 * (state[PAIRS] + 1) > len(tables.keys):
                return NEEDS_TABLE
            if state[TOUCHED] + 1 > len(tables.touched):
                return NEEDS_HEAP
            at = state[NEXT]
            pair, word = tables.change_pairs[at], tables.change_words[at]
            slot = _enter(tables, pair)
            tables.totals[slot] += int64(tables.change_signs[at]) * tables.counts[word]
            if tables.change_signs[at] > 0:
                _announce(tables, slot, pair, word)
            state[NEXT] += 1
        state[PHASE] = 2
    if state[HEAP] + state[TOUCHED] > len(tables.heap_counts):
        return NEEDS_HEAP
    if not _place_lists(tables):
        return NEEDS_ARENA
    for at in range(state[CHANGES]):
        if tables.change_signs[at] > 0:
            _put(tables, tables.change_pairs[at], tables.change_words[at])
    _push_lists(tables, least)
    state[PHASE] = 0
    return DONE


@kernel
def move_pairs(old: Any, new: Any) -> None:
    """Enter the pairs of the tables `old` into the empty, larger ones of `new`."""
    for place in range(len(old.keys)):
        if old.keys[place] != uint64(0):
            slot = _slot(new.keys, new.shift[0], old.keys[place] - uint64(1))
            new.keys[slot] = old.keys[place]
            new.totals[slot] = old.totals[place]
            new.last[slot] = old.last[place]
            new.listed[slot] = old.listed[place]
            new.list_at[slot] = old.list_at[place]
