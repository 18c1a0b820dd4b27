"""Writes planned sentence pairs as packs: several in one row, in Habana's format or Graphcore's.

Both are described in `records/files/packs/formats.py`; they differ only in where a [CLS] and
the next sentence label of a sequence stand.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import uint64

from bertkit.kernels.jit import kernel
from bertkit.records.instances.kernels.materialise import copy_segments


class PackColumns(NamedTuple):
    """Where things stand in a row of a table of packs.

    Attributes:
        input_ids, input_mask, segment_ids, positions: first columns, a value per token.
        places, labels, weights: first columns, a value per prediction: its place in the
            pack, what stood there, and the number of its sequence.
        starts, next_labels, next_weights: first columns, a value per sequence: where it
            begins (-1: not told), its next sentence label, and 1.
        length: token slots.
        sequences: most sequences.
        cls_behind: 1 where the [CLS] of all sequences stand at the end of the pack, the
            first sequence's last, and the labels in that order; else 0.
        one: what a next weight of 1 looks like.
        numbers: int32[sequences + 1], what weights look like.
    """

    input_ids: int
    input_mask: int
    segment_ids: int
    positions: int
    places: int
    labels: int
    weights: int
    starts: int
    next_labels: int
    next_weights: int
    length: int
    sequences: int
    cls_behind: int
    one: int
    numbers: np.ndarray


@kernel
def fill_packs(planned: Any, packs: Any, columns: Any, ids: Any, out: Any) -> None:
    """Write packs to the rows of `out`.

    Args:
        planned: materialise.PlannedText.
        packs: int64[B, S], places in `planned.order` of the sequences of each pack, then -1.
        columns: PackColumns.
        ids: token[L], work space.
        out: int32[B, W], zero where nothing is written.
    """
    instances = planned.instances
    keep = np.iinfo(instances.replacements.dtype).max
    moved = uint64(columns.cls_behind)
    for row in range(uint64(len(packs))):
        begin = uint64(0)  # token slots used so far
        done = uint64(0)  # prediction slots used so far
        for n in range(uint64(packs.shape[1])):
            if packs[row, n] < 0:
                break
            number = uint64(planned.order[uint64(packs[row, n])])
            pair = instances.pairs[number]
            length = copy_segments(planned, pair, ids)
            # Predictions first: their labels are what masking replaces in `ids`.
            for k in range(uint64(pair.masked)):
                position = uint64(instances.positions[number, k])
                replacement = instances.replacements[number, k]
                at = done + k
                out[row, uint64(columns.places) + at] = begin + position - moved
                out[row, uint64(columns.labels) + at] = ids[position]
                out[row, uint64(columns.weights) + at] = columns.numbers[n + uint64(1)]
                ids[position] = ids[position] if replacement == keep else replacement
            second = uint64(pair.first_length) + uint64(2)
            for k in range(moved, length):
                at = begin + k - moved
                out[row, uint64(columns.input_ids) + at] = ids[k]
                out[row, uint64(columns.input_mask) + at] = n + uint64(1)
                out[row, uint64(columns.segment_ids) + at] = k >= second
                out[row, uint64(columns.positions) + at] = k
            # Graphcore: the [CLS] goes to the end of the pack, the last sequence's first.
            slot = n
            if moved == uint64(1):
                at = uint64(columns.length) - n - uint64(1)
                out[row, uint64(columns.input_ids) + at] = ids[0]
                out[row, uint64(columns.input_mask) + at] = n + uint64(1)
                slot = uint64(columns.sequences) - n - uint64(1)
            if columns.starts >= 0:
                out[row, uint64(columns.starts) + slot] = begin
            out[row, uint64(columns.next_labels) + slot] = pair.is_random_next
            out[row, uint64(columns.next_weights) + slot] = columns.one
            begin += length - moved
            done += uint64(pair.masked)
