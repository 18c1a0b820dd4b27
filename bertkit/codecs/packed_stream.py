"""Unpacks compressed streams as they are read: gzip, bzip2, xz, lzma and zstd, by their content.

The first bytes tell how a stream is compressed, not the name of its file: `text` may be gzip,
`text.gz` may have been unpacked on its way here. Only lzma without xz around it, whose bytes
have no mark, needs its ending too.
"""

from __future__ import annotations

import contextlib
import io
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any, NamedTuple

from bertkit.codecs import zstd_stream
from bertkit.codecs.chained_streams import open_bzip2, open_gzip, open_xz
from bertkit.errors import DataError

PIECE = 1 << 20
# Zeros shrink by a factor of 1,000 (gzip) to 900,000 (bzip2), text hardly by 20.
RATIO = 500
FREE = 256_000_000
# A compressed file that was compressed again happens; more layers are a trap.
LAYERS = 2
# So many bytes tell the compression.
MARK = 16
ENDINGS = (".gz", ".bz2", ".xz", ".lzma", ".zst", ".zstd")
_BROKEN = (EOFError, lzma.LZMAError, zlib.error, zstd_stream.DamagedError)


class _Compression(NamedTuple):
    """One kind of compressed stream; `opener` is None, with a hint, for those not read here."""

    name: str
    mark: re.Pattern[bytes]
    opener: Callable[[IO[bytes], str], io.BufferedReader] | None
    hint: str = ""


def _open_zstd(raw: IO[bytes], name: str) -> io.BufferedReader:
    return zstd_stream.open_zstd(raw)


