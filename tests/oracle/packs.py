"""Packs the readable way: which sequences go together, and one pack at a time."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from bertkit.records.files.instance import Instance
from bertkit.records.files.packs.formats import FEATURES, GRAPHCORE, HABANA, PackShape
from bertkit.records.instances.packing import Class, pack_kinds


def plan_packs(classes: Sequence[Class], shape: PackShape) -> list[list[int]]:
    """Which sequences go together.

    Args:
        classes: (tokens, predictions) of each sequence.
        shape: limits of a pack; each sequence alone is within them.

    Returns:
        Packs as ascending sequence numbers, in the order of their first sequence. Every
        sequence is in exactly one.
    """
    waiting: dict[Class, list[int]] = defaultdict(list)
    for number in reversed(range(len(classes))):
        waiting[classes[number]].append(number)
    kinds = pack_kinds(Counter(classes), shape)
    packs = [
        sorted(waiting[member].pop() for member in kind)
        for kind, count in sorted(kinds.items())
        for _ in range(count)
    ]
    return sorted(packs)


def habana_pack(rows: Sequence[Instance], shape: PackShape) -> dict[str, np.ndarray]:
    """A pack as Habana's features, int64.

    Args:
        rows: at most `shape.sequences`, together within the shape.
        shape: sizes.

    Returns:
        [length] input_ids, input_mask (number of the sequence), segment_ids, positions;
        [predictions] masked_lm_positions (in the pack), masked_lm_ids, masked_lm_weights
        (number of the sequence; float32); [sequences] next_sentence_positions,
        next_sentence_labels, next_sentence_weights.
    """
    pack = _empty(HABANA, shape)
    begin = done = 0
    for number, row in enumerate(rows, start=1):
        tokens = slice(begin, begin + row.length)
        predicted = slice(done, done + len(row.positions))
        pack["input_ids"][tokens] = row.ids
        pack["input_mask"][tokens] = number
        pack["segment_ids"][tokens] = row.segments
        pack["positions"][tokens] = np.arange(row.length)
        pack["masked_lm_positions"][predicted] = row.positions + begin
        pack["masked_lm_ids"][predicted] = row.labels
        pack["masked_lm_weights"][predicted] = number
        pack["next_sentence_positions"][number - 1] = begin
        pack["next_sentence_labels"][number - 1] = row.next_label
        pack["next_sentence_weights"][number - 1] = 1
        begin, done = tokens.stop, predicted.stop
    return pack


def graphcore_pack(rows: Sequence[Instance], shape: PackShape) -> dict[str, np.ndarray]:
    """A pack as Graphcore's features, `packed_*`.

    Args: as for `habana_pack`.

    Returns:
        int64 [length] packed_input_ids, packed_input_mask (number of the sequence),
        packed_segment_ids, packed_position_ids; [predictions]
        packed_masked_lm_positions (in the pack), packed_masked_lm_ids,
        packed_masked_lm_mask (number of the sequence; float32); [sequences]
        packed_next_sentence_labels, packed_next_sentence_mask (float32), the first
        sequence last.
    """
    pack = _empty(GRAPHCORE, shape)
    begin = done = 0
    for number, row in enumerate(rows, start=1):
        tokens = slice(begin, begin + row.length - 1)
        predicted = slice(done, done + len(row.positions))
        for places, part in ((tokens, slice(1, None)), (shape.length - number, 0)):
            pack["packed_input_ids"][places] = row.ids[part]
            pack["packed_input_mask"][places] = number
            pack["packed_segment_ids"][places] = row.segments[part]
            pack["packed_position_ids"][places] = np.arange(row.length)[part]
        pack["packed_masked_lm_positions"][predicted] = row.positions - 1 + begin
        pack["packed_masked_lm_ids"][predicted] = row.labels
        pack["packed_masked_lm_mask"][predicted] = number
        pack["packed_next_sentence_labels"][shape.sequences - number] = row.next_label
        pack["packed_next_sentence_mask"][shape.sequences - number] = 1
        begin, done = tokens.stop, predicted.stop
    return pack


PACKERS = {GRAPHCORE: graphcore_pack, HABANA: habana_pack}


def _empty(layout: str, shape: PackShape) -> dict[str, np.ndarray]:
    return {
        name: np.zeros(getattr(shape, size), dtype)
        for name, (size, dtype) in FEATURES[layout].items()
    }
