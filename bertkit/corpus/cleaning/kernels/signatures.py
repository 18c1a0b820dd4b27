"""Makes MinHash signatures of documents, and the keys of their bands.

The n-grams of a document are a set of 32-bit hashes x; number i of its signature is the least
of a[i] x + b[i] modulo 2**32 over the set. The share of equal numbers in two signatures
estimates the Jaccard similarity of the sets (Broder, 1997). Two documents with equal numbers
in any whole band are candidates.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import uint32, uint64

from bertkit.corpus.cleaning.kernels.scan import FIRST_WORD, K1, K3, WORDS, mixed, rotated
from bertkit.kernels.jit import inlined, kernel

EMPTY = np.uint32(0xFFFFFFFF)  # of a document without words
NO_KEY = np.uint64(0)
BASE = np.uint64(0xD6E8FEB86659FD93)  # of the polynomial that hashes an n-gram


@inlined
def ngram_power(size: Any) -> Any:
    """BASE to the power of `size`, by which the word goes that leaves an n-gram."""
    power = uint64(1)
    for _ in range(size):
        power *= BASE
    return power


@kernel
def hash_ngrams(words: Any, first: Any, count: Any, size: Any, out: Any) -> Any:
    """Hashes of all runs of `size` words; of a shorter document one, of all it has.

    Args: uint64[:] hashes of words; the document's first and how many; size; uint32[:] with
    room for `count`. Returns how many were written.
    """
    if count == uint64(0):
        return uint64(0)
    power = ngram_power(min(count, uint64(size)))
    value, written = uint64(0), uint64(0)
    for k in range(count):
        value = value * BASE + words[first + k]
        if k + uint64(1) >= min(uint64(size), count):
            if k >= uint64(size):
                value -= power * words[first + k - uint64(size)]
            out[written] = uint32(mixed(value) >> uint64(32))
            written += uint64(1)
    return written


@kernel
def _least(row: Any, multiply: Any, add: Any, ngrams: Any, count: Any) -> None:
    """The signature of a set: uint32[:] `row` gets the least of each permutation."""
    for i in range(len(row)):
        row[i] = EMPTY
    k = uint64(0)
    # Four at a time, so that the numbers of the signature are loaded and stored less often.
    while k + uint64(4) <= count:
        x0, x1, x2, x3 = ngrams[k], ngrams[k + 1], ngrams[k + 2], ngrams[k + 3]
        for i in range(len(row)):
            a, b = multiply[i], add[i]
            first = min(uint32(a * x0 + b), uint32(a * x1 + b))
            second = min(uint32(a * x2 + b), uint32(a * x3 + b))
            row[i] = min(row[i], min(first, second))
        k += uint64(4)
    while k < count:
        x0 = ngrams[k]
        for i in range(len(row)):
            row[i] = min(row[i], uint32(multiply[i] * x0 + add[i]))
        k += uint64(1)


@kernel
def sign(words: Any, documents: Any, size: Any, family: Any, ngrams: Any, out: Any) -> None:
    """Signatures of all documents of a block.

    Args: uint64[:] hashes of words; uint64[d, COLUMNS] documents (`scan.Scan`); words per
    n-gram; uint32[2, p] the permutations; uint32[:] room for the n-grams of any document;
    uint32[d, p] to fill.
    """
    for d in range(len(documents)):
        first, count = documents[d, FIRST_WORD], documents[d, WORDS]
        written = hash_ngrams(words, first, count, size, ngrams)
        _least(out[d], family[0], family[1], ngrams, written)


@kernel
def band_keys(signatures: Any, rows: Any, out: Any) -> None:
    """uint64[bands, d] keys: a hash of each band of `rows` numbers; `NO_KEY` without words."""
    for d in range(len(signatures)):
        empty = True
        for i in range(signatures.shape[1]):
            empty &= signatures[d, i] == EMPTY
        for band in range(len(out)):
            key = uint64(band) * K3
            for i in range(band * rows, (band + 1) * rows):
                key = (rotated(key, 5) ^ uint64(signatures[d, i])) * K1
            key = mixed(key) | uint64(1)
            out[band, d] = NO_KEY if empty else key


@kernel
def equal_numbers(first: Any, second: Any) -> Any:
    """How many numbers of two signatures are equal."""
    count = uint32(0)
    for i in range(len(first)):
        count += uint32(first[i] == second[i])
    return count


@kernel
def common(first: Any, second: Any) -> Any:
    """How many numbers two sets share, each given as a sorted uint32[:] without repeats."""
    i, j, count = uint64(0), uint64(0), uint64(0)
    while i < uint64(len(first)) and j < uint64(len(second)):
        a, b = first[i], second[j]
        count += uint64(a == b)
        i += uint64(a <= b)
        j += uint64(b <= a)
    return count
