"""Gives record files that are compressed whole as plain ones.

TensorFlow's `TFRecordOptions("GZIP")` and `("ZLIB")` write such files, and people use zstd, bzip2
and xz (packed_stream.py). zlib is told here only, because text may begin as it does.

Records are read in random order, which a compressed file cannot be. So it is unpacked once into
the user's cache, and again when it changes; what is only read from its beginning is unpacked on
the way.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from bertkit import log
from bertkit.codecs import packed_stream
from bertkit.codecs.chained_streams import is_zlib, open_zlib
from bertkit.codecs.packed_stream import decompression_errors
from bertkit.errors import DataError
from bertkit.kernels.crc32c import masked_crc32c
from bertkit.storage import files
from bertkit.storage.shared_cache import cache_folder, one_process_at_a_time

_PROBED = 16
_HEADER = 12  # bytes of a TFRecord's: its length and the checksum of that
_ZIP = b"PK\x03\x04"


@contextlib.contextmanager
def open_unpacked(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A local or remote file from its beginning, unpacked where it is compressed.

    Raises:
        DataError: no such file, or compressed otherwise; when read also: damaged or cut off.
    """
    name = os.fspath(path)
    with files.open_binary(name) as stream:
        head = stream.read(_PROBED)
        stream.seek(0)
        if not _is_compressed(name, head):
            yield stream
            return
        with decompression_errors(name):
            yield open_zlib(stream, name) if is_zlib(head) else packed_stream.unpacked(stream, name)


def unpacked(path: str) -> str:
    """The path of a file with the same content that is not compressed; most are it themselves.

    Raises:
        DataError: compressed otherwise, damaged, or there is no room for it.
    """
    try:
        with open(path, "rb") as stream:
            if not _is_compressed(path, stream.read(_PROBED)):
                return path
    except OSError:  # the readers say what is wrong
        return path
    place = _place(path)
    with one_process_at_a_time(place.parent):
        if not place.is_file():
            _unpack(path, place)
    return str(place)


def _is_compressed(path: str, head: bytes) -> bool:
    """Whether these are the first bytes of a stream that we unpack.

    The length in front of a TFRecord can look like one, but has its checksum behind it.
    """
    length, checksum = head[:8], head[8:_HEADER]
    if len(checksum) == 4 and masked_crc32c(length) == struct.unpack("<I", checksum)[0]:
        return False
    if head.startswith(_ZIP):
        raise DataError(f"{path} is a zip archive", "unpack it first; gzip and others are read")
    return is_zlib(head) or bool(packed_stream.compression_of(head, path))


def _place(path: str) -> Path:
    """Where the content of a file as it is now is kept, in a folder of its own."""
    real = os.path.realpath(path)
    facts = Path(real).stat()
    folder = hashlib.sha256(os.fsencode(real)).hexdigest()[:40]
    version = f"{facts.st_size:x}-{facts.st_mtime_ns:x}"
    return cache_folder() / "unpacked" / folder / version / os.path.basename(real)


def _unpack(path: str, place: Path) -> None:
    # What was unpacked of the file before it changed.
    for old in place.parent.parent.iterdir() if place.parent.parent.is_dir() else ():
        if old != place.parent:
            shutil.rmtree(old, ignore_errors=True)
    try:
        with open_unpacked(path) as stream, files.atomic_write(place) as target:
            shutil.copyfileobj(stream, target, files.CHUNK)
    except OSError as error:
        raise DataError(
            f"cannot unpack {path} to {place}: {error.strerror or error}",
            "unpack it beforehand, or name a cache folder with more room: XDG_CACHE_HOME",
        ) from error
    log.logger.info(
        "%s is compressed: unpacked once to %s (%s)",
        path,
        place.parent,
        files.human_bytes(place.stat().st_size),
    )
