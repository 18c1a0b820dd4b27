"""Bias, dropout, the residual and layer norm, and the way back."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import float32, uint32, uint64

from bertkit.kernels.jit import arithmetic
from bertkit.model.cpu_half.kernels.numbers import drawn, narrow, wide
from bertkit.model.cpu_half.kernels.transposed import SIDE, transpose_strip


@arithmetic
def add_and_norm(
    begin: int,
    end: int,
    projected: np.ndarray,
    bias: np.ndarray,
    residual: np.ndarray,
    gain: np.ndarray,
    offset: np.ndarray,
    epsilon: float,
    key: np.ndarray,
    threshold: int,
    summed: np.ndarray,
    half: np.ndarray,
    full: np.ndarray,
    spread: np.ndarray,
) -> None:
    """Layer norm of dropout(projected + bias) + residual, for blocks of 64 rows.

    Args:
        begin: first block.
        end: behind the last.
        projected: uint16[T, H].
        bias: uint16[H].
        residual: float32[T, H].
        gain: float32[H].
        offset: float32[H].
        epsilon: added to the variance.
        key: uint32[2], of the random numbers.
        threshold: how many of 65,536 are dropped.
        summed: float32[T, H], filled with what is normalised.
        half: uint16[T, H], filled with the result.
        full: float32[T, H], filled with the same.
        spread: float32[T, 2], filled with mean and 1 / deviation.
    """
    width = projected.shape[1]
    scale = float32(65536.0 / (65536.0 - threshold))
    limit, one, two = uint32(threshold), key[0], key[1]
    for row in range(64 * begin, min(64 * end, projected.shape[0])):
        place = uint32(row * width)
        total = float32(0)
        for at in range(width):
            value = float32(wide(projected[row, at]) + wide(bias[at]))
            kept = drawn(uint32(place + uint32(at)), one, two) >= limit
            value = float32(value * scale) if kept else float32(0)
            value = float32(value + residual[row, at])
            total += value
            summed[row, at] = value
        mean = float32(total / float32(width))
        squares = float32(0)
        for at in range(width):
            difference = float32(summed[row, at] - mean)
            squares += difference * difference
        inverse = float32(1.0 / math.sqrt(squares / width + epsilon))
        spread[row, 0], spread[row, 1] = mean, inverse
        for at in range(width):
            value = float32(float32(summed[row, at] - mean) * inverse)
            value = float32(value * gain[at] + offset[at])
            half[row, at] = narrow(value)
            full[row, at] = value


@arithmetic
def _row_sums(given: Any, to_gain: np.ndarray, to_offset: np.ndarray, scratch: np.ndarray) -> Any:
    """The means of a row's gradient, and of it times the normalised row.

    Adds to the gradients of gain and offset, and leaves gradient and row in `scratch`.
    """
    half, full, summed, spread, gain = given
    width = len(half)
    direct, along = float32(0), float32(0)
    for at in range(width):
        value = float32(wide(half[at]) + full[at])
        normal = float32(float32(summed[at] - spread[0]) * spread[1])
        to_gain[at] += value * normal
        to_offset[at] += value
        value = float32(value * gain[at])
        scratch[at] = value
        scratch[uint64(width + at)] = normal
        direct += value
        along += value * normal
    return float32(direct / float32(width)), float32(along / float32(width))


@arithmetic
def add_and_norm_back(
    begin: int,
    end: int,
    scratch: np.ndarray,
    half: np.ndarray,
    full: np.ndarray,
    summed: np.ndarray,
    spread: np.ndarray,
    gain: np.ndarray,
    key: np.ndarray,
    threshold: int,
    to_residual: np.ndarray,
    to_projected: np.ndarray,
    across: np.ndarray,
    sums: np.ndarray,
) -> None:
    """Gradients of `add_and_norm`, for blocks of 64 rows.

    Args:
        begin: first block.
        end: behind the last.
        scratch: float32[2 H].
        half: uint16[T, H], the gradient of `half` there.
        full: float32[T, H], that of `full`, which is added.
        summed: from `add_and_norm`.
        spread: likewise.
        gain: float32[H].
        key: as there.
        threshold: as there.
        to_residual: float32[T, H], filled.
        to_projected: uint16[T, H], filled.
        across: uint16[H, T or more], filled with `to_projected` transposed.
        sums: float32[3, blocks, H], filled with the gradients of gain, offset and bias.
    """
    width = half.shape[1]
    scale = float32(65536.0 / (65536.0 - threshold))
    limit, one, two = uint32(threshold), key[0], key[1]
    for block in range(begin, end):
        for at in range(width):
            sums[0, block, at] = sums[1, block, at] = sums[2, block, at] = float32(0)
        last = min(64 * block + 64, half.shape[0])
        for first in range(64 * block, last, SIDE):
            stop = min(first + SIDE, last)
            for row in range(first, stop):
                inverse, place = spread[row, 1], uint32(row * width)
                given = half[row], full[row], summed[row], spread[row], gain
                direct, along = _row_sums(given, sums[0, block], sums[1, block], scratch)
                for at in range(width):
                    normal = scratch[uint64(width + at)]
                    value = float32(scratch[at] - direct - normal * along)
                    value = float32(value * inverse)
                    to_residual[row, at] = value
                    kept = drawn(uint32(place + uint32(at)), one, two) >= limit
                    value = float32(value * scale) if kept else float32(0)
                    to_projected[row, at] = narrow(value)
            transpose_strip(to_projected, first, stop, across, sums[2], block)
