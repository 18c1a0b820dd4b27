"""Reads and writes JSON lines for Hugging Face's Trainer: one instance per line, without padding.

Keys: input_ids, attention_mask, token_type_ids, labels (-100 where nothing is predicted)
and, of pairs, next_sentence_label; the collator pads.
"""

from __future__ import annotations

import functools
import json
import operator
import os
import zlib
from collections.abc import Callable, Sequence
from typing import IO, Any

import numpy as np

from bertkit.codecs.json_lines import keys_once
from bertkit.errors import DataError
from bertkit.records.files.compressed_file import unpacked
from bertkit.records.files.instance import NO_LABEL, Instance, checked_indices, to_batch
from bertkit.records.files.record_index import (
    CHECKSUMS,
    LENGTH,
    OFFSETS,
    PREDICTIONS,
    Scanned,
    open_index,
)
from bertkit.records.files.record_values import checked, within_32_bits
from bertkit.storage import files

KEYS = ("input_ids", "attention_mask", "token_type_ids", "labels")
PAIR_KEY = "next_sentence_label"  # which records of masked LM alone lack
IGNORED = -100
_LONGEST_LINE = 1 << 22  # a record of 16,384 tokens has 400 kB


def encode_line(instance: Instance) -> bytes:
    """A record as a line of JSON, line end included."""
    labels = np.full(instance.length, IGNORED)
    labels[instance.positions] = instance.labels
    values = {
        "input_ids": instance.ids.tolist(),
        "attention_mask": [1] * instance.length,
        "token_type_ids": instance.segments.tolist(),
        "labels": labels.tolist(),
    }
    if instance.next_label != NO_LABEL:  # a model for masked LM takes no such argument
        values[PAIR_KEY] = instance.next_label
    return json.dumps(values, separators=(",", ":")).encode("ascii") + b"\n"


def begins_with_record(path: str) -> bool:
    """Whether the first line of a file is a record: other JSON lies beside records, too."""
    with files.open_binary(path) as stream:
        line = stream.readline(_LONGEST_LINE)
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(values, dict) and values.keys() >= set(KEYS)


