"""Defines a training instance, and the interface that plans and readers share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from bertkit.errors import DataError

NO_LABEL = -1  # next sentence label of an instance without that task; losses ignore it


class InstancePlan(Protocol):
    """Instances, or packs of them, in the order of the records that are made of them."""

    def __len__(self) -> int:
        """How many records."""

    def batch(self, indices: Sequence[int] | np.ndarray) -> Mapping[str, np.ndarray]:
        """Features of some records, stacked: [B, n], or [B] where each has one value."""


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
class Instance:
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


def instance_of(record: Mapping[str, Any]) -> Instance:
    """The instance of one record's features; pairs may be absent (records of masked LM only).

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
    return Instance(
        ids,
        np.zeros(length, np.int64) if segments is None else np.asarray(segments, np.int64)[:length],
        np.asarray(record["masked_lm_positions"], np.int64)[predicted],
        np.asarray(record["masked_lm_ids"], np.int64)[predicted],
        NO_LABEL if label is None else int(np.asarray(label).reshape(-1)[0]),
    )


def instances_of(batch: Mapping[str, np.ndarray]) -> Iterator[Instance]:
    """The instances of a batch, in its order."""
    for number in range(len(batch["input_ids"])):
        yield instance_of({name: values[number] for name, values in batch.items()})


def to_batch(instances: Sequence[Instance], length: int, predictions: int) -> dict[str, np.ndarray]:
    """Instances as a padded batch of the seven features.

    Args:
        instances: B of them, each within the two limits.
        length: L.
        predictions: P.
    """
    count = len(instances)
    batch = {
        **{name: np.zeros((count, length), np.int32) for name in _PER_TOKEN},
        **{name: np.zeros((count, predictions), np.int32) for name in _PER_PREDICTION},
        "masked_lm_weights": np.zeros((count, predictions), np.float32),
        "next_sentence_labels": np.array([instance.next_label for instance in instances], np.int32),
    }
    for number, instance in enumerate(instances):
        real, predicted = slice(instance.length), slice(len(instance.positions))
        batch["input_ids"][number, real] = instance.ids
        batch["input_mask"][number, real] = 1
        batch["segment_ids"][number, real] = instance.segments
        batch["masked_lm_positions"][number, predicted] = instance.positions
        batch["masked_lm_ids"][number, predicted] = instance.labels
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
