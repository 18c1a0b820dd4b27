"""Reads records of a TFRecord file at random, many at once, with all checksums checked."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from bertkit.errors import DataError
from bertkit.records.files.compressed_file import unpacked
from bertkit.records.files.index_file import RecordIndex
from bertkit.records.files.instance import NO_LABEL, checked_indices
from bertkit.records.files.kernels import parse
from bertkit.records.files.record_index import OFFSETS, Scanned, open_index
from bertkit.records.files.record_values import checked
from bertkit.records.files.schema import FEATURES, PAIRS, PER_PREDICTION, PER_TOKEN
from bertkit.records.files.tfrecord.frames import Feature, damaged, decode_example, read_records
from bertkit.storage import files

_PROBLEMS = {
    parse.TRUNCATED: "the file ends inside the record",
    parse.WRONG_LENGTH_CRC: "wrong checksum of its length",
    parse.WRONG_DATA_CRC: "wrong checksum of its data",
    parse.NOT_EXAMPLE: "its data is not a tf.train.Example",
    parse.MISSING: "it lacks a feature that the first record has",
    parse.WRONG_PLACE: "no record begins there",
    parse.WRONG_SIZE: "its features are not of the same sizes as those of the first record",
    parse.UNEXPECTED: "it has a feature that the first record lacks",
}


class TfRecordFile:
    """A TFRecord file of any records, mapped into memory and indexed.

    Opening reads the first record and the head of the index; where there is no index yet, all
    frame headers once. The checksums of length and data are checked when a record is read.
    Objects can be sent to other processes (they open the file again there).

    Args:
        path: the file.
        index: says where the records lie; found or made where it is not given.

    Attributes:
        path: the file.
        absent: features that none of its records may have.
        view: uint8[:], its bytes.
        offsets: where its records begin, see `index_file.RecordIndex`.

    Raises:
        DataError: no such file, no records, or a damaged file.
    """

    absent: tuple[str, ...] = ()

    def __init__(self, path: str | os.PathLike[str], index: RecordIndex | None = None) -> None:
        self.path = os.fspath(path)
        local = unpacked(self.path)
        self.view = _map(local)
        self.index = index or open_index(local, self._scan)
        self.offsets = self.index.columns[OFFSETS]

    def __len__(self) -> int:
        return len(self.index)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path,)

    def record(self, index: int) -> bytes:
        """The serialised Example of one record, checksum checked."""
        number = range(len(self))[index]
        start, length = self._place(number)
        state = parse.check_frame(self.view, start, length)
        if state != parse.FINE:
            raise self.broken(number, state)
        return self.view[start : start + length].tobytes()

    def first_record(self) -> bytes:
        """The first record, without touching the mapped file, of which the system reads ahead."""
        return next(read_records(self.path))

    def columns(
        self, numbers: Sequence[int] | np.ndarray, kinds: Mapping[str, tuple[int, bool]]
    ) -> dict[str, np.ndarray]:
        """Named features of records, checksums checked.

        Args:
            numbers: of the records, 0 .. len - 1.
            kinds: feature → (values per record, floats or not), as `kinds_of` gives them.

        Returns:
            int32[B, n] or float32[B, n] per feature.

        Raises:
            DataError: a damaged record, one without such a feature, or of another shape.
        """
        which = np.asarray(numbers, np.int64)
        wanted = parse.wanted(kinds, len(which), self.absent)
        out = np.empty(len(which) * int(wanted.widths.sum()), np.int32)
        starts, lengths = self._places(which)
        done, state = parse.read_examples(self.view, starts, lengths, wanted, out)
        if state != parse.FINE:
            raise self.broken(int(which[done]), state)
        return by_name(out, wanted, kinds)

    def place_of(self, number: int) -> str:
        """File, number and byte of a record, for messages."""
        return f"{self.path}: record {number} at byte {self._place(number)[0] - parse.HEADER}"

    def _places(self, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(starts, lengths) int64 of the payloads of records."""
        begins, ends = self.offsets.take(np.array((which, which + 1)))
        return begins + parse.HEADER, ends - begins - parse.FRAME

    def _place(self, number: int) -> tuple[int, int]:
        starts, lengths = self._places(np.array([number]))
        return int(starts[0]), int(lengths[0])

    def broken(self, number: int, state: int) -> DataError:
        """The error for what a kernel found wrong with a record."""
        offset = self._place(number)[0] - parse.HEADER
        if state == parse.WRONG_PLACE and self.index.path is not None:
            return DataError(
                f"{self.path}: record {number} is not at byte {offset}, where the index"
                f" {self.index.path} says it is",
                "remove the index and run again: the file is then read once to make it anew,"
                " and what is damaged is named",
            )
        return damaged(self.path, number, offset, _PROBLEMS[state])

    def _scan(self) -> Scanned:
        """What an index of this file holds, from the headers of all frames."""
        offsets = _frame_offsets(self.path, self.view)
        return {"records": len(offsets) - 1}, {OFFSETS: offsets}


