"""Refuses what is no text by the name of what it looks like, before it becomes training text."""

from __future__ import annotations

from bertkit.corpus.raw_file import RawFile
from bertkit.errors import DataError

# Archives that cannot be read here: 7z and rar.
_UNREADABLE = (b"7z\xbc\xaf", b"Rar!")


def refuse_foreign(file: RawFile, head: bytes, text: bytes) -> None:
    """Refuse a file of which no form knows the content, unless that is plain text.

    Args:
        file: the raw file.
        head: its first bytes, unpacked.
        text: the same as UTF-8.

    Raises:
        DataError: says what it looks like and what to do.
    """
    if head.startswith(_UNREADABLE):
        raise DataError(f"{file} is an archive of files", "unpack it, then give the folder")
