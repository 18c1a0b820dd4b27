"""Reads and writes numbers inside protobuf messages: varints, and the lists of tf.train.Feature.

A varint holds seven bits per byte, lowest first; every byte but the last has its high
bit set. Lists of numbers come packed (one length, then the values) or one by one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import int64, uint64

from bertkit.kernels.jit import inlined, kernel
from bertkit.kernels.memory import load_u32, load_u64, trailing_zeros

HIGH_BITS = np.uint64(0x8080808080808080)
LONGEST = 24  # bits of three bytes, in which every token id is written
LARGEST_ID = (1 << 21) - 1  # seven bits of each of those bytes
_HALF, _WHOLE = 1 << 31, 1 << 32

# Tags: field number * 8 + wire type (0 varint, 2 length-delimited, 5 four bytes).
TAG_MESSAGE_1 = 0x0A  # field 1, length-delimited
TAG_MESSAGE_2 = 0x12
TAG_MESSAGE_3 = 0x1A
TAG_VARINT_1 = 0x08
TAG_FLOAT_1 = 0x0D


@kernel
def read_varint(data: Any, at: Any, end: Any) -> Any:
    """(value, position behind it) of the varint at uint8[:] `data`[at]; uint64 both.

    A varint that does not end before `end`, or has over ten bytes, gives a position
    greater than `end`.
    """
    value = uint64(0)
    shift = uint64(0)
    while at < end and shift < uint64(70):
        byte = uint64(data[at])
        at += uint64(1)
        value |= (byte & uint64(0x7F)) << shift
        if byte < uint64(0x80):
            return value, at
        shift += uint64(7)
    return value, end + uint64(1)


@inlined
def varint_size(value: Any) -> Any:
    """Bytes of the varint of a uint64 below 2**21."""
    return uint64(1) + uint64(value >= uint64(1 << 7)) + uint64(value >= uint64(1 << 14))


@kernel
def write_varint(data: Any, at: Any, value: Any) -> Any:
    """Write uint64 `value` at `data`[at]; returns the position behind it."""
    while value >= uint64(0x80):
        data[at] = (value & uint64(0x7F)) | uint64(0x80)
        at += uint64(1)
        value >>= uint64(7)
    data[at] = value
    return at + uint64(1)


@kernel
def write_varints(values: Any, data: Any) -> Any:
    """Write int64[:] `values` (negative ones take ten bytes) to the start of `data`.

    `data` is uint8[:] with ten bytes per value; returns the number of bytes written.
    """
    at = uint64(0)
    for value in values:
        at = write_varint(data, at, uint64(value))
    return int64(at)


@inlined
def _spread(part: Any) -> Any:
    """The number in the low 7 bits of each of the low three bytes."""
    return (
        (part & uint64(0x7F))
        | ((part >> uint64(1)) & uint64(0x3F80))
        | ((part >> uint64(2)) & uint64(0x1FC000))
    )


@inlined
def _copy_small(data: Any, at: Any, end: Any, out: Any, place: Any) -> Any:
    """Copy numbers of one byte in blocks of eight while there are only such; how many."""
    begin = at
    while at + uint64(8) <= end and load_u64(data, at) & HIGH_BITS == uint64(0):
        for k in range(uint64(8)):
            out[place + k] = data[at + k]
        place += uint64(8)
        at += uint64(8)
    return at - begin


@kernel
def read_packed(data: Any, at: Any, end: Any, out: Any, first: Any, limit: Any) -> Any:
    """Decode packed varints `data`[at:end] to `out`[first:limit] (any integer dtype).

    A number that an `out` of 32 bits does not hold becomes the smallest one. Returns how many
    there were, or -1: more than fit, or the last one is cut off.
    """
    place = uint64(first)
    room = uint64(limit)
    one = uint64(1)
    while at < end:
        if at + uint64(8) <= end and place + uint64(2) <= room:
            word = load_u64(data, at)
            last_bytes = ~word & HIGH_BITS  # one bit per number that ends here
            if last_bytes == HIGH_BITS:
                # Masks, segments and padding are nothing but numbers of one byte.
                count = _copy_small(data, at, min(end, at + room - place), out, place)
                at += count
                place += count
                if count > uint64(0):
                    continue
            # Two numbers at a time: their lengths are found side by side, and nothing
            # depends on a branch that could be mispredicted.
            bits = trailing_zeros(last_bytes) + one
            last_bytes &= last_bytes - one
            both_bits = trailing_zeros(last_bytes) + one
            if bits <= uint64(LONGEST) and both_bits - bits <= uint64(LONGEST):
                out[place] = _spread(word & ((one << bits) - one))
                out[place + one] = _spread((word >> bits) & ((one << (both_bits - bits)) - one))
                place += uint64(2)
                at += both_bits >> uint64(3)
                continue
        value, at = read_varint(data, at, end)  # the tail, or a long number
        if at > end or place >= room:
            return -1
        if out.itemsize == 4 and value + uint64(_HALF) >= uint64(_WHOLE):
            value = uint64(_HALF)
        out[place] = value
        place += one
    return int64(place - uint64(first))


@kernel
def read_int_list(data: Any, at: Any, end: Any, out: Any, first: Any, limit: Any) -> Any:
    """Decode the Int64List message `data`[at:end] to `out`[first:limit].

    Returns the number of values, or -1 as `read_packed`, or for a wrong field.
    """
    place = int64(first)
    while at < end:
        tag, at = read_varint(data, at, end)
        if at > end:
            return -1
        if tag == uint64(TAG_MESSAGE_1):
            size, at = read_varint(data, at, end)
            if at > end or size > end - at:
                return -1
            count = read_packed(data, at, at + size, out, place, limit)
            if count < 0:
                return -1
            place += count
            at += size
        elif tag == uint64(TAG_VARINT_1):
            value, at = read_varint(data, at, end)
            if at > end or place >= int64(limit):
                return -1
            if out.itemsize == 4 and value + uint64(_HALF) >= uint64(_WHOLE):
                value = uint64(_HALF)
            out[uint64(place)] = value
            place += 1
        else:
            return -1
    return place - int64(first)


@kernel
def read_float_list(data: Any, at: Any, end: Any, out: Any, first: Any, limit: Any) -> Any:
    """Decode the FloatList message `data`[at:end] to the uint32 bits `out`[first:limit].

    Pass `array.view(np.uint32)` for a float32 array. Returns the count, or -1.
    """
    place = uint64(first)
    while at < end:
        tag, at = read_varint(data, at, end)
        size = uint64(4)
        if at <= end and tag == uint64(TAG_MESSAGE_1):
            size, at = read_varint(data, at, end)
        elif tag != uint64(TAG_FLOAT_1):
            return -1
        if at > end or size > end - at or size & uint64(3) != uint64(0):
            return -1
        if place + (size >> uint64(2)) > uint64(limit):
            return -1
        stop = at + size
        while at < stop:
            out[place] = load_u32(data, at)
            place += uint64(1)
            at += uint64(4)
    return int64(place - uint64(first))
