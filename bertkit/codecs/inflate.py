"""Reads gzip and zlib streams, of several members too, and says whether they are whole."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from typing import IO, Any

_BLOCK = 1 << 16  # deflate makes at most a thousandfold of it
_EITHER = 32 + zlib.MAX_WBITS  # zlib's own detection of both headers
GZIP = b"\x1f\x8b"


def is_deflated(head: bytes) -> bool:
    """Whether a file that begins so may be a gzip or zlib stream."""
    if head.startswith(GZIP):
        return True
    # RFC 1950: deflate with a window of 32 kB, both bytes together divisible by 31.
    return head[:1] == b"x" and len(head) > 1 and int.from_bytes(head[:2], "big") % 31 == 0


class InflatedStream(io.RawIOBase):
    """The content of a compressed stream; wrap it in `io.BufferedReader`.

    Args:
        stream: at its beginning.
        error: text → the exception to raise for a damaged stream.
    """

    def __init__(self, stream: IO[bytes], error: Callable[[str], Exception]) -> None:
        super().__init__()
        self._stream = stream
        self._error = error
        self._member: Any = zlib.decompressobj(_EITHER)
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with the next bytes; 0 at the end."""
        while not self._ready:
            block = self._member.unused_data if self._member.eof else self._stream.read(_BLOCK)
            if self._member.eof:
                block = self._next_member(block)
                if not block:
                    return 0
            if not block:
                raise self._error("the compressed file is cut off")
            try:
                self._ready = memoryview(self._member.decompress(block))
            except zlib.error as error:
                raise self._error(f"the compressed file is damaged: {error}") from error
        size = min(len(self._ready), len(buffer))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def _next_member(self, rest: bytes) -> bytes:
        """Begin what follows a whole member; its first bytes, or none. Zeros may pad the end."""
        rest = rest.lstrip(b"\0")
        while not rest and (more := self._stream.read(_BLOCK)):
            rest = more.lstrip(b"\0")
        if len(rest) == 1:
            rest += self._stream.read(_BLOCK)
        if rest and not is_deflated(rest):
            raise self._error("the compressed file has other bytes at its end")
        if rest:
            self._member = zlib.decompressobj(_EITHER)
        return rest
