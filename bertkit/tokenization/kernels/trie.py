"""Builds a trie of the vocabulary's bytes, and cuts words with it, longest match first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numba import int64, uint64

from bertkit.kernels.jit import kernel

# The two roots: pieces that begin a word, and "##" pieces that continue one.
BEGIN, CONTINUE = 0, 1
MIX = np.uint64(0x9E3779B97F4A7C15)  # 2**64 / golden ratio: spreads keys over a table


class Trie(NamedTuple):
    """Nodes are numbers; edges lie in a hash table with linear probing.

    Attributes:
        edges: uint64[2**b], parent node << 8 | byte, plus 1; 0 is an empty slot.
        children: int32[2**b], the node an edge leads to.
        shift: uint64[1], 64 - b.
        pieces: int32[nodes], id of the piece that ends at a node, or -1.
        unknown: int64[1], id of [UNK].
    """

    edges: np.ndarray
    children: np.ndarray
    shift: np.ndarray
    pieces: np.ndarray
    unknown: np.ndarray


def build_trie(ids: Mapping[str, int], unknown: int) -> Trie:
    """The trie of a vocabulary (token → id)."""
    keys: list[bytes] = []
    values: list[int] = []
    roots: list[int] = []
    for token, number in ids.items():
        for root, text in ((BEGIN, token), (CONTINUE, token[2:])):
            if text and (root == BEGIN or token.startswith("##")):
                keys.append(text.encode("utf-8"))
                values.append(number)
                roots.append(root)
    text_bytes = np.frombuffer(b"".join(keys), np.uint8)
    ends = np.cumsum([len(key) for key in keys])
    bits = max(4, int(2 * len(text_bytes)).bit_length())
    trie = Trie(
        np.zeros(1 << bits, np.uint64),
        np.zeros(1 << bits, np.int32),
        np.array([64 - bits], np.uint64),
        np.full(len(text_bytes) + 2, -1, np.int32),
        np.array([unknown]),
    )
    _insert_all(trie, text_bytes, ends, np.array(values), np.array(roots))
    return trie


@kernel
def _find_edge(trie: Any, node: Any, byte: Any) -> Any:
    """Slot of the edge from `node` by `byte`, or of the empty place where it belongs."""
    key = ((uint64(node) << uint64(8)) | uint64(byte)) + uint64(1)
    last = uint64(len(trie.edges) - 1)
    slot = (key * MIX) >> trie.shift[0]
    while trie.edges[slot] != uint64(0) and trie.edges[slot] != key:
        slot = (slot + uint64(1)) & last
    return slot, key


@kernel
def _insert_all(trie: Any, text: Any, ends: Any, values: Any, roots: Any) -> None:
    """Insert keys text[ends[i-1]:ends[i]] → values[i] below roots[i]."""
    nodes = 2
    at = 0
    for word in range(len(ends)):
        node = roots[word]
        while at < ends[word]:
            slot, key = _find_edge(trie, node, text[at])
            if trie.edges[slot] == uint64(0):
                trie.edges[slot] = key
                trie.children[slot] = nodes
                nodes += 1
            node = int64(trie.children[slot])
            at += 1
        trie.pieces[node] = values[word]


@kernel
def cut_word(trie: Any, word: Any, size: Any, pieces: Any) -> Any:
    """Cut the word of `size` bytes at the start of uint8[:] `word` into pieces.

    Writes ids to int64[:] `pieces` (room for `size`) and returns how many; a word with
    a rest that no piece begins is one [UNK].
    """
    count = 0
    start = 0
    root = BEGIN
    while start < size:
        node = root
        # The longest piece that begins here.
        best = int64(-1)
        best_end = start
        at = start
        while at < size:
            slot, _ = _find_edge(trie, node, word[at])
            if trie.edges[slot] == uint64(0):
                break
            node = int64(trie.children[slot])
            at += 1
            if trie.pieces[node] >= 0:
                best = int64(trie.pieces[node])
                best_end = at
        if best < 0:
            pieces[0] = trie.unknown[0]
            return 1
        pieces[count] = best
        count += 1
        start = best_end
        root = CONTINUE
    return count
