"""Measures record files: their padding, their masking, and which pairs they hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bertkit.records.files.instance import RecordReader
from bertkit.records.files.open import open_records
from bertkit.records.files.packs.packed import PackFile
from bertkit.storage.files import size_of
from bertkit.workers.engine import Engine

_CHUNK = 4096
_SMALL = 1 << 18
BINS = 16


@dataclass(frozen=True)
class RecordStatistics:
    """Numbers over records.

    Attributes:
        records: in the files; `measured` of them were read, evenly spaced.
        max_seq_length, max_predictions_per_seq: of the first file.
        mean_length: real tokens per record, [CLS] and [SEP] included.
        fill: share of the token slots that hold real tokens, 0 to 1.
        full: share of the records without any padding.
        mean_predictions: predicted tokens per record.
        pairs: share of the records that have a pair of segments and its label.
        random_next: share of the pairs whose B comes from elsewhere; 0 where there are none.
        mask_id: id that most predicted positions show, which is [MASK].
        masked, kept, replaced: shares of the predicted positions that show [MASK], their
            own token, or another one. A random token that happens to be the right one
            counts as kept.
        histogram: (shortest, longest, records) per bin of lengths.
    """

    records: int
    measured: int
    max_seq_length: int
    max_predictions_per_seq: int
    mean_length: float
    fill: float
    full: float
    mean_predictions: float
    pairs: float
    random_next: float
    mask_id: int
    masked: float
    kept: float
    replaced: float
    histogram: list[tuple[int, int, int]]


class RecordCounts:
    """Counts over records, from which all numbers follow; its size depends on none of them.

    Attributes:
        records: in the files; of packs their instances.
        packed, packs: instances that are packed, and the packs that hold them.
        max_seq_length, max_predictions_per_seq: the largest of any file.
    """

    def __init__(self) -> None:
        self.records = 0
        self.packed = 0
        self.packs = 0
        self.max_seq_length = 0
        self.max_predictions_per_seq = 0
        self._lengths: Counter[int] = Counter()
        self._labels: Counter[int] = Counter()
        # Token shown at a predicted position → how often, and how often it is the right one.
        self._shown: Counter[int] = Counter()
        self._right: Counter[int] = Counter()

    def add_file(self, source: RecordReader) -> None:
        """Count a file, but none of its records."""
        self.records += len(source)
        self.max_seq_length = max(self.max_seq_length, source.max_seq_length)
        predictions = max(self.max_predictions_per_seq, source.max_predictions_per_seq)
        self.max_predictions_per_seq = predictions
        if isinstance(source, PackFile):
            self.packed += len(source)
            self.packs += source.packs

    def add_batch(self, batch: Mapping[str, np.ndarray]) -> None:
        """Count records, as readers give them."""
        predicted = batch["masked_lm_weights"] > 0
        rows = np.nonzero(predicted)[0]
        shown = batch["input_ids"][rows, batch["masked_lm_positions"][predicted]]
        truth = batch["masked_lm_ids"][predicted]
        _count(self._lengths, batch["input_mask"].sum(axis=1))
        _count(self._labels, batch["next_sentence_labels"])
        _count(self._shown, shown)
        _count(self._right, shown[shown == truth])

    def update(self, other: RecordCounts) -> None:
        """Add the counts of other files."""
        self.records += other.records
        self.packed += other.packed
        self.packs += other.packs
        self.max_seq_length = max(self.max_seq_length, other.max_seq_length)
        predictions = max(self.max_predictions_per_seq, other.max_predictions_per_seq)
        self.max_predictions_per_seq = predictions
        for own, more in zip(self._counters(), other._counters(), strict=True):
            own.update(more)

    def statistics(self) -> RecordStatistics:
        """The numbers."""
        size, measured = self.max_seq_length, self._lengths.total()
        mean = sum(length * count for length, count in self._lengths.items()) / measured
        predicted = self._shown.total()
        # The smallest of the most frequent.
        mask_id = min(self._shown, key=lambda token: (-self._shown[token], token), default=-1)
        masked = self._shown[mask_id] - self._right[mask_id]
        kept = self._right.total()
        pairs = sum(count for label, count in self._labels.items() if label >= 0)
        return RecordStatistics(
            records=self.records,
            measured=measured,
            max_seq_length=size,
            max_predictions_per_seq=self.max_predictions_per_seq,
            mean_length=round(mean, 2),
            fill=round(mean / size, 4),
            full=round(self._lengths[size] / measured, 4),
            mean_predictions=round(predicted / measured, 2),
            pairs=_share(pairs, self._labels.total()),
            random_next=_share(self._labels[1], pairs),
            mask_id=mask_id,
            masked=_share(masked, predicted),
            kept=_share(kept, predicted),
            replaced=_share(predicted - masked - kept, predicted),
            histogram=_histogram(self._lengths, size),
        )

    @property
    def sequences_per_pack(self) -> float | None:
        """Instances per record of packed files; None where there are none."""
        return round(self.packed / self.packs, 4) if self.packs else None

    def _counters(self) -> tuple[Counter[int], ...]:
        return self._lengths, self._labels, self._shown, self._right


def measure_records(paths: Sequence[str], limit: int, engine: Engine | None = None) -> RecordCounts:
    """Read records and count; memory holds counts and one batch.

    Args:
        paths: of files, not empty.
        limit: read at most this many of each file's records, evenly spaced.
        engine: where it runs.

    Raises:
        DataError: a damaged record.
    """
    engine = (engine or Engine()).for_bytes(sum(map(size_of, paths)))
    tasks = [(engine.path(path), limit) for path in paths]
    total = RecordCounts()
    for found in engine.run(_measure, tasks):
        total.update(found)
    return total


def _measure(task: tuple[str, int]) -> RecordCounts:
    path, limit = task
    source = open_records(path)
    counts = RecordCounts()
    counts.add_file(source)
    numbers = np.linspace(0, len(source) - 1, min(limit, len(source))).astype(np.int64)
    for start in range(0, len(numbers), _CHUNK):
        counts.add_batch(source.batch(numbers[start : start + _CHUNK]))
    return counts


def _count(counter: Counter[int], values: np.ndarray) -> None:
    if len(values) and values.min() >= 0 and values.max() < _SMALL:
        counts = np.bincount(values)
        found = np.flatnonzero(counts)
        counts = counts[found]
    else:
        found, counts = np.unique(values, return_counts=True)
    counter.update(dict(zip(found.tolist(), counts.tolist(), strict=True)))


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0


def _histogram(lengths: Counter[int], size: int) -> list[tuple[int, int, int]]:
    """Counts in `BINS` bins of equal width that end at `size`."""
    width = -(-size // BINS)
    edges = list(range(size, 0, -width))[::-1]
    bins = []
    for edge in edges:
        low = max(0, edge - width + 1)
        bins.append((low, edge, sum(lengths[length] for length in range(low, edge + 1))))
    return bins
