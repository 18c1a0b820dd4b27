"""Plan → the bytes of record files: framed tf.train.Examples of the seven features.

What is the same in every record is made once, in a `Page`, and copied in blocks of 32
bytes; a block may reach beyond what is wanted, into bytes that are written next.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import uint32, uint64

from bertkit.codecs.protobuf import encode_varint
from bertkit.kernels.crc32c import masked, masked_crc
from bertkit.kernels.jit import has_feature, inlined, kernel
from bertkit.kernels.memory import (
    copy_32_bytes,
    put_eight_varints,
    store_u32,
    store_u64,
    varint_shuffles,
)
from bertkit.kernels.protobuf import (
    TAG_MESSAGE_1,
    TAG_MESSAGE_2,
    TAG_MESSAGE_3,
    varint_size,
    write_varint,
)
from bertkit.records.files.kernels.crc_tables import Known, known, record_register
from bertkit.records.files.kernels.parse import FRAME, HEADER
from bertkit.records.instances.kernels.materialise import copy_segments, prefetch_records

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

# Eight numbers are encoded at once where the processor can pick bytes by an index.
IN_EIGHTS = has_feature("ssse3")
_SHUFFLES = varint_shuffles()


class Page(NamedTuple):
    """What all records of L tokens and P predictions share, and work space for one.

    Attributes:
        ids: token[L + 8], the sequence, masked.
        labels: token[P + 8], what stood at the masked positions.
        places: uint16[P + 8], those positions.
        varints: uint32[largest number + 1], each number's varint in the low three bytes,
            how many of them count in the high one; empty with IN_EIGHTS.
        shuffles: uint8[256, 16], see `put_eight_varints`.
        values: uint8[:], what values are copied from: L zeros, L ones and L zeros; P ones
            and P zeros as float32; room for the numbers of a record as varints.
        blocks: int64[4], where in `values` the floats begin, and the varints of the ids, the
            labels and the positions.
        parts: int64[7, 3], for each feature of a record: first byte in `values`, how many
            bytes, and how many zeros follow.
        varies: bool[7], whether the size of a feature's values varies.
        heads: uint8[7, 64], the bytes before each feature's values. Where their size
            varies, only the key and what is around it.
        head_sizes: int64[7], how many of those bytes count.
        total: int64[1], bytes of all features of the record before.
        ends: uint64[7], where each feature of the record ends.
        known: what parts of a record contribute to its checksum.
    """

    ids: np.ndarray
    labels: np.ndarray
    places: np.ndarray
    varints: np.ndarray
    shuffles: np.ndarray
    values: np.ndarray
    blocks: np.ndarray
    parts: np.ndarray
    varies: np.ndarray
    heads: np.ndarray
    head_sizes: np.ndarray
    total: np.ndarray
    ends: np.ndarray
    known: Known


def page(length: int, predictions: int, vocab_size: int, dtype: np.dtype) -> Page:
    """What `write_records` needs; numbers up to LARGEST_ID fit."""
    sizes = {INPUT_MASK: length, SEGMENTS: length, MASKED_WEIGHTS: 4 * predictions}
    sizes[NEXT_SENTENCE] = 1
    fixed: list[bytes] = []
    heads = np.zeros((7, _HEAD), np.uint8)
    head_sizes = np.zeros(7, np.int64)
    for feature, name in enumerate(SORTED_FEATURES):
        key = bytes([TAG_MESSAGE_1, len(name)]) + name.encode() + bytes([TAG_MESSAGE_2])
        head = key if feature in VARYING else _fixed_head(feature, key, sizes[feature])
        if feature not in VARYING:
            fixed.append(head)
        heads[feature, : len(head)] = np.frombuffer(head, np.uint8)
        head_sizes[feature] = len(head)
    slack = np.zeros(_SLACK, np.uint8)
    runs = np.repeat([0, 1, 0], [length] * 3).astype(np.uint8)
    weights = np.repeat([1, 0], [predictions] * 2).astype(np.float32).view(np.uint8)
    numbers = [np.zeros(3 * count + _SLACK, np.uint8) for count in (length, predictions)]
    blocks = [runs, slack, weights, slack, numbers[0], numbers[1], numbers[1]]
    ends = np.cumsum([len(block) for block in blocks])
    return Page(
        ids=np.zeros(length + 8, dtype),
        labels=np.zeros(predictions + 8, dtype),
        places=np.zeros(predictions + 8, np.uint16),
        varints=_varints(0 if IN_EIGHTS else max(length, vocab_size)),
        shuffles=_SHUFFLES,
        values=np.concatenate(blocks),
        blocks=ends[[1, 3, 4, 5]],
        parts=np.zeros((7, 3), np.int64),
        varies=np.isin(np.arange(7), VARYING),
        heads=heads,
        head_sizes=head_sizes,
        total=np.zeros(1, np.int64),
        ends=np.zeros(7, np.uint64),
        known=known(length, predictions, *fixed),
    )


def _fixed_head(feature: int, key: bytes, size: int) -> bytes:
    """All bytes before the values of a feature that takes `size` bytes."""
    numbers = bytes([TAG_MESSAGE_1]) + encode_varint(size)
    kind = TAG_MESSAGE_2 if feature == MASKED_WEIGHTS else TAG_MESSAGE_3
    wrapped = bytes([kind]) + encode_varint(len(numbers) + size) + numbers
    entry = key + encode_varint(len(wrapped) + size) + wrapped
    return bytes([TAG_MESSAGE_1]) + encode_varint(len(entry) + size) + entry


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
def _encode_in_eights(page: Any, begin: Any, numbers: Any, count: Any) -> Any:
    """Write numbers[:count] as varints to page.values[begin:]; returns how many bytes.

    Sets seven numbers behind them to 0.
    """
    for k in range(count, count + uint64(7)):
        numbers[k] = 0
    at = begin
    eights = (count + uint64(7)) >> uint64(3)
    step = uint64(8 * numbers.itemsize)
    for k in range(eights):
        at += put_eight_varints(numbers, k * step, page.shuffles, page.values, at)
    return at - begin - ((eights << uint64(3)) - count)  # a 0 is one byte


@inlined
def _encode_singly(page: Any, begin: Any, numbers: Any, count: Any) -> Any:
    """Write numbers[:count] as varints to page.values[begin:]; returns how many bytes."""
    at = begin
    for k in range(count):
        number = page.varints[uint64(numbers[k])]
        store_u32(page.values, at, number)  # the bytes too many are overwritten next
        at += uint64(number >> uint32(24))
    return at - begin


_encode = _encode_in_eights if IN_EIGHTS else _encode_singly


@inlined
def _set_part(page: Any, feature: Any, first: Any, size: Any, zeros: Any) -> None:
    page.parts[feature, 0] = first
    page.parts[feature, 1] = size
    page.parts[feature, 2] = zeros


@inlined
def _set_numbers(
    page: Any, feature: Any, begin: Any, numbers: Any, count: Any, padded: Any
) -> None:
    """A feature of numbers[:count] and zeros up to `padded` values."""
    size = _encode(page, begin, numbers, count)
    _set_part(page, feature, begin, size, padded - count)


@inlined
def _set_parts(page: Any, pair: Any, length: Any) -> None:
    """Encode what varies in the record, and say what each feature is copied from."""
    width, predictions = uint64(len(page.ids) - 8), uint64(len(page.labels) - 8)
    none, one, four = uint64(0), uint64(1), uint64(4)
    begin, masked = uint64(pair.first_length) + uint64(2), uint64(pair.masked)
    floats, ids, labels, places = page.blocks[0], page.blocks[1], page.blocks[2], page.blocks[3]
    _set_numbers(page, uint64(INPUT_IDS), uint64(ids), page.ids, length, width)
    _set_part(page, uint64(INPUT_MASK), width + width - length, width, none)
    _set_numbers(page, uint64(MASKED_IDS), uint64(labels), page.labels, masked, predictions)
    _set_numbers(page, uint64(MASKED_POSITIONS), uint64(places), page.places, masked, predictions)
    first = uint64(floats) + four * (predictions - masked)
    _set_part(page, uint64(MASKED_WEIGHTS), first, four * predictions, none)
    _set_part(page, uint64(NEXT_SENTENCE), width * uint64(pair.is_random_next), one, none)
    _set_part(page, uint64(SEGMENTS), width - begin, length, width - length)


@inlined
def _put_features(out: Any, at: Any, page: Any) -> Any:
    """Write the features that `page.parts` describes, in order; returns their end."""
    one = uint64(1)
    for feature in range(uint64(7)):
        first, size = uint64(page.parts[feature, 0]), uint64(page.parts[feature, 1])
        zeros, head = uint64(page.parts[feature, 2]), uint64(page.head_sizes[feature])
        total = size + zeros
        numbers = one + varint_size(total) + total
        wrapped = one + varint_size(numbers) + numbers
        if page.varies[feature]:
            out[at] = TAG_MESSAGE_1
            at = write_varint(out, at + one, head + varint_size(wrapped) + wrapped)
        at = _copy(out, at, page.heads, feature * uint64(_HEAD), head)
        if page.varies[feature]:
            at = write_varint(out, at, wrapped)
            out[at] = TAG_MESSAGE_3
            at = write_varint(out, at + one, numbers)
            out[at] = TAG_MESSAGE_1
            at = write_varint(out, at + one, total)
        at = _copy(out, at, page.values, first, size)
        at = _copy(out, at, page.values, uint64(0), zeros)
        page.ends[feature] = at
    return at


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
    width, predictions = uint64(len(page.ids) - 8), uint64(len(page.labels) - 8)
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
        _set_parts(page, pair, length)
        total = _put_features(out, features, page) - features
        page.total[0] = total
        out[data] = TAG_MESSAGE_1
        begin = data + one + varint_size(total)
        if begin != features:
            _move(out, features, begin, total)
        write_varint(out, data + one, total)
        end = begin + total
        store_u64(out, start, end - data)
        store_u32(out, start + uint64(8), masked_crc(out, start, uint64(8)))
        ids_end = page.ends[INPUT_IDS] + begin - features
        check = masked(record_register(page.known, pair, out, data, ids_end, end))
        checks[row] = check
        store_u32(out, end, check)
        start = end + uint64(FRAME - HEADER)
        row += one
    return row, start
