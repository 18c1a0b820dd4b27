"""Presents open record files as one list of samples, readable by number in any order."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from bertkit.errors import DataError
from bertkit.manifests.manifest import Manifest, manifest_path, require_complete
from bertkit.records.files.find import find_record_files
from bertkit.records.files.open import open_records
from bertkit.records.files.record_index import content_digest
from bertkit.records.files.record_set import RecordSet
from bertkit.records.files.tfrecord.reader import checksums_digest
from bertkit.records.files.unmasked import UnmaskedRules
from bertkit.records.terms import NSP, SOP
from bertkit.remote.copies import local_inputs
from bertkit.storage.files import allow_open_files, sha256_of
from bertkit.tokenization.tokenizer_facts import TokenizerFacts, of_records

# Files up to this size are hashed whole; of larger ones evenly spaced blocks are.
WHOLE_BYTES = 64 << 20
BLOCK_BYTES = 1 << 20
BLOCKS = 32


# Hash of a manifest → how it is computed.
_HASHES: dict[str, Callable[[str], str]] = {"sha256": sha256_of, "crc_sha256": checksums_digest}


class SampleReader(Protocol):
    """Reads samples by number."""

    def batch(self, indices: np.ndarray) -> dict[str, np.ndarray]:
        """The seven features of the samples `indices`, int64 [B], in that order."""
        ...


class SampleSource(SampleReader, Protocol):
    """What a run is trained on; see `RecordSource` for the attributes."""

    max_seq_length: int
    max_predictions_per_seq: int
    fingerprint: str
    tokenizers: Sequence[TokenizerFacts]
    pair_objectives: frozenset[str]

    def __len__(self) -> int: ...

    def at_epoch(self, epoch: int) -> SampleReader:
        """Where the samples of an epoch, from 0, are to be taken from."""
        ...


class RecordSource:
    """The records of several files, numbered through in the order of the files.

    Opening costs as much for each file, however large it is: see `files.record_index`.

    Args:
        inputs: record files of any format (TFRecord, HDF5, JSON lines, packed or not),
            globs, folders or `@list.txt`.
        unmasked: how to read unmasked windows, to which dynamic masking gives masks; without
            it they are refused.
        leave_out: what the run writes, which is no input even below one.
        fetch: copy remote files that are not here yet; else refuse them.

    Attributes:
        paths: the files.
        max_seq_length: L, the same in every file.
        max_predictions_per_seq: P, the same in every file.
        fingerprint: sha256 over names, sizes and contents; another one means other data.
        tokenizers: what the manifests of the files' folders record about vocabulary and
            treatment of text; none for records from elsewhere.
        pair_objectives: what the labels of pairs mean, `nsp` or `sop`, where manifests tell it.

    Raises:
        DataError: nothing there, an unfinished folder, a broken file or one of another
            size than its manifest says, no records, or files whose records have different
            lengths.
    """

    def __init__(
        self,
        inputs: Sequence[str],
        unmasked: UnmaskedRules | None = None,
        leave_out: Sequence[str] = (),
        fetch: bool = True,
    ) -> None:
        inputs = local_inputs(inputs, fetch)
        manifests = _manifests(inputs)
        facts = [of_records(found, folder) for folder, found in manifests.items()]
        self.tokenizers: Sequence[TokenizerFacts] = [f for f in facts if f.names_vocabulary]
        told = [found.config.get("objective") for found in manifests.values()]
        self.pair_objectives = frozenset(kind for kind in (NSP, SOP) if kind in told)
        _check_sizes(manifests)
        self.paths = find_record_files(inputs, leave_out)
        allow_open_files(2 * len(self.paths))  # each and its index stay mapped
        self._files = [open_records(path, unmasked) for path in self.paths]
        sizes = np.array([len(file) for file in self._files], np.int64)
        self._ends = np.cumsum(sizes)
        self._starts = self._ends - sizes
        files = self._files if len(self._files) > 1 else ()
        self._set = RecordSet(files) if files and RecordSet.takes(files) else None
        if not len(self):
            raise DataError(f"no records in {', '.join(map(str, inputs))}")
        self.max_seq_length, self.max_predictions_per_seq = self._common_shape()
        _check_contents(manifests)
        self.fingerprint = _fingerprint(self.paths, _known_hashes(manifests))

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def batch(self, indices: np.ndarray) -> dict[str, np.ndarray]:
        """Records by number, in the order of `indices`.

        Args:
            indices: int64 [B], each from 0 to `len(self) - 1`.

        Returns:
            The seven features of the schema: int32 [B, L] and [B, P], float32 weights,
            next_sentence_labels int32 [B].
        """
        indices = np.asarray(indices, np.int64)
        if indices.size and (indices.min() < 0 or indices.max() >= len(self)):
            raise IndexError(f"record numbers go from 0 to {len(self) - 1}")
        owners = np.searchsorted(self._ends, indices, side="right")
        if self._set is not None:
            return self._set.batch(owners, indices - self._starts[owners])
        result: dict[str, np.ndarray] = {}
        for owner in np.unique(owners):
            rows = np.flatnonzero(owners == owner)
            part = self._files[owner].batch(indices[rows] - self._starts[owner])
            for name, values in part.items():
                if name not in result:
                    result[name] = np.empty((len(indices), *values.shape[1:]), values.dtype)
                result[name][rows] = values
        return result

    def at_epoch(self, epoch: int) -> RecordSource:
        """The same records in every epoch."""
        return self

    def place(self, number: int) -> str:
        """File and record, counted in it from 0, of a record by number, for messages."""
        owner = int(np.searchsorted(self._ends, number, side="right"))
        return f"{self.paths[owner]}: record {number - int(self._starts[owner])}"

    def _common_shape(self) -> tuple[int, int]:
        shapes = {
            (file.max_seq_length, file.max_predictions_per_seq): path
            for path, file in zip(reversed(self.paths), reversed(self._files), strict=True)
            if len(file)
        }
        if len(shapes) > 1:
            texts = [
                f"{path} has max_seq_length {length} and max_predictions_per_seq {predictions}"
                for (length, predictions), path in reversed(shapes.items())
            ]
            raise DataError(
                f"records of different shapes: {'; '.join(texts[:3])}",
                "give files of one make-records run, or train one phase after the other",
            )
        return next(iter(shapes))


def _manifests(inputs: Sequence[str]) -> dict[Path, Manifest]:
    """The manifests of the folders that are given or that given files lie in."""
    found: dict[Path, Manifest] = {}
    for place in map(Path, inputs):
        folder = place if place.is_dir() else place.parent
        if folder not in found and folder.is_dir():
            manifest = require_complete(folder)
            if manifest:
                found[folder] = manifest
    return found


def _check_sizes(manifests: dict[Path, Manifest]) -> None:
    """Refuse a file that lost bytes, in a power failure for one, after it was finished."""
    for folder, manifest in manifests.items():
        for name, facts in manifest.outputs.items():
            path = folder / name
            if "bytes" in facts and path.is_file() and path.stat().st_size != facts["bytes"]:
                raise DataError(
                    f"{path} has {path.stat().st_size:,} bytes, its manifest says"
                    f" {facts['bytes']:,}",
                    f"run the same `bertkit {manifest.command}` command again: it makes the file"
                    " anew",
                )


def _check_contents(manifests: dict[Path, Manifest]) -> None:
    """Refuse files that were replaced after their manifest was written.

    Only files that are younger than the manifest are read, once: copies, or others of the
    same size. What they hold is then known from their index.
    """
    for folder, manifest in manifests.items():
        place = manifest_path(folder)
        written = place.stat().st_mtime_ns if place else 0
        for name, facts in manifest.outputs.items():
            path = folder / name
            kind = next((kind for kind in _HASHES if kind in facts), None)
            if not kind or not path.is_file() or path.stat().st_mtime_ns <= written:
                continue
            if content_digest(str(path), _HASHES[kind], kind) != facts[kind]:
                raise DataError(
                    f"{path} is not the file of its manifest: other bytes",
                    f"run the same `bertkit {manifest.command}` command into a new folder, or put"
                    " the file back",
                )


def _known_hashes(manifests: dict[Path, Manifest]) -> dict[str, str]:
    """Real path → hash of the files that manifests list: of all bytes, or of all checksums."""
    return {
        os.path.realpath(folder / name): str(facts[kind])
        for folder, manifest in manifests.items()
        for name, facts in manifest.outputs.items()
        for kind in _HASHES
        if kind in facts
    }


def _fingerprint(paths: Sequence[str], known: dict[str, str]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        content = known.get(os.path.realpath(path)) or content_digest(path, _content_hash)
        digest.update(f"{Path(path).name} {os.path.getsize(path)} {content}\n".encode())
    return digest.hexdigest()


def _content_hash(path: str) -> str:
    """sha256 of a file, or of evenly spaced blocks (first and last among them) of a large one.

    A manifest of make-records gives the true hash without reading; this is for files
    that came from elsewhere, where reading hundreds of gigabytes would hurt. It is kept with
    the index of the file, and not computed at the next start.
    """
    size = os.path.getsize(path)
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        if size <= WHOLE_BYTES:
            starts, length = list(range(0, size, BLOCK_BYTES)), BLOCK_BYTES
        else:
            starts = [(size - BLOCK_BYTES) * i // (BLOCKS - 1) for i in range(BLOCKS)]
            length = BLOCK_BYTES
        for start in starts:
            stream.seek(start)
            digest.update(stream.read(length))
    return digest.hexdigest()
