"""Plan → the bytes of record files: framed tf.train.Examples of the seven features.

What is the same in every record is made once, in a `Page`, and copied in blocks of 32
bytes; a block may reach beyond what is wanted, into bytes that are written next.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import uint32, uint64

from bertkit.records.kernels.bits import (
    copy_32_bytes,
    put_four_varints,
    store_u32,
    store_u64,
    varint_shuffles,
)
from bertkit.records.kernels.compile import has_feature, inlined, kernel
from bertkit.records.kernels.crc32c import masked_crc
from bertkit.records.kernels.materialise import copy_segments, prefetch_records
from bertkit.records.kernels.parse import FRAME, HEADER
from bertkit.records.kernels.protobuf import (
    TAG_MESSAGE_1,
    TAG_MESSAGE_2,
    TAG_MESSAGE_3,
    varint,
    varint_size,
    write_varint,
)

# Features of a record file in the order of their bytes: sorted by name.
SORTED_FEATURES = (
    "input_ids",
    "input_mask",
    "masked_lm_ids",
    "masked_lm_positions",
    "masked_lm_weights",
    "next_sentence_labels",
    "segment_ids",
)
(INPUT_IDS, INPUT_MASK, MASKED_IDS, MASKED_POSITIONS, MASKED_WEIGHTS, NEXT_SENTENCE, SEGMENTS) = (
    range(7)
)
VARYING = (INPUT_IDS, MASKED_IDS, MASKED_POSITIONS)  # in bytes; the others have a fixed size
OVERHEAD = 512  # bytes around the values of a record, at most
LARGEST_ID = (1 << 21) - 1  # ids are written in one to three bytes
_HEAD = 64  # bytes of a row of heads
_SLACK = 32  # bytes that the last block of a copy may reach too far

# Four numbers are encoded at once where the processor can pick bytes by an index.
IN_FOURS = has_feature("ssse3")
_SHUFFLES = varint_shuffles()


class Page(NamedTuple):
    """What all records of L tokens and P predictions share, and work space for one.

    Attributes:
        ids: token[L + 4], the sequence, masked.
        labels: token[P + 4], what stood at the masked positions.
        places: uint16[P + 4], those positions.
        varints: uint32[largest number + 1], each number's varint in the low three bytes,
            how many of them count in the high one; empty with IN_FOURS.
        shuffles: uint8[256, 16], see `put_four_varints`.
        encoded: uint8[:], values of the feature being written.
        runs: uint8[3 L + slack], L zeros, L ones, zeros.
        weights: uint8[8 P + slack], P float32 ones, P zeros.
        heads: uint8[7, 64], the bytes before each feature's values. Where their size
            varies, only the key and what is around it.
        head_sizes: int64[7], how many of those bytes count.
        total: int64[1], bytes of all features of the record before.
    """

    ids: np.ndarray
    labels: np.ndarray
    places: np.ndarray
    varints: np.ndarray
    shuffles: np.ndarray
    encoded: np.ndarray
    runs: np.ndarray
    weights: np.ndarray
    heads: np.ndarray
    head_sizes: np.ndarray
    total: np.ndarray


def page(length: int, predictions: int, vocab_size: int, dtype: np.dtype) -> Page:
    """What `write_records` needs; numbers up to LARGEST_ID fit."""
    sizes = {INPUT_MASK: length, SEGMENTS: length, MASKED_WEIGHTS: 4 * predictions}
    sizes[NEXT_SENTENCE] = 1
    heads = np.zeros((7, _HEAD), np.uint8)
    head_sizes = np.zeros(7, np.int64)
    for feature, name in enumerate(SORTED_FEATURES):
        key = bytes([TAG_MESSAGE_1, len(name)]) + name.encode() + bytes([TAG_MESSAGE_2])
        head = key if feature in VARYING else _fixed_head(feature, key, sizes[feature])
        heads[feature, : len(head)] = np.frombuffer(head, np.uint8)
        head_sizes[feature] = len(head)
    runs = np.repeat([0, 1, 0], [length, length, length + _SLACK]).astype(np.uint8)
    weights = np.repeat([1, 0], [predictions, predictions + _SLACK // 4]).astype(np.float32)
    return Page(
        ids=np.zeros(length + 4, dtype),
        labels=np.zeros(predictions + 4, dtype),
        places=np.zeros(predictions + 4, np.uint16),
        varints=_varints(0 if IN_FOURS else max(length, vocab_size)),
        shuffles=_SHUFFLES,
        encoded=np.zeros(3 * max(length, predictions) + _SLACK, np.uint8),
        runs=runs,
        weights=weights.view(np.uint8),
        heads=heads,
        head_sizes=head_sizes,
        total=np.zeros(1, np.int64),
    )


def _fixed_head(feature: int, key: bytes, size: int) -> bytes:
    """All bytes before the values of a feature that takes `size` bytes."""
    numbers = bytes([TAG_MESSAGE_1]) + varint(size)
    kind = TAG_MESSAGE_2 if feature == MASKED_WEIGHTS else TAG_MESSAGE_3
    wrapped = bytes([kind]) + varint(len(numbers) + size) + numbers
    entry = key + varint(len(wrapped) + size) + wrapped
    return bytes([TAG_MESSAGE_1]) + varint(len(entry) + size) + entry


def _varints(count: int) -> np.ndarray:
    """uint32[count], see Page."""
    number = np.arange(count, dtype=np.uint32)
    size = 1 + (number >= 1 << 7).astype(np.uint32) + (number >= 1 << 14)
    spread = (number & 0x7F) | (number << 1 & 0x7F00) | (number << 2 & 0x7F0000)
    return spread | (size > 1) << np.uint32(7) | (size > 2) << np.uint32(15) | size << np.uint32(24)


def largest_record(length: int, predictions: int) -> int:
    """More bytes than any record of this shape takes."""
    return OVERHEAD + (3 + 1 + 1) * length + (3 + 3 + 4) * predictions


@inlined
def _copy(out: Any, at: Any, source: Any, first: Any, size: Any) -> Any:
    """Copy `size` bytes, and up to 31 more, to out[at:]; returns the end."""
    for k in range(uint64(0), size, uint64(32)):
        copy_32_bytes(out, at + k, source, first + k)
    return at + size


@inlined
def _move(out: Any, source: Any, target: Any, size: Any) -> None:
    """Move `size` bytes within `out`; the places may overlap."""
    if target < source:
        for k in range(size):
            out[target + k] = out[source + k]
    else:
        for k in range(size):
            out[target + (size - uint64(1) - k)] = out[source + (size - uint64(1) - k)]


@inlined
def _encode_in_fours(page: Any, values: Any, count: Any) -> Any:
    """Write values[:count] as varints to page.encoded; returns the bytes.

    Sets three values behind them to 0.
    """
    for k in range(count, count + uint64(3)):
        values[k] = 0
    at = uint64(0)
    fours = (count + uint64(3)) >> uint64(2)
    step = uint64(4 * values.itemsize)
    for k in range(fours):
        at += put_four_varints(values, k * step, page.shuffles, page.encoded, at)
    return at - ((fours << uint64(2)) - count)  # a 0 is one byte


@inlined
def _encode_singly(page: Any, values: Any, count: Any) -> Any:
    """Write values[:count] as varints to page.encoded; returns the bytes."""
    at = uint64(0)
    for k in range(count):
        number = page.varints[uint64(values[k])]
        store_u32(page.encoded, at, number)  # the bytes too many are overwritten next
        at += uint64(number >> uint32(24))
    return at


_encode = _encode_in_fours if IN_FOURS else _encode_singly


@inlined
def _put_varying(
    out: Any, at: Any, page: Any, feature: Any, values: Any, count: Any, padded: Any
) -> Any:
    """Write the map entry of values[:count] and zeros up to `padded`; returns the end."""
    one = uint64(1)
    encoded = _encode(page, values, count)
    size = encoded + (padded - count)
    head = uint64(page.head_sizes[feature])
    numbers = one + varint_size(size) + size
    wrapped = one + varint_size(numbers) + numbers
    out[at] = TAG_MESSAGE_1
    at = write_varint(out, at + one, head + varint_size(wrapped) + wrapped)
    at = _copy(out, at, page.heads, uint64(feature * _HEAD), head)
    at = write_varint(out, at, wrapped)
    out[at] = TAG_MESSAGE_3
    at = write_varint(out, at + one, numbers)
    out[at] = TAG_MESSAGE_1
    at = write_varint(out, at + one, size)
    at = _copy(out, at, page.encoded, uint64(0), encoded)
    return _copy(out, at, page.runs, uint64(0), padded - count)


@inlined
def _put_head(out: Any, at: Any, page: Any, feature: Any) -> Any:
    """Write all before the values of a feature of fixed size; returns where those begin."""
    return _copy(out, at, page.heads, uint64(feature * _HEAD), uint64(page.head_sizes[feature]))


@inlined
def _put_features(out: Any, at: Any, page: Any, pair: Any, length: Any) -> Any:
    """Write the features of the record in `page`, in order; returns their end."""
    width, predictions = uint64(len(page.ids) - 4), uint64(len(page.labels) - 4)
    masked = uint64(pair.masked)
    at = _put_varying(out, at, page, INPUT_IDS, page.ids, length, width)
    at = _put_head(out, at, page, INPUT_MASK)
    at = _copy(out, at, page.runs, width + width - length, width)
    at = _put_varying(out, at, page, MASKED_IDS, page.labels, masked, predictions)
    at = _put_varying(out, at, page, MASKED_POSITIONS, page.places, masked, predictions)
    at = _put_head(out, at, page, MASKED_WEIGHTS)
    four = uint64(4)
    at = _copy(out, at, page.weights, four * (predictions - masked), four * predictions)
    at = _put_head(out, at, page, NEXT_SENTENCE)
    out[at] = pair.is_random_next
    at = _put_head(out, at + uint64(1), page, SEGMENTS)
    begin = uint64(pair.first_length) + uint64(2)
    at = _copy(out, at, page.runs, width - begin, length)
    return _copy(out, at, page.runs, uint64(0), width - length)


@inlined
def _apply_masks(instances: Any, number: Any, masked: Any, page: Any) -> None:
    """Mask the sequence in page.ids; what stood there goes to page.labels."""
    keep = np.iinfo(instances.replacements.dtype).max
    for k in range(masked):
        position = uint64(instances.positions[number, k])
        replacement = instances.replacements[number, k]
        token = page.ids[position]
        page.places[k] = position
        page.labels[k] = token
        page.ids[position] = token if replacement == keep else replacement


@kernel
def write_records(
    tokens: Any, instances: Any, order: Any, which: Any, cls_id: Any, sep_id: Any,
    page: Any, out: Any, checks: Any,
) -> Any:  # fmt: skip
    """Write framed records to uint8[:] `out` until it might not take another one.

    Args:
        tokens: token[:], the text.
        instances: plan.Instances.
        order: uint32[N], the shuffled order.
        which: int64[B], places in `order` of the records.
        page: see Page.
        out: uint8[:], at least `largest_record` long.
        checks: uint32[B], gets each record's stored checksum.

    Returns:
        (records written, bytes written).
    """
    width, predictions = uint64(len(page.ids) - 4), uint64(len(page.labels) - 4)
    worst = uint64(OVERHEAD) + uint64(5) * width + uint64(10) * predictions
    one = uint64(1)
    start = uint64(0)
    row = uint64(0)
    while row < uint64(len(which)) and start + worst <= uint64(len(out)):
        prefetch_records(tokens, instances, order, which, row)
        number = uint64(order[uint64(which[row])])
        pair = instances.pairs[number]
        length = copy_segments(tokens, pair, cls_id, sep_id, page.ids)
        _apply_masks(instances, number, uint64(pair.masked), page)
        # The size of all features stands before them; it most likely takes as many bytes as
        # that of the record before.
        data = start + uint64(HEADER)
        features = data + one + varint_size(uint64(page.total[0]))
        total = _put_features(out, features, page, pair, length) - features
        page.total[0] = total
        out[data] = TAG_MESSAGE_1
        begin = data + one + varint_size(total)
        if begin != features:
            _move(out, features, begin, total)
        write_varint(out, data + one, total)
        end = begin + total
        store_u64(out, start, end - data)
        store_u32(out, start + uint64(8), masked_crc(out, start, uint64(8)))
        check = masked_crc(out, data, end - data)
        checks[row] = check
        store_u32(out, end, check)
        start = end + uint64(FRAME - HEADER)
        row += one
    return row, start