class JsonLinesFile:
    """A file of such lines; see `instance.RecordReader`.

    Where its lines begin is in the index; where there is none yet, the file is read once. L and P
    are those of the manifest or index where `make-records` wrote the file, else the largest
    that occur.

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
        needs = (OFFSETS,) if sizes else (OFFSETS, LENGTH, PREDICTIONS)
        self._local = unpacked(self.path)
        self.index = open_index(self._local, self._scan, needs)
        self._offsets = self.index.columns[OFFSETS]
        self._checksums = self.index.columns.get(CHECKSUMS)  # absent in older indexes
        facts = self.index.facts
        self.max_seq_length, self.max_predictions_per_seq = sizes or (
            int(facts[LENGTH]),
            int(facts[PREDICTIONS]),
        )

    def __len__(self) -> int:
        return len(self.index)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, self._given)

    def batch(self, indices: Sequence[int] | np.ndarray) -> dict[str, np.ndarray]:
        """Records as the seven features; see `RecordFile.batch`."""
        which = checked_indices(self.path, len(self), indices)
        begins, ends = self._offsets.take(which), self._offsets.take(which + 1)
        wanted = self._checksums.take(which).tolist() if self._checksums else [None] * len(which)
        instances = []
        with files.open_binary(self._local) as stream:
            for begin, end, crc in zip(begins.tolist(), ends.tolist(), wanted, strict=True):
                instance = self._read(stream, begin, end, crc)
                if instance.length > self.max_seq_length:
                    raise self._wrong(
                        self._line_at(begin), f"{instance.length} tokens, not {self.max_seq_length}"
                    )
                if len(instance.positions) > self.max_predictions_per_seq:
                    raise self._wrong(
                        self._line_at(begin), f"{len(instance.positions)} predictions are too many"
                    )
                instances.append(instance)
        batch = to_batch(instances, self.max_seq_length, self.max_predictions_per_seq)
        return checked(batch, lambda row: f"{self.path}:{self._line_at(int(begins[row]))}")

    def _read(self, stream: IO[bytes], begin: int, end: int, crc: int | None) -> Instance:
        """The record between two bytes, which must begin a line and have this CRC-32."""
        stream.seek(max(0, begin - 1))
        before = stream.read(1) if begin else b"\n"
        line = stream.read(max(0, end - begin))
        if self.index.path is not None and (before != b"\n" or not line):
            raise DataError(
                f"{self.path}: no line begins at byte {begin}, where the index"
                f" {self.index.path} says one does",
                "remove the index and run again: the file is then read once to make it anew",
            )
        if crc is not None and zlib.crc32(line) != crc:
            raise DataError(
                f"{self.path}:{self._line_at(begin)}: damaged: not the line whose CRC-32 its index"
                f" {self.index.path} has",
                "make or fetch it again; or, if it is right, remove the index",
            )
        return self._parse(line, lambda: self._line_at(begin))

    def _scan(self) -> Scanned:
        """What an index of this file holds: where records begin, and their largest sizes."""
        begins, checksums, at = [], [], 0
        longest, most = 0, 1
        with files.open_binary(self._local) as stream:
            for number, line in enumerate(stream, start=1):
                if line.strip():
                    begins.append(at)
                    checksums.append(zlib.crc32(line))
                    if self._given is None:
                        instance = self._parse(line, functools.partial(int, number))
                        longest = max(longest, instance.length)
                        most = max(most, len(instance.positions))
                at += len(line)
        if not begins:
            raise DataError(f"{self.path}: no records", "make or fetch it again")
        sizes = {} if self._given else {LENGTH: longest, PREDICTIONS: most}
        columns = {OFFSETS: np.array([*begins, at]), CHECKSUMS: np.array(checksums, np.int64)}
        return {"records": len(begins), **sizes}, columns

    @functools.cached_property
    def _pairs(self) -> bool:
        """Whether the first record is a pair: all others must be like it."""
        with files.open_binary(self._local) as stream:
            number, first = next(
                (number, line) for number, line in enumerate(stream, start=1) if line.strip()
            )
        return self._values(first, lambda: number)[1] != NO_LABEL

    def _line_at(self, offset: int) -> int:
        """Number of the line that begins at a byte, for messages."""
        with files.open_binary(self._local) as stream:
            lines = 1
            while offset > 0 and (block := stream.read(min(offset, files.CHUNK))):
                lines += block.count(b"\n")
                offset -= len(block)
        return lines

    def _parse(self, line: bytes, number: Callable[[], int]) -> Instance:
        (ids, mask, segments, labels), label = self._values(line, number)
        if (label != NO_LABEL) != self._pairs:
            here, there = ("lacks", "has") if self._pairs else ("has", "lacks")
            raise self._wrong(number(), f"{here} {PAIR_KEY}, which the first record {there}")
        if mask.max() > 1 or mask.min() < 0:
            raise self._wrong(number(), "attention_mask holds other numbers than 0 and 1")
        length = int(np.count_nonzero(mask))
        if not mask[:length].all():
            raise self._wrong(number(), "padding between tokens")
        positions = np.flatnonzero(labels[:length] != IGNORED)
        return Instance(ids[:length], segments[:length], positions, labels[positions], label)

    def _values(self, line: bytes, number: Callable[[], int]) -> tuple[list[np.ndarray], int]:
        """The four lists of a record, of one length, and its next sentence label."""
        try:
            values = json.loads(line, object_pairs_hook=keys_once)
            if isinstance(values, dict) and (b"true" in line or b"false" in line):
                _refuse_truths(values)  # 1 and 0 to Python and numpy
            lists = [_whole_numbers(values[name]) for name in KEYS]
            label = operator.index(values.get(PAIR_KEY, NO_LABEL))
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            raise self._wrong(number(), f"not a record: {_reason(error)}") from error
        size = len(lists[0])
        if any(values.shape != (size,) for values in lists) or not size:
            raise self._wrong(number(), "its lists differ in length or are empty")
        if label not in (NO_LABEL, 0, 1):
            raise self._wrong(number(), f"next_sentence_label is {label}, not 0 or 1")
        return lists, label

    def _wrong(self, number: int, problem: str) -> DataError:
        return DataError(
            f"{self.path}:{number}: {problem}",
            f"each line needs the keys {', '.join(KEYS)}, and {PAIR_KEY} where it is a pair",
        )


def _refuse_truths(values: dict[str, Any]) -> None:
    """Refuse `true` and `false` where a record has numbers."""
    for name in (*KEYS, PAIR_KEY):
        found = values.get(name)
        numbers = found if isinstance(found, list) else [found]
        if any(isinstance(number, bool) for number in numbers):
            raise ValueError(f"true or false in {name}, where whole numbers should be")


def _whole_numbers(values: list[int]) -> np.ndarray:
    """A list of whole numbers as int64; see `record_values.within_32_bits`.

    Raises:
        ValueError, TypeError, OverflowError: it holds something else.
    """
    if not isinstance(values, list):
        raise TypeError("a value where a list should be")
    found = np.array(values)
    if found.dtype.kind not in "iu" and found.size:
        if found.dtype.kind != "O":
            raise ValueError(f"{found.dtype} where whole numbers should be")
        found = np.array(values, np.int64)  # which says what is wrong with it
    return within_32_bits(found).astype(np.int64)


def _reason(error: Exception) -> str:
    """Why a line is no record, for people."""
    if isinstance(error, KeyError):
        return f"it has no {error.args[0]!r}"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return str(error).partition("\n")[0] or type(error).__name__
