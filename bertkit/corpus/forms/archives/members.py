"""Turns members of archives into documents, by the readers that read such files elsewhere."""

from __future__ import annotations

import functools
import io
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import IO

from bertkit.codecs.packed_stream import MARK, PeekedStream, compression_of
from bertkit.corpus.document import Found, Piece, Rejected, Unparsed, parsed
from bertkit.corpus.forms.form import ReadOptions
from bertkit.corpus.raw_file import SMALL, RawFile
from bertkit.storage.folder_walk import describes_data_set

# Archives inside archives inside archives are a trap, not a corpus.
DEPTH = 4
# OpenWebText's inner archives have some 600 kB; larger ones are read piece by piece.
LARGEST_KEPT = 16_000_000
# What hidden members, and those of systems, are counted as.
HIDDEN = "hidden member"


@dataclass(frozen=True)
class PackedMember(Unparsed):
    """A compressed member, as it is packed: a worker unpacks and reads it.

    Attributes:
        place: `PATH!MEMBER`.
        blob: its bytes.
        options: for its reader.
    """

    place: str
    blob: bytes
    options: ReadOptions

    @property
    def size(self) -> int:
        """Bytes as it is packed."""
        return len(self.blob)

    def documents(self) -> Iterator[Found]:
        """Its documents; damage costs what follows in it, no more."""
        return parsed(_read(io.BytesIO(self.blob), self.place, self.options))


def is_metadata(name: str, options: ReadOptions) -> bool:
    """Whether a member describes a data set; where `--form` says what members are, none does."""
    return not options.form and describes_data_set(posixpath.basename(name))


def read_content(
    content: IO[bytes], size: int, place: str, options: ReadOptions
) -> Iterator[Piece]:
    """The documents of a member; one that is compressed comes as it is, where memory holds it.

    Args:
        content: the member, open.
        size: its bytes.
        place: `PATH!MEMBER`.
        options: those of the archive.
    """
    if size <= SMALL:
        yield from read_small(content.read(), place, options)
        return
    if options.depth == 0 and size <= LARGEST_KEPT:
        head = content.read(MARK)
        if compression_of(head, place):
            yield PackedMember(place, head + content.read(), options)
            return
        content = io.BufferedReader(_Begun(head, content))
    yield from _read(content, place, options)


def read_small(blob: bytes, place: str, options: ReadOptions) -> Iterator[Piece]:
    """The documents of a member from its bytes: archives of web pages have millions of these.

    Arguments as for `read_content`.
    """
    if not compression_of(blob[:MARK], place):
        return _read_file(RawFile.of_bytes(blob, place, options.encoding), options)
    if options.depth == 0:
        return iter([PackedMember(place, blob, options)])
    return _read(io.BytesIO(blob), place, options)


def too_deep(file: RawFile, options: ReadOptions) -> Rejected | None:
    """What is said of an archive inside so many others that it is not read; else None."""
    if options.depth < DEPTH:
        return None
    return Rejected(str(file), f"archives inside archives, more than {DEPTH} deep: not read")


def _read(content: IO[bytes], place: str, options: ReadOptions) -> Iterator[Piece]:
    return _read_file(RawFile.of_stream(content, place, options.encoding), options)


def _read_file(file: RawFile, options: ReadOptions) -> Iterator[Piece]:
    from bertkit.corpus.forms.detect import read_member  # which knows this form too

    return read_member(file, _inside(options))


@functools.lru_cache(maxsize=16)
def _inside(options: ReadOptions) -> ReadOptions:
    """The options for members of an archive, of which there are many."""
    return replace(options, span=None, depth=options.depth + 1)


class _Begun(PeekedStream):
    """A stream of which the first bytes were read already."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        super().__init__(rest)
        self.head = head
