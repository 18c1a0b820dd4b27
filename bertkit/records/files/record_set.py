"""Reads records of several TFRecord files at once, as fast as those of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeGuard

import numpy as np

from bertkit.records.files.index_file import PER_BLOCK
from bertkit.records.files.kernels import parse
from bertkit.records.files.record_values import checked
from bertkit.records.files.tfrecord.reader import RecordFile, by_name


class RecordSet:
    """Open files of pretraining instances of one shape.

    A kernel goes through a batch whatever files its records are in: what Python does for each
    file would take longer than the records of it. Places of records are taken from the files'
    indexes, whose blocks are checked when they are first used.

    Args:
        files: of equal sizes; they are kept open.
    """

    def __init__(self, files: Sequence[RecordFile]) -> None:
        self._files = list(files)
        count = len(self._files)
        views = [file.view for file in self._files]
        self._open = parse.OpenFiles(
            data=np.array([view.ctypes.data for view in views], np.uint64),
            sizes=np.array([len(view) for view in views], np.int64),
            offsets=np.zeros(count, np.uint64),
            checked=np.zeros(count, np.uint64),
            per_block=np.full(count, PER_BLOCK, np.int64),
            like=np.zeros(1, np.uint8),
        )
        self._kinds = self._files[0].kinds

    @staticmethod
    def takes(files: Sequence[object]) -> TypeGuard[Sequence[RecordFile]]:
        """Whether files can be read as one set."""
        first = files[0]
        return isinstance(first, RecordFile) and all(
            type(file) is RecordFile and file.kinds == first.kinds for file in files
        )

    def batch(self, owners: np.ndarray, numbers: np.ndarray) -> dict[str, np.ndarray]:
        """Decode records into new arrays, see `RecordFile.batch`.

        Args:
            owners: int64 [B], number of the file of each record.
            numbers: int64 [B], of the record in its file, from 0.
        """
        wanted = parse.wanted(self._kinds, len(owners))
        out = np.empty(len(owners) * int(wanted.widths.sum()), np.int32)
        done, state = 0, parse.UNCHECKED
        while state == parse.UNCHECKED:
            done, state = parse.read_examples_of(self._open, owners, numbers, done, wanted, out)
            if state == parse.UNCHECKED:
                self._look_at(owners[done:], numbers[done:])
        if state != parse.FINE:
            raise self._files[int(owners[done])].broken(int(numbers[done]), state)
        batch = by_name(out, wanted, self._kinds)
        batch["next_sentence_labels"] = batch["next_sentence_labels"].reshape(-1)
        return checked(batch, lambda row: self._files[owners[row]].place_of(int(numbers[row])))

    def _look_at(self, owners: np.ndarray, numbers: np.ndarray) -> None:
        """Map the indexes of files, and check the blocks that have the places of records."""
        for owner in np.unique(owners).tolist():
            which = numbers[owners == owner]
            column = self._files[owner].offsets
            column.take(np.array((which, which + 1)))
            self._open.offsets[owner], self._open.checked[owner] = column.addresses()
