"""Writes one output part of `clean`: an input file without what is dropped.

What stays keeps its bytes: a file of which nothing is dropped comes out as it was.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, Any

import numpy as np

from bertkit.corpus.cleaning.scratch import Scratch
from bertkit.corpus.cleaning.survey import Piece
from bertkit.corpus.document import DocumentWriter
from bertkit.corpus.document_names import names_beside
from bertkit.corpus.lines import lines
from bertkit.corpus.raw_file import open_source
from bertkit.errors import DataError
from bertkit.storage.files import atomic_write


@dataclass(frozen=True)
class WriteTask:
    """One part to write.

    Attributes:
        name: of the part.
        folder: where to.
        path: the input file.
        pieces: of its survey, in order.
        start: number of its first document.
        first_line: number of its first line, among those of all files.
        totals: documents and lines of all files.
        mask: the flags that drop a document.
        drop_lines: drop repeated lines as well.
        scratch: where the verdicts lie.
    """

    name: str
    folder: str
    path: str
    pieces: tuple[Piece, ...]
    start: int
    first_line: int
    totals: tuple[int, int]
    mask: int
    drop_lines: bool
    scratch: Scratch


def write_part(task: WriteTask) -> tuple[str, dict[str, Any]]:
    """Write a part; runs in a worker.

    Returns:
        Its name and what the manifest keeps of it.

    Raises:
        DataError: the input cannot be read, or has changed since it was surveyed.
    """
    place = Path(task.folder) / task.name
    left_out = 0
    head = None
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(open_source(task.path))
        writer = DocumentWriter(stack.enter_context(atomic_write(place)))
        names = _names_of(task.path)
        beside = None
        if names is not None:  # complete before the part has its own name
            beside = stack.enter_context(atomic_write(names_beside(str(place))))
        for document, before, stays in _documents(task, source):
            head = before if head is None else head
            name = _next_name(names, task.path)
            kept = document if stays is None else _without_lines(document, stays)
            if kept:
                blob = (before if writer.documents else head) + kept
                writer.write_bytes(blob, documents=1, sentences=_sentences(kept))
                if beside is not None:
                    beside.write(name)
            else:
                left_out += 1
        if writer.documents and (tail := source.read()):
            writer.write_bytes(tail, documents=0, sentences=0)
        if names is not None and next(names, None) is not None:
            raise _unfit_names(task.path)
    return task.name, {**writer.facts, "dropped": left_out}


def _sentences(document: bytes) -> int:
    return document.count(b"\n") + (not document.endswith(b"\n"))


def _documents(
    task: WriteTask, source: IO[bytes]
) -> Iterator[tuple[bytes, bytes, np.ndarray | None]]:
    """Of each document its bytes, those before it, and which of its lines stay.

    None for all of them; none of a document that is dropped.
    """
    flags = task.scratch.open_table("flags", task.totals[0], np.uint16)
    repeated = None
    if task.drop_lines:
        repeated = task.scratch.open_table("repeated_lines", task.totals[1], bool)
    number, first_line, at = task.start, task.first_line, 0
    for piece in task.pieces:
        for row in task.scratch.load(f"{piece.name}.rows"):
            before = source.read(int(row["offset"]) - at)
            document = source.read(int(row["bytes"]))
            at = int(row["offset"]) + len(document)
            if len(document) != int(row["bytes"]):
                raise DataError(
                    f"{task.path}: shorter than when it was surveyed",
                    "leave the input as it is while `bertkit clean` runs; run it again",
                )
            stays = None
            count = int(row["lines"])
            if int(flags[number]) & task.mask:
                stays = np.zeros(count, bool)
            elif repeated is not None:
                begin = first_line + int(row["first_line"])
                stays = ~repeated[begin : begin + count]
            yield document, before, stays
            number += 1
        first_line += piece.lines


def _without_lines(document: bytes, stays: np.ndarray) -> bytes:
    """A document with only those of its lines that stay."""
    if stays.all():
        return document
    if not stays.any():
        return b""
    found = document.removesuffix(b"\n").split(b"\n")
    return b"".join(line + b"\n" for line, stay in zip(found, stays, strict=True) if stay)


def _names_of(path: str) -> Iterator[bytes] | None:
    """The names of the documents of a part that `extract` wrote, a line each; or None."""
    found = _whole_lines(names_beside(path))
    try:
        first = next(found, None)
    except DataError:  # there are none
        return None
    return iter(()) if first is None else chain([first], found)


def _whole_lines(path: str) -> Iterator[bytes]:
    held = b""
    for line in lines(path):
        held += line.blob
        if line.blob.endswith(b"\n"):
            yield held
            held = b""


def _next_name(names: Iterator[bytes] | None, path: str) -> bytes:
    name = b"" if names is None else next(names, None)
    if name is None:
        raise _unfit_names(path)
    return name


def _unfit_names(path: str) -> DataError:
    return DataError(
        f"{path}: the names of its documents beside it do not fit it",
        "run `bertkit extract` again with --overwrite",
    )
