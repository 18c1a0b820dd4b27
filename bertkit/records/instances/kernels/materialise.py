"""Turns planned sentence pairs into arrays of a batch; `serialise` writes the same to files.

Records are visited in shuffled order, so each plan row and each piece of text is a cache
miss; `prefetch_records` asks for those of the next records early.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import uint64

from bertkit.kernels.jit import inlined, kernel
from bertkit.kernels.memory import prefetch

_LINE = 64  # bytes of a cache line


class PlannedText(NamedTuple):
    """A plan with the text it points into.

    Attributes:
        tokens: token[:], the text.
        instances: pair_plan.Instances.
        order: uint32[N], the shuffled order.
        cls_id, sep_id: ids of [CLS] and [SEP].
    """

    tokens: np.ndarray
    instances: Any
    order: np.ndarray
    cls_id: int
    sep_id: int


class Batch(NamedTuple):
    """C-ordered arrays to fill: int32 [B, L], [B, P], [B]; float32 [B, P]."""

    input_ids: np.ndarray
    input_mask: np.ndarray
    segment_ids: np.ndarray
    masked_lm_positions: np.ndarray
    masked_lm_ids: np.ndarray
    masked_lm_weights: np.ndarray
    next_sentence_labels: np.ndarray


@inlined
def prefetch_records(planned: Any, which: Any, row: Any) -> None:
    """Ask for the plan of the record six rows ahead, and for the text of the third."""
    tokens, instances, order = planned.tokens, planned.instances, planned.order
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
def copy_segments(planned: Any, pair: Any, ids: Any) -> Any:
    """[CLS] A [SEP] B [SEP] to the start of `ids`; returns how many tokens."""
    tokens, cls_id, sep_id = planned.tokens, planned.cls_id, planned.sep_id
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
def fill_batch(planned: Any, which: Any, rows: Any, out: Any) -> None:
    """Write records to rows of a batch.

    Args:
        planned: PlannedText.
        which: int64[B], the records, places in `planned.order`.
        rows: int64[B], rows of `out`.
        out: Batch.
    """
    instances = planned.instances
    keep = np.iinfo(instances.replacements.dtype).max
    width = uint64(out.input_ids.shape[1])
    predictions = uint64(out.masked_lm_ids.shape[1])
    for place in range(uint64(len(which))):
        prefetch_records(planned, which, place)
        number = uint64(planned.order[uint64(which[place])])
        pair = instances.pairs[number]
        row = uint64(rows[place])
        ids = out.input_ids[row]
        length = copy_segments(planned, pair, ids)
        # Tokens, mask and segments, each with its padding.
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
        # Predictions; masking replaces the tokens they are read from.
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
