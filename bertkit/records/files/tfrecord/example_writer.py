"""Writes planned instances as TFRecords of tf.train.Examples."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from bertkit.records.files.instance import InstancePlan
from bertkit.records.files.kernels import parse, serialise
from bertkit.records.instances.pairs import PairPlan
from bertkit.storage import files

_BLOCK = 1 << 20  # bytes that are handed to the system at once
_TABLE_ROWS = 64  # of a table that stays in a core's cache until it is written
_BATCH_ROWS = 1024
_BUFFER = 1 << 19


class WrittenExamples(NamedTuple):
    """A finished record file.

    Attributes:
        records: how many.
        bytes: size of the file.
        crc_sha256: SHA-256 (hex) over the stored checksums (uint32, little-endian) of all
            records in order; it costs nothing beside a hash of all bytes.
    """

    records: int
    bytes: int
    crc_sha256: str


@runtime_checkable
class TablePlan(Protocol):
    """A plan that gives its records as rows of one table.

    Attributes:
        columns: features, sorted by name → (values per record, floats or not).
    """

    columns: Mapping[str, tuple[int, bool]]

    def table(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """Records as int32[B, W], features side by side as in `columns`, floats as bits."""


class ExampleWriter:
    """Appends records to an open TFRecord file.

    Args:
        stream: the file.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._digest = hashlib.sha256()
        self._records = self._bytes = 0
        self._placed = 0  # bytes of all records, also of those that wait in a buffer
        self._begins: list[np.ndarray] = []
        self._put_rows: Any = None  # made for the features of the first rows

    @property
    def written(self) -> WrittenExamples:
        """What is in the file so far."""
        return WrittenExamples(self._records, self._bytes, self._digest.hexdigest())

    def offsets(self) -> np.ndarray:
        """int64[n + 1]: where each record's frame begins, and the end of the last."""
        return np.concatenate([*self._begins, [self._placed]])

    def add(self, plan: InstancePlan, which: Sequence[int] | np.ndarray) -> None:
        """Append records of a plan, by their numbers."""
        if isinstance(plan, PairPlan):
            self._add_pairs(plan, np.asarray(which, np.int64))
        elif isinstance(plan, TablePlan):
            for start in range(0, len(which), _TABLE_ROWS):
                self._add_rows(plan.table(which[start : start + _TABLE_ROWS]), plan.columns)
        else:
            for start in range(0, len(which), _BATCH_ROWS):
                self._add_batch(plan.batch(which[start : start + _BATCH_ROWS]))

    def _add_pairs(self, plan: PairPlan, rest: np.ndarray) -> None:
        """Sentence pairs straight from the plan; what most runs spend their time on."""
        count = len(rest)
        checks = np.empty(count, np.uint32)
        length, predictions = plan.max_seq_length, plan.max_predictions_per_seq
        template = serialise.record_template(
            length, predictions, len(plan.vocab), plan.text.tokens.dtype
        )
        buffer = np.empty(_BLOCK + 2 * serialise.largest_record(length, predictions), np.uint8)
        filled = 0
        while len(rest):
            done, more = serialise.write_records(
                plan.for_kernels(), rest, template, buffer[filled:], checks[count - len(rest) :]
            )
            self._note(buffer[filled : filled + more], done)
            rest = rest[done:]
            filled += more
            if len(rest):  # whole blocks only: the system then takes them in larger pieces
                self._bytes += self._stream.write(buffer[:_BLOCK].data)
                filled -= _BLOCK
                buffer[:filled] = buffer[_BLOCK : _BLOCK + filled]
        self._bytes += self._stream.write(buffer[:filled].data)
        self._count(checks)

    def _add_batch(self, batch: Mapping[str, np.ndarray]) -> None:
        """Stacked features of any names."""
        names = sorted(batch)
        columns = [batch[name].reshape(len(batch[name]), -1) for name in names]
        kinds = {
            name: (values.shape[1], values.dtype.kind == "f")
            for name, values in zip(names, columns, strict=True)
        }
        self._add_rows(np.concatenate(list(map(_as_int32, columns)), axis=1), kinds)

    def _add_rows(self, table: np.ndarray, kinds: Mapping[str, tuple[int, bool]]) -> None:
        """Rows of features side by side, sorted by name."""
        from bertkit.records.files.kernels import frame_examples

        if self._put_rows is None:
            template = frame_examples.example_template(kinds)
            self._buffer = np.empty(_BUFFER + frame_examples.largest_record(template), np.uint8)
            self._put_rows = functools.partial(frame_examples.write_examples, template=template)
        checks = np.empty(len(table), np.uint32)
        done = 0
        while done < len(table):
            count, size = self._put_rows(table[done:], out=self._buffer, checks=checks[done:])
            self._note(self._buffer[:size], count)
            self._bytes += self._stream.write(self._buffer[:size].data)
            done += count
        self._count(checks)

    def _note(self, frames: np.ndarray, count: int) -> None:
        """Keep where the records of some whole frames, which come next, begin."""
        starts, lengths = np.empty((2, count), np.int64)
        found, end, state = parse.scan_frames(frames, 0, starts, lengths)
        assert (found, end, state) == (count, len(frames), parse.FINE)
        self._begins.append(starts - parse.HEADER + self._placed)
        self._placed += len(frames)

    def _count(self, checks: np.ndarray) -> None:
        self._records += len(checks)
        self._digest.update(checks.tobytes())


def _as_int32(values: np.ndarray) -> np.ndarray:
    """Integers as int32, floats as the bits of float32."""
    if values.dtype.kind == "f":
        return np.ascontiguousarray(values, np.float32).view(np.int32)
    return values.astype(np.int32, copy=False)


def write_plan(
    path: str | os.PathLike[str],
    plan: InstancePlan,
    which: Sequence[int] | np.ndarray | None = None,
) -> WrittenExamples:
    """Write records of a plan to a TFRecord file that appears only when it is complete.

    Args:
        path: the file.
        plan: the records.
        which: their numbers; all by default.
    """
    with files.atomic_write(Path(path), sync=False) as stream:
        writer = ExampleWriter(stream)
        writer.add(plan, range(len(plan)) if which is None else which)
    return writer.written
