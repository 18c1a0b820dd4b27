"""Unpacks zstd streams of any number of frames, with Python's own module or the package zstandard.

Python has one since 3.14. The package's own reader takes a frame that is cut off for the end
of the file; the one here does not.
"""

from __future__ import annotations

import importlib
import io
from typing import IO, Any

from bertkit.optional import require

# A block of a few bytes may grow to 128 KiB: little is unpacked at a time.
_PACKED_PIECE = 4096
# Some archives are packed with `zstd --long=31`.
_WINDOW_LOG = 31


class DamagedError(Exception):
    """Bytes that are no zstd, or not all of it."""


def open_zstd(raw: IO[bytes]) -> io.BufferedReader:
    """The unpacked bytes of an open zstd stream; DamagedError as it is read.

    Raises:
        MissingDependencyError: no package can unpack it.
    """
    return io.BufferedReader(_Unpacking(raw))


def _decompressor() -> tuple[Any, type[Exception]]:
    """A function that makes an object for one frame, and the error of that object."""
    try:
        own: Any = importlib.import_module("compression.zstd")
    except ImportError:
        package = require("zstandard", "zstd files", extra="zstd")
        shared = package.ZstdDecompressor(max_window_size=1 << _WINDOW_LOG)
        return shared.decompressobj, package.ZstdError
    limit = {own.DecompressionParameter.window_log_max: _WINDOW_LOG}
    return (lambda: own.ZstdDecompressor(options=limit)), own.ZstdError


class _Unpacking(io.RawIOBase):
    """Unpacks frame after frame, `_PACKED_PIECE` bytes of them at a time."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self._new_frame, self._error = _decompressor()
        self._frame: Any = None
        self._packed = b""
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            if not self._packed:
                self._packed = self._raw.read(_PACKED_PIECE)
            if not self._packed:
                if self._frame is not None:
                    raise DamagedError("the last frame does not end")
                return 0
            self._unpack()
        count = min(len(buffer), len(self._ready))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def _unpack(self) -> None:
        if self._frame is None:
            self._frame = self._new_frame()
        try:
            self._ready = memoryview(self._frame.decompress(self._packed))
        except self._error as error:
            raise DamagedError(str(error)) from error
        self._packed = b""
        if self._frame.eof:
            self._packed = self._frame.unused_data
            self._frame = None
