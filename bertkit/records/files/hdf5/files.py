"""Reads and writes HDF5 files of NVIDIA's and Habana's BERT.

There is one dataset per feature, with one row per record. Names and types are those of their
create_pretraining_data.py: int32 ids and positions, int8 masks and labels, gzip 4, no weights
(position 0 means no prediction).
"""

from __future__ import annotations

import functools
import os
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from bertkit.errors import DataError
from bertkit.records.files.compressed_file import open_unpacked, unpacked
from bertkit.records.files.hdf5.columns import unpacked_columns
from bertkit.records.files.hdf5.safety import h5py, hdf5_errors, own_dataset
from bertkit.records.files.instance import checked_indices
from bertkit.records.files.record_values import checked, within_32_bits
from bertkit.storage import files
from bertkit.workers.termination import held_back

SIGNATURE = b"\x89HDF\r\n\x1a\n"
# Dataset → stored type of plain records, and of Habana's packed ones.
PLAIN = {
    "input_ids": "i4",
    "input_mask": "i1",
    "segment_ids": "i1",
    "masked_lm_positions": "i4",
    "masked_lm_ids": "i4",
    "next_sentence_labels": "i1",
}
PACKED = {
    "input_ids": "i4",
    "input_mask": "i4",
    "segment_ids": "i1",
    "positions": "i4",
    "masked_lm_positions": "i4",
    "masked_lm_ids": "i4",
    "next_sentence_positions": "i4",
    "next_sentence_labels": "i1",
    "next_sentence_weights": "i1",
}
_CHUNK_BYTES = 1 << 16
_SPARSE = 30  # of so many rows or more one is asked for: nearly a chunk of its own for each


class Hdf5Writer:
    """Rows into the datasets of a file.

    Args:
        path: the file, which is overwritten.
        kinds: dataset → stored type.
    """

    def __init__(self, path: str, kinds: Mapping[str, str]) -> None:
        self.records = 0
        self._kinds = kinds
        self._sink = _Sink(path)
        # Old, and without times: a file that every HDF5 reads, with the same bytes each time.
        with held_back():
            self._file = h5py().File(self._sink, "w", libver="earliest")

    def add(self, batch: Mapping[str, np.ndarray]) -> None:
        """Append stacked records, some thousand at a time; they hold all datasets.

        Raises:
            OSError: the file cannot be written.
        """
        with held_back():
            for name, kind in self._kinds.items():
                self._append(name, batch[name].astype(kind))
        self._sink.check()
        self.records += len(batch["input_ids"])

    def _append(self, name: str, values: np.ndarray) -> None:
        data = self._file.get(name)
        if data is None:
            rows = max(1, _CHUNK_BYTES // values[:1].nbytes)
            data = self._file.create_dataset(
                name,
                shape=(0, *values.shape[1:]),
                maxshape=(None, *values.shape[1:]),
                dtype=values.dtype,
                chunks=(rows, *values.shape[1:]),
                compression="gzip",
                compression_opts=4,
                track_times=False,
            )
        data.resize(self.records + len(values), axis=0)
        data[self.records :] = values

    def close(self, complete: bool = True) -> None:
        """Close the file; one that is not `complete` is closed without writing more.

        Raises:
            OSError: the file cannot be written.
        """
        self._sink.quiet = not complete
        with held_back():
            self._file.close()
            self._sink.close()
        if complete:
            self._sink.check()


class _Sink:
    """A file for h5py, which crashes where a write fails, at the latest when Python exits.

    h5py calls it from code that no exception passes. After the first error nothing is written
    any more; `check` raises it. Signals are held back meanwhile.
    """

    def __init__(self, path: str) -> None:
        self._file = open(path, "w+b", buffering=0)  # noqa: SIM115 - closed with the HDF5 file
        self._error: BaseException | None = None
        self.quiet = False

    def write(self, data: Any) -> int:
        rest = memoryview(data).cast("B")
        size = len(rest)
        while len(rest) and self._error is None and not self.quiet:
            rest = rest[self._try(functools.partial(self._file.write, rest)) :]
        return size

    def truncate(self, size: int | None = None) -> None:
        self._try(lambda: self._file.truncate(size))

    def flush(self) -> None:
        self._try(self._file.flush)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size) or b""

    def readinto(self, data: Any) -> int:
        return self._file.readinto(data)

    def close(self) -> None:
        self._file.close()

    def check(self) -> None:
        """Raise what went wrong."""
        if self._error:
            raise self._error

    def _try(self, work: Callable[[], int | None]) -> int:
        """What `work` returns, or 0 once something has gone wrong."""
        if self._error is None and not self.quiet:
            try:
                return work() or 0
            except BaseException as error:
                self._error = error
        return 0


