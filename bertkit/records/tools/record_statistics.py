"""Measures record files: their padding, their masking, and which pairs they hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bertkit.records.files.instance import RecordReader

_CHUNK = 4096
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


def measure_records(sources: Sequence[RecordReader], limit: int) -> RecordStatistics:
    """Read records and count.

    Args:
        sources: files, not empty.
        limit: read at most this many of each file's records, evenly spaced.

    Raises:
        DataError: a damaged record.
    """
    lengths: list[np.ndarray] = []
    random_next: list[np.ndarray] = []
    shown: list[np.ndarray] = []
    truth: list[np.ndarray] = []
    for source in sources:
        numbers = np.linspace(0, len(source) - 1, min(limit, len(source))).astype(np.int64)
        for start in range(0, len(numbers), _CHUNK):
            batch = source.batch(numbers[start : start + _CHUNK])
            predicted = batch["masked_lm_weights"] > 0
            rows = np.nonzero(predicted)[0]
            lengths.append(batch["input_mask"].sum(axis=1))
            random_next.append(batch["next_sentence_labels"])
            shown.append(batch["input_ids"][rows, batch["masked_lm_positions"][predicted]])
            truth.append(batch["masked_lm_ids"][predicted])
    return _summary(
        sources,
        lengths=np.concatenate(lengths),
        random_next=np.concatenate(random_next),
        shown=np.concatenate(shown),
        truth=np.concatenate(truth),
    )


def _summary(
    sources: Sequence[RecordReader],
    *,
    lengths: np.ndarray,
    random_next: np.ndarray,
    shown: np.ndarray,
    truth: np.ndarray,
) -> RecordStatistics:
    size = max(source.max_seq_length for source in sources)
    mask_id = int(np.bincount(shown).argmax()) if len(shown) else -1
    masked = (shown == mask_id) & (truth != mask_id)
    kept = shown == truth
    return RecordStatistics(
        records=sum(map(len, sources)),
        measured=len(lengths),
        max_seq_length=size,
        max_predictions_per_seq=max(source.max_predictions_per_seq for source in sources),
        mean_length=round(float(lengths.mean()), 2),
        fill=round(float(lengths.mean()) / size, 4),
        full=round(float((lengths == size).mean()), 4),
        mean_predictions=round(len(shown) / len(lengths), 2),
        pairs=_share(random_next >= 0),
        random_next=_share(random_next[random_next >= 0] == 1),
        mask_id=mask_id,
        masked=_share(masked),
        kept=_share(kept),
        replaced=_share(~masked & ~kept),
        histogram=_histogram(lengths, size),
    )


def _share(which: np.ndarray) -> float:
    return round(float(which.mean()), 4) if len(which) else 0.0


def _histogram(lengths: np.ndarray, size: int) -> list[tuple[int, int, int]]:
    """Counts in `BINS` bins of equal width that end at `size`."""
    width = -(-size // BINS)
    edges = list(range(size, 0, -width))[::-1]
    bins = []
    for edge in edges:
        low = max(0, edge - width + 1)
        bins.append((low, edge, int(((lengths >= low) & (lengths <= edge)).sum())))
    return bins
