"""The exponentials of a cross entropy over many words, and the way back."""

from __future__ import annotations

import numpy as np
from numba import float32, int32, uint64

from bertkit.kernels.jit import arithmetic
from bertkit.model.cpu_half.kernels.numbers import (
    exponential,
    narrow,
    of_ordered,
    ordered,
    wide,
)
from bertkit.model.cpu_half.kernels.transposed import SIDE, transpose_tile, zero_behind

WORDS = 1024  # of a block of `words_back`


@arithmetic
def exponentials(
    begin: int,
    end: int,
    scratch: np.ndarray,
    logits: np.ndarray,
    bias: np.ndarray,
    labels: np.ndarray,
    found: np.ndarray,
    wins: np.ndarray,
) -> None:
    """Turn logits into exponentials, with what a cross entropy needs to know.

    Args:
        begin: first row.
        end: behind the last.
        scratch: float32[V].
        logits: uint16[M, V]; then the exponentials of logit + bias less the row's largest.
        bias: float32[V].
        labels: int64[M].
        found: float32[M, 3], filled with the largest logit, the sum of the exponentials and
            the label's logit.
        wins: uint8[M], filled with whether the label is the first of the largest.
    """
    words = logits.shape[1]
    for row in range(begin, end):
        for at in range(words):
            scratch[at] = float32(wide(logits[row, at]) + bias[at])
        largest = int32(-0x80000000)
        for at in range(words):
            largest = max(largest, ordered(scratch[at]))
        top, label = of_ordered(largest), labels[row]
        own = scratch[label]
        total = float32(0)
        for at in range(words):
            value = exponential(float32(scratch[at] - top))
            total += value
            logits[row, at] = narrow(value)
        earlier = 0
        if own == top:
            for at in range(label):
                earlier += scratch[at] == top
        found[row, 0], found[row, 1], found[row, 2] = top, total, own
        wins[row] = own == top and earlier == 0


@arithmetic
def words_back(
    begin: int,
    end: int,
    logits: np.ndarray,
    shares: np.ndarray,
    across: np.ndarray,
    sums: np.ndarray,
) -> None:
    """Transpose exponentials, and sum them over rows with a factor for each.

    Args:
        begin: first block of `WORDS` words.
        end: behind the last.
        logits: uint16[M, V], from `exponentials`.
        shares: float32[M], the factors.
        across: uint16[V, M or more], filled, with zeros behind M.
        sums: float32[V], filled.
    """
    count, words = logits.shape
    for block in range(begin, end):
        first, last = WORDS * block, min(WORDS * block + WORDS, words)
        tiles = first + (last - first) // SIDE * SIDE
        for at in range(first, last):
            sums[at] = float32(0)
        for top in range(0, count, SIDE):
            stop = min(top + SIDE, count)
            done = first
            if stop - top == SIDE:
                for at in range(first, tiles, SIDE):
                    transpose_tile(
                        logits,
                        uint64((top * words + at) * 2),
                        uint64(words * 2),
                        across,
                        uint64((at * across.shape[1] + top) * 2),
                        uint64(across.shape[1] * 2),
                        shares,
                        uint64(top * 4),
                        sums,
                        uint64(at * 4),
                    )
                done = tiles
            for row in range(top, stop):
                for at in range(done, last):
                    across[at, row] = logits[row, at]
                    sums[at] += shares[row] * wide(logits[row, at])
        zero_behind(across, first, last, count)
