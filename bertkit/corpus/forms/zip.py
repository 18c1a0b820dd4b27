"""Reads zip archives of files of any form."""

from __future__ import annotations

from collections.abc import Iterator

from bertkit.corpus.document import Piece
from bertkit.corpus.forms.form import Form, ReadOptions, Span
from bertkit.corpus.raw_file import RawFile

# Of a member, or of the index of an archive without members.
_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06")


def is_zip(head: bytes) -> bool:
    """True if these first bytes of an (unpacked) file begin a zip archive."""
    return head.startswith(_SIGNATURES)


def read_zip(file: RawFile, options: ReadOptions) -> Iterator[Piece]:
    """The documents of an archive; see `archives.zip_members.read_zip`."""
    from bertkit.corpus.forms.archives.zip_members import read_zip

    return read_zip(file, options)


def spans_of(file: RawFile, size: int, options: ReadOptions) -> list[Span]:
    """Spans between the members of an archive; see `archives.zip_members.spans_of`."""
    from bertkit.corpus.forms.archives import zip_members

    return zip_members.spans_of(file, size)


FORM = Form(
    name="zip",
    help="files of these forms in a zip archive",
    read=read_zip,
    signature=is_zip,
    container=True,
    spans=spans_of,
)
