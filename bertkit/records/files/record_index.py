"""Finds the index of a record file, or makes it once, so that opening reads no records.

`make-records`, `pack-records` and `pick-eval` write an index with each file, into the
folder `.bertkit-index` beside it. A file from elsewhere is scanned when it is first opened, and its
index kept there, or in the user's cache folder where that folder takes no files. An index knows
the size of its file and a digest of its first and last bytes; one made by scanning, which
belongs to this copy of the file, also the time of its last change.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bertkit import log
from bertkit.errors import DataError
from bertkit.records.files.index_file import (
    DamagedIndexError,
    InMemory,
    RecordIndex,
    WrittenIndex,
    read_index,
    write_index,
)
from bertkit.storage.shared_cache import cache_folder, is_writable_folder, one_process_at_a_time

FOLDER = ".bertkit-index"
OFFSETS, ENDS = "offsets", "ends"
CHECKSUMS = "crc32"  # of each record, where its file has none
INSTANCES = "instances"
LENGTH, PREDICTIONS = "max_seq_length", "max_predictions_per_seq"
# What a scan of a file gives: facts, and columns of numbers.
Scanned = tuple[dict[str, Any], dict[str, np.ndarray]]
_CONTENT = "content"
# Kinds of digests of a whole file, see `content_digest`.
_DIGESTS = (_CONTENT, "sha256", "crc_sha256")
_PROBED = 4096  # bytes at each end of a file that must be those that were indexed


def open_index(
    path: str, scan: Callable[[], Scanned], needs: tuple[str, ...] = (OFFSETS,)
) -> RecordIndex:
    """The index of a record file.

    One process scans a file that has none, and others on this machine wait for it.

    Args:
        path: the record file.
        scan: reads the file once.
        needs: names of facts and columns without which an index is not good enough.

    Raises:
        DataError: the file and the index that was written with it are not of one content;
            or what `scan` raises.
    """
    found = _find(path, needs)
    if found is not None:
        return found
    with one_process_at_a_time(_home(path)):
        found = _find(path, needs, said=True)
        if found is None:
            facts, columns = scan()
            found = _keep(path, {**facts, **_known_content(path)}, columns)
    return found


def write_own_index(
    path: str | os.PathLike[str], facts: Mapping[str, Any], columns: Mapping[str, np.ndarray]
) -> WrittenIndex:
    """Write the index of a record file that was just made.

    It holds no times, so that equal record files have equal indexes.

    Args:
        path: the record file.
        facts: about its records; at least `records`, how many there are.
        columns: see `RecordIndex`.
    """
    name = os.fspath(path)
    return write_index(index_path(name), {**_identity(name), **facts}, columns)


def index_path(path: str | os.PathLike[str]) -> Path:
    """Where the index of a record file lies, beside it."""
    place = Path(os.path.realpath(path))
    return place.parent / FOLDER / f"{place.name}.index"


def remove_orphans(folder: str | os.PathLike[str]) -> None:
    """Remove the indexes in a folder whose record files are gone."""
    for place in Path(folder, FOLDER).glob("*.index"):
        if not (Path(folder) / place.name.removesuffix(".index")).exists():
            place.unlink(missing_ok=True)


def content_digest(path: str, compute: Callable[[str], str], kind: str = _CONTENT) -> str:
    """The digest of a file's content, computed once for as long as the file is unchanged.

    Unchanged means: its size, the time of its last change, and the bytes at its ends.

    Args:
        path: the file.
        compute: path → digest.
        kind: names what `compute` does; digests of several kinds are remembered apart.
    """
    known = _known_content(path).get(kind)
    if known:
        return known
    with one_process_at_a_time(_home(path)):
        known = _known_content(path).get(kind)
        if known:
            return known
        digest = compute(path)
        found = next(_valid(path), None)
        columns = {name: column.all() for name, column in found.columns.items()} if found else {}
        facts = found.facts if found else {"records": 0}
        _keep(path, {**facts, **_known_content(path), kind: digest}, columns)
    return digest


def _find(path: str, needs: tuple[str, ...], said: bool = False) -> RecordIndex | None:
    return next((found for found in _valid(path, said) if found.has(needs)), None)


def _known_content(path: str) -> dict[str, str]:
    """The digests, by kind, that the indexes of this very copy of a file know."""
    return {
        kind: str(found.facts[kind])
        for found in _valid(path)
        if "modified_ns" in found.facts
        for kind in _DIGESTS
        if kind in found.facts
    }


def _valid(path: str, said: bool = False) -> Iterator[RecordIndex]:
    """The indexes of a file that belong to what it holds now; others will be made again.

    Where `said`, a warning names those that are damaged.
    """
    if not os.path.isfile(path):
        return
    identity: dict[str, Any] = {}
    for place in (index_path(path), _cached_path(path)):
        try:
            found = read_index(place)
        except DamagedIndexError as error:
            if said:
                log.logger.warning("%s; the record file is read once to make it again", error)
            continue
        if found is None:
            continue
        identity = identity or _identity(path)
        wrong = [name for name in identity if found.facts.get(name) != identity[name]]
        if "modified_ns" in found.facts:
            if not wrong and found.facts["modified_ns"] == Path(path).stat().st_mtime_ns:
                yield found
        elif wrong:
            raise DataError(
                f"{path} is not the file that its index {place} was made for: another"
                f" {_WORDS[wrong[0]]}",
                "make the records again; or, if this file is right, remove the index",
            )
        else:
            yield found


_WORDS = {"bytes": "size", "probe": "content"}


def _identity(path: str) -> dict[str, Any]:
    """What tells a file from another: its size, and SHA-256 of its first and last bytes."""
    with open(path, "rb", buffering=0) as stream:
        size = os.fstat(stream.fileno()).st_size
        digest = hashlib.sha256(stream.read(_PROBED))
        stream.seek(max(0, size - _PROBED))
        digest.update(stream.read(_PROBED))
    return {"bytes": size, "probe": digest.hexdigest()}


def _keep(path: str, facts: Mapping[str, Any], columns: Mapping[str, np.ndarray]) -> RecordIndex:
    """Write what a scan gave to where it is found again; else keep it in memory."""
    whole = {**facts, **_identity(path), "modified_ns": Path(path).stat().st_mtime_ns}
    reason = ""
    beside, cached = index_path(path), _cached_path(path)
    for place in (beside, cached) if _home(path) == beside.parent else (cached,):
        try:
            write_index(place, whole, columns)
            found = read_index(place)
        except (OSError, DamagedIndexError) as error:
            reason = str(error)
            continue
        if found is not None:
            return found
    _warn_once(str(Path(path).parent), reason)
    return RecordIndex(whole, {name: InMemory(values) for name, values in columns.items()})


@functools.cache
def _warn_once(folder: str, reason: str) -> None:
    log.logger.warning(
        "no index can be kept for the files in %s, which are read whole at every start: %s",
        folder,
        reason or "there is no place for it",
    )


def _home(path: str) -> Path:
    """The folder for a new index of a file: beside it, if files may be written there."""
    beside = index_path(path).parent
    place = beside if beside.is_dir() else beside.parent
    return beside if is_writable_folder(place) else _cached_path(path).parent


def _cached_path(path: str) -> Path:
    name = hashlib.sha256(os.fsencode(os.path.realpath(path))).hexdigest()
    return cache_folder() / "record-index" / f"{name[:40]}.index"
