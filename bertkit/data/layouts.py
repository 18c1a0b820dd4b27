"""The batch layouts: how the records of one step become micro-batches.

`unpadded` and `padded` cut the records into micro-batches of consecutive ones. `bucketed`
puts sequences of similar length together and pads each micro-batch to the smallest
boundary that holds them (Cerebras' variable sequence length). `packed` puts several
sequences into a row, without attention between them. All of them give the same loss.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bertkit.data.batches import MicroBatch, Records, sequence_lengths, split
from bertkit.data.fixed import fixed_packed, fixed_padded, packs

LAYOUTS = ("unpadded", "padded", "bucketed", "packed")


@dataclass(frozen=True)
class FixedLayout:
    """Micro-batches of constant shapes, see `bertkit.data.fixed`.

    Attributes:
        name: `padded`, `bucketed` (one shape per boundary) or `packed`.
        micro_batch_size: rows of every micro-batch, N.
        boundaries: of buckets, see `bucket_boundaries`.
        sequences_per_pack: most sequences in a row of the packed layout, S.
        cls_place: see `fixed_packed`.
    """

    name: str
    micro_batch_size: int
    boundaries: tuple[int, ...] = ()
    sequences_per_pack: int = 3
    cls_place: str = "own_position"

    def micro_batches(self, records: Records) -> list[MicroBatch]:
        """The records of a step, as `batches.weighted` gives them, in this layout."""
        size = self.micro_batch_size
        if self.name == "packed":
            shape, found = packs(records, self.sequences_per_pack)
            return [
                fixed_packed(records, found[start : start + size], shape, size, self.cls_place)
                for start in range(0, len(found), size)
            ]
        cut = self.name == "bucketed"
        parts = bucketed(records, self.boundaries) if cut else [dict(records)]
        return [fixed_padded(piece, size) for part in parts for piece in split(part, size)]

    @property
    def records_per_micro_batch(self) -> int:
        """Records that evaluation lays out at a time, so that fill stays rare."""
        kinds = {"packed": self.sequences_per_pack, "bucketed": max(1, len(self.boundaries))}
        return self.micro_batch_size * kinds.get(self.name, 1)


def bucket_boundaries(given: tuple[int, ...], length: int) -> tuple[int, ...]:
    """Ascending row lengths of the bucketed layout, the last one L.

    Args:
        given: by the user; those from L on are left out. Empty: quarters of L.
        length: L of the records.
    """
    wanted = given or tuple(length * part // 4 for part in (1, 2, 3))
    return (*sorted({size for size in wanted if 0 < size < length}), length)


def bucketed(records: Records, boundaries: tuple[int, ...]) -> list[dict[str, np.ndarray]]:
    """Records by bucket, cut to its boundary, shortest bucket first; order is kept inside.

    Args:
        records: with L tokens.
        boundaries: see `bucket_boundaries`; empty: quarters of L.
    """
    lengths = sequence_lengths(records["input_mask"])
    sizes = bucket_boundaries(boundaries, records["input_ids"].shape[1])
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
