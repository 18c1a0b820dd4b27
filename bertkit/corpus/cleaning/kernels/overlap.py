"""Looks for n-grams of other texts in documents."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import int64, uint64

from bertkit.corpus.cleaning.kernels.scan import FIRST_WORD, WORDS, mixed
from bertkit.corpus.cleaning.kernels.signatures import BASE, ngram_power
from bertkit.kernels.jit import inlined, kernel

FILTER_BITS = 24  # of a hash, that index a table of bits: most n-grams end there


def filter_of(keys: np.ndarray) -> np.ndarray:
    """uint8[2**21]: a bit for each key, by its highest bits."""
    bits = np.zeros(1 << FILTER_BITS, bool)
    bits[(keys >> np.uint64(64 - FILTER_BITS)).astype(np.int64)] = True
    return np.packbits(bits, bitorder="little")


@kernel
def text_ngrams(words: Any, first: Any, count: Any, size: Any, out: Any) -> Any:
    """64-bit hashes of all runs of `size` of `count` words; returns how many."""
    power = ngram_power(uint64(size))
    value, written = uint64(0), uint64(0)
    for k in range(count):
        value = value * BASE + words[first + k]
        if k >= uint64(size):
            value -= power * words[first + k - uint64(size)]
        if k + uint64(1) >= uint64(size):
            out[written] = mixed(value)
            written += uint64(1)
    return written


@inlined
def _place(keys: Any, key: Any) -> Any:
    """Index of a key in the sorted uint64[:], or -1."""
    low, high = int64(0), int64(len(keys))
    while low < high:
        middle = (low + high) >> 1
        if keys[middle] < key:
            low = middle + 1
        else:
            high = middle
    return low if low < len(keys) and keys[low] == key else int64(-1)


@kernel
def find_overlaps(words: Any, documents: Any, size: Any, keys: Any, known: Any, out: Any) -> None:
    """The first n-gram of each document that is among the keys.

    Args: uint64[:] hashes of words; uint64[d, COLUMNS] documents; words per n-gram; sorted
    uint64[:] keys and `filter_of` them; int64[d, 3], of which a row gets the first word (in
    the block), the size and the index of the key, unless an earlier word is there already;
    a row without a match begins with -1.
    """
    power = ngram_power(uint64(size))
    for d in range(len(documents)):
        first, count = documents[d, FIRST_WORD], documents[d, WORDS]
        value = uint64(0)
        for k in range(count):
            value = value * BASE + words[first + k]
            if k >= uint64(size):
                value -= power * words[first + k - uint64(size)]
            if k + uint64(1) < uint64(size):
                continue
            key = mixed(value)
            bit = key >> uint64(64 - FILTER_BITS)
            if known[bit >> uint64(3)] >> (bit & uint64(7)) & uint64(1):
                place = _place(keys, key)
                begin = int64(first + k + uint64(1) - uint64(size))
                if place >= 0 and (out[d, 0] < 0 or begin < out[d, 0]):
                    out[d, 0], out[d, 1], out[d, 2] = begin, int64(size), place
                if place >= 0:
                    break
