"""Turns documents with equal keys into pairs, and pairs into clusters."""

from __future__ import annotations

from typing import Any

from numba import int64, uint64

from bertkit.corpus.cleaning.kernels.signatures import NO_KEY, common, equal_numbers
from bertkit.kernels.jit import inlined, kernel

# A document is compared with so many that began a cluster in its group, and with so many before it.
HEADS = 64
# All pairs of a smaller group are compared.
WHOLE = 64


@inlined
def _root(parent: Any, item: Any) -> Any:
    """The first item of a cluster; paths to it are made shorter on the way."""
    while parent[item] != item:
        parent[item] = parent[parent[item]]
        item = parent[item]
    return item


@kernel
def unite(parent: Any, pairs: Any) -> None:
    """Join the clusters of each pair of int64[n, 2]; the root is always the smallest item."""
    for k in range(len(pairs)):
        first, second = _root(parent, pairs[k, 0]), _root(parent, pairs[k, 1])
        if first < second:
            parent[second] = first
        elif second < first:
            parent[first] = second


@kernel
def find_roots(parent: Any) -> None:
    """Let every item point to the root of its cluster."""
    for item in range(len(parent)):
        parent[item] = parent[parent[item]]  # whose own is final: it is smaller


@kernel
def choose_kept(roots: Any, start: Any, able: Any, kept: Any) -> None:
    """Note for each cluster the first item that is able to stay.

    Args: int64[:] roots of all items; the first of the items that bool[n] `able` is about;
    int64[:] by root, -1 where no item is noted yet. Called for all items in their order.
    """
    for k in range(len(able)):
        root = roots[start + k]
        if able[k] and kept[root] < 0:
            kept[root] = start + k


@kernel
def equal_pairs(keys: Any, second: Any, items: Any, out: Any) -> Any:
    """Pairs (earlier, later) of items with equal keys and equal second keys.

    Args: sorted uint64[n] keys; uint64[n] second keys; int64[n] items, ascending among equal
    keys; int64[n, 2] to fill. Returns how many pairs there are: every item but the first of
    its kind is the later one of a pair.
    """
    count = 0
    for k in range(1, len(keys)):
        before = k - 1
        while before >= 0 and keys[before] == keys[k]:
            if second[before] == second[k]:
                out[count, 0], out[count, 1] = items[before], items[k]
                count += 1
                break
            before -= 1
    return count


@inlined
def _similar(signatures: Any, sets: Any, ends: Any, pair: Any, threshold: Any) -> Any:
    """Whether two candidates are similar: by their sets where those are given."""
    a, b = pair
    if len(ends) == 0:
        equal = equal_numbers(signatures[a], signatures[b])
        return float(equal) >= threshold * signatures.shape[1]
    first, second = sets[ends[a] : ends[a + 1]], sets[ends[b] : ends[b + 1]]
    shared = common(first, second)
    union = uint64(len(first)) + uint64(len(second)) - shared
    return float(shared) >= threshold * float(union)


@inlined
def _connect_small(compared: Any, threshold: Any, rows: Any, group: Any, room: Any) -> Any:
    """Compare any two documents of a group that are not connected yet; returns pairs."""
    signatures, sets, ends, out, count = compared
    begin, end = group
    for k in range(begin, end):
        room[k - begin] = k - begin
        for other in range(begin, k):
            first, second = _root(room, other - begin), _root(room, k - begin)
            if first == second:
                continue
            if _similar(signatures, sets, ends, (rows[other], rows[k]), threshold):
                room[max(first, second)] = min(first, second)
                out[count, 0], out[count, 1] = rows[other], rows[k]
                count += 1
    return count


@inlined
def _connect_large(compared: Any, threshold: Any, rows: Any, group: Any, room: Any) -> Any:
    """Compare each document of a group with a few; returns pairs."""
    signatures, sets, ends, out, count = compared
    begin, end = group
    known = 0
    for k in range(begin, end):
        found = int64(-1)
        for h in range(known):
            if _similar(signatures, sets, ends, (rows[room[h]], rows[k]), threshold):
                found = room[h]
                break
        if found < 0 and known < HEADS:
            room[known] = k
            known += 1
        before = k - 1
        while found < 0 and before >= max(begin, k - HEADS):
            if _similar(signatures, sets, ends, (rows[before], rows[k]), threshold):
                found = before
            before -= 1
        if found >= 0:
            out[count, 0], out[count, 1] = rows[found], rows[k]
            count += 1
    return count


@kernel
def similar_pairs(
    keys: Any, rows: Any, signatures: Any, sets: Any, ends: Any, threshold: Any, out: Any, room: Any
) -> Any:
    """Pairs of similar documents among those with equal keys, enough to connect them.

    In a group of up to `WHOLE` documents any two that are not yet connected are compared; in
    a larger one each document is compared with the first `HEADS` that resembled none before
    them, then with the last `HEADS` before it.

    Args: sorted uint64[n] keys; int64[n] rows of the signatures, ascending among equal keys;
    uint32[m, p] signatures; sorted uint32[:] sets of n-grams with int64[m + 1] ends, or
    empty ones to go by the signatures; the least similarity; int64[n, 2] to fill with
    pairs of rows; int64[WHOLE] room. Returns how many.
    """
    count = 0
    begin = 0
    while begin < len(keys):
        end = begin + 1
        while end < len(keys) and keys[end] == keys[begin]:
            end += 1
        if end - begin > 1 and keys[begin] != NO_KEY:
            compared, group = (signatures, sets, ends, out, count), (begin, end)
            if end - begin <= WHOLE:
                count = _connect_small(compared, threshold, rows, group, room)
            else:
                count = _connect_large(compared, threshold, rows, group, room)
        begin = end
    return count
