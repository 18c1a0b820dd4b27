"""Reads the members of zip archives one after the other, without unpacking to disk."""

from __future__ import annotations

import errno
import itertools
import lzma
import stat
import struct
import sys
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO

from bertkit.codecs.packed_stream import refuse_bomb
from bertkit.corpus.document import Piece, Rejected, Skipped
from bertkit.corpus.forms.archives.members import HIDDEN, is_metadata, read_content, too_deep
from bertkit.corpus.forms.form import ReadOptions, Span, spans_between
from bertkit.corpus.raw_file import RawFile
from bertkit.errors import DataError
from bertkit.storage.files import open_binary, size_of
from bertkit.storage.folder_walk import METADATA, has_hidden_part

_BROKEN = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError),
    *(struct.error, IndexError, OverflowError),  # of numbers in damaged headers
)
_MOST_SPANS = 64
# First members of documents that are zips; what is in them is not one file per text.
_DOCUMENTS = {"[Content_Types].xml": "a Microsoft Office document", "mimetype": "an e-book"}


def read_zip(file: RawFile, options: ReadOptions) -> Iterator[Piece]:
    """What the members hold, each read as the same file outside of the archive.

    Hidden members and those of systems are left out, as in folders. A zip inside another
    archive is copied to a temporary file first: its index stands at its end.

    Yields:
        As `tar_members.read_tar`; `Rejected` for members that are encrypted or damaged.

    Raises:
        DataError: the archive has no index at its end: it is cut off or damaged.
    """
    if deep := too_deep(file, options):
        yield deep
        return
    with file.open_seekable() as stream:
        yield from _members(stream, str(file), options)


def spans_of(file: RawFile, size: int) -> list[Span]:
    """Spans of about `size` bytes of a local zip, between its members; few, if it is huge.

    Every span is read with the index of the whole archive, which takes 10 µs a member.
    """
    total = size_of(file.path)
    whole = [Span(0, total)]
    if file.compression():
        return whole
    with open_binary(file.path) as stream, _opened(stream, str(file)) as archive:
        places = [entry.header_offset for entry in archive.infolist()]
    # They are read in the order of the index; where that is damaged, places may be anywhere.
    if any(after <= before for before, after in itertools.pairwise([-1, *places, total])):
        return whole
    size = max(size, total // _MOST_SPANS)
    starts = [0]
    for place in places:
        if place - starts[-1] >= size:
            starts.append(place)
    return spans_between(starts, total)


def _opened(stream: IO[bytes], name: str) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(stream)
    except (*_BROKEN, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise  # the file cannot be read; EINVAL: the index says that it is before its beginning
        raise DataError(
            f"{name}: the zip archive is truncated or damaged ({error})", "fetch it again"
        ) from error


def _members(stream: IO[bytes], name: str, options: ReadOptions) -> Iterator[Piece]:
    with _opened(stream, name) as archive:
        entries = archive.infolist()
        kind = _DOCUMENTS.get(entries[0].filename) if entries else None
        if kind:
            raise DataError(f"{name} is {kind}", "save it as plain text first")
        start, stop = options.span[:2] if options.span else (-sys.maxsize, sys.maxsize)
        for entry in entries:
            if start <= entry.header_offset < stop:
                yield from _member(archive, entry, f"{name}!{entry.filename}", options)


def _member(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, place: str, options: ReadOptions
) -> Iterator[Piece]:
    """What one member holds."""
    if entry.filename.endswith("/"):
        return
    if has_hidden_part(entry.filename):
        yield Skipped(HIDDEN)
        return
    if is_metadata(entry.filename, options):
        yield Skipped(METADATA)
        return
    if stat.S_ISLNK(entry.external_attr >> 16):
        yield Skipped("a link to another member")
        return
    if entry.flag_bits & 1:
        yield Rejected(place, "encrypted with a password")
        return
    try:
        refuse_bomb(place, entry.compress_size, entry.file_size)
        with archive.open(entry) as content:
            yield from read_content(content, entry.file_size, place, options)
    except NotImplementedError as error:
        yield Rejected(place, f"packed in a way that is not read here ({error})")
    except DataError as error:
        yield Rejected(place, error.message)
    except _BROKEN as error:
        yield Rejected(place, f"damaged ({error})")
