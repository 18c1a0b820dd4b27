"""Reads files of packs as the single instances they hold."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from bertkit.errors import DataError
from bertkit.records.files.compressed_file import unpacked
from bertkit.records.files.hdf5 import files as hdf5
from bertkit.records.files.index_file import InMemory, RecordIndex
from bertkit.records.files.instance import Instance, checked_indices, to_batch
from bertkit.records.files.packs import formats as pack_formats
from bertkit.records.files.record_index import (
    ENDS,
    INSTANCES,
    OFFSETS,
    PREDICTIONS,
    Scanned,
    open_index,
)
from bertkit.records.files.record_values import checked
from bertkit.records.files.tfrecord.frames import decode_example
from bertkit.records.files.tfrecord.reader import TfRecordFile, frame_offsets, kinds_of

_BLOCK = 1024


class PackFile:
    """The single instances of a file of packs, pack by pack; see `instance.RecordReader`.

    TFRecords in Graphcore's or Habana's format, or HDF5 in Habana's. How many sequences every
    pack holds is in the index; where there is none yet, all packs are read once.

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
        self.index = open_index(unpacked(self.path), self._scan, (ENDS, INSTANCES, PREDICTIONS))
        self._source = _open(self.path, self.index)
        widths = self._source.widths
        self._packing = pack_formats.pack_format_of(widths) or pack_formats.HABANA
        prefix = "packed_" if self._packing == pack_formats.GRAPHCORE else ""
        self.packs = len(self.index)
        self.max_seq_length = widths[f"{prefix}input_mask"]
        shape = pack_formats.PackShape(
            length=self.max_seq_length,
            predictions=widths[f"{prefix}masked_lm_positions"],
            sequences=widths[f"{prefix}next_sentence_labels"],
        )
        self.max_predictions_per_seq = max(
            pack_formats.usual_predictions(self._packing, shape),
            int(self.index.facts[PREDICTIONS]),
        )

    def __len__(self) -> int:
        return int(self.index.facts[INSTANCES])

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
        most = max(len(row.positions) for row in rows) if rows else 0
        if most > self.max_predictions_per_seq:
            raise DataError(f"{self.path}: a sequence has {most} predictions", "make it again")
        batch = to_batch(rows, self.max_seq_length, self.max_predictions_per_seq)
        return checked(batch, lambda row: f"{self.path}: record {owners[row]}")

    @functools.cached_property
    def _ends(self) -> np.ndarray:
        """int64[packs]: sequences up to and with each pack."""
        return self.index.columns[ENDS].all()

    def _unpacked(self, number: int, pack: dict[str, np.ndarray]) -> list[Instance]:
        try:
            found = pack_formats.unpack(self._packing, pack)
        except DataError as error:
            raise DataError(f"{self.path}: record {number}: {error.message}", error.hint) from error
        expected = int(self._ends[number] - (self._ends[number - 1] if number else 0))
        if len(found) != expected:
            raise DataError(
                f"{self.path}: record {number} has {len(found)} sequences, the index"
                f" {self.index.path} says {expected}",
                "remove the index and run again: the file is then read once to make it anew",
            )
        return found

    def _scan(self) -> Scanned:
        """What an index of this file holds, from all its packs."""
        columns: dict[str, np.ndarray] = {}
        index = None
        if not hdf5.is_hdf5(self.path):
            columns[OFFSETS] = frame_offsets(self.path)
            facts = {"records": len(columns[OFFSETS]) - 1}
            index = RecordIndex(facts, {OFFSETS: InMemory(columns[OFFSETS])})
        counts, most = self._count_sequences(_open(self.path, index))
        columns[ENDS] = np.cumsum(counts, dtype=np.int64)
        return pack_facts(columns[ENDS], most), columns

    def _count_sequences(self, source: _Source) -> tuple[np.ndarray, int]:
        """Sequences of each pack, int64, and the predictions of the sequence with most."""
        packing = pack_formats.pack_format_of(source.widths) or pack_formats.HABANA
        name = "packed_input_mask" if packing == pack_formats.GRAPHCORE else "input_mask"
        counts, most = [], 1
        for start in range(0, source.count, _BLOCK):
            numbers = np.arange(start, min(start + _BLOCK, source.count))
            block = source.read(numbers)
            mask = np.asarray(block[name], np.int64)
            self._require_sequences(source, numbers, mask)
            counts.append(mask.max(axis=1))
            if (counts[-1] < 1).any():
                empty = int(numbers[np.flatnonzero(counts[-1] < 1)[0]])
                raise DataError(
                    f"{self.path}: record {empty} is a pack without sequences", "make it again"
                )
            for number, row, pack in zip(
                numbers, mask, pack_formats.wanted_predictions(packing, block), strict=True
            ):
                if len(pack):
                    if pack.min() < 0 or pack.max() >= len(row):
                        raise DataError(
                            f"{self.path}: record {number} predicts a token at position"
                            f" {pack.min() if pack.min() < 0 else pack.max()} of {len(row)}",
                            "make it again",
                        )
                    most = max(most, int(np.bincount(row[pack]).max()))
        return np.concatenate(counts), most

    def _require_sequences(self, source: _Source, numbers: np.ndarray, mask: np.ndarray) -> None:
        """Refuse packs whose mask names more sequences than a pack has room for, or none."""
        graphcore = "packed_input_ids" in source.widths
        room = source.widths["packed_next_sentence_labels" if graphcore else "next_sentence_labels"]
        wrong = np.flatnonzero((mask.min(axis=1) < 0) | (mask.max(axis=1) > room))
        if len(wrong):
            raise DataError(
                f"{self.path}: record {numbers[wrong[0]]} has sequence numbers from"
                f" {mask[wrong[0]].min()} to {mask[wrong[0]].max()}, a pack has room for {room}",
                "make it again",
            )


