"""Packs the instances of existing record files, of any format and program.

The packs are those that `packing.Packs` makes of the same instances in the same order.
"""

from __future__ import annotations

import numpy as np

from bertkit.errors import DataError
from bertkit.records.files.instance import NO_LABEL, RecordReader
from bertkit.records.files.packs.formats import PackShape
from bertkit.records.instances.packing import PackTable, plan_packs

_BLOCK = 1024


class RecordPacks(PackTable):
    """The instances of a record file as packs.

    Args:
        reader: the file.
        packing: `graphcore` or `habana`.
        shape: sizes.

    Raises:
        DataError: records without sentence pairs; or what the reader raises.
    """

    def __init__(self, reader: RecordReader, packing: str, shape: PackShape) -> None:
        self._reader = reader
        self._tokens, self._predicted = _sizes(reader)
        super().__init__(plan_packs(self._tokens, self._predicted, shape), packing, shape)

    def _fill(self, packs: np.ndarray, table: np.ndarray) -> None:
        columns = self._columns
        moved = columns.cls_behind
        rows, slots = np.nonzero(packs >= 0)  # of each sequence: its pack, its place there
        members = packs[rows, slots]
        batch = self._reader.batch(members)
        lengths = self._tokens[members] - moved
        begins = _before(lengths, slots)
        # Tokens, without the [CLS] where it goes to the end.
        width = batch["input_ids"].shape[1] - moved
        which, places = np.nonzero(np.arange(width) < lengths[:, None])
        at = begins[which] + places
        row, source = rows[which], places + moved
        table[row, columns.input_ids + at] = batch["input_ids"][which, source]
        table[row, columns.input_mask + at] = slots[which] + 1
        table[row, columns.segment_ids + at] = batch["segment_ids"][which, source]
        table[row, columns.positions + at] = source
        # Predictions, close together.
        wanted = batch["masked_lm_weights"] > 0
        which, source = np.nonzero(wanted)
        done = _before(self._predicted[members], slots)
        at = done[which] + (np.cumsum(wanted, axis=1) - 1)[which, source]
        row = rows[which]
        places = begins[which] + batch["masked_lm_positions"][which, source] - moved
        table[row, columns.places + at] = places
        table[row, columns.labels + at] = batch["masked_lm_ids"][which, source]
        table[row, columns.weights + at] = columns.numbers[slots[which] + 1]
        # Next sentence labels; Graphcore's stand in the order of its [CLS], the last first.
        following = slots
        if moved:
            at = columns.length - 1 - slots
            table[rows, columns.input_ids + at] = batch["input_ids"][:, 0]
            table[rows, columns.input_mask + at] = slots + 1
            following = columns.sequences - 1 - slots
        if columns.starts >= 0:
            table[rows, columns.starts + following] = begins
        table[rows, columns.next_labels + following] = batch["next_sentence_labels"]
        table[rows, columns.next_weights + following] = columns.one


def _before(sizes: np.ndarray, slots: np.ndarray) -> np.ndarray:
    """Sum of the sizes of the sequences before each in its pack; slot 0 begins a pack."""
    ends = np.cumsum(sizes)
    starts = (ends - sizes)[slots == 0]
    found: np.ndarray = (
        ends - sizes - np.repeat(starts, np.diff(np.flatnonzero(np.append(slots, 0) == 0)))
    )
    return found


def _sizes(reader: RecordReader) -> tuple[np.ndarray, np.ndarray]:
    """int64[N], int64[N]: tokens and predicted tokens of every record."""
    tokens, predicted = [], []
    for start in range(0, len(reader), _BLOCK):
        batch = reader.batch(range(start, min(start + _BLOCK, len(reader))))
        if (batch["next_sentence_labels"] == NO_LABEL).any():
            raise DataError(
                f"{reader.path}: records without sentence pairs",
                "only sentence pairs can be packed",
            )
        tokens.append(batch["input_mask"].sum(axis=1, dtype=np.int64))
        predicted.append((batch["masked_lm_weights"] > 0).sum(axis=1))
    return np.concatenate(tokens), np.concatenate(predicted)
