"""Finds the record files among names, globs and folders, by their endings or what they hold."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from bertkit.errors import DataError
from bertkit.kinds.misplaced import refuse_misplaced
from bertkit.kinds.recognise import RECORDS
from bertkit.manifests.cache import cached_manifest
from bertkit.records.files.jsonl import begins_with_record
from bertkit.records.files.open import SUFFIXES
from bertkit.records.files.tfrecord.frames import read_records
from bertkit.storage.input_files import expand_inputs

JSON = ".json"
METRICS = "metrics.jsonl"


def find_record_files(
    inputs: Sequence[str | Path], leave_out: Sequence[str | Path] = ()
) -> list[str]:
    """Record files in a fixed order, each once; of a folder those that end in one of `SUFFIXES`.

    Files that end in `.json` count where their first line is a record. A folder without any may
    hold TFRecords whose names have no ending at all, such as
    MLPerf's `part-00000-of-00500` and `eval_10k`: then these are taken.

    Args:
        inputs: files, globs, folders or `@list.txt`.
        leave_out: what the command writes: no input even below one.

    Raises:
        DataError: a name does not exist, or a folder holds no record files.
    """
    return expand_inputs([file for name in inputs for file in _files_of(str(name), leave_out)])


def _files_of(name: str, leave_out: Sequence[str | Path]) -> list[str]:
    if not os.path.isdir(name):
        return expand_inputs([name], SUFFIXES)
    if Path(name, METRICS).is_file():  # the folder of a run, whose numbers are JSON lines too
        refuse_misplaced(name, RECORDS)
    found = _ending_in(name, (*SUFFIXES, JSON), leave_out)
    found = [
        file
        for file in found
        if not file.endswith(JSON) or begins_with_record(file) or _is_listed(file)
    ]
    if found := found or _without_ending(name, leave_out):
        return found
    refuse_misplaced(name, RECORDS)
    try:
        return expand_inputs([name], SUFFIXES)  # an error that names the endings
    except DataError as error:
        hint = error.hint or "give the folder that `bertkit make-records` wrote"
        raise DataError(error.message, hint) from error


def _ending_in(folder: str, suffixes: Sequence[str], leave_out: Sequence[str | Path]) -> list[str]:
    try:
        return expand_inputs([folder], suffixes, leave_out=leave_out)
    except DataError:  # there are none
        return []


def _without_ending(folder: str, leave_out: Sequence[str | Path]) -> list[str]:
    names = _ending_in(folder, (), leave_out)
    return [
        name for name in names if not Path(name).suffix and (is_tfrecord(name) or _is_listed(name))
    ]


def _is_listed(path: str) -> bool:
    """Whether the manifest beside a file says that it has records, whatever it holds by now."""
    manifest = cached_manifest(Path(path).parent)
    return manifest is not None and "records" in manifest.outputs.get(Path(path).name, {})


def is_tfrecord(path: str) -> bool:
    """Whether a file begins with a record whose checksums are right."""
    try:
        return next(read_records(path), None) is not None
    except DataError:
        return False
