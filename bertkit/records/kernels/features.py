"""One feature of many tf.train.Examples, by name: for records of other kinds than BERT's seven.

`parse` reads the seven features in one pass; this reads any feature, one pass each.
"""

from __future__ import annotations

from typing import Any

from numba import int64, uint64

from bertkit.records.kernels.bits import load_u32
from bertkit.records.kernels.compile import kernel
from bertkit.records.kernels.crc32c import masked_crc
from bertkit.records.kernels.parse import FINE, MISSING, NOT_EXAMPLE, WRONG_DATA_CRC, WRONG_SIZE
from bertkit.records.kernels.protobuf import (
    TAG_MESSAGE_1,
    TAG_MESSAGE_2,
    TAG_MESSAGE_3,
    read_float_list,
    read_int_list,
    read_varint,
)


@kernel
def check_records(data: Any, starts: Any, lengths: Any, which: Any) -> Any:
    """Compare the stored checksums of the records `which`.

    Args:
        data: uint8[:], the whole file.
        starts, lengths: int64[:], where each payload lies.
        which: int64[:], record numbers.

    Returns:
        (rows that are right, FINE or WRONG_DATA_CRC for the row behind them).
    """
    for row in range(len(which)):
        at = uint64(starts[which[row]])
        length = uint64(lengths[which[row]])
        if masked_crc(data, at, length) != load_u32(data, at + length):
            return row, WRONG_DATA_CRC
    return len(which), FINE


@kernel
def _same(data: Any, at: Any, size: Any, key: Any) -> Any:
    """Whether `data`[at:at + size] is the key."""
    if size != uint64(len(key)):
        return False
    for k in range(len(key)):  # noqa: SIM110 - numba knows no generators
        if data[at + uint64(k)] != key[k]:
            return False
    return True


@kernel
def _find(data: Any, at: Any, end: Any, key: Any) -> Any:
    """(start, end, FINE | MISSING | NOT_EXAMPLE) of the value of `key` in a payload."""
    nothing = uint64(0)
    while at < end:
        tag, at = read_varint(data, at, end)
        size, at = read_varint(data, at, end)
        if at > end or tag != uint64(TAG_MESSAGE_1) or size > end - at:
            return nothing, nothing, NOT_EXAMPLE
        stop = at + size
        while at < stop:  # map entries
            tag, at = read_varint(data, at, stop)
            size, at = read_varint(data, at, stop)
            if at > stop or tag != uint64(TAG_MESSAGE_1) or size > stop - at:
                return nothing, nothing, NOT_EXAMPLE
            entry_end = at + size
            ours = False
            value_at, value_end = nothing, nothing
            while at < entry_end:
                tag, at = read_varint(data, at, entry_end)
                size, at = read_varint(data, at, entry_end)
                if at > entry_end or size > entry_end - at:
                    return nothing, nothing, NOT_EXAMPLE
                if tag == uint64(TAG_MESSAGE_1):
                    ours = _same(data, at, size, key)
                elif tag == uint64(TAG_MESSAGE_2):
                    value_at, value_end = at, at + size
                at += size
            if ours:
                return value_at, value_end, FINE
    return nothing, nothing, MISSING


@kernel
def read_feature(
    data: Any, starts: Any, lengths: Any, which: Any, key: Any, width: Any, out: Any
) -> Any:
    """Decode one feature of the records `which` into consecutive rows.

    Args:
        data: uint8[:], the whole file.
        starts, lengths: int64[:], where each payload lies.
        which: int64[:], record numbers.
        key: uint8[:], the feature's name.
        width: values per record.
        out: flat int32[len(which) * width]; floats are stored as their bits.

    Returns:
        (rows decoded, FINE or what is wrong with the row behind them).
    """
    for row in range(len(which)):
        begin = uint64(starts[which[row]])
        at, end, state = _find(data, begin, begin + uint64(lengths[which[row]]), key)
        if state != FINE:
            return row, state
        tag, at = read_varint(data, at, end)
        size, at = read_varint(data, at, end)
        if at > end or size > end - at:
            return row, NOT_EXAMPLE
        first = uint64(row) * uint64(width)
        limit = first + uint64(width)
        count = int64(-1)
        if tag == uint64(TAG_MESSAGE_2):
            count = read_float_list(data, at, at + size, out, first, limit)
        elif tag == uint64(TAG_MESSAGE_3):
            count = read_int_list(data, at, at + size, out, first, limit)
        if count != int64(width):
            return row, WRONG_SIZE
    return len(which), FINE
