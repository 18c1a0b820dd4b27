"""Cuts a large tar between its members, so that workers share it, by a look at its headers.

A span is an archive of its own without the zeros at its end, and is read as one.
"""

from __future__ import annotations

import contextlib
import tarfile
from collections.abc import Iterator

from bertkit.corpus.forms.form import Span, spans_between
from bertkit.corpus.raw_file import RawFile
from bertkit.storage.files import open_binary, size_of

# What a header for all members behind it may say without a change to how they are read: `git
# archive` writes a comment. Behind one that gives names, sizes or encodings nothing is cut,
# since a later span would not know it.
_HARMLESS = {"comment", "atime", "ctime", "mtime", "uid", "gid", "uname", "gname"}


def spans_of(file: RawFile, size: int) -> list[Span]:
    """Spans of about `size` bytes of a local tar; one of a tar that is compressed as a whole."""
    total = size_of(file.path)
    if file.compression():
        return [Span(0, total)]
    return spans_between(_starts(file.path, size), total)


def _starts(path: str, size: int) -> Iterator[int]:
    """Where spans begin. Contents are passed over, and members are forgotten at once."""
    last = 0
    yield last
    # Whoever reads the last span says what is wrong with the archive.
    with (
        contextlib.suppress(tarfile.TarError, ValueError),
        open_binary(path) as raw,
        tarfile.open(fileobj=raw, mode="r:", ignore_zeros=True) as archive,
    ):
        behind = -1
        while (member := archive.next()) and archive.pax_headers.keys() <= _HARMLESS:
            archive.members = []  # type: ignore[attr-defined]
            # Where the first of its headers is: names that are long have one of their own. A
            # header for all members and the next one's are one piece to `tarfile`.
            if member.offset == behind and behind - last >= size:
                last = behind
                yield last
            behind = archive.offset
