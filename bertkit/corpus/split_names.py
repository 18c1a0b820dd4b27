"""Applies lists of names to documents that `extract` has made, by the names beside its parts."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence

from bertkit.corpus.config import SplitConfig
from bertkit.corpus.document import Document, DocumentWriter
from bertkit.corpus.document_names import NameIndex, named_documents
from bertkit.corpus.inputs import gather
from bertkit.corpus.journal import Journal
from bertkit.corpus.split_lists import Sides, hash_of, listed_names
from bertkit.errors import DataError
from bertkit.files import atomic_write, shard_name


class _Places:
    """Which side each document of the parts goes to, and its size.

    Attributes:
        sides: names of the sides that have a list.
        numbers: per document the number of its side, or -1 for one that no list has.
        sizes: bytes of each document of a side.
    """

    def __init__(self, sides: Sequence[str]) -> None:
        self.sides = list(sides)
        self.numbers = array("b")
        self.sizes: dict[str, list[int]] = {side: [] for side in sides}


def by_names(files: Sequence[str], config: SplitConfig, journal: Journal) -> Sides:
    """Cerebras' metadata lists on the output of `extract`: documents in its order.

    Writes `train/part-…txt`, `valid.txt` and `test.txt`; finished files are kept. Documents
    that no list names are left out.

    Args:
        files: parts that `extract` wrote, with the names of their documents.
        config: `metadata`, `part_size`.
        journal: gets every finished file.

    Raises:
        UsageError: as `listed_names`.
        DataError: a listed document is missing or there twice, or is listed twice.
    """
    sides = Sides()
    places = _places(files, listed_names(config), sides)
    for number, side in enumerate(places.sides):
        sizes = places.sizes[side]
        limit = int(config.part_size * 1_000_000)
        groups = gather(sizes, sizes, limit) if side == "train" else [sizes]
        chosen = _documents(files, places.numbers, number)
        for index, group in enumerate(groups):
            part = shard_name("part", index, len(groups), ".txt")
            name = f"train/{part}" if side == "train" else f"{side}.txt"
            if journal.finished(name):
                for _ in group:
                    next(chosen)
            else:
                _write(name, len(group), chosen, journal)
    return sides


def _places(files: Sequence[str], names: dict[str, list[str]], sides: Sides) -> _Places:
    side_of = {name: side for side, listed in names.items() for name in listed}
    index = NameIndex(list(side_of))
    places = _Places(list(names))
    seen: dict[str, str] = {}
    for file in files:
        for own, document in named_documents(file):
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
            places.sizes[side].append(len(document.encode()))
            sides.add(side, [hash_of("\n".join(document.sentences))])
    missing = [name for name in side_of if name not in seen]
    if missing:
        raise DataError(
            f"{len(missing):,} of {len(side_of):,} listed documents are not in the {len(files)} "
            f"parts of --input, {missing[0]} for one",
            "extract the whole archive; documents without text, or rejected, are not there",
        )
    return places


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
