"""Writing record files of every format, each whole or absent."""

from __future__ import annotations

import contextlib
import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np

from bertkit import files
from bertkit.records.config import HDF5, JSONL, UNMASKED, RecordsConfig
from bertkit.records.files.hdf5 import PACKED, PLAIN, Hdf5Writer
from bertkit.records.files.instance import rows_of
from bertkit.records.files.jsonl import encode_line
from bertkit.records.files.kernels import frame_examples
from bertkit.records.files.tfrecord import Written, frame
from bertkit.records.instances.packing import Packs
from bertkit.records.instances.pairs import PlanFile, PlanWriter
from bertkit.records.instances.windows import Windows

_BLOCK = 1024
_CACHED_ROWS = 64  # of a table that stays in a core's cache until it is written
_BUFFER = 1 << 19


class Batches(Protocol):
    """Records by number."""

    def __len__(self) -> int:
        """How many."""

    def batch(self, indices: Sequence[int] | np.ndarray) -> Mapping[str, np.ndarray]:
        """Features of some of them, stacked: [B, n], or [B] where each has one value."""


class RecordWriter(ABC):
    """Takes records; `written` says what came of them once the file is closed."""

    written: Written | PlanFile

    @abstractmethod
    def add(self, source: Any, which: Sequence[int] | np.ndarray) -> None:
        """Append records of a source, by number."""

    @abstractmethod
    def finish(self) -> None:
        """Say what was written."""

    def abandon(self) -> None:  # noqa: B027 - most have nothing to do
        """Let go of the file, which is to be removed."""


class _BatchWriter(RecordWriter):
    """Takes records as stacked batches."""

    @abstractmethod
    def put(self, batch: Mapping[str, np.ndarray]) -> None:
        """Append stacked records."""

    def add(self, source: Any, which: Sequence[int] | np.ndarray) -> None:
        for start in range(0, len(which), _BLOCK):
            self.put(source.batch(which[start : start + _BLOCK]))


class _Examples(_BatchWriter):
    """Records with any features as framed tf.train.Examples; as `encode_example` does it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._digest = hashlib.sha256()
        self._records = self._bytes = 0
        self._layout: frame_examples.Layout | None = None

    def add(self, source: Any, which: Sequence[int] | np.ndarray) -> None:
        if not isinstance(source, Packs):
            super().add(source, which)
            return
        for start in range(0, len(which), _CACHED_ROWS):
            self._write(source.table(which[start : start + _CACHED_ROWS]), source.columns)

    def put(self, batch: Mapping[str, np.ndarray]) -> None:
        columns = [batch[name].reshape(len(batch[name]), -1) for name in sorted(batch)]
        kinds = {
            name: (values.shape[1], values.dtype.kind == "f")
            for name, values in zip(sorted(batch), columns, strict=True)
        }
        self._write(np.concatenate(list(map(_bits, columns)), axis=1), kinds)

    def _write(self, table: np.ndarray, kinds: Mapping[str, tuple[int, bool]]) -> None:
        """Append rows of features side by side, sorted by name."""
        if self._layout is None:
            self._layout = frame_examples.layout_of(kinds)
            self._buffer = np.empty(_BUFFER + frame_examples.largest_record(self._layout), np.uint8)
        checks = np.empty(len(table), np.uint32)
        done = 0
        while done < len(table):
            count, size = frame_examples.write_examples(
                table[done:], self._layout, self._buffer, checks[done:]
            )
            self._stream.write(self._buffer[:size].data)
            done += count
            self._bytes += size
        self._records += done
        self._digest.update(checks.tobytes())

    def finish(self) -> None:
        self.written = PlanFile(self._records, self._bytes, self._digest.hexdigest())


def _bits(values: np.ndarray) -> np.ndarray:
    """Integers as int32, floats as the bits of float32."""
    if values.dtype.kind == "f":
        return np.ascontiguousarray(values, np.float32).view(np.int32)
    return values.astype(np.int32, copy=False)


class _PlanRecords(RecordWriter):
    """Plain TFRecords of a plan, which have a kernel of their own."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._writer = PlanWriter(stream)

    def add(self, source: Any, which: Sequence[int] | np.ndarray) -> None:
        self._writer.add(source, which)

    def finish(self) -> None:
        self.written = self._writer.written


class _Lines(_BatchWriter):
    """Records as bytes one after the other: JSON lines, or windows as tokens."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._digest = hashlib.sha256()
        self._records = self._bytes = 0

    def put(self, batch: Mapping[str, np.ndarray]) -> None:
        self.write(map(encode_line, rows_of(batch)))

    def write(self, records: Iterator[bytes]) -> None:
        """Append records as they are."""
        for data in records:
            self._stream.write(data)
            self._digest.update(data)
            self._records += 1
            self._bytes += len(data)

    def finish(self) -> None:
        self.written = Written(self._records, self._bytes, self._digest.hexdigest())


class _TokenRecords(_Lines):
    """Windows as SequenceExamples of their tokens."""

    def __init__(self, stream: IO[bytes], separator: str) -> None:
        super().__init__(stream)
        self._separator = separator

    def add(self, source: Windows, which: Sequence[int] | np.ndarray) -> None:
        self.write(map(frame, source.payloads(which, self._separator)))


class _DatasetWriter(_BatchWriter):
    """Records as rows of an HDF5 file."""

    def __init__(self, path: str, packed: bool) -> None:
        self._path = path
        self._file = Hdf5Writer(path, PACKED if packed else PLAIN)

    def put(self, batch: Mapping[str, np.ndarray]) -> None:
        self._file.add(batch)

    def finish(self) -> None:
        self._file.close()
        size, digest = os.path.getsize(self._path), files.sha256_of(self._path)
        self.written = Written(self._file.records, size, digest)

    def abandon(self) -> None:
        self._file.close(whole=False)


@contextlib.contextmanager
def open_writer(path: str | os.PathLike[str], config: RecordsConfig) -> Iterator[RecordWriter]:
    """A writer for a file that appears under its name when the block ends without an error.

    Raises:
        MissingDependencyError: the format needs a package that is not installed.
    """
    with files.atomic_write(Path(path)) as stream:
        writer: RecordWriter
        if config.file_format == HDF5:
            # h5py opens the temporary file by its name, beside the stream that syncs it.
            writer = _DatasetWriter(stream.name, config.packing != "none")
        elif config.file_format == JSONL:
            writer = _Lines(stream)
        elif config.objective == UNMASKED:
            # As in the original, a separator between documents is lower-cased with the text.
            separator = config.document_separator
            writer = _TokenRecords(stream, separator.lower() if config.do_lower_case else separator)
        elif config.pairs and config.packing == "none":
            writer = _PlanRecords(stream)
        else:
            writer = _Examples(stream)
        try:
            yield writer
            writer.finish()
        except BaseException:
            writer.abandon()
            raise
