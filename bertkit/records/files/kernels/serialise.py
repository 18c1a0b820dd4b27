"""Writes planned sentence pairs as the bytes of record files: framed tf.train.Examples.

What is the same in every record is made once, in a `RecordTemplate`, and copied in blocks of 32
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
from bertkit.records.files.kernels.crc_tables import ConstantParts, constant_parts, record_register
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
_HEAD = 64  # bytes of a row of heads
_SLACK = 32  # bytes that the last block of a copy may reach too far

# Eight numbers are encoded at once where the processor can pick bytes by an index.
IN_EIGHTS = has_feature("ssse3")
_SHUFFLES = varint_shuffles()


class RecordTemplate(NamedTuple):
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
        parts_crc: what the constant parts of a record contribute to its checksum.
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
    parts_crc: ConstantParts


def record_template(
    length: int, predictions: int, vocab_size: int, dtype: np.dtype
) -> RecordTemplate:
    """What `write_records` needs; numbers up to LARGEST_ID fit."""
    sizes = {INPUT_MASK: length, SEGMENTS: length, MASKED_WEIGHTS: 4 * predictions}
    sizes[NEXT_SENTENCE] = 1
    heads = np.zeros((7, _HEAD), np.uint8)
    head_sizes = np.zeros(7, np.int64)
    fixed: dict[int, bytes] = {}
    for feature, name in enumerate(SORTED_FEATURES):
        key = bytes([TAG_MESSAGE_1, len(name)]) + name.encode() + bytes([TAG_MESSAGE_2])
        head = key if feature in VARYING else _fixed_head(feature, key, sizes[feature])
        if feature not in VARYING:
            fixed[feature] = head
        heads[feature, : len(head)] = np.frombuffer(head, np.uint8)
        head_sizes[feature] = len(head)
    slack = np.zeros(_SLACK, np.uint8)
    runs = np.repeat([0, 1, 0], [length] * 3).astype(np.uint8)
    weights = np.repeat([1, 0], [predictions] * 2).astype(np.float32).view(np.uint8)
    numbers = [np.zeros(3 * count + _SLACK, np.uint8) for count in (length, predictions)]
    blocks = [runs, slack, weights, slack, numbers[0], numbers[1], numbers[1]]
    ends = np.cumsum([len(block) for block in blocks])
    return RecordTemplate(
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
        parts_crc=constant_parts(
            length,
            predictions,
            mask_head=fixed[INPUT_MASK],
            weights_head=fixed[MASKED_WEIGHTS],
            next_head=fixed[NEXT_SENTENCE],
            segments_head=fixed[SEGMENTS],
        ),
    )


def _fixed_head(feature: int, key: bytes, size: int) -> bytes:
    """All bytes before the values of a feature that takes `size` bytes."""
    numbers = bytes([TAG_MESSAGE_1]) + encode_varint(size)
    kind = TAG_MESSAGE_2 if feature == MASKED_WEIGHTS else TAG_MESSAGE_3
    wrapped = bytes([kind]) + encode_varint(len(numbers) + size) + numbers
    entry = key + encode_varint(len(wrapped) + size) + wrapped
    return bytes([TAG_MESSAGE_1]) + encode_varint(len(entry) + size) + entry


def _varints(count: int) -> np.ndarray:
    """uint32[count], see RecordTemplate."""
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
def _encode_in_eights(template: Any, begin: Any, numbers: Any, count: Any) -> Any:
    """Write numbers[:count] as varints to template.values[begin:]; returns how many bytes.

    Sets seven numbers behind them to 0.
    """
    for k in range(count, count + uint64(7)):
        numbers[k] = 0
    at = begin
    eights = (count + uint64(7)) >> uint64(3)
    step = uint64(8 * numbers.itemsize)
    for k in range(eights):
        at += put_eight_varints(numbers, k * step, template.shuffles, template.values, at)
    return at - begin - ((eights << uint64(3)) - count)  # a 0 is one byte


@inlined
def _encode_singly(template: Any, begin: Any, numbers: Any, count: Any) -> Any:
    """Write numbers[:count] as varints to template.values[begin:]; returns how many bytes."""
    at = begin
    for k in range(count):
        number = template.varints[uint64(numbers[k])]
        store_u32(template.values, at, number)  # the bytes too many are overwritten next
        at += uint64(number >> uint32(24))
    return at - begin


_encode = _encode_in_eights if IN_EIGHTS else _encode_singly


@inlined
def _set_part(template: Any, feature: Any, first: Any, size: Any, zeros: Any) -> None:
    template.parts[feature, 0] = first
    template.parts[feature, 1] = size
    template.parts[feature, 2] = zeros


@inlined
def _set_numbers(
    template: Any, feature: Any, begin: Any, numbers: Any, count: Any, padded: Any
) -> None:
    """A feature of numbers[:count] and zeros up to `padded` values."""
    size = _encode(template, begin, numbers, count)
    _set_part(template, feature, begin, size, padded - count)


@inlined
def _set_parts(template: Any, pair: Any, length: Any) -> None:
    """Encode what varies in the record, and say what each feature is copied from."""
    width, predictions = uint64(len(template.ids) - 8), uint64(len(template.labels) - 8)
    none, one, four = uint64(0), uint64(1), uint64(4)
    begin, masked = uint64(pair.first_length) + uint64(2), uint64(pair.masked)
    floats, ids, labels, places = (
        template.blocks[0],
        template.blocks[1],
        template.blocks[2],
        template.blocks[3],
    )
    _set_numbers(template, uint64(INPUT_IDS), ids, template.ids, length, width)
    _set_part(template, uint64(INPUT_MASK), width + width - length, width, none)
    _set_numbers(template, uint64(MASKED_IDS), labels, template.labels, masked, predictions)
    _set_numbers(
        template, uint64(MASKED_POSITIONS), uint64(places), template.places, masked, predictions
    )
    first = floats + four * (predictions - masked)
    _set_part(template, uint64(MASKED_WEIGHTS), first, four * predictions, none)
    _set_part(template, uint64(NEXT_SENTENCE), width * uint64(pair.is_random_next), one, none)
    _set_part(template, uint64(SEGMENTS), width - begin, length, width - length)


@inlined
def _put_features(out: Any, at: Any, template: Any) -> Any:
    """Write the features that `template.parts` describes, in order; returns their end."""
    one = uint64(1)
    for feature in range(uint64(7)):
        first, size = uint64(template.parts[feature, 0]), uint64(template.parts[feature, 1])
        zeros, head = uint64(template.parts[feature, 2]), uint64(template.head_sizes[feature])
        total = size + zeros
        numbers = one + varint_size(total) + total
        wrapped = one + varint_size(numbers) + numbers
        if template.varies[feature]:
            out[at] = TAG_MESSAGE_1
            at = write_varint(out, at + one, head + varint_size(wrapped) + wrapped)
        at = _copy(out, at, template.heads, feature * uint64(_HEAD), head)
        if template.varies[feature]:
            at = write_varint(out, at, wrapped)
            out[at] = TAG_MESSAGE_3
            at = write_varint(out, at + one, numbers)
            out[at] = TAG_MESSAGE_1
            at = write_varint(out, at + one, total)
        at = _copy(out, at, template.values, first, size)
        at = _copy(out, at, template.values, uint64(0), zeros)
        template.ends[feature] = at
    return at


@inlined
def _apply_masks(instances: Any, number: Any, masked: Any, template: Any) -> None:
    """Mask the sequence in template.ids; what stood there goes to template.labels."""
    keep = np.iinfo(instances.replacements.dtype).max
    for k in range(masked):
        position = uint64(instances.positions[number, k])
        replacement = instances.replacements[number, k]
        token = template.ids[position]
        template.places[k] = position
        template.labels[k] = token
        template.ids[position] = token if replacement == keep else replacement


@kernel
def write_records(planned: Any, which: Any, template: Any, out: Any, checks: Any) -> Any:
    """Write framed records to uint8[:] `out` until it might not take another one.

    Args:
        planned: materialise.PlannedText.
        which: int64[B], places in `planned.order` of the records.
        template: see RecordTemplate.
        out: uint8[:], at least `largest_record` long.
        checks: uint32[B], gets each record's stored checksum.

    Returns:
        (records written, bytes written).
    """
    width, predictions = uint64(len(template.ids) - 8), uint64(len(template.labels) - 8)
    worst = uint64(OVERHEAD) + uint64(5) * width + uint64(10) * predictions
    one = uint64(1)
    start = uint64(0)
    row = uint64(0)
    while row < uint64(len(which)) and start + worst <= uint64(len(out)):
        prefetch_records(planned, which, row)
        number = uint64(planned.order[uint64(which[row])])
        pair = planned.instances.pairs[number]
        length = copy_segments(planned, pair, template.ids)
        _apply_masks(planned.instances, number, uint64(pair.masked), template)
        # The size of all features stands before them; it most likely takes as many bytes as
        # that of the record before.
        data = start + uint64(HEADER)
        features = data + one + varint_size(uint64(template.total[0]))
        _set_parts(template, pair, length)
        total = _put_features(out, features, template) - features
        template.total[0] = total
        out[data] = TAG_MESSAGE_1
        begin = data + one + varint_size(total)
        if begin != features:
            _move(out, features, begin, total)
        write_varint(out, data + one, total)
        end = begin + total
        # The frame: length, its checksum, and that of the data behind the data.
        store_u64(out, start, end - data)
        store_u32(out, start + uint64(8), masked_crc(out, start, uint64(8)))
        ids_end = template.ends[INPUT_IDS] + begin - features
        check = masked(record_register(template.parts_crc, pair, out, data, ids_end, end))
        checks[row] = check
        store_u32(out, end, check)
        start = end + uint64(FRAME - HEADER)
        row += one
    return row, start
