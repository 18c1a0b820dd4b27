"""Unpacks the streams of a packed file one behind the other, and says what follows the last.

Python's own readers take whatever follows a stream of bzip2 or xz, damage too, for the end of the
file, and refuse a gzip file with a few bytes behind it. Here, as in gzip's and bzip2's own
programs, such bytes are left out with a warning; but not if another stream comes after them.
"""

from __future__ import annotations

import bz2
import functools
import io
import lzma
import re
import zlib
from collections.abc import Callable
from typing import IO, Any

from bertkit import log

_BLOCK = 1 << 16
# More than the longest mark of a stream.
_MARK = 16


class ChainedStreams(io.RawIOBase):
    """The unpacked bytes of all streams; wrap it in `io.BufferedReader`.

    Reading raises EOFError where the last stream does not end, and OSError, `zlib.error` or
    `lzma.LZMAError` for damage.

    Args:
        raw: at the beginning of the first stream.
        new: makes an object that unpacks one stream, like `bz2.BZ2Decompressor`.
        mark: what every stream begins with.
        name: of the file, for the warning.
    """

    def __init__(
        self, raw: IO[bytes], new: Callable[[], Any], mark: re.Pattern[bytes], name: str
    ) -> None:
        super().__init__()
        self._raw, self._new, self._mark, self._name = raw, new, mark, name
        self._stream = new()
        self._packed = b""
        self._ended = False

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with what is at hand; 0 at the end."""
        while not self._ended:
            if self._stream.eof and not self._begin_next():
                break
            packed, self._packed = self._packed, b""
            wants_more = self._stream.needs_input and not packed
            packed = self._more() if wants_more else packed
            block = self._stream.decompress(packed, len(buffer))
            if block:
                buffer[: len(block)] = block
                return len(block)
            if wants_more and not packed and not self._stream.eof:
                raise EOFError("the last stream does not end")
        self._ended = True
        return 0

    def _begin_next(self) -> bool:
        """Begin the stream behind one that has ended; zeros between them are padding."""
        rest = self._stream.unused_data.lstrip(b"\0")
        while len(rest) < _MARK and (more := self._more()):
            rest = (rest + more).lstrip(b"\0")
        if self._mark.match(rest):
            self._stream, self._packed = self._new(), rest
            return True
        if rest:
            self._leave_out(rest)
        return False

    def _leave_out(self, rest: bytes) -> None:
        """Go over bytes that belong to no stream, to the end of the file."""
        size = 0
        while rest:
            if found := self._mark.search(rest):
                raise OSError(f"{size + found.start()} bytes between two streams belong to none")
            kept = rest[1 - _MARK :] if len(rest) >= _MARK else rest
            size += len(rest) - len(kept)
            more = self._more()
            if not more:
                size += len(kept)
                break
            rest = kept + more
        _warn_of_rest(self._name, size)

    def _more(self) -> bytes:
        read = getattr(self._raw, "read1", self._raw.read)
        return bytes(read(_BLOCK))


@functools.lru_cache(maxsize=1024)
def _warn_of_rest(name: str, size: int) -> None:
    # Once: many read their input twice.
    log.logger.warning("%s: %s bytes behind the compressed data are left out", name, f"{size:,}")


class _Inflate:
    """One stream of zlib or gzip, with the methods of `bz2.BZ2Decompressor`."""

    def __init__(self, wbits: int) -> None:
        self._stream = zlib.decompressobj(wbits)

    @property
    def eof(self) -> bool:
        return self._stream.eof

    @property
    def unused_data(self) -> bytes:
        return self._stream.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._stream.unconsumed_tail

    def decompress(self, packed: bytes, most: int) -> bytes:
        return self._stream.decompress(self._stream.unconsumed_tail + packed, most)


# The byte behind gzip's mark holds flags, of which three are not in use.
_GZIP = re.compile(rb"\x1f\x8b\x08[\0-\x1f]")
_BZIP2 = re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)")
_XZ = re.compile(rb"\xfd7zXZ\0")
# RFC 1950, with a window of 32 kB.
_ZLIB = re.compile(rb"x[\x01\x5e\x9c\xda]")


def open_gzip(raw: IO[bytes], name: str) -> io.BufferedReader:
    """The unpacked bytes of an open gzip file."""
    return _opened(raw, functools.partial(_Inflate, 16 + zlib.MAX_WBITS), _GZIP, name)


def open_zlib(raw: IO[bytes], name: str) -> io.BufferedReader:
    """The unpacked bytes of an open zlib stream."""
    return _opened(raw, functools.partial(_Inflate, zlib.MAX_WBITS), _ZLIB, name)


def open_bzip2(raw: IO[bytes], name: str) -> io.BufferedReader:
    """The unpacked bytes of an open bzip2 file."""
    return _opened(raw, bz2.BZ2Decompressor, _BZIP2, name)


def open_xz(raw: IO[bytes], name: str) -> io.BufferedReader:
    """The unpacked bytes of an open xz file, or of one of lzma without xz around it."""
    return _opened(raw, lzma.LZMADecompressor, _XZ, name)


def is_zlib(head: bytes) -> bool:
    """Whether a file that begins so may be a zlib stream; some text begins so too."""
    return _ZLIB.match(head) is not None


def _opened(
    raw: IO[bytes], new: Callable[[], Any], mark: re.Pattern[bytes], name: str
) -> io.BufferedReader:
    return io.BufferedReader(ChainedStreams(raw, new, mark, name), _BLOCK)
