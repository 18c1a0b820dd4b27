"""Plan → what is stored or trained on: arrays of a batch, or the bytes of record files.

Records are visited in shuffled order, so each plan row and each piece of text is a cache
miss; `_prefetch` asks for those of the next records early.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import uint32, uint64

from bertkit.records.kernels.bits import copy_32_bytes, prefetch, store_u32, store_u64
from bertkit.records.kernels.compile import inlined, kernel
from bertkit.records.kernels.crc32c import masked_crc
from bertkit.records.kernels.parse import FRAME, HEADER
from bertkit.records.kernels.protobuf import (
    TAG_MESSAGE_1,
    TAG_MESSAGE_2,
    TAG_MESSAGE_3,
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
OVERHEAD = 512  # bytes around the values of a record, at most
LARGEST_ID = (1 << 21) - 1  # ids are written in one to three bytes
_ONE = 0x3F800000  # float32 1.0
_LINE = 64  # bytes of a cache line


class Batch(NamedTuple):
    """C-ordered arrays to fill: int32 [B, L], [B, P], [B]; float32 [B, P]."""

    input_ids: np.ndarray
    input_mask: np.ndarray
    segment_ids: np.ndarray
    masked_lm_positions: np.ndarray
    masked_lm_ids: np.ndarray
    masked_lm_weights: np.ndarray
    next_sentence_labels: np.ndarray


class Page(NamedTuple):
    """Work space for one record of L tokens and P predictions.

    Attributes:
        ids: token[L], the sequence, masked.
        labels: token[P], what stood at the masked positions.
        varints: uint32[largest number + 1], each number's varint in the low three bytes,
            how many of them count in the high one.
        encoded: uint8[7, n], values of the features whose size varies.
        sizes: int64[7], bytes of each feature's values.
        keys: uint8[7, 32], names of SORTED_FEATURES.
        key_sizes: int64[7], their lengths.
    """

    ids: np.ndarray
    labels: np.ndarray
    varints: np.ndarray
    encoded: np.ndarray
    sizes: np.ndarray
    keys: np.ndarray
    key_sizes: np.ndarray


def page(length: int, predictions: int, vocab_size: int, dtype: np.dtype) -> Page:
    """Work space for `write_records`; numbers up to LARGEST_ID fit."""
    names = [name.encode() for name in SORTED_FEATURES]
    keys = np.zeros((len(names), 32), np.uint8)
    for row, name in zip(keys, names, strict=True):
        row[: len(name)] = np.frombuffer(name, np.uint8)
    sizes = np.zeros(len(names), np.int64)
    sizes[[INPUT_MASK, SEGMENTS]] = length
    sizes[MASKED_WEIGHTS] = 4 * predictions
    sizes[NEXT_SENTENCE] = 1
    return Page(
        ids=np.zeros(length, dtype),
        labels=np.zeros(predictions, dtype),
        varints=_varints(max(length, vocab_size)),
        encoded=np.zeros((len(names), 3 * max(length, predictions) + 4), np.uint8),
        sizes=sizes,
        keys=keys,
        key_sizes=np.array([len(name) for name in names]),
    )


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
def _prefetch(tokens: Any, instances: Any, order: Any, which: Any, row: Any) -> None:
    """Ask for the plan of the record six rows ahead, and for the text of the third."""
    predictions = uint64(instances.positions.shape[1])
    if row + uint64(6) < uint64(len(which)):
        number = uint64(order[uint64(which[row + uint64(6)])])
        prefetch(instances.pairs, number * uint64(16))
        at = number * predictions * uint64(2)
        wide = uint64(instances.replacements.itemsize)
        for k in range(uint64(0), predictions * uint64(2), uint64(_LINE)):
            prefetch(instances.positions, at + k)
        at = number * predictions * wide
        for k in range(uint64(0), predictions * wide, uint64(_LINE)):
            prefetch(instances.replacements, at + k)
    if row + uint64(3) < uint64(len(which)):
        pair = instances.pairs[uint64(order[uint64(which[row + uint64(3)])])]
        wide = uint64(tokens.itemsize)
        for k in range(uint64(0), uint64(pair.first_length) * wide, uint64(_LINE)):
            prefetch(tokens, uint64(pair.first_at) * wide + k)
        for k in range(uint64(0), uint64(pair.second_length) * wide, uint64(_LINE)):
            prefetch(tokens, uint64(pair.second_at) * wide + k)


@inlined
def copy_segments(tokens: Any, pair: Any, cls_id: Any, sep_id: Any, ids: Any) -> Any:
    """[CLS] A [SEP] B [SEP] to the start of `ids`; returns how many tokens."""
    first_at, first_length = uint64(pair.first_at), uint64(pair.first_length)
    second_at, second_length = uint64(pair.second_at), uint64(pair.second_length)
    begin = first_length + uint64(2)
    length = begin + second_length + uint64(1)
    ids[0] = cls_id
    for k in range(first_length):
        ids[uint64(1) + k] = tokens[first_at + k]
    ids[begin - uint64(1)] = sep_id
    for k in range(second_length):
        ids[begin + k] = tokens[second_at + k]
    ids[length - uint64(1)] = sep_id
    return length


@kernel
def fill_batch(
    tokens: Any, instances: Any, order: Any, which: Any, cls_id: Any, sep_id: Any, out: Any
) -> None:
    """Write the records `which` (int64[B], places in `order`) to the rows of `out`.

    Args:
        tokens: token[:], the text.
        instances: plan.Instances.
        order: uint32[N], the shuffled order.
        out: Batch.
    """
    keep = np.iinfo(instances.replacements.dtype).max
    width = uint64(out.input_ids.shape[1])
    predictions = uint64(out.masked_lm_ids.shape[1])
    for row in range(uint64(len(which))):
        _prefetch(tokens, instances, order, which, row)
        number = uint64(order[uint64(which[row])])
        pair = instances.pairs[number]
        ids = out.input_ids[row]
        length = copy_segments(tokens, pair, cls_id, sep_id, ids)
        for k in range(length, width):
            ids[k] = 0
        for k in range(length):
            out.input_mask[row, k] = 1
        for k in range(length, width):
            out.input_mask[row, k] = 0
        begin = uint64(pair.first_length) + uint64(2)
        for k in range(begin):
            out.segment_ids[row, k] = 0
        for k in range(begin, length):
            out.segment_ids[row, k] = 1
        for k in range(length, width):
            out.segment_ids[row, k] = 0
        masked = uint64(pair.masked)
        for k in range(masked):
            position = uint64(instances.positions[number, k])
            replacement = instances.replacements[number, k]
            token = ids[position]
            out.masked_lm_positions[row, k] = position
            out.masked_lm_ids[row, k] = token
            out.masked_lm_weights[row, k] = 1.0
            ids[position] = token if replacement == keep else replacement
        for k in range(masked, predictions):
            out.masked_lm_positions[row, k] = 0
            out.masked_lm_ids[row, k] = 0
            out.masked_lm_weights[row, k] = 0.0
        out.next_sentence_labels[row] = pair.is_random_next


@inlined
def _varint_size(value: Any) -> Any:
    """Bytes of a varint below 2**21."""
    return uint64(1) + uint64(value >= uint64(1 << 7)) + uint64(value >= uint64(1 << 14))


@inlined
def _encode(page: Any, feature: Any, values: Any, count: Any, padded: Any) -> None:
    """Encode values[:count], then zeros up to `padded` values, to page.encoded[feature]."""
    out = page.encoded[feature]
    at = uint64(0)
    for k in range(count):
        varint = page.varints[uint64(values[k])]
        store_u32(out, at, varint)  # the bytes too many are overwritten next
        at += uint64(varint >> uint32(24))
    end = at + (padded - count)
    for k in range(at, end):
        out[k] = 0
    page.sizes[feature] = end


@inlined
def _put_ones(out: Any, at: Any, before: Any, ones: Any, size: Any) -> Any:
    """Write `before` zero bytes, `ones` one bytes and zeros up to `size`; returns the end."""
    for k in range(at, at + before):
        out[k] = 0
    for k in range(at + before, at + before + ones):
        out[k] = 1
    for k in range(at + before + ones, at + size):
        out[k] = 0
    return at + size


@inlined
def _entry_sizes(page: Any, feature: Any) -> Any:
    """Sizes of a feature's nested messages: map entry, Feature, list of numbers."""
    values = uint64(page.sizes[feature])
    numbers = uint64(1) + _varint_size(values) + values
    wrapped = uint64(1) + _varint_size(numbers) + numbers
    entry = (
        uint64(2) + uint64(page.key_sizes[feature]) + uint64(1) + _varint_size(wrapped) + wrapped
    )
    return entry, wrapped, numbers


