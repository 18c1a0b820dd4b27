"""Surveys files and writes parts for the split by hash, as tasks that any process can do."""

from __future__ import annotations

import hashlib
import os
from array import array
from collections.abc import Iterator, Sequence
from itertools import chain, compress, islice
from typing import Any, NamedTuple

import numpy as np

from bertkit.corpus.config import SplitConfig
from bertkit.corpus.document import Document, DocumentWriter, read_documents
from bertkit.corpus.journal import Journal
from bertkit.storage.files import atomic_write, is_remote, size_of
from bertkit.workers.engine import Engine

# Tasks together may read so many times what all files hold, or one process does it in order.
_MOST_READING = 6


class FileSurvey(NamedTuple):
    """Of each document of a file its hash and its size in bytes, uint64 each."""

    hashes: bytes
    sizes: bytes


def survey_file(task: tuple[str, int]) -> FileSurvey:
    """Look at the documents of a file; the task is its path and the seed of the hash."""
    path, seed = task
    hashes, sizes = array("Q"), array("Q")
    for document in read_documents(path):
        hashes.append(_hash(document, seed))
        sizes.append(len(document.encode()))
    return FileSurvey(hashes.tobytes(), sizes.tobytes())


def _hash(document: Document, seed: int) -> int:
    digest = hashlib.blake2b(digest_size=8, key=str(seed).encode())
    for sentence in document.sentences:
        # Case and spacing do not count: copies that differ only in them stay together.
        digest.update(" ".join(sentence.casefold().split()).encode("utf-8") + b"\n")
    return int.from_bytes(digest.digest(), "big")


class PartTask(NamedTuple):
    """A file to write.

    Attributes:
        name: of the file, relative to `folder`.
        paths: files that hold its documents, in order.
        skip: documents of the first one to pass over.
        chosen: a bit for each document behind these, set for those of the part.
        documents: how many bits.
    """

    name: str
    folder: str
    paths: tuple[str, ...]
    skip: int
    chosen: bytes
    documents: int


def write_part(task: PartTask) -> tuple[str, dict[str, Any]]:
    """Write a file; (its name, what the manifest says of it)."""
    bits = np.unpackbits(np.frombuffer(task.chosen, np.uint8), count=task.documents)
    documents = chain.from_iterable(map(read_documents, task.paths))
    looked_at = islice(documents, task.skip, task.skip + task.documents)
    with atomic_write(os.path.join(task.folder, task.name)) as stream:
        writer = DocumentWriter(stream)
        for document in compress(looked_at, bits):
            writer.write(document)
    return task.name, writer.facts


def part_tasks(
    files: Sequence[str],
    documents: Sequence[int],
    chosen: np.ndarray,
    parts: Sequence[tuple[str, int]],
    *,
    folder: str,
    engine: Engine,
) -> Iterator[PartTask]:
    """The tasks that write the files of a side.

    Args:
        files: all input.
        documents: how many each file holds.
        chosen: bool, of all documents those of this side.
        parts: (name, documents) of the files to write, in order.
        folder: for them.
        engine: that runs the tasks.
    """
    ends = np.cumsum(np.asarray(documents, np.int64))
    places = np.flatnonzero(chosen)
    behind = 0
    for name, length in parts:
        first, last = int(places[behind]), int(places[behind + length - 1])
        behind += length
        begin, end = np.searchsorted(ends, [first, last], side="right").tolist()
        start = int(ends[begin]) - documents[begin]
        yield PartTask(
            name=name,
            folder=engine.path(folder),
            paths=tuple(map(engine.path, files[begin : end + 1])),
            skip=first - start,
            chosen=np.packbits(chosen[first : last + 1]).tobytes(),
            documents=last + 1 - first,
        )


def write_together(
    tasks: Sequence[PartTask],
    files: Sequence[str],
    journal: Journal,
    engine: Engine,
    sides: Sequence[str],
) -> None:
    """Write the files that are not finished by tasks, if that is worth it."""
    left = [task for task in tasks if not journal.finished(task.name)]
    if worth_it(left, files):
        for name, facts in engine.run(write_part, left, "write"):
            engine.arrived(journal.folder, [name])
            journal.record(name, facts)
        journal.manifest.outputs = in_order(journal.manifest.outputs, sides)


def worth_it(tasks: Sequence[PartTask], files: Sequence[str]) -> bool:
    """Whether tasks read their files not much oftener than one process in order would.

    Parts of a few huge files begin far behind in them, and all before is read to get there.
    """
    sizes = {path: size_of(path) for task in tasks for path in task.paths}
    reading = sum(sizes[path] for task in tasks for path in task.paths)
    own = sum(size for path, size in sizes.items() if not is_remote(path))
    return len(files) > 1 and reading <= _MOST_READING * max(1, own)


def sides_of(hashes: array[int], config: SplitConfig) -> dict[str, np.ndarray]:
    """Side → which documents it has, bool [n]: the hash as a number from 0 to 1 decides."""
    places = np.frombuffer(hashes, np.uint64) / 2**64
    tested, held = places < config.test, places < config.test + config.valid
    return {"test": tested, "valid": held & ~tested, "train": ~held & ~tested}


def in_order(outputs: dict[str, Any], sides: Sequence[str]) -> dict[str, Any]:
    """Files as one process would have written them: side after side, by number."""

    def place(name: str) -> tuple[int, str]:
        return sides.index(name.partition("/")[0].removesuffix(".txt")), name

    return {name: outputs[name] for name in sorted(outputs, key=place)}
