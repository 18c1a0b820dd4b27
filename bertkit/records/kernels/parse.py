"""TFRecord frames and the seven features of BERT records, many at once.

A frame is: length (uint64), masked CRC of the length (uint32), payload, masked CRC of
the payload (uint32). A payload is a tf.train.Example: a Features message with one map
entry (key, Feature) per feature, in any order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import int64, uint64

from bertkit.records.kernels.bits import load_u32, load_u64
from bertkit.records.kernels.compile import kernel
from bertkit.records.kernels.crc32c import masked_crc
from bertkit.records.kernels.protobuf import (
    TAG_MESSAGE_1,
    TAG_MESSAGE_2,
    TAG_MESSAGE_3,
    read_float_list,
    read_int_list,
    read_varint,
)

HEADER = 12  # bytes before a payload
FRAME = 16  # bytes around a payload

# In this order everywhere in this file; all integers but the weights, which come last.
FEATURES = (
    "input_ids",
    "input_mask",
    "segment_ids",
    "masked_lm_positions",
    "masked_lm_ids",
    "next_sentence_labels",
    "masked_lm_weights",
)
WEIGHTS = 6

# What a kernel found wrong.
FINE, TRUNCATED, WRONG_LENGTH_CRC, WRONG_DATA_CRC, NOT_EXAMPLE, MISSING, WRONG_SIZE = range(7)


def _key_words() -> np.ndarray:
    """uint64[7, 4]: length of each name, and its bytes as three overlapping words.

    First eight, last eight, and eight in the middle: together they cover every byte.
    """
    rows = []
    for name in FEATURES:
        key = name.encode()
        middle = min(8, len(key) - 8)
        words = [key[:8], key[-8:], key[middle : middle + 8]]
        rows.append([len(key), *(int.from_bytes(word, "little") for word in words)])
    return np.array(rows, np.uint64)


_KEYS = _key_words()


@kernel
def scan_frames(data: Any, at: Any, starts: Any, lengths: Any) -> Any:
    """Find the payloads of whole frames in uint8[:] `data` from byte `at`.

    Fills int64[:] `starts` and `lengths` until they are full or the data ends. Returns
    (how many, byte behind the last one, FINE | TRUNCATED | WRONG_LENGTH_CRC).
    """
    size = uint64(len(data))
    place = uint64(at)
    count = uint64(0)
    while place < size and count < uint64(len(starts)):
        if size - place < uint64(HEADER):
            return int64(count), int64(place), TRUNCATED
        length = load_u64(data, place)
        if masked_crc(data, place, uint64(8)) != load_u32(data, place + uint64(8)):
            return int64(count), int64(place), WRONG_LENGTH_CRC
        if length > size or size - place < length + uint64(FRAME):
            return int64(count), int64(place), TRUNCATED
        starts[count] = place + uint64(HEADER)
        lengths[count] = length
        count += uint64(1)
        place += length + uint64(FRAME)
    return int64(count), int64(place), FINE


@kernel
def _find_feature(data: Any, at: Any, length: Any) -> Any:
    """Index in FEATURES of the key of `length` bytes at `at`, or -1."""
    if length < uint64(8):
        return -1
    first = load_u64(data, at)
    last = load_u64(data, at + length - uint64(8))
    middle = load_u64(data, at + min(uint64(8), length - uint64(8)))
    for k in range(uint64(7)):
        if (
            _KEYS[k, 0] == length
            and _KEYS[k, 1] == first
            and _KEYS[k, 2] == last
            and _KEYS[k, 3] == middle
        ):
            return int64(k)
    return -1


@kernel
def _read_entry(data: Any, at: Any, end: Any) -> Any:
    """Parse the map entry `data`[at:end] to (feature, value start, value end, sound).

    The feature is -1 for a key that is not one of ours.
    """
    feature = -1
    value_at = uint64(0)
    value_end = uint64(0)
    while at < end:
        tag, at = read_varint(data, at, end)
        size, at = read_varint(data, at, end)
        if at > end or size > end - at:
            return feature, value_at, value_end, False
        if tag == uint64(TAG_MESSAGE_1):
            feature = _find_feature(data, at, size)
        elif tag == uint64(TAG_MESSAGE_2):
            value_at = at
            value_end = at + size
        at += size
    return feature, value_at, value_end, True


@kernel
def _read_values(
    data: Any, at: Any, end: Any, feature: Any, row: Any, width: Any, integers: Any, weights: Any
) -> Any:
    """Decode the Feature message `data`[at:end] into its array's row; FINE or what is wrong."""
    tag, at = read_varint(data, at, end)
    size, at = read_varint(data, at, end)
    if at > end or size > end - at:
        return NOT_EXAMPLE
    first = uint64(row) * width
    limit = first + width
    if feature == WEIGHTS:
        if tag != uint64(TAG_MESSAGE_2):
            return WRONG_SIZE
        count = read_float_list(data, at, at + size, weights, first, limit)
    else:
        if tag != uint64(TAG_MESSAGE_3):
            return WRONG_SIZE
        count = read_int_list(data, at, at + size, integers[feature], first, limit)
    return FINE if count == int64(width) else WRONG_SIZE


@kernel
def _read_example(
    data: Any, at: Any, end: Any, row: Any, widths: Any, integers: Any, weights: Any
) -> Any:
    """Decode one payload `data`[at:end] into row `row` of all arrays; FINE or what is wrong."""
    seen = 0
    while at < end:
        tag, at = read_varint(data, at, end)
        size, at = read_varint(data, at, end)
        if at > end or tag != uint64(TAG_MESSAGE_1) or size > end - at:
            return NOT_EXAMPLE
        stop = at + size
        while at < stop:
            tag, at = read_varint(data, at, stop)
            size, at = read_varint(data, at, stop)
            if at > stop or tag != uint64(TAG_MESSAGE_1) or size > stop - at:
                return NOT_EXAMPLE
            feature, value_at, value_end, sound = _read_entry(data, at, at + size)
            if not sound:
                return NOT_EXAMPLE
            if feature >= 0:
                state = _read_values(
                    data, value_at, value_end, feature, row,
                    uint64(widths[feature]), integers, weights,
                )  # fmt: skip
                if state != FINE:
                    return state
                seen |= 1 << feature
            at += size
    return FINE if seen == 127 else MISSING


@kernel
def read_examples(
    data: Any, starts: Any, lengths: Any, which: Any, widths: Any, integers: Any, weights: Any
) -> Any:
    """Check and decode the records `which` into consecutive rows.

    Args:
        data: uint8[:], the whole file.
        starts, lengths: int64[:], where each payload lies.
        which: int64[:], record numbers.
        widths: int64[7], values per record of each of FEATURES.
        integers: tuple of six flat int32 arrays [len(which) * width], by FEATURES.
        weights: flat uint32 view of the float32 array of the last feature.

    Returns:
        (rows decoded, FINE or what is wrong with the row behind them).
    """
    for row in range(len(which)):
        at = uint64(starts[which[row]])
        length = uint64(lengths[which[row]])
        if masked_crc(data, at, length) != load_u32(data, at + length):
            return row, WRONG_DATA_CRC
        state = _read_example(data, at, at + length, row, widths, integers, weights)
        if state != FINE:
            return row, state
    return len(which), FINE
