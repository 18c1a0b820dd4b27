"""Reads record files as a Python sequence: one object per record, or arrays of many."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import SupportsIndex

import numpy as np

from bertkit.data.dynamic_masking import restored
from bertkit.data.record_source import RecordSource

_AT_ONCE = 1024  # records read together while one by one is asked for


@dataclass(frozen=True, eq=False)
class Record:
    """A training instance, with the names and meanings of Google's record files.

    Attributes:
        input_ids: int32 [L], token numbers, some of them masked; 0 on padding.
        input_mask: int32 [L], 1 on tokens, 0 on padding.
        segment_ids: int32 [L], 0 or 1: the segment of each token.
        masked_lm_positions: int32 [P], places in `input_ids` to be predicted.
        masked_lm_ids: int32 [P], the tokens that belong there.
        masked_lm_weights: float32 [P], 1 on predictions, 0 on padding.
        next_sentence_label: 0: the second segment follows the first one; 1: it does not; None:
            the record says nothing of that.
    """

    input_ids: np.ndarray
    input_mask: np.ndarray
    segment_ids: np.ndarray
    masked_lm_positions: np.ndarray
    masked_lm_ids: np.ndarray
    masked_lm_weights: np.ndarray
    next_sentence_label: int | None

    @property
    def original_ids(self) -> np.ndarray:
        """The tokens as they were before masking, int32 [L]."""
        arrays = {name: np.asarray(getattr(self, name))[None] for name in _ARRAYS}
        found: np.ndarray = restored(arrays)[0]
        return found


# The features that are arrays, under the names of the files.
_ARRAYS = tuple(Record.__annotations__)[:-1]
_LABELS = "next_sentence_labels"


class Records(Sequence[Record]):
    """Record files as one sequence, numbered through in the order of the files.

    Made by `bertkit.open_records`.

    Attributes:
        files: paths of the files.
        max_seq_length: L, places of every record.
        max_predictions_per_seq: P, predictions of every record at most.
        fingerprint: sha256 over names, sizes and contents of the files.

    Args:
        inputs: record files, globs, folders or `@list.txt`.
    """

    def __init__(self, inputs: Sequence[str]) -> None:
        self._source = RecordSource(inputs)
        self.files: list[str] = [str(path) for path in self._source.paths]
        self.max_seq_length = self._source.max_seq_length
        self.max_predictions_per_seq = self._source.max_predictions_per_seq
        self.fingerprint = self._source.fingerprint

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, number):  # type: ignore[no-untyped-def]
        """A record by number, or a list of records for a slice."""
        if isinstance(number, slice):
            return list(self._several(range(*number.indices(len(self)))))
        place = operator.index(number)
        if not -len(self) <= place < len(self):
            raise IndexError(f"record {place}: there are {len(self)}")
        (found,) = self._several(range(place % len(self), place % len(self) + 1))
        return found

    def __iter__(self) -> Iterator[Record]:
        return self._several(range(len(self)))

    def batch(self, numbers: Sequence[SupportsIndex] | np.ndarray) -> dict[str, np.ndarray]:
        """Several records as arrays, in the order of their numbers.

        Args:
            numbers: each from 0 to `len(self) - 1`.

        Returns:
            The seven features by name: [B, L], [B, P], and `next_sentence_labels` [B], in which
            a negative number says nothing.

        Raises:
            IndexError: there is no such record.
        """
        return self._source.batch(np.asarray(numbers, np.int64))

    def _several(self, numbers: range) -> Iterator[Record]:
        for start in range(0, len(numbers), _AT_ONCE):
            chosen = numbers[start : start + _AT_ONCE]
            arrays = self._source.batch(np.asarray(chosen, np.int64))
            for row, label in enumerate(arrays[_LABELS].reshape(-1)):
                known = int(label) if label >= 0 else None
                features = {name: arrays[name][row] for name in _ARRAYS}
                yield Record(**features, next_sentence_label=known)

    def __repr__(self) -> str:
        return f"<{len(self):,} records of {self.max_seq_length} tokens>"
