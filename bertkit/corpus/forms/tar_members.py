"""Finds the text files inside (nested) tar archives, in one pass and without unpacking to disk.

Nothing is unpacked to disk, so no member can reach outside a folder; memory holds one
document. OpenWebText is a tar.xz that holds `urlsf_subsetSS-M_data.xz`, each of them a
tar.xz of one text file per web page (jcpeterson/openwebtext).
"""

from __future__ import annotations

import io
import lzma
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from bertkit.codecs.packed_stream import unpacked
from bertkit.corpus.document import Found, RawDocument, Rejected, Unparsed
from bertkit.corpus.forms.xml.articles import pmc_article
from bertkit.corpus.raw_file import RawFile, open_source
from bertkit.errors import DataError

_COMPRESSIONS = (".xz", ".gz", ".bz2")
_BROKEN = (tarfile.TarError, EOFError, lzma.LZMAError, zlib.error, OSError)
# An archive in an archive in an archive is a trap, not a corpus.
DEPTH = 2
# OpenWebText's inner archives have some 600 kB; larger ones are read piece by piece.
LARGEST_KEPT = 16_000_000


@dataclass(frozen=True)
class InnerArchive(Unparsed):
    """An archive inside the archive, as it is packed.

    Attributes:
        place: `PATH!MEMBER`; its ending tells how it is packed.
        blob: its bytes.
        max_bytes: a larger member is rejected.
    """

    place: str
    blob: bytes
    max_bytes: int

    @property
    def size(self) -> int:
        """Bytes as it is packed."""
        return len(self.blob)

    def documents(self) -> Iterator[Found]:
        """Its members as documents; damage costs what follows in it, no more."""
        for found in _inside(io.BytesIO(self.blob), self.place, self.max_bytes, 1):
            assert not isinstance(found, Unparsed), "only the outer archive leaves members packed"
            yield found


def read_members(file: str | RawFile, max_bytes: int) -> Iterator[Found | InnerArchive]:
    """Each plain file of an archive is a document; archives inside it come as they are.

    Members named .nxml are articles of PubMed Central (xml.articles); others are text.

    Args:
        file: a tar, plain or compressed (.xz, .gz, .bz2).
        max_bytes: a larger member is rejected without being kept.

    Yields:
        `RawDocument` with the id `PATH!MEMBER`; `Rejected` for a member that is too
        large, not UTF-8, a link or a device, or an archive that is damaged; `InnerArchive`
        where memory holds it.

    Raises:
        DataError: the archive itself is truncated or damaged.
    """
    with open_source(file) as stream:
        try:
            yield from _members(stream, str(file), max_bytes, 1)
        except _BROKEN as error:
            raise DataError(
                f"{file}: the archive is truncated or damaged ({error})", "fetch it again"
            ) from error


def _members(
    stream: IO[bytes], name: str, max_bytes: int, depth: int
) -> Iterator[Found | InnerArchive]:
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            # The list of what was passed would grow with the archive.
            archive.members = []  # type: ignore[attr-defined]
            place = f"{name}!{member.name}"
            if member.isdir():
                continue
            content = archive.extractfile(member) if member.isreg() else None
            if content is None:
                yield Rejected(place, "a link or a device, not a file")
            elif (ending := _ending(member.name)) in _COMPRESSIONS:
                if depth == 1 and member.size <= LARGEST_KEPT:
                    yield InnerArchive(place, content.read(), max_bytes)
                else:
                    yield from _inside(content, place, max_bytes, depth)
            elif member.size > max_bytes:
                yield Rejected(place, f"{member.size:,} bytes, more than is allowed")
            elif ending == ".nxml":
                yield pmc_article(content.read(), place, max_bytes)
            else:
                yield _document(place, content.read())


def _inside(
    content: IO[bytes], place: str, max_bytes: int, depth: int
) -> Iterator[Found | InnerArchive]:
    """An archive inside the archive; its damage costs what follows in it, no more."""
    if depth == DEPTH:
        yield Rejected(place, "an archive inside an archive inside an archive")
        return
    try:
        with unpacked(content, place) as stream:
            yield from _members(stream, place, max_bytes, depth + 1)
    except _BROKEN as error:
        yield Rejected(place, f"cut off, damaged, or not a tar ({error})")
    except DataError as error:
        yield Rejected(place, error.message)


def _document(place: str, blob: bytes) -> RawDocument | Rejected:
    try:
        return RawDocument(place, "", blob.decode("utf-8"))
    except UnicodeDecodeError as error:
        return Rejected(place, f"not UTF-8 at byte {error.start}")


def _ending(name: str) -> str:
    return f".{name.rpartition('.')[2].lower()}"