@inlined
def _put_entry_head(out: Any, at: Any, page: Any, feature: Any) -> Any:
    """Write everything of a map entry up to its values; returns where those begin."""
    one = uint64(1)
    entry, wrapped, numbers = _entry_sizes(page, feature)
    out[at] = TAG_MESSAGE_1
    at = write_varint(out, at + one, entry)
    out[at] = TAG_MESSAGE_1
    key_size = uint64(page.key_sizes[feature])
    out[at + one] = key_size
    at += uint64(2)
    copy_32_bytes(out, at, page.keys, uint64(feature) << uint64(5))
    at += key_size
    out[at] = TAG_MESSAGE_2
    at = write_varint(out, at + one, wrapped)
    out[at] = TAG_MESSAGE_2 if feature == MASKED_WEIGHTS else TAG_MESSAGE_3
    at = write_varint(out, at + one, numbers)
    out[at] = TAG_MESSAGE_1
    return write_varint(out, at + one, uint64(page.sizes[feature]))


@inlined
def _put_encoded(out: Any, at: Any, page: Any, feature: Any) -> Any:
    """Write the head and the encoded values of a feature; returns the end."""
    at = _put_entry_head(out, at, page, feature)
    values = page.encoded[feature]
    size = uint64(page.sizes[feature])
    for k in range(size):
        out[at + k] = values[k]
    return at + size


