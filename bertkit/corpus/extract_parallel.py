"""One part made by several workers: this process reads and writes, they clean and split.

A dump in a single bzip2 stream, or one archive of a whole corpus, cannot be cut into
spans; its pages and documents are handed out as they are read. What is written is what
`parts.make_part` writes, since the same functions work on the same pieces in their order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from bertkit.corpus.document import Document, RawDocument, Rejected, Skipped
from bertkit.corpus.extract_part import (
    Part,
    PartFacts,
    Piece,
    Reading,
    open_pieces,
    splitter_of,
    write_part,
)
from bertkit.corpus.forms.mediawiki import Page
from bertkit.corpus.forms.tar import Packed
from bertkit.pool import map_in_order

# Pieces travel together until they have so many bytes; two batches per worker are under way.
BATCH = 1 << 20


@dataclass(frozen=True)
class Batch:
    """Consecutive pieces of one file, and how to read them."""

    reading: Reading
    pieces: tuple[Piece, ...]


def make_shared(part: Part, workers: int) -> tuple[str, PartFacts]:
    """Write one part with the help of several processes; as `parts.make_part`.

    Args:
        part: of the chain `own`.
        workers: processes; 0 takes one per core.
    """
    found = map_in_order(documents_in, batches_of(part), workers)
    return part.name, write_part(part, chain.from_iterable(found))


def batches_of(part: Part) -> Iterator[Batch]:
    """The files of a part in batches, none of which holds pieces of two files."""
    for path in part.paths:
        reading, pieces = open_pieces(path, part.config, part.span)
        held: list[Piece] = []
        size = 0
        for piece in pieces:
            held.append(piece)
            size += _size(piece)
            if size >= BATCH:
                yield Batch(reading, tuple(held))
                held, size = [], 0
        if held:
            yield Batch(reading, tuple(held))


def documents_in(batch: Batch) -> list[Document | Rejected | Skipped]:
    """The documents of a batch, cleaned and split; runs in a worker."""
    splitter = splitter_of(batch.reading.config)
    return [found for piece in batch.pieces for found in batch.reading.documents(piece, splitter)]


def _size(piece: Piece) -> int:
    """Bytes of a piece, or characters, whichever is at hand; never 0."""
    if isinstance(piece, Page | Packed):
        return len(piece.blob or b"") + 100
    return len(piece.text) + 100 if isinstance(piece, RawDocument) else 100
