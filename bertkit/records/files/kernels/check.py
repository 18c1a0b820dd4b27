"""Looks at the numbers of many records at once: can they be those of training instances?"""

from __future__ import annotations

from typing import Any

from numba import int32, int64

from bertkit.kernels.jit import kernel

# What is wrong with a record.
FINE, MASK_VALUE, GAP, EMPTY, TOKEN, SEGMENT, WEIGHT, POSITION, LABEL, PAIR = range(10)


@kernel
def _wrong_token(ids: Any, mask: Any, segments: Any, row: Any) -> Any:
    """(problem, column) of a row that looks wrong; what stands on padding does not matter."""
    length = 0
    for column in range(mask.shape[1]):
        if mask[row, column] != 0 and mask[row, column] != 1:
            return MASK_VALUE, column
        if mask[row, column] == 1:
            if column > length:
                return GAP, column
            length += 1
    if length == 0:
        return EMPTY, 0
    for column in range(length):
        if ids[row, column] < 0:
            return TOKEN, column
        if segments[row, column] != 0 and segments[row, column] != 1:
            return SEGMENT, column
    return FINE, 0


@kernel
def check_rows(
    ids: Any, mask: Any, segments: Any, positions: Any, labels: Any, weights: Any, pairs: Any
) -> Any:
    """Find the first record whose numbers cannot be right.

    Args:
        ids, mask, segments: int32[B, L].
        positions, labels: int32[B, P].
        weights: float32[B, P].
        pairs: int32[B].

    Returns:
        (row, what is wrong, column of the number); FINE with row B.
    """
    for row in range(ids.shape[0]):
        # Bits that no right number has, gathered without a branch.
        signs = int32(0)
        bits = int32(0)
        length = int32(0)
        rises = int32(0)
        for column in range(ids.shape[1]):
            signs |= ids[row, column]
            bits |= mask[row, column] | segments[row, column]
            length += mask[row, column]
        for column in range(1, ids.shape[1]):
            rises |= mask[row, column] & ~mask[row, column - 1]
        if signs < 0 or (bits & ~int32(1)) != 0 or rises != 0 or mask[row, 0] == 0:
            problem, column = _wrong_token(ids, mask, segments, row)
            if problem != FINE:
                return int64(row), int64(problem), int64(column)
            length = int32(0)
            while length < mask.shape[1] and mask[row, length] == 1:
                length += int32(1)
        for column in range(positions.shape[1]):
            weight = weights[row, column]
            if weight == 1:
                if positions[row, column] < 0 or positions[row, column] >= length:
                    return int64(row), int64(POSITION), int64(column)
                if labels[row, column] < 0:
                    return int64(row), int64(LABEL), int64(column)
            elif weight != 0:
                return int64(row), int64(WEIGHT), int64(column)
        if pairs[row] < -1 or pairs[row] > 1:
            return int64(row), int64(PAIR), int64(0)
    return int64(ids.shape[0]), int64(FINE), int64(0)