class _Source(Protocol):
    """Packs by number.

    Attributes:
        count: how many.
        widths: feature → values per pack.
    """

    count: int
    widths: dict[str, int]

    def read(self, numbers: np.ndarray) -> dict[str, np.ndarray]:
        """Features of packs by ascending numbers, stacked."""


class _Examples:
    """Packs in a TFRecord file."""

    def __init__(self, path: str, index: RecordIndex | None) -> None:
        self._file = TfRecordFile(path, index)
        self.count = len(self._file)
        first = decode_example(self._file.first_record())
        self.widths = {name: len(values) for name, values in first.items()}
        features = pack_formats.FEATURES[pack_formats.pack_format_of(first) or pack_formats.HABANA]
        missing = [name for name in features if name not in first]
        if missing:
            raise DataError(
                f"{path}: not a pack: no feature {', '.join(missing)} (found {', '.join(first)})",
                "`bertkit make-records --packing` writes packs of the right kind",
            )
        self._kinds = kinds_of(first, features)
        wrong = [
            name
            for name, (_, floats) in self._kinds.items()
            if floats and features[name][1] is not np.float32
        ]
        if wrong:
            raise DataError(
                f"{path}: floats where whole numbers should be: {', '.join(wrong)}", "make it again"
            )

    def read(self, numbers: np.ndarray) -> dict[str, np.ndarray]:
        return self._file.columns(numbers, self._kinds)


class _Datasets:
    """Packs in an HDF5 file."""

    def __init__(self, path: str) -> None:
        self._path = path
        shapes = hdf5.read_shapes(path, hdf5.PACKED)
        narrow = [name for name, shape in shapes.items() if len(shape) != 2]
        if narrow:
            raise DataError(f"{path}: {narrow[0]} is no table: one row per pack", "make it again")
        self.count = shapes["input_ids"][0]
        self.widths = {name: shape[1] for name, shape in shapes.items()}
        self._datasets: hdf5.Datasets | None = None

    def read(self, numbers: np.ndarray) -> dict[str, np.ndarray]:
        if self._datasets is None:  # not before: it may take the whole file into memory
            self._datasets = hdf5.Datasets(self._path, hdf5.PACKED)
        return self._datasets.rows(numbers)


def _open(path: str, index: RecordIndex | None) -> _Source:
    return _Datasets(path) if hdf5.is_hdf5(path) else _Examples(path, index)


def pack_facts(ends: np.ndarray, predictions: int) -> dict[str, int]:
    """What an index says of packs.

    Args:
        ends: int64[packs], sequences up to and with each.
        predictions: of the sequence that has most.
    """
    return {
        "records": len(ends),
        INSTANCES: int(ends[-1]) if len(ends) else 0,
        PREDICTIONS: predictions,
    }
