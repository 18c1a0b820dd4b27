"""Reads bytes and lines of local, remote and compressed text files, in bounded memory."""

from __future__ import annotations

import bz2
import contextlib
import functools
import gzip
import io
import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from bertkit.errors import DataError
from bertkit.files import is_remote, open_binary

PIECE = 1 << 20
_SMALL_PIECE = 1 << 10
# Zeros shrink by a factor of 1,000 (gzip) to 900,000 (bzip2), text hardly by 20.
RATIO = 500
FREE = 256_000_000
_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_BROKEN = (EOFError, lzma.LZMAError, zlib.error, gzip.BadGzipFile)


class Line(NamedTuple):
    """One line, or a piece of a line longer than a megabyte.

    Attributes:
        number: line number from 1.
        offset: of its first byte in the (unpacked) file.
        blob: its bytes, with the newline.
        begins: False for the second and later pieces of a long line.
    """

    number: int
    offset: int
    blob: bytes
    begins: bool


class DocumentBytes:
    """The lines of one document, collected until they are larger than what may be kept.

    Attributes:
        number: of the first line.
        offset: of its first byte in the (unpacked) file.
        size: bytes of all lines, also of those that were not kept.
    """

    def __init__(self, max_bytes: int) -> None:
        self.number = self.offset = self.size = 0
        self._max_bytes = max_bytes
        self._kept: list[bytes] = []

    def add(self, line: Line) -> None:
        """Append a line."""
        if not self.size:
            self.number, self.offset = line.number, line.offset
        self.size += len(line.blob)
        if self.too_large:
            self._kept.clear()
        else:
            self._kept.append(line.blob)

    @property
    def too_large(self) -> bool:
        """True if there is more than may be kept; then `blob` is empty or cut."""
        return self.size > self._max_bytes

    @property
    def blob(self) -> bytes:
        """The lines as one."""
        return b"".join(self._kept)


@contextlib.contextmanager
def open_source(path: str) -> Iterator[IO[bytes]]:
    """Open a file for reading bytes, unpacking .gz, .bz2 and .xz by name.

    A UTF-8 byte order mark at the start is skipped.

    Raises:
        DataError: unreadable, broken or cut-off compression, or UTF-16.
    """
    with decompression_errors(path), contextlib.ExitStack() as stack:
        raw = stack.enter_context(open_binary(path))
        stream = stack.enter_context(unpacked(raw, path))
        head = stream.peek(3)[:3]
        if head[:2] in _UTF16:
            raise DataError(f"{path} is UTF-16, not UTF-8", "convert it: iconv -f UTF-16 -t UTF-8")
        if head == _BOM:
            stream.read(3)
        yield stream


@contextlib.contextmanager
def decompression_errors(path: str) -> Iterator[None]:
    """Turn the errors of damaged compression in the block into DataError.

    Raises:
        DataError: broken or cut-off compression, or a folder.
    """
    try:
        yield
    except _BROKEN as error:
        raise DataError(
            f"{path}: the compressed data are truncated or damaged ({error})",
            "download or compress the file again",
        ) from error
    except IsADirectoryError as error:
        raise DataError(f"{path} is a folder, not a file") from error
    except OSError as error:
        # bz2 reports damage this way; a real read error carries a number.
        if error.errno is not None:
            raise
        raise DataError(f"{path}: the compressed data are damaged ({error})") from error


def head_of(path: str, size: int, end: bytes = b"") -> bytes:
    """The first bytes of a file, unpacked; no more of it is unpacked than they need.

    Args:
        path: local or remote.
        size: of the head, in bytes.
        end: the head may stop after these, wherever they are.

    Raises:
        DataError: as `open_source`, but UTF-16 is taken as it is.
    """
    if is_remote(path):
        return _head(path, size, end, 0, 0)
    try:
        facts = Path(path).stat()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    return _head(path, size, end, facts.st_mtime_ns, facts.st_size)


@functools.lru_cache(maxsize=256)
def _head(path: str, size: int, end: bytes, changed: int, length: int) -> bytes:
    # Every part of a large dump asks for its head.
    head = b""
    with (
        decompression_errors(path),
        open_binary(path) as raw,
        unpacked(raw, path, _SMALL_PIECE) as stream,
    ):
        while len(head) < size and not (end and end in head):
            block = stream.read1(min(_SMALL_PIECE, size - len(head)))
            if not block:
                break
            head += block
    return head


def unpacked(raw: IO[bytes], path: str, piece: int = PIECE) -> io.BufferedReader:
    """The bytes of an open file, unpacked by the ending of its name, `piece` at a time."""
    name = path.lower()
    packed: Any = raw
    if name.endswith(".gz"):
        packed = gzip.GzipFile(fileobj=raw)
    elif name.endswith(".bz2"):
        packed = bz2.BZ2File(raw)
    elif name.endswith((".xz", ".lzma")):
        packed = lzma.LZMAFile(raw)  # noqa: SIM115 - the caller closes it
    if packed is not raw:
        packed = _Guarded(packed, raw, path)
    return io.BufferedReader(packed, piece)


def refuse_bomb(path: str, packed: int, size: int) -> None:
    """Refuse a compressed file that grows beyond all text as it is read.

    Args:
        path: names it.
        packed: bytes read of it.
        size: bytes that came out of them.

    Raises:
        DataError: these are more than `FREE`, and more than `RATIO` times as many.
    """
    if size > FREE and size > RATIO * packed:
        raise DataError(
            f"{path}: {packed:,} bytes unpack to more than {size:,}: this looks like a "
            "decompression bomb",
            "text usually compresses to about a tenth; check what the file holds",
        )


class _Guarded(io.RawIOBase):
    """An unpacking stream that refuses bombs."""

    def __init__(self, stream: Any, raw: IO[bytes], path: str) -> None:
        self._stream, self._raw, self._path = stream, raw, path
        self._size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        # What is at hand, however little: the next stream may never be wanted.
        count = int(self._stream.readinto1(buffer))
        self._size += count
        if self._size > FREE:
            refuse_bomb(self._path, self._raw.tell(), self._size)
        return count

    def close(self) -> None:
        self._stream.close()
        super().close()


def lines(path: str) -> Iterator[Line]:
    """The lines of a file; a line longer than a megabyte comes in pieces.

    Raises:
        DataError: as `open_source`.
    """
    number, offset, begins = 1, 0, True
    with open_source(path) as stream:
        while blob := stream.readline(PIECE):
            yield Line(number, offset, blob, begins)
            offset += len(blob)
            begins = blob.endswith(b"\n")
            number += begins


def first_line(path: str) -> bytes:
    """The first line that is not blank, at most a megabyte of it; empty for an empty file."""
    for line in lines(path):
        if line.blob.strip():
            return line.blob
    return b""
