"""Makes one output file with several workers; this process only reads and writes.

A dump in gzip, or an archive that is compressed as a whole, cannot be cut into spans;
its pages and documents are handed out as they are read. What is written is what
`part.make_part` writes, since the same functions work on the same pieces in
their order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from bertkit.corpus.config import ExtractConfig
from bertkit.corpus.document import (
    Document,
    Noticed,
    Piece,
    RawDocument,
    Rejected,
    Skipped,
    Unparsed,
)
from bertkit.corpus.extraction.part import (
    Part,
    PartFacts,
    open_pieces,
    split_documents,
    splitter_of,
    write_part,
)
from bertkit.corpus.forms.form import Form
from bertkit.workers.pool import map_in_order

# Pieces travel together until they have so many bytes; two batches per worker are under way.
BATCH = 1 << 20
# Counted for every piece beside its text, so that no piece is free.
_OVERHEAD = 100


@dataclass(frozen=True)
class Batch:
    """Consecutive pieces of one file, with what is needed to work on them."""

    form: Form
    config: ExtractConfig
    pieces: tuple[Piece, ...]


def make_part_together(part: Part, workers: int) -> tuple[str, PartFacts]:
    """Write one part with the help of several processes; as `part.make_part`.

    Args:
        part: of the chain `own`.
        workers: processes; 0 takes one per core.
    """
    found = map_in_order(documents_in, batches_of(part), workers)
    return part.name, write_part(part, chain.from_iterable(found))


def batches_of(part: Part) -> Iterator[Batch]:
    """The files of a part in batches, none of which holds pieces of two files."""
    for path, name in part.inputs:
        form, pieces = open_pieces(path, part.config, part.span, name)
        held: list[Piece] = []
        size = 0
        for piece in pieces:
            held.append(piece)
            size += _size(piece)
            if size >= BATCH:
                yield Batch(form, part.config, tuple(held))
                held, size = [], 0
        if held:
            yield Batch(form, part.config, tuple(held))


def documents_in(batch: Batch) -> list[Document | Rejected | Skipped | Noticed]:
    """The documents of a batch, cleaned and split; runs in a worker."""
    return list(split_documents(batch.pieces, batch.form, splitter_of(batch.config)))


def _size(piece: Piece) -> int:
    """Bytes of a piece, or characters, whichever is at hand; never 0."""
    if isinstance(piece, Unparsed):
        return piece.size + _OVERHEAD
    return len(piece.text) + _OVERHEAD if isinstance(piece, RawDocument) else _OVERHEAD
