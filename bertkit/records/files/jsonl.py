"""Reads and writes JSON lines for Hugging Face's Trainer: one instance per line, without padding.

Keys: input_ids, attention_mask, token_type_ids, labels (-100 where nothing is predicted)
and next_sentence_label; the collator pads.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from bertkit import files
from bertkit.errors import DataError
from bertkit.records.files.instance import Instance, checked_indices, to_batch

KEYS = ("input_ids", "attention_mask", "token_type_ids", "labels", "next_sentence_label")
IGNORED = -100


def encode_line(instance: Instance) -> bytes:
    """A record as a line of JSON, line end included."""
    labels = np.full(instance.length, IGNORED)
    labels[instance.positions] = instance.labels
    values = {
        "input_ids": instance.ids.tolist(),
        "attention_mask": [1] * instance.length,
        "token_type_ids": instance.segments.tolist(),
        "labels": labels.tolist(),
        "next_sentence_label": instance.next_label,
    }
    return json.dumps(values, separators=(",", ":")).encode("ascii") + b"\n"


class JsonLinesFile:
    """A file of such lines; see `instance.RecordReader`.

    Opening reads the file once, to find its lines; L and P are those of the manifest
    where `make-records` wrote the file, else the largest that occur.

    Args:
        path: the file.
        sizes: (L, P) where they are known.

    Raises:
        DataError: no such file, no records, or, also when reading, a line of another
            kind (names the line).
    """

    def __init__(self, path: str | os.PathLike[str], sizes: tuple[int, int] | None = None) -> None:
        self.path = os.fspath(path)
        self._given = sizes
        starts, at = [], 0
        longest = most = 0
        with files.open_binary(self.path) as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    starts.append((at, len(line), number))
                    if sizes is None:
                        instance = self._parse(line, number)
                        longest, most = (
                            max(longest, instance.length),
                            max(most, len(instance.positions)),
                        )
                at += len(line)
        if not starts:
            raise DataError(f"{self.path}: no records", "make or fetch it again")
        self._places = np.array(starts, np.int64)
        self.max_seq_length, self.max_predictions_per_seq = sizes or (longest, max(1, most))

    def __len__(self) -> int:
        return len(self._places)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, self._given)

    def batch(self, indices: Sequence[int] | np.ndarray) -> dict[str, np.ndarray]:
        """Records as the seven features; see `RecordFile.batch`."""
        instances = []
        with files.open_binary(self.path) as stream:
            for start, size, number in self._places[
                checked_indices(self.path, len(self), indices)
            ].tolist():
                stream.seek(start)
                instance = self._parse(stream.read(size), number)
                if instance.length > self.max_seq_length:
                    raise self._wrong(
                        number, f"{instance.length} tokens, not {self.max_seq_length}"
                    )
                if len(instance.positions) > self.max_predictions_per_seq:
                    raise self._wrong(number, f"{len(instance.positions)} predictions are too many")
                instances.append(instance)
        return to_batch(instances, self.max_seq_length, self.max_predictions_per_seq)

    def _parse(self, line: bytes, number: int) -> Instance:
        try:
            values = json.loads(line)
            lists = [np.array(values[name], np.int64) for name in KEYS[:4]]
            ids, mask, segments, labels = lists
            label = int(values["next_sentence_label"])
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            raise self._wrong(number, f"not a record: {error!r}") from error
        if any(values.shape != (len(ids),) for values in lists) or not len(ids):
            raise self._wrong(number, "its lists differ in length or are empty")
        length = int(np.count_nonzero(mask))
        if not mask[:length].all():
            raise self._wrong(number, "padding between tokens")
        positions = np.flatnonzero(labels[:length] != IGNORED)
        return Instance(ids[:length], segments[:length], positions, labels[positions], label)

    def _wrong(self, number: int, problem: str) -> DataError:
        return DataError(
            f"{self.path}:{number}: {problem}", f"each line needs the keys {', '.join(KEYS)}"
        )
