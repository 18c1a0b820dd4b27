"""Applies lists of names to documents that `extract` has made, by the names beside its parts."""

from __future__ import annotations

import collections
from array import array
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np

from bertkit.corpus.config import SplitConfig
from bertkit.corpus.document import Document, DocumentWriter
from bertkit.corpus.document_names import NameIndex, named_documents
from bertkit.corpus.inputs import gather
from bertkit.corpus.journal import Journal
from bertkit.corpus.splitting.lists import listed_names
from bertkit.corpus.splitting.notes import Sides, hash_of
from bertkit.corpus.splitting.tasks import part_tasks, write_together
from bertkit.errors import DataError
from bertkit.storage.files import atomic_write, shard_name
from bertkit.workers.engine import Engine


class _Places:
    """Which side each document of the parts goes to, and its size.

    Attributes:
        sides: names of the sides that have a list.
        numbers: per document the number of its side, or -1 for one that no list has.
        documents: how many each file holds.
        sizes: bytes of each document of a side.
    """

    def __init__(self, sides: Sequence[str]) -> None:
        self.sides = list(sides)
        self.numbers = array("b")
        self.documents: list[int] = []
        self.sizes: dict[str, list[int]] = {side: [] for side in sides}


def by_names(files: Sequence[str], config: SplitConfig, journal: Journal, engine: Engine) -> Sides:
    """Cerebras' metadata lists on the output of `extract`: documents in its order.

    Writes `train/part-…txt`, `valid.txt` and `test.txt`; finished files are kept. Documents
    that no list names are left out.

    Args:
        files: parts that `extract` wrote, with the names of their documents.
        config: `metadata`, `part_size`.
        journal: gets every finished file.
        engine: what looks at files and writes parts.

    Raises:
        UsageError: as `listed_names`.
        DataError: a listed document is missing or there twice, or is listed twice.
    """
    sides = Sides()
    places = _places(files, listed_names(config), sides, engine)
    parts = {side: _parts(side, places.sizes[side], config) for side in places.sides}
    numbers = np.frombuffer(places.numbers, np.int8)
    if engine != Engine():
        tasks = [
            task
            for number, side in reversed(list(enumerate(places.sides)))  # of all files first
            for task in part_tasks(
                files, places.documents, numbers == number, parts[side],
                folder=str(journal.folder), engine=engine,
            )
        ]  # fmt: skip
        write_together(tasks, files, journal, engine, places.sides)
    # In order, what is left: all of it, with one process.
    for number, side in enumerate(places.sides):
        if all(journal.finished(name) for name, _ in parts[side]):
            continue
        chosen = _documents(files, places.numbers, number)
        for name, count in parts[side]:
            if journal.finished(name):
                collections.deque(islice(chosen, count), maxlen=0)
            else:
                _write(name, count, chosen, journal)
    return sides


def _parts(side: str, sizes: Sequence[int], config: SplitConfig) -> list[tuple[str, int]]:
    """The files of a side, and how many documents each of them holds."""
    if side != "train":
        return [(f"{side}.txt", len(sizes))]
    groups = gather(sizes, sizes, int(config.part_size * 1_000_000))
    count = len(groups)
    return [
        (f"train/{shard_name('part', index, count, '.txt')}", len(group))
        for index, group in enumerate(groups)
    ]


def _places(
    files: Sequence[str], names: dict[str, list[str]], sides: Sides, engine: Engine
) -> _Places:
    side_of = {name: side for side, listed in names.items() for name in listed}
    index = NameIndex(list(side_of))
    places = _Places(list(names))
    seen: dict[str, str] = {}
    for found in engine.in_order(_survey, [engine.path(file) for file in files], "look"):
        hashes, sizes = array("Q", found.hashes), array("Q", found.sizes)
        places.documents.append(len(found.names))
        for own, hashed, size in zip(found.names, hashes, sizes, strict=True):
            name = index.find(own)
            if name is None:
                places.numbers.append(-1)
                continue
            if name in seen:
                raise DataError(
                    f"{name} is the name of two documents: {seen[name]} and {own}",
                    "give the output of one run of extract",
                )
            seen[name] = own
            side = side_of[name]
            places.numbers.append(places.sides.index(side))
            places.sizes[side].append(size)
            sides.add(side, [hashed])
    missing = [name for name in side_of if name not in seen]
    if missing:
        raise DataError(
            f"{len(missing):,} of {len(side_of):,} listed documents are not in the {len(files)} "
            f"parts of --input, {missing[0]} for one",
            "extract the whole archive; documents without text, or rejected, are not there",
        )
    return places


class _Survey(NamedTuple):
    """Of each document of a part its name, and its hash and size in bytes, uint64 each."""

    names: list[str]
    hashes: bytes
    sizes: bytes


def _survey(file: str) -> _Survey:
    names: list[str] = []
    hashes, sizes = array("Q"), array("Q")
    for own, document in named_documents(file):
        names.append(own)
        hashes.append(hash_of("\n".join(document.sentences)))
        sizes.append(len(document.encode()))
    return _Survey(names, hashes.tobytes(), sizes.tobytes())


def _documents(files: Sequence[str], numbers: array[int], side: int) -> Iterator[Document]:
    which = iter(numbers)
    for file in files:
        for _, document in named_documents(file):
            if next(which) == side:
                yield document


def _write(name: str, count: int, chosen: Iterator[Document], journal: Journal) -> None:
    with atomic_write(journal.folder / name) as stream:
        writer = DocumentWriter(stream)
        for _ in range(count):
            writer.write(next(chosen))
    journal.record(name, writer.facts)
