"""Divides the records of a step into micro-batches: unpadded, padded, bucketed or packed.

`unpadded` and `padded` cut the records into micro-batches of consecutive ones. `bucketed`
puts sequences of similar length together and pads each micro-batch to the smallest
boundary that holds them (Cerebras' variable sequence length). `packed` puts several
sequences into a row, without attention between them. All of them give the same loss.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bertkit.data.fixed_shapes import fixed_packed, fixed_padded, pack_records
from bertkit.data.step_batch import MicroBatch, Records, sequence_lengths, split, unpadded
from bertkit.data.token_budget import Budget, budgeted
from bertkit.records.files.packs.formats import PackShape

QUARTERS = 4  # buckets where no boundaries are given


@dataclass(frozen=True)
class Layout:
    """A layout with its settings.

    Attributes:
        name: `unpadded`, `padded`, `bucketed` or `packed`.
        micro_batch_size: sequences of a micro-batch, or rows of it where they are packed.
        fixed: constant shapes, see `bertkit.data.fixed_shapes`; there is no unpadded form of that.
        boundaries: of buckets, see `bucket_boundaries`.
        sequences_per_pack: most sequences in a row of the packed layout.
        cls_place: see `fixed_packed`.
        budget: totals that unpadded micro-batches are padded to; None: no padding.
        stretches: describe attention by the lengths of spans of rows, as
            unpadded micro-batches do, instead of a mask.
    """

    name: str
    micro_batch_size: int
    fixed: bool = False
    boundaries: tuple[int, ...] = ()
    sequences_per_pack: int = 3
    cls_place: str = "own_position"
    budget: Budget | None = None
    stretches: bool = False

    def micro_batches(self, records: Records) -> list[MicroBatch]:
        """The records of a step, as `step_batch.weighted` returns them."""
        size = self.micro_batch_size
        if self.name == "packed":
            return self._packed(records)
        if self.name == "unpadded" and self.budget:
            return budgeted(records, size, self.budget)
        if self.name == "unpadded":
            return [unpadded(part) for part in split(records, size)]
        # Padded is bucketed with a single bucket.
        cut = self.name == "bucketed"
        groups = bucketed(records, self.boundaries) if cut else [dict(records)]
        parts = [part for group in groups for part in split(group, size)]
        # Constant shapes also pad the number of sequences.
        batches = [
            fixed_padded(part, size if self.fixed else len(part["input_ids"])) for part in parts
        ]
        if not self.fixed:
            batches = [without_target_padding(batch) for batch in batches]
        return [padding_as_stretches(batch) for batch in batches] if self.stretches else batches

    @property
    def records_per_micro_batch(self) -> int:
        """Records that evaluation lays out at a time, so that there is little padding."""
        if self.budget:
            return self.micro_batch_size * 4
        buckets = len(self.boundaries) + 1 if self.boundaries else QUARTERS
        kinds = {"packed": self.sequences_per_pack, "bucketed": buckets}
        return self.micro_batch_size * (kinds.get(self.name, 1) if self.fixed else 1)

    def _packed(self, records: Records) -> list[MicroBatch]:
        size = self.micro_batch_size
        shape, found = pack_records(records, self.sequences_per_pack)
        result = []
        for start in range(0, len(found), size):
            part = found[start : start + size]
            # The last micro-batch of a step may have fewer rows.
            rows = size if self.fixed else len(part)
            batch = fixed_packed(records, part, shape, rows=rows, cls_place=self.cls_place)
            # Spans of rows tell attention where sequences end, instead of sequence numbers.
            if self.stretches or not self.fixed:
                batch = packs_as_stretches(batch, part, shape, rows if self.stretches else 0)
            result.append(batch if self.fixed else without_target_padding(batch))
        return result


def without_target_padding(batch: MicroBatch) -> MicroBatch:
    """Drop predictions and pairs that are padding, for machines that take any number of them."""
    arrays = dict(batch.arrays)
    for head, names in (("mlm", ("mlm_rows", "mlm_labels")), ("nsp", ("cls_rows", "nsp_labels"))):
        # Padding has weight 0.
        used = arrays[f"{head}_weights"] > 0
        arrays |= {name: arrays[name][used] for name in (*names, f"{head}_weights")}
    return replace(batch, arrays=arrays)


def padding_as_stretches(batch: MicroBatch) -> MicroBatch:
    """A padded micro-batch for kernels that take spans of any length and no mask.

    The padding after a sequence is a span of its own, because kernels leave rows that
    belong to none as they find them. Nothing has to be read from a mask on the device.

    Args:
        batch: of `fixed_padded`.
    """
    arrays = dict(batch.arrays)
    rows, length = arrays.pop("mask").shape
    # Two spans per row: its sequence and its padding.
    spans = np.zeros((rows, 2), np.int64)
    spans[: batch.sequences, 0] = batch.lengths
    spans[:, 1] = length - spans[:, 0]
    arrays["cumulative"] = np.concatenate(([0], np.cumsum(spans))).astype(np.int32)
    return replace(batch, arrays=arrays, spans=spans.reshape(-1), longest=length)


def packs_as_stretches(
    batch: MicroBatch, packed: np.ndarray, shape: PackShape, rows: int = 0
) -> MicroBatch:
    """A packed micro-batch for machines whose attention takes spans of any length.

    The padding at the end of a row is a span of its own.

    Args:
        batch: of `fixed_packed`, every [CLS] at its own position.
        packed: its packs.
        shape: of a row.
        rows: of the batch, the last of which may be empty; 0: one for each pack.
    """
    # Spans per row: its sequences (0 where there are fewer), then its padding.
    spans = np.zeros((rows or len(packed), shape.sequences + 1), np.int64)
    spans[np.nonzero(packed >= 0)] = batch.lengths
    spans[:, -1] = shape.length - spans.sum(axis=1)
    arrays = {name: v for name, v in batch.arrays.items() if name != "sequence_numbers"}
    arrays["cumulative"] = np.concatenate(([0], np.cumsum(spans))).astype(np.int32)
    longest = shape.length if rows else 0
    return replace(batch, arrays=arrays, spans=spans.reshape(-1), longest=longest)


def bucket_boundaries(given: tuple[int, ...], length: int) -> tuple[int, ...]:
    """Ascending row lengths of the bucketed layout, the last one L.

    Args:
        given: by the user; those from L on are left out. Empty: quarters of L.
        length: L of the records.
    """
    wanted = given or tuple(length * part // QUARTERS for part in range(1, QUARTERS))
    return (*sorted({size for size in wanted if 0 < size < length}), length)


def bucketed(records: Records, boundaries: tuple[int, ...]) -> list[dict[str, np.ndarray]]:
    """Records by bucket, cut to its boundary, shortest bucket first; order is kept inside.

    Args:
        records: with L tokens.
        boundaries: see `bucket_boundaries`; empty: quarters of L.
    """
    lengths = sequence_lengths(records["input_mask"])
    sizes = bucket_boundaries(boundaries, records["input_ids"].shape[1])
    # The smallest boundary that holds each record.
    owner = np.searchsorted(sizes, lengths)
    return [
        {
            name: values[owner == number, :size] if name in _PER_TOKEN else values[owner == number]
            for name, values in records.items()
        }
        for number, size in enumerate(sizes)
        if (owner == number).any()
    ]


_PER_TOKEN = ("input_ids", "input_mask", "segment_ids")
