"""Reads tar archives of files of any form, also archives of archives such as OpenWebText."""

from __future__ import annotations

from collections.abc import Iterator

from bertkit.corpus.document import Piece
from bertkit.corpus.forms.archives.tar_header import is_tar
from bertkit.corpus.forms.form import Form, ReadOptions, Span
from bertkit.corpus.raw_file import RawFile


def read_tar(file: RawFile, options: ReadOptions) -> Iterator[Piece]:
    """The documents of an archive; see `archives.tar_members.read_tar`."""
    from bertkit.corpus.forms.archives.tar_members import read_tar

    return read_tar(file, options)


def spans_of(file: RawFile, size: int, options: ReadOptions) -> list[Span]:
    """Spans between the members of an archive; see `archives.tar_spans`."""
    from bertkit.corpus.forms.archives import tar_spans

    return tar_spans.spans_of(file, size)


FORM = Form(
    name="tar",
    help="files of these forms in an archive, or in archives inside it, such as OpenWebText",
    read=read_tar,
    signature=is_tar,
    reason="by the checksum of its first header",
    container=True,
    spans=spans_of,
)
