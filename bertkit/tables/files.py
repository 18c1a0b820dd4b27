"""Finds the files that make up a table: one, the parts of a pattern, a folder of `datasets`."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Sequence
from itertools import chain, count
from pathlib import Path

from bertkit.errors import DataError
from bertkit.storage.files import file_state, is_remote, read_json, sha256_of
from bertkit.storage.folder_walk import describes_data_set
from bertkit.storage.inner_names import require_inner_names
from bertkit.storage.input_files import expand_inputs

_STATE = "state.json"
_SPLITS = "dataset_dict.json"
_PATTERN = "*?["


def table_files(path: str) -> list[str]:
    """The files of a table, in their order.

    Args:
        path: a file; a pattern such as `data/train-*.parquet`; or a folder that `save_to_disk` of
            `datasets` wrote.

    Raises:
        DataError: a folder of something else, or a pattern that matches nothing.
    """
    if os.path.isdir(path):
        return _of_folder(path)
    if os.path.exists(path) or not any(mark in path for mark in _PATTERN):
        return [path]
    found = expand_inputs([path])
    return [name for name in found if not describes_data_set(os.path.basename(name))] or found


def digest_of_table(path: str) -> str:
    """SHA-256 of a table's file; of several the digest of their digests.

    Raises:
        DataError: see `table_files`.
    """
    files = table_files(path)
    if len(files) == 1:
        return sha256_of(files[0])
    return hashlib.sha256(" ".join(map(sha256_of, files)).encode()).hexdigest()


def local_digest(path: str) -> str:
    """`digest_of_table` of what is on this machine; empty where it is not."""
    if not path or is_remote(path):
        return ""
    try:
        return digest_of_table(path)
    except DataError:
        return ""


def stems_of(paths: Sequence[str]) -> list[str]:
    """What each table is called in names: its file's or folder's, without endings or marks.

    All are different: one whose name is taken has the folders above it in it, such as
    `cola-test`, or a number.
    """
    found: list[str] = []
    for path in paths:
        parts = [part for part in map(_stem, reversed(Path(path).parts)) if part] or ["table"]
        names = ["-".join(reversed(parts[:size])) for size in range(1, len(parts) + 1)]
        numbered = (f"{names[0]}-{number}" for number in count(2))
        found.append(next(name for name in chain(names, numbered) if name not in found))
    return found


def _stem(name: str) -> str:
    stem = name.partition(".")[0]
    return "".join(letter for letter in stem if letter not in _PATTERN + "]/").rstrip("-_")


def listed_in_state(folder: str) -> tuple[str, ...] | None:
    """Names of the files that make up a data set of `save_to_disk`; None where there is none."""
    path = os.path.join(folder, _STATE)
    if is_remote(folder) or not os.path.isfile(path):
        return None
    return _listed(path, file_state(path))


def is_unlisted(path: str) -> bool:
    """Whether an Arrow file in the folder of a data set is no part of it, as what `map` leaves."""
    folder, name = os.path.split(path)
    listed = listed_in_state(folder) if name.endswith(".arrow") else None
    return listed is not None and name not in listed


@functools.lru_cache(maxsize=64)
def _listed(path: str, state: tuple[str, int, int]) -> tuple[str, ...] | None:
    try:
        return tuple(str(entry["filename"]) for entry in read_json(path)["_data_files"])
    except (DataError, LookupError, TypeError):
        return None


def is_data_set(folder: str) -> bool:
    """Whether `save_to_disk` of `datasets` wrote a folder: one data set, or several."""
    return any((Path(folder) / name).is_file() for name in (_STATE, _SPLITS))


def _of_folder(folder: str) -> list[str]:
    names = listed_in_state(folder)
    if names == ():
        raise DataError(f"{folder}: holds no rows", "give a data set with examples in it")
    if names:
        require_inner_names(names, os.path.join(folder, _STATE))
        return [os.path.join(folder, name) for name in names]
    splits = Path(folder) / _SPLITS
    if splits.is_file():
        found = sorted(entry.name for entry in Path(folder).iterdir() if entry.is_dir())
        raise DataError(
            f"{folder} holds several data sets: {', '.join(found)}",
            f"give one of them, such as {os.path.join(folder, (found or ['train'])[0])}",
        )
    parts = [
        part for marks in ("*", "*/*") for part in sorted(Path(folder).glob(f"{marks}.parquet"))
    ]
    place = str(parts[0].parent) if parts else folder
    usual = not parts or any(part.name.startswith("train-") for part in parts)
    pattern = os.path.join(place, "train-*.parquet" if usual else "*.parquet")
    raise DataError(
        f"{folder} is a folder, but no data set of `save_to_disk`",
        f"give one of its files, or several by a pattern such as '{pattern}'",
    )
