"""`pick-eval`: evenly spaced records as a fixed evaluation set, as MLPerf picks them."""

from __future__ import annotations

import bisect
import itertools
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertkit import files, log
from bertkit.errors import DataError
from bertkit.manifest import Manifest, begin, describe_inputs, require_complete
from bertkit.records.reader import RecordFile
from bertkit.records.schema import digest
from bertkit.records.tfrecord import decode_example, read_records, write_records

NAME = "eval.tfrecord"
_VOCABULARY = ("vocab_sha256", "vocab_size")
SUFFIXES = (".tfrecord", ".tfrecords")


@dataclass(frozen=True)
class PickResult:
    """What was picked: from how many records, how many, into which file."""

    output: str
    available: int
    records: int
    bytes: int
    sha256: str
    digest: str
    seconds: float


def pick_eval(
    inputs: Sequence[str], output: str | Path, count: int, overwrite: bool = False
) -> PickResult:
    """Copy records number `int(i * (available / count))`, i = 0 … count - 1, to a new file.

    The rule, in float arithmetic, is that of MLPerf's `pick_eval_samples.py`. Records
    are copied as they are, checksums checked. MLPerf's program would repeat records when
    there are fewer than asked for; here that is an error, because accuracies over
    repeated records are not what they seem.

    Args:
        inputs: record files, globs, folders or `@list.txt`; several files are one list.
        output: folder for `eval.tfrecord` and `manifest.json`, which holds the digest of
            what the picked records mean.
        count: how many to pick.
        overwrite: replace what another run left in the folder.

    Raises:
        DataError: fewer records than `count`, or a broken file.
    """
    started = time.perf_counter()
    vocabulary = _vocabulary_of(inputs)
    names = files.expand_inputs(inputs, SUFFIXES)
    sources = [RecordFile(name) for name in names]
    ends = list(itertools.accumulate(len(source) for source in sources))
    if ends[-1] < count:
        raise DataError(
            f"{ends[-1]:,} records in {names[0] if len(names) == 1 else f'{len(names)} files'}, "
            f"{count:,} asked for",
            f"give --count {ends[-1]} or less, or make more records with a larger --dupe-factor",
        )
    config = {"count": count, **vocabulary}
    planned = Manifest("pick-eval", config, inputs=describe_inputs(names))
    manifest = begin(output, planned, overwrite)
    target = Path(output) / NAME
    if not manifest.complete or not target.is_file():
        manifest.state = "incomplete"
        written = write_records(target, _picked(sources, ends, count))
        manifest.outputs[NAME] = {
            **written._asdict(),
            "digest": digest(map(decode_example, read_records(target))),
        }
        manifest.stats = {"available": ends[-1], "records": written.records}
        manifest.state = "complete"
        manifest.write(output)
    else:
        log.logger.info("%s is complete already; nothing to do", output)
    facts = manifest.outputs[NAME]
    seconds = round(time.perf_counter() - started, 3)
    return PickResult(
        str(target), ends[-1], facts["records"], facts["bytes"], facts["sha256"],
        facts["digest"], seconds,
    )  # fmt: skip


def _vocabulary_of(inputs: Sequence[str]) -> dict[str, Any]:
    """What the records' manifests say of their vocabulary, so that the set still tells it.

    Raises:
        DataError: an unfinished folder, or records of several vocabularies.
    """
    found: list[dict[str, Any]] = []
    for name in inputs:
        manifest = require_complete(name if os.path.isdir(name) else Path(name).parent)
        if manifest is not None and "vocab_sha256" in manifest.config:
            found.append({key: manifest.config.get(key) for key in _VOCABULARY})
    if any(entry != found[0] for entry in found):
        raise DataError("the records were made with different vocabularies", "pick from one set")
    return found[0] if found else {}


def picked_numbers(available: int, count: int) -> Iterator[int]:
    """Numbers of the picked records, ascending."""
    step = available / count
    return (int(index * step) for index in range(count))


def _picked(sources: list[RecordFile], ends: list[int], count: int) -> Iterator[bytes]:
    for number in picked_numbers(ends[-1], count):
        which = bisect.bisect_right(ends, number)
        yield sources[which].record(number - (ends[which] - len(sources[which])))
