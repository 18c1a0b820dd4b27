"""Reads tar archives of text files, also archives of archives such as OpenWebText."""

from __future__ import annotations

from collections.abc import Iterator

from bertkit.corpus.document import Piece
from bertkit.corpus.forms.form import Form, ReadOptions
from bertkit.corpus.raw_file import RawFile

_MAGIC = slice(257, 262)


def is_tar(head: bytes) -> bool:
    """True if the first 512 bytes of an (unpacked) file begin a tar archive."""
    return head[_MAGIC] == b"ustar"


def read_tar(file: RawFile, options: ReadOptions) -> Iterator[Piece]:
    """The documents of an archive; see `tar_members.read_members`."""
    from bertkit.corpus.forms.tar_members import read_members

    return read_members(file, options.max_bytes)


FORM = Form(
    name="tar",
    help="text files in an archive, or in archives inside it, such as OpenWebText",
    read=read_tar,
    signature=is_tar,
    container=True,
)
