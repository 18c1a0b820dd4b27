"""The heads' parts of rows side by side, probabilities with their dropout, and the way back.

Sequences of about one length are computed together, each filled up with zeros to a multiple
of 32 rows: products of such matrices are fast, and there are few of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import float32, int32, uint16, uint32, uint64

from bertkit.kernels.jit import arithmetic, kernel
from bertkit.model.cpu_half.kernels.numbers import (
    drawn,
    exponential,
    narrow,
    of_ordered,
    ordered,
    wide,
)

_DROPPED = 0x8000  # the sign of a probability says that it was dropped


@kernel
def gather_heads(
    begin: int,
    end: int,
    rows: np.ndarray,
    column: int,
    bias: np.ndarray,
    starts: np.ndarray,
    lengths: np.ndarray,
    parts: np.ndarray,
) -> None:
    """Copy columns of rows, a matrix for each sequence and head.

    Args:
        begin: first matrix, counted sequence by sequence, head by head.
        end: behind the last.
        rows: uint16[T, N].
        column: the first one.
        bias: uint16[heads, D], added.
        starts: int64[n], first row of each sequence.
        lengths: int64[n], their rows.
        parts: uint16[n, heads, L, D], filled, with zeros behind a sequence's end.
    """
    heads, longest, size = parts.shape[1:]
    for matrix in range(begin, end):
        number, head = matrix // heads, matrix % heads
        first, length = uint64(starts[number]), lengths[number]
        left = uint64(column + head * size)
        for row in range(length):
            line = first + uint64(row)
            for at in range(size):
                value = float32(wide(rows[line, left + uint64(at)]) + wide(bias[head, at]))
                parts[number, head, row, at] = narrow(value)
        for row in range(length, longest):
            for at in range(size):
                parts[number, head, row, at] = uint16(0)


@kernel
def scatter_heads(
    begin: int,
    end: int,
    parts: np.ndarray,
    column: int,
    starts: np.ndarray,
    lengths: np.ndarray,
    rows: np.ndarray,
) -> None:
    """Copy matrices back into the columns of rows that `gather_heads` takes them from.

    Args:
        begin: first matrix, as there.
        end: behind the last.
        parts: uint16[n, heads, L, D].
        column: the first one.
        starts: int64[n].
        lengths: int64[n].
        rows: uint16[T, N], filled in part.
    """
    heads, size = parts.shape[1], parts.shape[3]
    for matrix in range(begin, end):
        number, head = matrix // heads, matrix % heads
        first, left = uint64(starts[number]), uint64(column + head * size)
        for row in range(lengths[number]):
            line = first + uint64(row)
            for at in range(size):
                rows[line, left + uint64(at)] = parts[number, head, row, at]


@arithmetic
def _row_exponentials(scores: np.ndarray, length: int, factor: Any, scratch: np.ndarray) -> Any:
    """Exponentials of a row of scores less the largest; returns 1 / their sum.

    All loops but the shortest have one length, a multiple of 32, so that none leaves a rest.
    """
    longest = len(scores)
    for at in range(longest):
        scratch[at] = float32(wide(scores[at]) * factor)
    for at in range(longest - length):
        scratch[uint64(length + at)] = float32(-np.inf)
    largest = int32(-0x80000000)
    for at in range(longest):
        largest = max(largest, ordered(scratch[at]))
    top = of_ordered(largest)
    total = float32(0)
    for at in range(longest):
        value = exponential(float32(scratch[at] - top))
        scratch[at] = value
        total += value
    for at in range(longest - length):
        scratch[uint64(length + at)] = float32(0)
    return float32(float32(1.0) / total)


@arithmetic
def probabilities(
    begin: int,
    end: int,
    scratch: np.ndarray,
    scores: np.ndarray,
    lengths: np.ndarray,
    scale: float,
    keys: np.ndarray,
    threshold: int,
    marked: np.ndarray,
) -> None:
    """Softmax over the keys of each query, and dropout.

    Args:
        begin: first matrix, as in `gather_heads`.
        end: behind the last.
        scratch: float32[L].
        scores: uint16[n, heads, L, L], queries times keys; then the probabilities, 0 where
            dropped and scaled elsewhere; zeros beyond a sequence's length.
        lengths: int64[n].
        scale: of the scores.
        keys: uint32[n, 2], of the random numbers of each sequence.
        threshold: how many of 65,536 are dropped.
        marked: uint16[n, heads, L, L], filled with the probabilities, negative where dropped;
            not without a threshold.
    """
    heads, longest = scores.shape[1], scores.shape[2]
    factor = float32(scale)
    enlarged = float32(65536.0 / (65536.0 - threshold))
    limit = uint32(threshold)
    for matrix in range(begin, end):
        number, head = matrix // heads, matrix % heads
        length, one, two = lengths[number], keys[number, 0], keys[number, 1]
        for row in range(length):
            inverse = _row_exponentials(scores[number, head, row], length, factor, scratch)
            if threshold == 0:
                for at in range(longest):
                    scores[number, head, row, at] = narrow(float32(scratch[at] * inverse))
                continue
            place = uint32((head * longest + row) * longest)
            for at in range(longest):
                value = float32(scratch[at] * inverse)
                share = narrow(value)
                kept = drawn(uint32(place + uint32(at)), one, two) >= limit
                marked[number, head, row, at] = share if kept else share | uint16(_DROPPED)
                value = float32(value * enlarged) if kept else float32(0)
                scores[number, head, row, at] = narrow(value)
        for row in range(length, longest):
            for at in range(longest):
                scores[number, head, row, at] = uint16(0)
            if threshold:
                for at in range(longest):
                    marked[number, head, row, at] = uint16(0)


@arithmetic
def probabilities_back(
    begin: int,
    end: int,
    gradient: np.ndarray,
    marked: np.ndarray,
    lengths: np.ndarray,
    scale: float,
    threshold: int,
    dropped: np.ndarray,
) -> None:
    """Gradients of `probabilities`.

    Args:
        begin: first matrix, as there.
        end: behind the last.
        gradient: uint16[n, heads, L, L], of what is left of the probabilities; then of the
            scores.
        marked: from `probabilities`; without a threshold what that left in `scores`.
        lengths: int64[n].
        scale: as there.
        threshold: as there.
        dropped: uint16[n, heads, L, L], filled with what `probabilities` left in `scores`.
    """
    heads, longest = gradient.shape[1], gradient.shape[2]
    factor = float32(scale)
    enlarged = float32(65536.0 / (65536.0 - threshold))
    for matrix in range(begin, end):
        number, head = matrix // heads, matrix % heads
        length = lengths[number]
        for row in range(length):
            total = float32(0)
            for at in range(longest):
                mark = marked[number, head, row, at]
                share = wide(mark & uint16(0x7FFF))
                left = float32(share * enlarged) if mark < _DROPPED else float32(0)
                dropped[number, head, row, at] = narrow(left)
                total += left * wide(gradient[number, head, row, at])
            for at in range(longest):
                mark = marked[number, head, row, at]
                share = wide(mark & uint16(0x7FFF))
                given = float32(wide(gradient[number, head, row, at]) * enlarged)
                given = given if mark < _DROPPED else float32(0)
                value = float32(float32(share * float32(given - total)) * factor)
                gradient[number, head, row, at] = narrow(value)
        for row in range(length, longest):
            for at in range(longest):
                gradient[number, head, row, at] = uint16(0)
                dropped[number, head, row, at] = uint16(0)