class Hdf5File:
    """A file of plain records, opened where it is used; see `instance.RecordReader`.

    Attributes:
        path: the file.
        max_seq_length: L.
        max_predictions_per_seq: P.

    Raises:
        DataError: not HDF5, damaged, no records, or other datasets.
        MissingDependencyError: h5py is not installed.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        shapes = read_shapes(self.path, PLAIN)
        _require_widths(self.path, shapes)
        self._count, self.max_seq_length = shapes["input_ids"]
        self.max_predictions_per_seq = shapes["masked_lm_positions"][1]
        self._datasets: Datasets | None = None

    def __len__(self) -> int:
        return int(self._count)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path,)

    def batch(self, indices: Sequence[int] | np.ndarray) -> dict[str, np.ndarray]:
        """Records as the seven features; see `RecordFile.batch`."""
        which = checked_indices(self.path, len(self), indices)
        if self._datasets is None:
            self._datasets = Datasets(self.path, PLAIN)
        order, back = np.unique(which, return_inverse=True)
        batch: dict[str, np.ndarray] = {
            name: within_32_bits(values[back])
            for name, values in self._datasets.rows(order).items()
        }
        batch["masked_lm_weights"] = (batch["masked_lm_positions"] != 0).astype(np.float32)
        batch["next_sentence_labels"] = batch["next_sentence_labels"].reshape(-1)
        return checked(batch, lambda row: f"{self.path}: record {which[row]}")


class Room:
    """Bytes of memory that several owners share; what one took is free again when it is gone.

    Attributes:
        left: bytes that nobody has.
    """

    def __init__(self, size: int) -> None:
        self.left = size

    def take(self, owner: object, size: int) -> bool:
        """Give an owner so many bytes for as long as it lives; False where they are not left."""
        if size > self.left:
            return False
        self.left -= size
        weakref.finalize(owner, self._give_back, size).atexit = False
        return True

    def _give_back(self, size: int) -> None:
        self.left += size


# What all HDF5 files of this process may take together.
MEMORY = Room(1 << 30)


class Datasets:
    """Rows of several datasets of a file.

    Compressed chunks make reading at random slow. Files are therefore kept in memory,
    in their stored types, as far as `MEMORY` goes, or unpacked in the cache.

    Args:
        path: the file.
        kinds: the datasets.
    """

    def __init__(self, path: str, kinds: Mapping[str, str]) -> None:
        self._path = path
        file = open_file(path)
        self._at_hand = False
        with hdf5_errors(path):
            self._data: dict[str, Any] = {name: own_dataset(file, name, path) for name in kinds}
            size = sum(int(data.nbytes) for data in self._data.values())
        if MEMORY.take(self, size):
            self._data = self.rows(slice(None))
            file.close()
            self._at_hand = True

    def rows(self, which: np.ndarray | slice) -> dict[str, np.ndarray]:
        """Rows by ascending numbers.

        Raises:
            DataError: a damaged part of the file.
        """
        if not isinstance(which, slice) and len(which):
            span = int(np.ptp(which)) + 1
            if span == len(which):
                which = slice(int(which[0]), int(which[-1]) + 1)
            elif span > _SPARSE * len(which) and not self._at_hand:
                self._unpack()
        with hdf5_errors(self._path, "damaged"):
            return {name: np.asarray(data[which]) for name, data in self._data.items()}

    def _unpack(self) -> None:
        """Read from unpacked arrays from now on, if there is room for them."""
        self._at_hand = True  # or not to be had
        with hdf5_errors(self._path, "damaged"):
            self._data = unpacked_columns(self._path, self._data) or self._data


def is_hdf5(path: str) -> bool:
    """Whether a file begins as HDF5 does."""
    with open_unpacked(path) as stream:
        return stream.read(len(SIGNATURE)) == SIGNATURE


def open_file(path: str) -> Any:
    """An open h5py.File for reading.

    Raises:
        DataError: no such file, or not a complete HDF5 file.
    """
    with hdf5_errors(path):
        files.refuse_lfs_pointer(path)
        return h5py().File(unpacked(path), "r")


def read_shapes(path: str, kinds: Mapping[str, str]) -> dict[str, tuple[int, ...]]:
    """Shape of each dataset.

    Raises:
        DataError: a dataset is missing, none has a row, or their rows differ in number.
    """
    if files.is_remote(path):
        raise DataError(
            f"{path}: not a local file; records are read in random order",
            "copy the file to a local disk",
        )
    with open_file(path) as file, hdf5_errors(path):
        missing = [name for name in kinds if name not in file]
        if missing:
            raise DataError(
                f"{path}: not BERT pretraining records: no dataset {', '.join(missing)} "
                f"(found {', '.join(sorted(file)) or 'none'})",
                "`bertkit make-records --style nvidia` writes files of the right kind",
            )
        data = {name: own_dataset(file, name, path) for name in kinds}
        shapes = {name: tuple(item.shape or ()) for name, item in data.items()}
        odd = [
            f"{name} ({item.dtype})" for name, item in data.items() if item.dtype.kind not in "iub"
        ]
        odd += [
            f"{name} (shape {shape})" for name, shape in shapes.items() if len(shape) not in (1, 2)
        ]
        if odd:
            raise DataError(
                f"{path}: not whole numbers, one row per record: {', '.join(odd)}",
                "`bertkit make-records --style nvidia` writes files of the right kind",
            )
    counts = {shape[0] for shape in shapes.values()}
    if counts == {0}:
        raise DataError(f"{path}: no records", "make or fetch it again")
    if len(counts) > 1:
        raise DataError(f"{path}: its datasets have different lengths: {shapes}", "make it again")
    return shapes


def _require_widths(path: str, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse datasets whose rows do not belong together: a token has an id, a mask, a segment."""
    tokens, predictions = shapes["input_ids"], shapes["masked_lm_positions"]
    wanted = {
        **dict.fromkeys(("input_ids", "input_mask", "segment_ids"), tokens),
        **dict.fromkeys(("masked_lm_positions", "masked_lm_ids"), predictions),
    }
    wrong = [name for name, shape in wanted.items() if shapes[name] != shape or len(shape) != 2]
    if shapes["next_sentence_labels"][1:] not in ((), (1,)):
        wrong.append("next_sentence_labels")
    if wrong:
        sizes = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise DataError(
            f"{path}: the rows of {', '.join(wrong)} do not fit the others: {sizes}",
            "make it again",
        )