class SchemaFile(TfRecordFile):
    """A TFRecord file of records with some of the seven features.

    Feature order, packed or unpacked numbers and additional features do not matter.

    Attributes:
        path: the file.
        features: that its records must have.
        max_seq_length: L, from the first record; all others must agree.
        max_predictions_per_seq: P, likewise.
        kinds: feature → (values per record, floats or not).

    Raises:
        DataError: as for TfRecordFile, or records of another kind.
    """

    features: tuple[str, ...] = FEATURES

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(path)
        first = decode_example(self.first_record())
        missing = [name for name in self.features if name not in first]
        if missing:
            raise DataError(
                f"{self.path}: not BERT pretraining records: no feature {', '.join(missing)}"
                f" (found {', '.join(sorted(first)) or 'none'})",
                "`bertkit make-records` writes records of the right kind",
            )
        length, predictions = len(first["input_ids"]), len(first["masked_lm_positions"])
        self.max_seq_length, self.max_predictions_per_seq = length, predictions
        kinds = {
            **dict.fromkeys(PER_TOKEN, (length, False)),
            **{name: (predictions, name == "masked_lm_weights") for name in PER_PREDICTION},
            "next_sentence_labels": (1, False),
        }
        self.kinds = {name: kinds[name] for name in self.features}
        self.absent = tuple(name for name in kinds if name not in first)
        wrong = [
            name for name, kind in kinds_of(first, self.features).items() if kind != kinds[name]
        ]
        if wrong:
            raise DataError(
                f"{self.path}: record 0 has {_sizes(first, self.features)}; {', '.join(wrong)}"
                f" should be {', '.join(_kind(*kinds[name]) for name in wrong)}",
                "tokens, masks and segments have one length, predictions another",
            )

    def broken(self, number: int, state: int) -> DataError:
        """See `TfRecordFile.broken`."""
        if state not in (parse.MISSING, parse.WRONG_SIZE, parse.UNEXPECTED):
            return super().broken(number, state)
        start, length = self._place(number)
        record = decode_example(self.view[start : start + length].tobytes())
        lacking = [name for name in self.features if name not in record]
        added = [name for name in self.absent if name in record]
        said = [f"lacks {', '.join(lacking)}, which the first record has"] if lacking else []
        said += [f"has {', '.join(added)}, which the first record lacks"] if added else []
        if said:
            return DataError(
                f"{self.place_of(number)} {' and '.join(said)}",
                "all records of a file must have the same features: make the file again",
            )
        expected = f"{self.max_seq_length} tokens and {self.max_predictions_per_seq} predictions"
        return DataError(
            f"{self.place_of(number)} is not of the same kind as the first ({expected}):"
            f" {_sizes(record, sorted(record))}",
            "all records of a file must have one shape: make the file again",
        )