_KINDS = (
    _Compression("gzip", re.compile(rb"\x1f\x8b\x08"), open_gzip),
    _Compression("bzip2", re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)"), open_bzip2),
    _Compression("xz", re.compile(rb"\xfd7zXZ\0"), open_xz),
    _Compression("zstd", re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"), _open_zstd),
    _Compression("compress (.Z)", re.compile(rb"\x1f\x9d"), None, "uncompress FILE"),
    _Compression("lz4", re.compile(rb"\x04\x22\x4d\x18"), None, "lz4 -d FILE"),
    _Compression("snappy", re.compile(rb"\xff\x06\0\0sNaPpY"), None, "python -m snappy -d FILE"),
    _Compression("lzip", re.compile(rb"LZIP[\0\1]"), None, "lzip -d FILE"),
    _Compression("lzop", re.compile(rb"\x89LZO\0"), None, "lzop -d FILE"),
)
_ANY_MARK = re.compile(b"|".join(kind.mark.pattern for kind in _KINDS))
# These have no mark, so that a name and bytes that are no text must do.
_LZMA = _Compression("lzma", re.compile(rb"\x5d\0\0"), open_xz)
_BROTLI = _Compression("brotli", re.compile(rb""), None, "brotli -d FILE")


def compression_of(head: bytes, name: str = "") -> str:
    """How a stream is compressed, such as `gzip`; empty for one that is not.

    Args:
        head: its first 16 bytes.
        name: of its file.
    """
    found = _compression(head, name)
    return found.name if found else ""


def _compression(head: bytes, name: str) -> _Compression | None:
    # One search tells that there is nothing to do, as for nearly all members of archives.
    for kind in _KINDS if _ANY_MARK.match(head) else ():
        if kind.mark.match(head):
            return kind
    lower = name.lower()
    if lower.endswith(".lzma") and _LZMA.mark.match(head):
        return _LZMA
    if lower.endswith(".br") and re.search(rb"[\0-\x08\x0e-\x1f\x80-\xff]", head):
        return _BROTLI
    return None


def without_ending(name: str) -> str:
    """A file's name in lower case, without the endings of compressions."""
    lower = name.lower()
    if not lower.endswith(ENDINGS):
        return lower
    while ending := next((ending for ending in ENDINGS if lower.endswith(ending)), ""):
        lower = lower.removesuffix(ending)
    return lower


def unpacked(raw: IO[bytes], name: str, piece: int = PIECE) -> io.BufferedReader:
    """The bytes of an open stream, unpacked if they are compressed, `piece` at a time.

    Args:
        raw: read from where it stands; need not be seekable. The caller closes it.
        name: of the file, for messages.
        piece: of so many bytes at most is made at a time.

    Raises:
        DataError: a compression that is not read here; or compressed more than twice.
        MissingDependencyError: zstd, and no package for it.
        EOFError, OSError, ...: damage, here or as it is read; see `decompression_errors`.
    """
    stream = PeekedStream(raw, MARK)
    for layer in range(LAYERS + 1):
        kind = _compression(stream.head, name)
        if kind is None:
            return io.BufferedReader(stream, piece)
        if kind.opener is None:
            raise DataError(
                f"{name} is compressed with {kind.name}, which is not read here",
                f"unpack it first: {kind.hint}",
            )
        if layer == LAYERS:
            break
        guarded = _Guarded(kind.opener(io.BufferedReader(stream), name), stream, name)
        stream = PeekedStream(io.BufferedReader(guarded, piece), MARK)
        name = name[: name.rfind(".")] if name.lower().endswith(ENDINGS) else name
    raise DataError(
        f"{name} is compressed more than {LAYERS} times", "unpack it, and look what it holds"
    )


@contextlib.contextmanager
def decompression_errors(name: str) -> Iterator[None]:
    """Turn the errors of damaged compression in the block into DataError.

    Raises:
        DataError: broken or cut-off compression, or a folder.
    """
    try:
        yield
    except _BROKEN as error:
        raise DataError(
            f"{name}: the compressed data are truncated or damaged ({error})",
            "download or compress the file again",
        ) from error
    except IsADirectoryError as error:
        raise DataError(f"{name} is a folder, not a file") from error
    except OSError as error:
        # bz2 and `ChainedStreams` report damage this way; a real read error carries a number.
        if error.errno is not None:
            raise
        raise DataError(f"{name}: the compressed data are damaged ({error})") from error


def refuse_bomb(name: str, packed: int, size: int) -> None:
    """Refuse a compressed file that grows beyond all text as it is read.

    Args:
        name: names it.
        packed: bytes read of it.
        size: bytes that came out of them.

    Raises:
        DataError: these are more than `FREE`, and more than `RATIO` times as many.
    """
    if size > FREE and size > RATIO * packed:
        raise DataError(
            f"{name}: {packed:,} bytes unpack to more than {size:,}: this looks like a "
            "decompression bomb",
            "text usually compresses to about a tenth; check what the file holds",
        )


class PeekedStream(io.RawIOBase):
    """A stream whose first bytes are known before it is read; it need not be seekable.

    Attributes:
        head: the first bytes, at least as many as were asked for unless it is shorter.
        count: bytes given out, or read ahead by what reads this stream.
    """

    def __init__(self, stream: IO[bytes], size: int = 0) -> None:
        self._stream: Any = stream
        self.head = b""
        self.count = 0
        self.extend_head(size)

    def extend_head(self, size: int, end: bytes = b"") -> None:
        """Make the head longer, before anything is read; it may stop behind `end`."""
        held = bytearray(self.head)
        while len(held) < size and not (end and end in held):
            block = self._some(min(size - len(held), PIECE))
            if not block:
                break
            held += block
        self.head = bytes(held)

    def _some(self, size: int) -> bytes:
        # What is at hand, however little: the next compressed stream may never be wanted.
        read = getattr(self._stream, "read1", self._stream.read)
        return bytes(read(size))

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with the head, then with what is at hand of the rest."""
        if self.count < len(self.head):
            block = self.head[self.count : self.count + len(buffer)]
            buffer[: len(block)] = block
            count = len(block)
        else:
            fill = getattr(self._stream, "readinto1", self._stream.readinto)
            count = int(fill(buffer))
        self.count += count
        return count

    def close(self) -> None:
        """Close this stream, and one that unpacks for it; not what the caller opened."""
        if isinstance(getattr(self._stream, "raw", None), _Guarded):
            self._stream.close()
        super().close()


class _Guarded(io.RawIOBase):
    """An unpacking stream that refuses bombs."""

    def __init__(self, stream: Any, packed: PeekedStream, name: str) -> None:
        self._stream, self._packed, self._name = stream, packed, name
        self._size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        # What is at hand, however little: the next stream may never be wanted.
        count = int(self._stream.readinto1(buffer))
        self._size += count
        if self._size > FREE:
            refuse_bomb(self._name, self._packed.count, self._size)
        return count

    def close(self) -> None:
        self._stream.close()
        super().close()
