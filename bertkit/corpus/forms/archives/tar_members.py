"""Reads the members of tar archives in one pass, without unpacking to disk.

No member can reach outside a folder, since nothing is written; memory holds one document.
OpenWebText is a tar.xz that holds `urlsf_subsetSS-M_data.xz`, each of them a tar.xz of one text
file per web page (jcpeterson/openwebtext).
"""

from __future__ import annotations

import posixpath
import tarfile
from collections.abc import Iterator
from tarfile import (  # type: ignore[attr-defined]
    InvalidHeaderError,
    TruncatedHeaderError,
)
from typing import IO

from bertkit.corpus.document import Piece, Rejected, Skipped
from bertkit.corpus.forms.archives.members import (
    HIDDEN,
    is_metadata,
    read_content,
    read_small,
    too_deep,
)
from bertkit.corpus.forms.archives.tar_header import BLOCK
from bertkit.corpus.forms.form import ReadOptions
from bertkit.corpus.raw_file import SMALL, RawFile
from bertkit.errors import DataError
from bertkit.storage.folder_walk import METADATA, has_hidden_part

# Kinds of members that lie in the archive as they are, unless they are sparse.
_PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)


def read_tar(file: RawFile, options: ReadOptions) -> Iterator[Piece]:
    """What the members hold, each read as the same file outside of the archive.

    Left out as in folders: hidden members, those of systems, and other names of a file. What
    follows the end of one archive in the same file, as `cat a.tar b.tar` makes it, is read too.
    Of a span (tar_spans.py) the members in it.

    Yields:
        Documents with ids that begin with `PATH!MEMBER`; `Rejected` for what cannot be read:
        devices, links that lead out of the archive, and members that are damaged;
        `members.PackedMember` for one that is compressed, where memory holds it.

    Raises:
        DataError: the archive itself is cut off or damaged: after the members before.
    """
    if deep := too_deep(file, options):
        yield deep
        return
    span = options.span
    with file.open_between(span.start, span.stop) if span else file.open() as stream:
        try:
            yield from _members(stream, str(file), options)
        except (tarfile.TarError, ValueError) as error:
            raise DataError(
                f"{file}: the archive is truncated or damaged ({error})", "fetch it again"
            ) from error


def _members(stream: IO[bytes], name: str, options: ReadOptions) -> Iterator[Piece]:
    header = _noting_header()
    with tarfile.open(
        fileobj=stream, mode="r|", ignore_zeros=True, tarinfo=header, errorlevel=2
    ) as archive:
        for member in archive:
            # The list of what was passed would grow with the archive.
            archive.members = []  # type: ignore[attr-defined]
            if header.bad:
                yield from _damage(header, name)
            yield from _member(archive, member, f"{name}!{member.name}", options)
    yield from _damage(header, name)
    if header.cut_off:
        raise tarfile.ReadError("the last header is cut off")


def _member(
    archive: tarfile.TarFile, member: tarfile.TarInfo, place: str, options: ReadOptions
) -> Iterator[Piece]:
    """What one member holds."""
    if member.isdir():
        return
    if has_hidden_part(member.name):
        yield Skipped(HIDDEN)
    elif is_metadata(member.name, options):
        yield Skipped(METADATA)
    elif member.islnk():
        if has_hidden_part(member.linkname):
            yield Rejected(place, f"a hard link to {member.linkname}, which is left out")
        else:
            yield Skipped("another name of a member")
    elif member.issym():
        target = posixpath.normpath(posixpath.dirname(member.name) + "/" + member.linkname)
        if member.linkname.startswith("/") or target.startswith("../"):
            yield Rejected(place, f"a link to {member.linkname}, out of the archive")
        else:
            yield Skipped("a link to another member")
    elif member.type in _PLAIN and member.size <= SMALL and not member.issparse():
        yield from read_small(_bytes_of(archive, member), place, options)
    else:
        content = archive.extractfile(member) if member.isreg() else None
        if content is None:
            yield Rejected(place, "a device, not a file")
        else:
            yield from read_content(content, member.size, place, options)


def _bytes_of(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """The bytes of a small member, without the streams that `extractfile` puts around them."""
    stream = archive.fileobj
    assert stream is not None
    stream.seek(member.offset_data)
    blob: bytes = stream.read(member.size)
    if len(blob) < member.size:
        raise tarfile.ReadError("unexpected end of data")
    return blob


class _Header(tarfile.TarInfo):
    """Notes the blocks that should have been headers and were not.

    `tarfile` passes over them, so that damage costs one member; it does not say so.
    """

    bad = 0
    cut_off = False

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> _Header:
        """As `tarfile.TarInfo.fromtarfile`."""
        try:
            return super().fromtarfile(archive)
        except TruncatedHeaderError:
            cls.cut_off = True
            raise
        except InvalidHeaderError:
            cls.bad += 1
            raise


def _noting_header() -> type[_Header]:
    """A class of its own for each archive."""
    return type("_HeaderOfOne", (_Header,), {})


def _damage(header: type[_Header], name: str) -> Iterator[Rejected]:
    if header.bad:
        yield Rejected(
            name, f"{header.bad * BLOCK:,} bytes are no member: a header there is damaged"
        )
        header.bad = 0
