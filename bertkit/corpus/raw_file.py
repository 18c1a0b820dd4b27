"""Opens raw files, which are bytes with a name: files, remote ones, members of archives.

Readers of forms get a `RawFile` and open it with `open_source` or `lines` (lines.py), which
give UTF-8, unpacked. Compression is told by content; so is the encoding, where the file
begins with a byte order mark, else `encoding` says it; text that can only be UTF-8 is read as
UTF-8 whatever that says, since one folder may hold both.
"""

from __future__ import annotations

import codecs
import contextlib
import functools
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from bertkit.codecs.packed_stream import (
    MARK,
    PIECE,
    PeekedStream,
    compression_of,
    decompression_errors,
    unpacked,
)
from bertkit.errors import DataError
from bertkit.storage.files import is_remote, open_binary, read_small

UTF8 = "utf-8"
# Smaller files, and members of archives, are read at once.
SMALL = 1_000_000
_SMALL_PIECE = 1 << 10
# Where another encoding is named, so much of a file is looked at, whether it is UTF-8.
_LOOKED_AT = 1 << 16
# So many characters of several bytes are never valid UTF-8 by chance. In these encodings one is
# enough: letters with accents before signs, such as "é" for é, are no text.
_SURE = 8
_WESTERN = {"cp1252", "iso8859-1", "iso8859-15", "iso8859-9", "cp1254"}
# UTF-32 first: its mark begins like that of UTF-16.
_MARKS = (
    (b"\xff\xfe\0\0", "utf-32-le"),
    (b"\0\0\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
    (b"\xef\xbb\xbf", UTF8),
)
_ANY_MARK = tuple(mark for mark, _ in _MARKS)
# What cannot be decoded becomes these bytes, which no reader takes for UTF-8.
_DAMAGE = "\udcff"
MARK_DAMAGE = "bertkit.damage"


def _damage(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return _DAMAGE, error.end


codecs.register_error(MARK_DAMAGE, _damage)


class RawFile:
    """Bytes with a name, to read documents from.

    `str()` of it is its name. One with a path can be opened again and again. One that is an
    open stream, such as a member of an archive, can be looked at (`head`) and then opened once.
    Bytes in memory, such as a small member, are at hand at once.

    Attributes:
        name: names it in messages and in ids of documents, such as `PATH!MEMBER`.
        path: a local or remote file that holds just these bytes; empty for a stream.
        encoding: that of the text, unless the file begins with a byte order mark.
        blob: all its bytes, unpacked, where they are in memory.
    """

    def __init__(
        self, name: str, path: str = "", stream: IO[bytes] | None = None, encoding: str = UTF8
    ) -> None:
        self.name, self.path, self.encoding = name, path, encoding
        self.blob: bytes | None = None
        self._packed = stream
        self._peeked: PeekedStream | None = None

    @classmethod
    def of(cls, place: str | RawFile) -> RawFile:
        """The file at a path, or the raw file itself."""
        return place if isinstance(place, RawFile) else cls(str(place), path=str(place))

    @classmethod
    def of_stream(cls, stream: IO[bytes], name: str, encoding: str = UTF8) -> RawFile:
        """An open stream, read once from where it stands; it need not be seekable.

        It may be compressed, as a file may. Whoever opened it closes it.
        """
        return cls(name, stream=stream, encoding=encoding)

    @classmethod
    def of_bytes(cls, blob: bytes, name: str, encoding: str = UTF8) -> RawFile:
        """A small file whose bytes are in memory, not compressed."""
        file = cls(name, encoding=encoding)
        file.blob = blob
        return file

    def __str__(self) -> str:
        return self.name

    def loaded(self) -> RawFile:
        """This file; where it is local, small and not compressed, it is read now, once."""
        if self.blob is None and self.path and not is_remote(self.path):
            blob = read_small(self.path, SMALL)
            if blob is not None and not compression_of(blob[:MARK], self.name):
                self.blob = blob
        return self

    def head(self, size: int, end: bytes = b"") -> bytes:
        """The first bytes, unpacked but not decoded; no more is unpacked than they need.

        Args:
            size: of the head, in bytes.
            end: the head may stop after these, wherever they are.

        Raises:
            DataError: unreadable, damaged, or a compression that is not read here.
        """
        if self.blob is not None:
            return self.blob[:size]
        if not self.path:
            with decompression_errors(self.name):
                peeked = self._unpacked()
                peeked.extend_head(size, end)
            return peeked.head[:size]
        if is_remote(self.path):
            return _head(self.path, size, end, 0, 0)
        try:
            facts = Path(self.path).stat()
        except OSError as error:
            raise DataError(f"cannot read {self.path}: {error.strerror}") from error
        return _head(self.path, size, end, facts.st_mtime_ns, facts.st_size)

    def compression(self) -> str:
        """How the file at the path is compressed, such as `gzip`; empty for a stream, or not."""
        if not self.path or self.blob is not None:
            return ""
        with open_binary(self.path) as raw:
            return compression_of(raw.read(MARK), self.name)

    @contextlib.contextmanager
    def open(self) -> Iterator[io.BufferedReader]:
        """Its bytes, unpacked but not decoded.

        Raises:
            DataError: unreadable, or broken or cut-off compression.
        """
        if self.blob is not None:
            yield io.BufferedReader(io.BytesIO(self.blob), min(PIECE, len(self.blob) + 1))
            return
        with decompression_errors(self.name), contextlib.ExitStack() as stack:
            if not self.path:
                yield io.BufferedReader(_Kept(self._unpacked()), PIECE)
                return
            raw = stack.enter_context(open_binary(self.path))
            yield stack.enter_context(unpacked(raw, self.name))

    @contextlib.contextmanager
    def open_seekable(self) -> Iterator[IO[bytes]]:
        """Its bytes, unpacked, in a file that can be read at any place.

        That is the file itself where it is not compressed, else a copy in a temporary file.
        """
        if self.blob is not None:
            yield io.BytesIO(self.blob)
            return
        if self.path and not self.compression():
            with open_binary(self.path) as stream:
                yield stream
            return
        with self.open() as stream, tempfile.TemporaryFile() as copy:
            while block := stream.read(PIECE):
                copy.write(block)
            copy.seek(0)
            yield copy

    @contextlib.contextmanager
    def open_between(self, start: int, stop: int) -> Iterator[io.BufferedReader]:
        """Some bytes of the file at the path, as they are."""
        with open_binary(self.path) as stream:
            stream.seek(start)
            yield io.BufferedReader(_Limited(stream, stop - start), PIECE)

    def _unpacked(self) -> PeekedStream:
        if self._peeked is None:
            assert self._packed is not None, f"{self.name} has neither path nor stream"
            self._peeked = PeekedStream(unpacked(self._packed, self.name))
        return self._peeked


@contextlib.contextmanager
def open_source(place: str | RawFile) -> Iterator[IO[bytes]]:
    """Open a raw file for reading its text as UTF-8, unpacked.

    A byte order mark at the start is skipped, and counts before `RawFile.encoding`. What
    cannot be decoded becomes bytes that are not UTF-8, so that it costs its document only.

    Raises:
        DataError: unreadable, or broken or cut-off compression.
    """
    file = RawFile.of(place)
    named = encoding_of(file)
    with file.open() as stream:
        coding, mark = marked_encoding(stream.peek(4)[:4])
        stream.read(mark)
        coding = coding or named
        if not is_utf8(coding):
            stream = io.BufferedReader(_Recoded(stream, coding), PIECE)
        yield stream


def marked_encoding(head: bytes) -> tuple[str, int]:
    """The encoding that a byte order mark names, and the bytes of the mark; empty without."""
    if head.startswith(_ANY_MARK):
        for mark, coding in _MARKS:
            if head.startswith(mark):
                return coding, len(mark)
    return "", 0


def encoding_of(file: RawFile) -> str:
    """What text without a byte order mark is in: `file.encoding`, or UTF-8 where it surely is."""
    if is_utf8(file.encoding) or not _surely_utf8(file.head(_LOOKED_AT), file.encoding):
        return file.encoding
    return UTF8


def _surely_utf8(head: bytes, encoding: str) -> bool:
    """Whether bytes are UTF-8, and not valid UTF-8 by chance, being of another encoding."""
    if head.isascii():
        return False
    try:
        text = codecs.getincrementaldecoder(UTF8)().decode(head)  # the end may be cut
    except UnicodeDecodeError:
        return False
    if "\0" in text:  # UTF-16 and UTF-32 without a mark
        return False
    needed = 1 if codecs.lookup(encoding).name in _WESTERN else _SURE
    return sum(character > "\x7f" for character in text) >= needed


def is_utf8(encoding: str) -> bool:
    """Whether the name of an encoding means UTF-8."""
    return encoding == UTF8 or codecs.lookup(encoding).name == UTF8


def as_utf8(head: bytes, encoding: str = UTF8, whole: bool = False) -> bytes:
    """The first bytes of a file as `open_source` gives them.

    Args:
        head: the bytes.
        encoding: that of the text, unless they begin with a byte order mark.
        whole: they are the whole file; else a character cut off at their end is left out.
    """
    coding, mark = marked_encoding(head)
    coding = coding or encoding
    if is_utf8(coding):
        return head[mark:]
    decoder = codecs.getincrementaldecoder(coding)(MARK_DAMAGE)
    return decoder.decode(head[mark:], whole).encode(UTF8, "surrogatepass")


def head_of(place: str | RawFile, size: int, end: bytes = b"") -> bytes:
    """The first bytes of a raw file; see `RawFile.head`."""
    return RawFile.of(place).head(size, end)


@functools.lru_cache(maxsize=256)
def _head(path: str, size: int, end: bytes, changed: int, length: int) -> bytes:
    # Every part of a large dump asks for its head.
    with (
        decompression_errors(path),
        open_binary(path) as raw,
        unpacked(raw, path, _SMALL_PIECE) as stream,
    ):
        peeked = PeekedStream(stream)
        peeked.extend_head(size, end)
        return peeked.head[:size]


class _Kept(io.RawIOBase):
    """A stream that stays open when what reads it is closed."""

    def __init__(self, stream: PeekedStream) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._stream.readinto(buffer)


class _Limited(io.RawIOBase):
    """So many bytes of a stream."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self._stream, self._left = stream, size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self._stream.read(min(len(buffer), self._left))
        buffer[: len(block)] = block
        self._left -= len(block)
        return len(block)


class _Recoded(io.RawIOBase):
    """A stream in another encoding as UTF-8."""

    def __init__(self, stream: IO[bytes], encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)(MARK_DAMAGE)
        self._ready = memoryview(b"")
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready and not self._ended:
            block = self._stream.read(PIECE)
            self._ended = not block
            text = self._decoder.decode(block, self._ended)
            self._ready = memoryview(text.encode(UTF8, "surrogatepass"))
        count = min(len(buffer), len(self._ready))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count
