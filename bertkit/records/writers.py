"""Writing record files of every format, each whole or absent."""

from __future__ import annotations

import contextlib
import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from bertkit import files
from bertkit.records.config import HDF5, JSONL, UNMASKED, RecordsConfig
from bertkit.records.hdf5 import PACKED, PLAIN, Hdf5Writer
from bertkit.records.jsonl import encode_line
from bertkit.records.schema import Features
from bertkit.records.sequence_example import TOKENS, encode_tokens
from bertkit.records.tfrecord import Written, encode_example, frame


class RecordWriter(ABC):
    """Takes records one by one; `written` says what came of it once the file is closed."""

    written: Written

    @abstractmethod
    def add(self, record: Features) -> None:
        """Append a record."""


class _StreamWriter(RecordWriter):
    """Records as bytes one after the other."""

    def __init__(self, stream: IO[bytes], encode: Callable[[Features], bytes]) -> None:
        self._stream, self._encode = stream, encode
        self._digest = hashlib.sha256()
        self._records = self._bytes = 0

    def add(self, record: Features) -> None:
        data = self._encode(record)
        self._stream.write(data)
        self._digest.update(data)
        self._records += 1
        self._bytes += len(data)

    def finish(self) -> None:
        self.written = Written(self._records, self._bytes, self._digest.hexdigest())


class _DatasetWriter(RecordWriter):
    """Records as rows of an HDF5 file."""

    def __init__(self, path: str, packed: bool) -> None:
        self._path = path
        self._file = Hdf5Writer(path, PACKED if packed else PLAIN)

    def add(self, record: Features) -> None:
        self._file.add(record)

    def finish(self) -> None:
        self._file.close()
        size, digest = os.path.getsize(self._path), files.sha256_of(self._path)
        self.written = Written(self._file.records, size, digest)


@contextlib.contextmanager
def open_writer(path: str | os.PathLike[str], config: RecordsConfig) -> Iterator[RecordWriter]:
    """A writer for a file that appears under its name when the block ends without an error.

    Raises:
        MissingDependencyError: the format needs a package that is not installed.
    """
    with files.atomic_write(Path(path)) as stream:
        writer: Any
        if config.file_format == HDF5:
            # h5py opens the temporary file by its name, beside the stream that syncs it.
            writer = _DatasetWriter(stream.name, config.packing != "none")
        else:
            writer = _StreamWriter(stream, _encoder(config))
        yield writer
        writer.finish()


def _encoder(config: RecordsConfig) -> Callable[[Features], bytes]:
    if config.file_format == JSONL:
        return encode_line
    if config.objective == UNMASKED:
        return lambda record: frame(encode_tokens(record[TOKENS]))  # type: ignore[arg-type]
    return lambda record: frame(encode_example(record))