@inlined
def _put_example(out: Any, at: Any, page: Any, pair: Any, positions: Any, length: Any) -> Any:
    """Write the Example whose ids and labels are in `page`; returns its end."""
    width, predictions = uint64(len(page.ids)), uint64(len(page.labels))
    masked = uint64(pair.masked)
    _encode(page, INPUT_IDS, page.ids, length, width)
    _encode(page, MASKED_IDS, page.labels, masked, predictions)
    _encode(page, MASKED_POSITIONS, positions, masked, predictions)
    total = uint64(0)
    for feature in range(uint64(7)):
        entry = _entry_sizes(page, feature)[0]
        total += uint64(1) + _varint_size(entry) + entry
    out[at] = TAG_MESSAGE_1
    at = write_varint(out, at + uint64(1), total)
    at = _put_encoded(out, at, page, INPUT_IDS)
    at = _put_entry_head(out, at, page, INPUT_MASK)
    at = _put_ones(out, at, uint64(0), length, width)
    at = _put_encoded(out, at, page, MASKED_IDS)
    at = _put_encoded(out, at, page, MASKED_POSITIONS)
    at = _put_entry_head(out, at, page, MASKED_WEIGHTS)
    for k in range(predictions):
        store_u32(out, at + (k << uint64(2)), uint32(_ONE if k < masked else 0))
    at += predictions << uint64(2)
    at = _put_entry_head(out, at, page, NEXT_SENTENCE)
    out[at] = pair.is_random_next
    at = _put_entry_head(out, at + uint64(1), page, SEGMENTS)
    begin = uint64(pair.first_length) + uint64(2)
    return _put_ones(out, at, begin, length - begin, width)


@kernel
def write_records(
    tokens: Any, instances: Any, order: Any, which: Any, cls_id: Any, sep_id: Any,
    page: Any, out: Any, checks: Any,
) -> Any:  # fmt: skip
    """Write framed records to uint8[:] `out` until it might not take another one.

    Args:
        tokens, instances, order, which: as for `fill_batch`.
        page: work space, see Page.
        out: uint8[:], at least `largest_record` long.
        checks: uint32[len(which)], gets each record's stored checksum.

    Returns:
        (records written, bytes written).
    """
    keep = np.iinfo(instances.replacements.dtype).max
    width, predictions = uint64(len(page.ids)), uint64(len(page.labels))
    worst = uint64(OVERHEAD) + uint64(5) * width + uint64(10) * predictions
    start = uint64(0)
    row = uint64(0)
    while row < uint64(len(which)) and start + worst <= uint64(len(out)):
        _prefetch(tokens, instances, order, which, row)
        number = uint64(order[uint64(which[row])])
        pair = instances.pairs[number]
        positions = instances.positions[number]
        length = copy_segments(tokens, pair, cls_id, sep_id, page.ids)
        for k in range(uint64(pair.masked)):
            position = uint64(positions[k])
            replacement = instances.replacements[number, k]
            page.labels[k] = page.ids[position]
            page.ids[position] = page.ids[position] if replacement == keep else replacement
        data = start + uint64(HEADER)
        end = _put_example(out, data, page, pair, positions, length)
        store_u64(out, start, end - data)
        store_u32(out, start + uint64(8), masked_crc(out, start, uint64(8)))
        check = masked_crc(out, data, end - data)
        checks[row] = check
        store_u32(out, end, check)
        start = end + uint64(FRAME - HEADER)
        row += uint64(1)
    return row, start
