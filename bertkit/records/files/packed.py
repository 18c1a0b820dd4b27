"""Reads files of packs as the single instances they hold."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from bertkit.errors import DataError
from bertkit.files import open_binary
from bertkit.records.files import hdf5, pack_formats
from bertkit.records.files.instance import Instance, checked_indices, to_batch
from bertkit.records.files.tfrecord import decode_example
from bertkit.records.files.tfrecord_reader import TfRecordFile, kinds_of

_BLOCK = 1024


class PackFile:
    """The single instances of a file of packs, pack by pack; see `instance.RecordReader`.

    TFRecords in Graphcore's or Habana's format, or HDF5 in Habana's. Opening reads the
    file once, to count the sequences of every pack.

    Attributes:
        path: the file.
        max_seq_length: L, of a pack and so of what it holds.
        max_predictions_per_seq: P before packing, as the format tells; more where a
            sequence needs more.
        packs: how many packs hold the instances.

    Raises:
        DataError: as for the readers of single records, or features of different sizes.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self._source = _open(self.path)
        first = self._source.read(np.array([0]))
        self._packing = pack_formats.pack_format_of(first) or pack_formats.HABANA
        prefix = "packed_" if self._packing == pack_formats.GRAPHCORE else ""
        self._mask, self._predicted = f"{prefix}input_mask", f"{prefix}masked_lm_positions"
        counts, most = self._count_sequences()
        self._ends = np.cumsum(counts, dtype=np.int64)
        self.packs = len(counts)
        self.max_seq_length = first[self._mask].shape[1]
        shape = pack_formats.PackShape(
            length=self.max_seq_length,
            predictions=first[self._predicted].shape[1],
            sequences=first[f"{prefix}next_sentence_labels"].shape[1],
        )
        self.max_predictions_per_seq = max(
            pack_formats.usual_predictions(self._packing, shape), most
        )

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path,)

    def batch(self, indices: Sequence[int] | np.ndarray) -> dict[str, np.ndarray]:
        """Single instances as the seven features; see `RecordFile.batch`."""
        which = checked_indices(self.path, len(self), indices)
        owners = np.searchsorted(self._ends, which, side="right")
        needed = np.unique(owners)
        blocks = self._source.read(needed)
        unpacked = {
            int(pack): self._unpacked(int(pack), {name: block[i] for name, block in blocks.items()})
            for i, pack in enumerate(needed)
        }
        rows = [
            unpacked[int(pack)][int(number - self._ends[pack])]  # counted from the pack's end
            for number, pack in zip(which, owners, strict=True)
        ]
        return to_batch(rows, self.max_seq_length, self.max_predictions_per_seq)

    def _unpacked(self, number: int, pack: dict[str, np.ndarray]) -> list[Instance]:
        try:
            return pack_formats.unpack(self._packing, pack)
        except DataError as error:
            raise DataError(f"{self.path}: record {number}: {error.message}", error.hint) from error

    def _count_sequences(self) -> tuple[np.ndarray, int]:
        """Sequences of each pack, int64, and the predictions of the sequence with most."""
        counts, most = [], 1
        for start in range(0, self._source.count, _BLOCK):
            numbers = np.arange(start, min(start + _BLOCK, self._source.count))
            block = self._source.read(numbers)
            mask = np.asarray(block[self._mask], np.int64)
            counts.append(mask.max(axis=1))
            if (counts[-1] < 1).any():
                empty = int(numbers[np.flatnonzero(counts[-1] < 1)[0]])
                raise DataError(
                    f"{self.path}: record {empty} is a pack without sequences", "make it again"
                )
            for row, pack in zip(
                mask, pack_formats.wanted_predictions(self._packing, block), strict=True
            ):
                if len(pack):
                    most = max(most, int(np.bincount(row[pack]).max()))
        return np.concatenate(counts), most


class _Source(Protocol):
    """Packs by number."""

    count: int

    def read(self, numbers: np.ndarray) -> dict[str, np.ndarray]:
        """Features of packs by ascending numbers, stacked."""


class _Examples:
    """Packs in a TFRecord file."""

    def __init__(self, path: str) -> None:
        self._file = TfRecordFile(path)
        self.count = len(self._file)
        first = decode_example(self._file.record(0))
        self._kinds = kinds_of(
            first, pack_formats.FEATURES[pack_formats.pack_format_of(first) or pack_formats.HABANA]
        )

    def read(self, numbers: np.ndarray) -> dict[str, np.ndarray]:
        return self._file.columns(numbers, self._kinds)


class _Datasets:
    """Packs in an HDF5 file."""

    def __init__(self, path: str) -> None:
        self.count = hdf5.read_shapes(path, hdf5.PACKED)["input_ids"][0]
        self._datasets = hdf5.Datasets(path, hdf5.PACKED)

    def read(self, numbers: np.ndarray) -> dict[str, np.ndarray]:
        return self._datasets.rows(numbers)


def _open(path: str) -> _Source:
    with open_binary(path) as stream:
        is_hdf5 = stream.read(len(hdf5.SIGNATURE)) == hdf5.SIGNATURE
    return _Datasets(path) if is_hdf5 else _Examples(path)
