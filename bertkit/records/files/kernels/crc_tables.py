"""Precomputes checksums of parts of a record that have few different values, as tables.

A record of L tokens and P predictions has two such parts: input_mask, and at its end
masked_lm_weights, next_sentence_labels and segment_ids. Each is of constant size, and a CRC
is linear: the register behind a part is the one before, carried over as many zero bytes,
xored with what the part's own bytes contribute, and those contributions add up likewise.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
from numba import uint64

from bertkit.kernels.crc32c import EMPTY, extend, skip, skip_table
from bertkit.kernels.jit import inlined

ONE = bytes([1])
WEIGHT = np.float32(1).tobytes()


class ConstantParts(NamedTuple):
    """What those parts contribute to the register.

    Attributes:
        mask_size, end_size: bytes of the two parts.
        mask_skip, end_skip: uint32[4, 256], see `crc32c.skip_table`, for so many bytes.
        masks: uint32[L + 1], input_mask by the number of its ones.
        weights: uint32[2, P + 1], the part at the end by next sentence label and number of
            weights, were all segment ids 0.
        segments: uint32[L + 1], so many ones at the beginning of segment_ids.
    """

    mask_size: int
    end_size: int
    mask_skip: np.ndarray
    end_skip: np.ndarray
    masks: np.ndarray
    weights: np.ndarray
    segments: np.ndarray


@functools.lru_cache(maxsize=4)
@functools.lru_cache(maxsize=4)  # as many files have records of one shape
def constant_parts(
    length: int,
    predictions: int,
    *,
    mask_head: bytes,
    weights_head: bytes,
    next_head: bytes,
    segments_head: bytes,
) -> ConstantParts:
    """The contributions for L tokens and P predictions, from the bytes before each value."""
    tokens, weights = bytes(length), bytes(4 * predictions)
    mask = mask_head + tokens
    before_label = weights_head + weights + next_head
    after_label = segments_head + tokens
    end = before_label + bytes(1) + after_label
    by_weights = _runs(end, len(weights_head), WEIGHT, predictions)
    random_next = _alone(ONE + bytes(len(after_label)))
    return ConstantParts(
        mask_size=len(mask),
        end_size=len(end),
        mask_skip=skip_table(len(mask)),
        end_skip=skip_table(len(end)),
        masks=_runs(mask, len(mask_head), ONE, length),
        weights=np.stack([by_weights, by_weights ^ random_next]),
        segments=_runs(tokens, 0, ONE, length),
    )


def _alone(data: bytes | bytearray) -> np.uint32:
    """The register after some bytes if it was 0 before."""
    return np.uint32(extend(np.uint64(0), np.frombuffer(data, np.uint8), 0, len(data)))


def _runs(part: bytes, at: int, value: bytes, most: int) -> np.ndarray:
    """uint32[most + 1], contributions of `part` with so many `value`s written over it from `at`."""
    data = bytearray(part)
    found = [_alone(data)]
    for begin in range(at, at + most * len(value), len(value)):
        data[begin : begin + len(value)] = value
        found.append(_alone(data))
    return np.array(found, np.uint32)


@inlined
def record_register(parts: Any, pair: Any, out: Any, begin: Any, ids_end: Any, end: Any) -> Any:
    """The register after the record out[begin:end], whose input_ids end at `ids_end`.

    `pair` is its entry in pair_plan.Instances.
    """
    second = uint64(pair.first_length) + uint64(2)
    length = second + uint64(pair.second_length) + uint64(1)
    # In the order of the bytes: ids, input_mask (looked up), labels and positions, and the
    # weights, label and segments (looked up, three contributions).
    register = extend(uint64(EMPTY), out, begin, ids_end - begin)
    register = skip(parts.mask_skip, register) ^ uint64(parts.masks[length])
    labels = ids_end + uint64(parts.mask_size)
    register = extend(register, out, labels, end - uint64(parts.end_size) - labels)
    register = skip(parts.end_skip, register)
    register ^= uint64(parts.weights[uint64(pair.is_random_next), uint64(pair.masked)])
    return register ^ uint64(parts.segments[length]) ^ uint64(parts.segments[second])
