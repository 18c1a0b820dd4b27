"""Opens text files for those who read them as they are: unpacked, and otherwise unchanged."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path

from bertkit.codecs.packed_stream import PIECE, decompression_errors, unpacked
from bertkit.storage.files import open_binary


@contextlib.contextmanager
def open_text(path: str | Path, piece: int = PIECE) -> Iterator[io.BufferedReader]:
    """The bytes of a text file; one that is compressed, whatever its name, is unpacked.

    Args:
        path: of the file.
        piece: so many bytes at most are read ahead.

    Raises:
        DataError: unreadable, broken or cut-off compression, or a kind that is not read here.
        MissingDependencyError: zstd, and no package for it.
    """
    with decompression_errors(str(path)), contextlib.ExitStack() as stack:
        raw = stack.enter_context(open_binary(path))
        yield stack.enter_context(unpacked(raw, str(path), piece))
