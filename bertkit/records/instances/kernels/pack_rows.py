"""Plan → packs: several instances in one row, in Habana's layout or in Graphcore's.

Both are described in `records/layouts.py`; they differ only in where a [CLS] and the
next sentence label of a sequence stand.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import uint64

from bertkit.kernels.jit import kernel
from bertkit.records.instances.kernels.materialise import copy_segments


class Form(NamedTuple):
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
def fill_packs(
    tokens: Any, instances: Any, order: Any, packs: Any, cls_id: Any, sep_id: Any,
    form: Any, ids: Any, out: Any,
) -> None:  # fmt: skip
    """Write packs to the rows of `out`.

    Args:
        tokens: token[:], the text.
        instances: plan.Instances.
        order: uint32[N], the shuffled order.
        packs: int64[B, S], places in `order` of the sequences of each pack, then -1.
        form: Form.
        ids: token[L], work space.
        out: int32[B, W], zero where nothing is written.
    """
    keep = np.iinfo(instances.replacements.dtype).max
    moved = uint64(form.cls_behind)
    for row in range(uint64(len(packs))):
        begin = uint64(0)
        done = uint64(0)
        for n in range(uint64(packs.shape[1])):
            if packs[row, n] < 0:
                break
            number = uint64(order[uint64(packs[row, n])])
            pair = instances.pairs[number]
            length = copy_segments(tokens, pair, cls_id, sep_id, ids)
            for k in range(uint64(pair.masked)):
                position = uint64(instances.positions[number, k])
                replacement = instances.replacements[number, k]
                at = done + k
                out[row, uint64(form.places) + at] = begin + position - moved
                out[row, uint64(form.labels) + at] = ids[position]
                out[row, uint64(form.weights) + at] = form.numbers[n + uint64(1)]
                ids[position] = ids[position] if replacement == keep else replacement
            second = uint64(pair.first_length) + uint64(2)
            for k in range(moved, length):
                at = begin + k - moved
                out[row, uint64(form.input_ids) + at] = ids[k]
                out[row, uint64(form.input_mask) + at] = n + uint64(1)
                out[row, uint64(form.segment_ids) + at] = k >= second
                out[row, uint64(form.positions) + at] = k
            slot = n
            if moved == uint64(1):
                at = uint64(form.length) - n - uint64(1)
                out[row, uint64(form.input_ids) + at] = ids[0]
                out[row, uint64(form.input_mask) + at] = n + uint64(1)
                slot = uint64(form.sequences) - n - uint64(1)
            if form.starts >= 0:
                out[row, uint64(form.starts) + slot] = begin
            out[row, uint64(form.next_labels) + slot] = pair.is_random_next
            out[row, uint64(form.next_weights) + slot] = form.one
            begin += length - moved
            done += uint64(pair.masked)