class RecordFile(SchemaFile):
    """A TFRecord file of pretraining instances."""

    def batch(self, indices: Sequence[int] | np.ndarray) -> dict[str, np.ndarray]:
        """Decode records into new arrays, in the order of `indices`.

        Returns:
            int32[B, L] input_ids, input_mask, segment_ids; int32[B, P]
            masked_lm_positions, masked_lm_ids; float32[B, P] masked_lm_weights;
            int32[B] next_sentence_labels.

        Raises:
            DataError: a damaged record, one of another shape, or with numbers that no
                instance has, see `record_values`.
            IndexError: an index outside -len .. len - 1.
        """
        which = checked_indices(self.path, len(self), indices)
        batch = self.columns(which, self.kinds)
        batch["next_sentence_labels"] = batch["next_sentence_labels"].reshape(-1)
        return checked(batch, lambda row: self.place_of(int(which[row])))


class MaskedOnlyFile(SchemaFile):
    """A TFRecord file of masked LM records without pairs; see `instance.RecordReader`."""

    features = tuple(name for name in FEATURES if name not in PAIRS)

    def batch(self, indices: Sequence[int] | np.ndarray) -> dict[str, np.ndarray]:
        """Records as the seven features; see `RecordFile.batch`."""
        which = checked_indices(self.path, len(self), indices)
        batch = self.columns(which, self.kinds)
        batch["segment_ids"] = np.zeros_like(batch["input_ids"])
        batch["next_sentence_labels"] = np.full(len(which), NO_LABEL, np.int32)
        return checked(batch, lambda row: self.place_of(int(which[row])))


def _sizes(record: Mapping[str, Feature], names: Collection[str]) -> str:
    kinds = kinds_of(record, names)
    return ", ".join(
        f"{name}[{size}]{' of floats' * floats}" for name, (size, floats) in kinds.items()
    )


def _kind(size: int, floats: bool) -> str:
    return f"{size} {'floats' if floats else 'whole numbers'}"


def kinds_of(record: Mapping[str, Feature], names: Collection[str]) -> dict[str, tuple[int, bool]]:
    """What a record holds: feature → (values, floats or not)."""
    return {name: (len(record[name]), np.asarray(record[name]).dtype.kind == "f") for name in names}


def _map(path: str) -> np.ndarray:
    """uint8[:] view of a file's bytes."""
    if files.is_remote(path):
        raise DataError(
            f"{path}: not a local file; records are read in random order",
            "copy the file to a local disk first",
        )
    try:
        files.refuse_lfs_pointer(path)
        if os.path.getsize(path):
            return np.asarray(np.memmap(path, np.uint8, "r"))
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    raise DataError(f"{path}: the file is empty", "make or fetch it again")


def by_name(
    out: np.ndarray, wanted: parse.Wanted, kinds: Mapping[str, tuple[int, bool]]
) -> dict[str, np.ndarray]:
    """What a kernel has read: int32[B, n] or float32[B, n] per feature, views of `out`."""
    size = len(out) // max(1, int(wanted.widths.sum()))
    found: dict[str, np.ndarray] = {}
    for first, (name, (width, floats)) in zip(wanted.firsts, kinds.items(), strict=True):
        values = out[first : first + size * width].reshape(size, width)
        found[name] = values.view(np.float32) if floats else values
    return found


def frame_offsets(path: str) -> np.ndarray:
    """int64[n + 1]: where each frame of a file begins, and its end; reads all headers.

    Raises:
        DataError: no such file, empty, or damaged.
    """
    return _frame_offsets(path, _map(unpacked(path)))


def checksums_digest(path: str) -> str:
    """SHA-256 (hex) over the stored checksums of all records, see `WrittenExamples.crc_sha256`."""
    data = _map(unpacked(path))
    # A frame ends with the checksum of its data.
    ends = _frame_offsets(path, data)[1:]
    places = ends[:, None] + np.arange(-4, 0)
    return hashlib.sha256(data[places].tobytes()).hexdigest()


def _frame_offsets(path: str, data: np.ndarray) -> np.ndarray:
    block, at = 1 << 16, 0
    parts: list[np.ndarray] = []
    while at < len(data):
        starts, lengths = np.empty(block, np.int64), np.empty(block, np.int64)
        count, at, state = parse.scan_frames(data, at, starts, lengths)
        parts.append(starts[:count] - parse.HEADER)
        if state != parse.FINE:
            raise damaged(path, sum(map(len, parts)), at, _PROBLEMS[state])
    return np.concatenate([*parts, [at]])
