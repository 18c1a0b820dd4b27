"""Writes rows of numbers as framed tf.train.Examples, whatever their features are called.

`serialise` writes the seven features of plain records in one pass from the plan; this
writes any others, from a table with one row per record.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numba import int64, uint32, uint64

from bertkit.kernels.crc32c import masked_crc
from bertkit.kernels.jit import inlined, kernel
from bertkit.kernels.memory import copy_32_bytes, store_u32, store_u64
from bertkit.kernels.protobuf import (
    TAG_MESSAGE_1,
    TAG_MESSAGE_2,
    TAG_MESSAGE_3,
    varint_size,
    write_varint,
)
from bertkit.records.files.kernels.parse import FRAME, HEADER

LONGEST_NAME = 32
_AROUND = 24  # bytes around a feature's name and values, at most
_LONGEST_VARINT = 10


class ExampleTemplate(NamedTuple):
    """Features in the order of their names, and work space for one record.

    Attributes:
        firsts: int64[F + 1], first column of each feature and the end.
        tags: uint8[F], what its list holds: TAG_MESSAGE_2 floats, TAG_MESSAGE_3 integers.
        keys: uint8[F, 32], the names.
        key_sizes: int64[F], their lengths.
        encoded: uint8[:], the values of a record as they are written.
        ends: int64[F + 1], where each feature's values end in `encoded`, behind a 0.
    """

    firsts: np.ndarray
    tags: np.ndarray
    keys: np.ndarray
    key_sizes: np.ndarray
    encoded: np.ndarray
    ends: np.ndarray


def example_template(kinds: Mapping[str, tuple[int, bool]]) -> ExampleTemplate:
    """The template for features given as name → (values per record, floats or not).

    Names have at most 32 bytes.
    """
    names = sorted(kinds)
    widths = [kinds[name][0] for name in names]
    keys = np.zeros((len(names), LONGEST_NAME), np.uint8)
    for row, name in zip(keys, names, strict=True):
        row[: len(name)] = np.frombuffer(name.encode(), np.uint8)
    return ExampleTemplate(
        firsts=np.concatenate([[0], np.cumsum(widths)]).astype(np.int64),
        tags=np.array([TAG_MESSAGE_2 if kinds[n][1] else TAG_MESSAGE_3 for n in names], np.uint8),
        keys=keys,
        key_sizes=np.array([len(name) for name in names]),
        encoded=np.zeros(_LONGEST_VARINT * sum(widths) + 16, np.uint8),
        ends=np.zeros(len(names) + 1, np.int64),
    )


def largest_record(template: ExampleTemplate) -> int:
    """More bytes than any record of this template takes."""
    return (
        FRAME + len(template.encoded) + len(template.keys) * (_AROUND + LONGEST_NAME) + LONGEST_NAME
    )


@inlined
def _encode_integers(values: Any, row: Any, begin: Any, end: Any, out: Any, at: Any) -> Any:
    """Write values[row, begin:end] as varints to out[at:]; returns the end."""
    seen = uint32(0)
    for k in range(begin, end):
        seen |= uint32(values[row, k])
    if seen < uint32(1 << 7):
        for k in range(end - begin):
            out[at + k] = values[row, begin + k]
        return at + (end - begin)
    if seen < uint32(1 << 21):
        for k in range(begin, end):
            value = uint64(values[row, k])
            spread = (
                (value & uint64(0x7F))
                | (value << uint64(1) & uint64(0x7F00))
                | (value << uint64(2) & uint64(0x7F0000))
                | uint64(value >= uint64(1 << 7)) << uint64(7)
                | uint64(value >= uint64(1 << 14)) << uint64(15)
            )
            store_u32(out, at, uint32(spread))  # the bytes too many are overwritten next
            at += varint_size(value)
        return at
    for k in range(begin, end):
        at = write_varint(out, at, uint64(int64(values[row, k])))
    return at


@inlined
def _encode(values: Any, row: Any, template: Any) -> None:
    """Encode all features of a row, floats as four bytes each, to `template.encoded`."""
    at = uint64(0)
    for feature in range(uint64(len(template.tags))):
        begin = uint64(template.firsts[feature])
        end = uint64(template.firsts[feature + uint64(1)])
        if template.tags[feature] == TAG_MESSAGE_2:
            for k in range(begin, end):
                store_u32(template.encoded, at, uint32(values[row, k]))
                at += uint64(4)
        else:
            at = _encode_integers(values, row, begin, end, template.encoded, at)
        template.ends[feature + uint64(1)] = at


@inlined
def _entry_sizes(template: Any, feature: Any) -> Any:
    """Sizes of a feature's nested messages: map entry, Feature, list, values."""
    one = uint64(1)
    values = uint64(template.ends[feature + one] - template.ends[feature])
    numbers = one + varint_size(values) + values
    wrapped = one + varint_size(numbers) + numbers
    entry = uint64(2) + uint64(template.key_sizes[feature]) + one + varint_size(wrapped) + wrapped
    return entry, wrapped, numbers, values


@inlined
def _put_entry(out: Any, at: Any, template: Any, feature: Any) -> Any:
    """Write the map entry of a feature to out[at:]; returns the end."""
    one = uint64(1)
    entry, wrapped, numbers, values = _entry_sizes(template, feature)
    out[at] = TAG_MESSAGE_1
    at = write_varint(out, at + one, entry)
    out[at] = TAG_MESSAGE_1
    key_size = uint64(template.key_sizes[feature])
    out[at + one] = key_size
    at += uint64(2)
    copy_32_bytes(out, at, template.keys, uint64(feature) << uint64(5))
    at += key_size
    out[at] = TAG_MESSAGE_2
    at = write_varint(out, at + one, wrapped)
    out[at] = template.tags[feature]
    at = write_varint(out, at + one, numbers)
    out[at] = TAG_MESSAGE_1
    at = write_varint(out, at + one, values)
    begin = uint64(template.ends[feature])
    for k in range(values):
        out[at + k] = template.encoded[begin + k]
    return at + values


@kernel
def write_examples(values: Any, template: Any, out: Any, checks: Any) -> Any:
    """Write rows as framed records to uint8[:] `out` until it might not take another one.

    Args:
        values: int32[B, template.firsts[-1]], the features side by side in the order of
            their names; floats as their bits.
        template: see ExampleTemplate.
        out: at least `largest_record` long.
        checks: uint32[B], gets each record's stored checksum.

    Returns:
        (records written, bytes written).
    """
    features = uint64(len(template.tags))
    worst = uint64(FRAME + LONGEST_NAME + len(template.encoded))
    worst += features * uint64(_AROUND + LONGEST_NAME)
    start = uint64(0)
    row = uint64(0)
    while row < uint64(len(values)) and start + worst <= uint64(len(out)):
        # Values first: the sizes of all messages around them follow from theirs.
        _encode(values, row, template)
        total = uint64(0)
        for feature in range(features):
            entry = _entry_sizes(template, feature)[0]
            total += uint64(1) + varint_size(entry) + entry
        data = start + uint64(HEADER)
        out[data] = TAG_MESSAGE_1
        end = write_varint(out, data + uint64(1), total)
        for feature in range(features):
            end = _put_entry(out, end, template, feature)
        # The frame: length, its checksum, and that of the data behind the data.
        store_u64(out, start, end - data)
        store_u32(out, start + uint64(8), masked_crc(out, start, uint64(8)))
        check = masked_crc(out, data, end - data)
        checks[row] = check
        store_u32(out, end, check)
        start = end + uint64(FRAME - HEADER)
        row += uint64(1)
    return row, start
