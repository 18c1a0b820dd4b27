"""Finds the frames of a TFRecord file, and decodes features of many records at once.

A frame is: length (uint64), masked CRC of the length (uint32), payload, masked CRC of
the payload (uint32). A payload is a tf.train.Example: a Features message with one map
entry (key, Feature) per feature, in any order.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import int64, uint64

from bertkit.kernels.crc32c import masked_crc
from bertkit.kernels.jit import inlined, kernel
from bertkit.kernels.memory import array_at, load_u32, load_u64
from bertkit.kernels.protobuf import (
    TAG_MESSAGE_1,
    TAG_MESSAGE_2,
    TAG_MESSAGE_3,
    read_float_list,
    read_int_list,
    read_varint,
)

HEADER = 12  # bytes before a payload
FRAME = 16  # bytes around a payload

# What a kernel found wrong.
FINE, TRUNCATED, WRONG_LENGTH_CRC, WRONG_DATA_CRC, NOT_EXAMPLE, MISSING, WRONG_SIZE = range(7)
WRONG_PLACE = 7  # no frame of such a length begins there
UNCHECKED = 8  # a block of an index that was not looked at yet
UNEXPECTED = 9  # a feature that no record of the file may have

SHORTEST_NAME, LONGEST_NAME = 8, 32


class Wanted(NamedTuple):
    """The features to read, F of them, and those that must not be there.

    Attributes:
        keys: uint64[F + absent, 5], length of each name, and its bytes as four overlapping words.
        widths: int64[F], values per record.
        firsts: int64[F], place of each feature's first value in the output.
        floats: bool[F], which are floats.
    """

    keys: np.ndarray
    widths: np.ndarray
    firsts: np.ndarray
    floats: np.ndarray


class OpenFiles(NamedTuple):
    """Where the bytes of F mapped files and of their indexes are in memory.

    Attributes:
        data, sizes: uint64[F] address and int64[F] bytes of each file.
        offsets: uint64[F], address of the places of its records, int64; 0 while it is not mapped.
        checked: uint64[F], address of a bool for each block of places, or 0 where there are none.
        per_block: int64[F], places in a block, behind which stands a checksum.
        like: uint8[:], an array of the kind that the bytes are looked at as.
    """

    data: np.ndarray
    sizes: np.ndarray
    offsets: np.ndarray
    checked: np.ndarray
    per_block: np.ndarray
    like: np.ndarray


def wanted(
    kinds: Mapping[str, tuple[int, bool]], records: int, absent: Sequence[str] = ()
) -> Wanted:
    """What to read: features of 8 to 32 bytes by name → (values per record, floats or not).

    In the output the values of all records stand together, feature after feature. A record with
    one of the features `absent` is refused.
    """
    widths = np.array([width for width, _ in kinds.values()], np.int64)
    return Wanted(
        keys=np.array([_key_words(name) for name in (*kinds, *absent)], np.uint64),
        widths=widths,
        firsts=(np.cumsum(widths) - widths) * records,
        floats=np.array([floats for _, floats in kinds.values()], np.bool_),
    )


@functools.cache
def _key_words(name: str) -> list[int]:
    """Its length in bytes, the first eight, the last eight and two words between."""
    key = name.encode()
    last = len(key) - 8
    places = (0, last, min(8, last), min(16, last))
    return [len(key), *(int.from_bytes(key[at : at + 8], "little") for at in places)]


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


@inlined
def _find_feature(data: Any, at: Any, length: Any, keys: Any) -> Any:
    """Number of the key of `length` bytes at `at`, or -1."""
    if length < uint64(SHORTEST_NAME):
        return -1
    behind = length - uint64(8)
    first = load_u64(data, at)
    last = load_u64(data, at + behind)
    second = load_u64(data, at + min(uint64(8), behind))
    third = load_u64(data, at + min(uint64(16), behind))
    for k in range(uint64(len(keys))):
        if (
            keys[k, 0] == length
            and keys[k, 1] == first
            and keys[k, 2] == last
            and keys[k, 3] == second
            and keys[k, 4] == third
        ):
            return int64(k)
    return -1


@inlined
def _read_entry(data: Any, at: Any, end: Any, keys: Any) -> Any:
    """Parse the map entry `data`[at:end] to (feature, value start, value end, sound).

    The feature is -1 for a key that is not wanted. A second value is not sound: which of the
    two counts, programs do not agree on.
    """
    feature = int64(-1)
    value_at = uint64(0)
    value_end = uint64(0)
    while at < end:
        tag, at = read_varint(data, at, end)
        size, at = read_varint(data, at, end)
        if at > end or size > end - at or tag & uint64(7) != uint64(2):
            return feature, value_at, value_end, False
        if tag == uint64(TAG_MESSAGE_1):
            feature = int64(_find_feature(data, at, size, keys))
        elif tag == uint64(TAG_MESSAGE_2):
            if value_at != uint64(0):
                return feature, value_at, value_end, False
            value_at = at
            value_end = at + size
        at += size
    return feature, value_at, value_end, True


@inlined
def _read_values(
    data: Any, at: Any, end: Any, feature: Any, row: Any, features: Any, out: Any
) -> Any:
    """Decode the Feature message `data`[at:end] to its place; FINE or what is wrong."""
    tag, at = read_varint(data, at, end)
    size, at = read_varint(data, at, end)
    if at > end or size != end - at:  # nothing may follow: it would be left out
        return NOT_EXAMPLE
    width = uint64(features.widths[feature])
    first = uint64(features.firsts[feature]) + uint64(row) * width
    limit = first + width
    if features.floats[feature]:
        if tag != uint64(TAG_MESSAGE_2):
            return WRONG_SIZE
        count = read_float_list(data, at, at + size, out, first, limit)
    else:
        if tag != uint64(TAG_MESSAGE_3):
            return WRONG_SIZE
        count = read_int_list(data, at, at + size, out, first, limit)
    return FINE if count == int64(width) else WRONG_SIZE


@kernel
def _read_example(data: Any, at: Any, end: Any, row: Any, features: Any, out: Any) -> Any:
    """Decode one payload `data`[at:end] as row `row`; FINE or what is wrong."""
    seen = uint64(0)
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
            feature, value_at, value_end, sound = _read_entry(data, at, at + size, features.keys)
            if not sound:
                return NOT_EXAMPLE
            if feature >= len(features.widths):
                return UNEXPECTED
            if feature >= 0:
                state = _read_values(data, value_at, value_end, feature, row, features, out)
                if state != FINE:
                    return state
                seen |= uint64(1) << uint64(feature)
            at += size
    return FINE if seen == (uint64(1) << uint64(len(features.widths))) - uint64(1) else MISSING


@kernel
def check_frame(data: Any, start: Any, length: Any) -> Any:
    """Whether the payload data[start : start + length] is one in a frame; FINE or what is wrong.

    Args:
        data: uint8[:], the whole file.
        start, length: of the payload; any whole numbers.
    """
    if start < HEADER or length < 0 or length > len(data) or start > len(data) - length - 4:
        return WRONG_PLACE
    at = uint64(start)
    size = uint64(length)
    head = at - uint64(HEADER)
    if load_u64(data, head) != size:
        return WRONG_PLACE
    if masked_crc(data, head, uint64(8)) != load_u32(data, head + uint64(8)):
        return WRONG_PLACE
    if masked_crc(data, at, size) != load_u32(data, at + size):
        return WRONG_DATA_CRC
    return FINE


@kernel
def read_examples(data: Any, starts: Any, lengths: Any, features: Any, out: Any) -> Any:
    """Check and decode features of records.

    Args:
        data: uint8[:], the whole file.
        starts, lengths: int64[:], where each payload lies, as an index says.
        features: Wanted, for as many records.
        out: int32[:], gets the values of all features; floats as their bits.

    Returns:
        (rows decoded, FINE or what is wrong with the row behind them).
    """
    for row in range(len(starts)):
        state = check_frame(data, starts[row], lengths[row])
        if state != FINE:
            return row, state
        at = uint64(starts[row])
        state = _read_example(data, at, at + uint64(lengths[row]), row, features, out)
        if state != FINE:
            return row, state
    return len(starts), FINE


@inlined
def _place_of(files: Any, owner: Any, number: Any) -> Any:
    """Where record `number` of a file begins in it, or -1 where that is to be looked at first."""
    at = uint64(files.offsets[owner])
    if at == uint64(0):
        return int64(-1)
    place = uint64(number)
    if files.checked[owner] != uint64(0):
        block = uint64(number // files.per_block[owner])
        flags = array_at(files.like, uint64(files.checked[owner]), int64(block) + 1)
        if flags[block] == 0:
            return int64(-1)
        place += block  # a checksum for each block before this one
    numbers = array_at(files.like, at, int64(8) * (int64(place) + int64(1)))
    return int64(load_u64(numbers, place * uint64(8)))


@kernel
def read_examples_of(
    files: Any, owners: Any, numbers: Any, first: Any, features: Any, out: Any
) -> Any:
    """Check and decode features of records of several files, from row `first` on.

    Args:
        files: OpenFiles, which their owners keep.
        owners, numbers: int64[:], file of each record and its number there, both valid.
        first: row to begin with.
        features: Wanted, for as many records.
        out: int32[:], gets the values of all features; floats as their bits.

    Returns:
        (rows decoded, FINE or what is wrong with the row behind them).
    """
    for row in range(first, len(owners)):
        owner = owners[row]
        begin = _place_of(files, owner, numbers[row])
        end = _place_of(files, owner, numbers[row] + 1)
        if begin < 0 or end < 0:
            return row, UNCHECKED
        data = array_at(files.like, uint64(files.data[owner]), files.sizes[owner])
        start = begin + int64(HEADER)
        length = end - begin - int64(FRAME)
        state = check_frame(data, start, length)
        if state != FINE:
            return row, state
        at = uint64(start)
        state = _read_example(data, at, at + uint64(length), row, features, out)
        if state != FINE:
            return row, state
    return len(owners), FINE
