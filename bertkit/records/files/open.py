"""Opens record files of any format, recognised by what they hold."""

from __future__ import annotations

import functools
import os
from pathlib import Path

from bertkit import log
from bertkit.codecs.packed_stream import ENDINGS
from bertkit.errors import DataError
from bertkit.kinds.misplaced import refuse_misplaced
from bertkit.kinds.recognise import RECORDS
from bertkit.manifests.cache import Stamp, cached_manifest, stamp_of
from bertkit.records.files.compressed_file import open_unpacked
from bertkit.records.files.formats import HDF5, JSONL, TFRECORD
from bertkit.records.files.hdf5 import files as hdf5
from bertkit.records.files.hdf5.safety import hdf5_errors
from bertkit.records.files.instance import RecordReader
from bertkit.records.files.jsonl import JsonLinesFile
from bertkit.records.files.packs.formats import pack_format_of
from bertkit.records.files.packs.packed import PackFile
from bertkit.records.files.tfrecord.external_records import ExternalFile
from bertkit.records.files.tfrecord.frames import decode_example, read_records
from bertkit.records.files.tfrecord.reader import MaskedOnlyFile, RecordFile
from bertkit.records.files.tfrecord.sequence_example import TokenFile, is_tokens
from bertkit.records.files.unmasked import UnmaskedFile, UnmaskedRules
from bertkit.storage import files

PLAIN_SUFFIXES = (".tfrecord", ".tfrecords", ".hdf5", ".h5", ".jsonl")
SUFFIXES = (*PLAIN_SUFFIXES, *(plain + ending for plain in PLAIN_SUFFIXES for ending in ENDINGS))
MASKED_ONLY = frozenset(MaskedOnlyFile.features)


def open_records(
    path: str | os.PathLike[str], unmasked: UnmaskedRules | None = None
) -> RecordReader:
    """A reader for a record file: TFRecord, HDF5 or JSON lines, packed or not.

    Packs are unpacked: the reader returns their single instances. Records of masked LM
    alone read as one segment with the next sentence label -1, which losses ignore; so do
    unmasked windows, with empty prediction slots, where `unmasked` tells how to read them.

    Raises:
        DataError: unreadable, damaged, empty, or records of another kind.
        MissingDependencyError: the format needs a package that is not installed.
    """
    name = os.fspath(path)
    kind = file_format(name)
    if kind == HDF5:
        with hdf5.open_file(name) as file, hdf5_errors(name):
            packed = pack_format_of(file)
        return PackFile(name) if packed else hdf5.Hdf5File(name)
    if kind == JSONL:
        refuse_misplaced(name, RECORDS)
        return JsonLinesFile(name, _sizes_in_manifest(name))
    first = _first_payload(name)
    if is_tokens(first):
        if unmasked:
            return UnmaskedFile(name, unmasked)
        raise DataError(
            f"{name}: unmasked tokens, which are to be masked in training",
            "`bertkit pretrain --mask dynamic --vocab FILE` trains on them; everything else needs "
            "masked records, as `bertkit make-records --objective nsp` writes them",
        )
    features = decode_example(first)
    if pack_format_of(features):
        return PackFile(name)
    if features.keys() >= MASKED_ONLY and "segment_ids" not in features:
        if "next_sentence_labels" in features:
            log.logger.warning(
                "%s: next_sentence_labels without segment_ids, which say where the second sentence"
                " begins: read as masked LM alone, the labels are not used",
                name,
            )
        return MaskedOnlyFile(name)
    return RecordFile(name)


def open_any_records(path: str | os.PathLike[str]) -> RecordReader | TokenFile | ExternalFile:
    """A reader for a record file as by `open_records`, or for TFRecords of another kind.

    Raises:
        DataError: unreadable, damaged or empty, or HDF5 and JSON lines of another kind.
        MissingDependencyError: the format needs a package that is not installed.
    """
    name = os.fspath(path)
    if file_format(name) == TFRECORD:
        first = _first_payload(name)
        if is_tokens(first):
            return TokenFile(name)
        features = decode_example(first)
        if not pack_format_of(features) and not features.keys() >= MASKED_ONLY:
            return ExternalFile(name)
    return open_records(name)


def file_format(path: str) -> str:
    """`hdf5`, `jsonl` or `tfrecord`, from a file's first bytes; tfrecord where in doubt."""
    try:
        if files.is_remote(path):
            return TFRECORD
        with open_unpacked(path) as stream:
            head = stream.read(16)
    except (OSError, DataError):  # the reader of TFRecords says what is wrong
        return TFRECORD
    if head.startswith(hdf5.SIGNATURE):
        return HDF5
    # The length in front of a TFRecord has zero bytes; JSON has none.
    return JSONL if head.lstrip().startswith(b"{") and b"\0" not in head else TFRECORD


def _first_payload(path: str) -> bytes:
    """The first record of a TFRecord file; what kind it is decides how the file is opened."""
    payload = next(read_records(path), None)
    if payload is None:
        raise DataError(f"{path}: the file is empty, it has no records", "make or fetch it again")
    return payload


def _sizes_in_manifest(path: str) -> tuple[int, int] | None:
    """(L, P) of a file that make-records wrote."""
    stamp = stamp_of(Path(path).parent)
    if stamp is None:
        return None
    names, sizes = _names_and_sizes(stamp)
    return sizes if Path(path).name in names else None


@functools.lru_cache(maxsize=16)
def _names_and_sizes(stamp: Stamp) -> tuple[frozenset[str], tuple[int, int] | None]:
    """Files that a folder's manifest lists, and (L, P); read once for all files of the folder."""
    manifest = cached_manifest(stamp.folder)
    if manifest is None:
        return frozenset(), None
    length = manifest.config.get("max_seq_length")
    predictions = manifest.config.get("max_predictions_per_seq")
    sizes = (int(length), int(predictions)) if length and predictions else None
    return frozenset(manifest.outputs), sizes
