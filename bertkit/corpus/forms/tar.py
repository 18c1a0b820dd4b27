"""Text files inside tar archives, also OpenWebText's archive of archives, in one pass.

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
from typing import IO, NamedTuple

from bertkit.corpus.document import RawDocument, Rejected, Skipped
from bertkit.corpus.forms.pubmed import pmc_article
from bertkit.corpus.lines import open_source, unpacked
from bertkit.errors import DataError

_MAGIC = slice(257, 262)
_PACKED = (".xz", ".gz", ".bz2")
_BROKEN = (tarfile.TarError, EOFError, lzma.LZMAError, zlib.error, OSError)
# An archive in an archive in an archive is a trap, not a corpus.
DEPTH = 2
# OpenWebText's inner archives have some 600 kB; larger ones are read piece by piece.
LARGEST_PACKED = 16_000_000


def is_tar(head: bytes) -> bool:
    """True if the first 512 bytes of an (unpacked) file begin a tar archive."""
    return head[_MAGIC] == b"ustar"


class Packed(NamedTuple):
    """An archive inside the archive, as it is packed.

    Attributes:
        place: `PATH!MEMBER`; its ending tells how it is packed.
        blob: its bytes.
    """

    place: str
    blob: bytes


Found = RawDocument | Rejected | Skipped


def read_tar(path: str, max_bytes: int) -> Iterator[Found]:
    """Each plain file of an archive is a document; archives inside it are opened.

    Members named .nxml are articles of PubMed Central (pubmed.py); others are text.

    Args:
        path: a tar, plain or compressed (.xz, .gz, .bz2).
        max_bytes: a larger member is rejected without being kept.

    Yields:
        `RawDocument` with the id `PATH!MEMBER`, or `Rejected` for a member that is too
        large, not UTF-8, a link or a device, or an archive that is damaged.

    Raises:
        DataError: the archive itself is cut off or damaged.
    """
    for found in read_members(path, max_bytes):
        if isinstance(found, Packed):
            yield from read_packed(found, max_bytes)
        else:
            yield found


def read_members(path: str, max_bytes: int) -> Iterator[Found | Packed]:
    """As `read_tar`, with the archives inside left as they are, where memory holds them."""
    with open_source(path) as stream:
        try:
            yield from _members(stream, path, max_bytes, 1)
        except _BROKEN as error:
            raise DataError(
                f"{path}: the archive is cut off or damaged ({error})", "fetch it again"
            ) from error


def read_packed(packed: Packed, max_bytes: int) -> Iterator[Found]:
    """The documents of an archive inside an archive; yields what `read_tar` yields."""
    for found in _inside(io.BytesIO(packed.blob), packed.place, max_bytes, 1):
        assert not isinstance(found, Packed), "only the outer archive leaves members packed"
        yield found


def _members(stream: IO[bytes], name: str, max_bytes: int, depth: int) -> Iterator[Found | Packed]:
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
            elif (ending := _ending(member.name)) in _PACKED:
                if depth == 1 and member.size <= LARGEST_PACKED:
                    yield Packed(place, content.read())
                else:
                    yield from _inside(content, place, max_bytes, depth)
            elif member.size > max_bytes:
                yield Rejected(place, f"{member.size:,} bytes, more than is allowed")
            elif ending == ".nxml":
                yield pmc_article(content.read(), place, max_bytes)
            else:
                yield _document(place, content.read())


def _inside(content: IO[bytes], place: str, max_bytes: int, depth: int) -> Iterator[Found | Packed]:
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
