"""One instance without padding, and what every reader of records has in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from bertkit.errors import DataError

NO_LABEL = -1  # next sentence label of an instance without that task; losses ignore it


class RecordReader(Protocol):
    """A file of pretraining instances, whatever its format.

    Attributes:
        path: the file.
        max_seq_length: L, width of a batch.
        max_predictions_per_seq: P, likewise.
    """

    path: str
    max_seq_length: int
    max_predictions_per_seq: int

    def __len__(self) -> int:
        """Number of instances."""

    def batch(self, indices: Sequence[int] | np.ndarray) -> dict[str, np.ndarray]:
        """The instances as the seven features, as `RecordFile.batch` gives them."""


@dataclass(frozen=True)
class Row:
    """An instance without its padding.

    Attributes:
        ids: int64[n], [CLS] first.
        segments: int64[n].
        positions: int64[m], ascending, of the predicted tokens.
        labels: int64[m], what stood there.
        next_label: 1 = random second segment, 0 = it follows, -1 = not asked.
    """

    ids: np.ndarray
    segments: np.ndarray
    positions: np.ndarray
    labels: np.ndarray
    next_label: int

    @property
    def length(self) -> int:
        """Real tokens."""
        return len(self.ids)


def row_of(record: Mapping[str, Any]) -> Row:
    """The row of one record's features; pairs may be absent (records of masked LM only).

    Raises:
        DataError: padding between tokens.
    """
    mask = np.asarray(record["input_mask"])
    length = int(np.count_nonzero(mask))
    if not mask[:length].all():
        raise DataError("a record has padding between its tokens", "make the file again")
    predicted = np.asarray(record["masked_lm_weights"]) > 0
    ids = np.asarray(record["input_ids"], np.int64)[:length]
    segments = record.get("segment_ids")
    label = record.get("next_sentence_labels")
    return Row(
        ids,
        np.zeros(length, np.int64) if segments is None else np.asarray(segments, np.int64)[:length],
        np.asarray(record["masked_lm_positions"], np.int64)[predicted],
        np.asarray(record["masked_lm_ids"], np.int64)[predicted],
        NO_LABEL if label is None else int(np.asarray(label).reshape(-1)[0]),
    )


def rows_of(batch: Mapping[str, np.ndarray]) -> Iterator[Row]:
    """The rows of a batch, in its order."""
    for number in range(len(batch["input_ids"])):
        yield row_of({name: values[number] for name, values in batch.items()})


def to_batch(rows: Sequence[Row], length: int, predictions: int) -> dict[str, np.ndarray]:
    """Rows as a padded batch of the seven features.

    Args:
        rows: B of them, each within the two limits.
        length: L.
        predictions: P.
    """
    count = len(rows)
    batch = {
        **{name: np.zeros((count, length), np.int32) for name in _PER_TOKEN},
        **{name: np.zeros((count, predictions), np.int32) for name in _PER_PREDICTION},
        "masked_lm_weights": np.zeros((count, predictions), np.float32),
        "next_sentence_labels": np.array([row.next_label for row in rows], np.int32),
    }
    for number, row in enumerate(rows):
        real, predicted = slice(row.length), slice(len(row.positions))
        batch["input_ids"][number, real] = row.ids
        batch["input_mask"][number, real] = 1
        batch["segment_ids"][number, real] = row.segments
        batch["masked_lm_positions"][number, predicted] = row.positions
        batch["masked_lm_ids"][number, predicted] = row.labels
        batch["masked_lm_weights"][number, predicted] = 1
    return batch


_PER_TOKEN = ("input_ids", "input_mask", "segment_ids")
_PER_PREDICTION = ("masked_lm_positions", "masked_lm_ids")


def checked_indices(path: str, count: int, indices: Iterable[int] | np.ndarray) -> np.ndarray:
    """Record numbers as int64, negative ones counted from the end.

    Raises:
        IndexError: a number outside -count .. count - 1.
    """
    which = np.asarray(indices, np.int64).reshape(-1)
    if len(which) and (which.min() < -count or which.max() >= count):
        raise IndexError(f"{path} has {count} records")
    return np.where(which < 0, which + count, which)
