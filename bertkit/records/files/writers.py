"""Opens a record file of any format for writing; the file is complete or absent."""

from __future__ import annotations

import contextlib
import hashlib
import os
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from bertkit.records.config import RecordsConfig
from bertkit.records.files.formats import HDF5, JSONL, TFRECORD
from bertkit.records.files.hdf5.files import PACKED, PLAIN, Hdf5Writer
from bertkit.records.files.instance import InstancePlan, instances_of
from bertkit.records.files.jsonl import encode_line
from bertkit.records.files.record_index import CHECKSUMS, OFFSETS
from bertkit.records.files.tfrecord.example_writer import ExampleWriter
from bertkit.records.files.tfrecord.frames import Written, frame
from bertkit.records.terms import UNMASKED
from bertkit.storage import files

if TYPE_CHECKING:
    from bertkit.records.instances.windows import WindowPlan

_BATCH_ROWS = 1024


class RecordWriter(ABC):
    """Takes records of plans, by number."""

    @abstractmethod
    def add(self, plan: Any, which: Sequence[int] | np.ndarray) -> None:
        """Append records of a plan."""

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """What the manifest says of the file: records, bytes and a digest."""

    def columns(self) -> dict[str, np.ndarray]:
        """What the file's index holds; nothing where records are found by their numbers."""
        return {}

    def finish(self) -> None:  # noqa: B027 - most have nothing to do
        """Write what is left, when all records are added."""

    def abandon(self) -> None:  # noqa: B027 - most have nothing to do
        """Let go of the file, which is to be removed."""


class _Examples(RecordWriter):
    """TFRecords of tf.train.Examples."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._writer = ExampleWriter(stream)

    def add(self, plan: InstancePlan, which: Sequence[int] | np.ndarray) -> None:
        self._writer.add(plan, which)

    def facts(self) -> dict[str, Any]:
        return self._writer.written._asdict()

    def columns(self) -> dict[str, np.ndarray]:
        return {OFFSETS: self._writer.offsets()}


class _Payloads(RecordWriter):
    """Records that are encoded one by one."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._digest = hashlib.sha256()
        self._records = self._bytes = 0
        self._begins: list[int] = []

    @abstractmethod
    def encode(self, plan: Any, which: Sequence[int] | np.ndarray) -> Iterable[bytes]:
        """Records of a plan as they stand in the file."""

    def add(self, plan: Any, which: Sequence[int] | np.ndarray) -> None:
        for data in self.encode(plan, which):
            self._stream.write(data)
            self._digest.update(data)
            self._begins.append(self._bytes)
            self._records += 1
            self._bytes += len(data)

    def facts(self) -> dict[str, Any]:
        return Written(self._records, self._bytes, self._digest.hexdigest())._asdict()

    def columns(self) -> dict[str, np.ndarray]:
        return {OFFSETS: np.array([*self._begins, self._bytes])}


class _JsonLines(_Payloads):
    """JSON lines; their index has the checksums that they themselves have no room for."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(stream)
        self._checksums: list[int] = []

    def encode(self, plan: InstancePlan, which: Sequence[int] | np.ndarray) -> Iterator[bytes]:
        for batch in _batches(plan, which):
            for instance in instances_of(batch):
                line = encode_line(instance)
                self._checksums.append(zlib.crc32(line))
                yield line

    def columns(self) -> dict[str, np.ndarray]:
        return {**super().columns(), CHECKSUMS: np.array(self._checksums, np.int64)}


class _Tokens(_Payloads):
    """Windows as SequenceExamples of their tokens.

    Args:
        stream: the file.
        separator: stands between documents.
    """

    def __init__(self, stream: IO[bytes], separator: str) -> None:
        super().__init__(stream)
        self._separator = separator

    def encode(self, plan: WindowPlan, which: Sequence[int] | np.ndarray) -> Iterator[bytes]:
        return map(frame, plan.payloads(which, self._separator))


class _Datasets(RecordWriter):
    """Rows of an HDF5 file."""

    def __init__(self, path: str, packed: bool) -> None:
        self._path = path
        self._file = Hdf5Writer(path, PACKED if packed else PLAIN)

    def add(self, plan: InstancePlan, which: Sequence[int] | np.ndarray) -> None:
        for batch in _batches(plan, which):
            self._file.add(batch)

    def facts(self) -> dict[str, Any]:
        size, digest = os.path.getsize(self._path), files.sha256_of(self._path)
        return Written(self._file.records, size, digest)._asdict()

    def finish(self) -> None:
        self._file.close()

    def abandon(self) -> None:
        self._file.close(complete=False)


def _batches(
    plan: InstancePlan, which: Sequence[int] | np.ndarray
) -> Iterator[Mapping[str, np.ndarray]]:
    """Records of a plan, some thousand at a time."""
    for start in range(0, len(which), _BATCH_ROWS):
        yield plan.batch(which[start : start + _BATCH_ROWS])


@contextlib.contextmanager
def open_writer(
    path: str | os.PathLike[str], config: RecordsConfig, facts: dict[str, Any]
) -> Iterator[RecordWriter]:
    """A writer for a file that appears under its name when the block ends without an error.

    Its index does not come with it; see `RecordWriter.columns`.

    Args:
        path: the file.
        config: says the format and the kind of the records.
        facts: gets what the manifest says of the file, once it is complete.

    Raises:
        MissingDependencyError: the format needs a package that is not installed.
    """
    # Plain pairs are made again after a power failure, if need be: sizes would show it.
    plain = config.file_format == TFRECORD and config.pairs and config.packing == "none"
    with files.atomic_write(Path(path), sync=not plain) as stream:
        writer: RecordWriter
        if config.file_format == HDF5:
            # h5py opens the temporary file by its name, beside the stream that syncs it.
            writer = _Datasets(stream.name, config.packing != "none")
        elif config.file_format == JSONL:
            writer = _JsonLines(stream)
        elif config.objective == UNMASKED:
            # As in the original, a separator between documents is lower-cased with the text.
            separator, lower = config.document_separator, config.normalisation.do_lower_case
            writer = _Tokens(stream, separator.lower() if lower else separator)
        else:
            writer = _Examples(stream)
        try:
            yield writer
            writer.finish()
            facts.update(writer.facts())
        except BaseException:
            writer.abandon()
            raise
