"""Decodes UTF-8, and tells from the bytes what a file is that is not UTF-8."""

from __future__ import annotations

import re
from pathlib import Path

from bertkit.errors import DataError
from bertkit.text.files import open_text

_SAMPLE = 512  # bytes that are looked at
_GIVE_TEXT = "give text files"
_NOT_TEXT = (
    (b"\x1f\x8b", "compressed with gzip", "unpack it: gzip -dc FILE > NEW"),
    (b"BZh", "compressed with bzip2", "unpack it: bzip2 -dc FILE > NEW"),
    (b"\xfd7zXZ\0", "compressed with xz", "unpack it: xz -dc FILE > NEW"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "unpack it: zstd -dc FILE > NEW"),
    (b"PK\x03\x04", "a zip archive", "unpack it: unzip FILE"),
    (b"PAR1", "parquet", "`bertkit extract` makes text files"),
    (b"\xff\xfe\0\0", "UTF-32", "convert it: iconv -f UTF-32 -t UTF-8 FILE > NEW"),
    (b"\0\0\xfe\xff", "UTF-32", "convert it: iconv -f UTF-32 -t UTF-8 FILE > NEW"),
    (b"\xff\xfe", "UTF-16", "convert it: iconv -f UTF-16 -t UTF-8 FILE > NEW"),
    (b"\xfe\xff", "UTF-16", "convert it: iconv -f UTF-16 -t UTF-8 FILE > NEW"),
)


def decode_utf8(blob: bytes, path: str | Path) -> str:
    """Bytes of a file as text.

    Raises:
        DataError: not UTF-8; names file, line and byte offset.
    """
    try:
        return blob.decode("utf-8")
    except UnicodeDecodeError as error:
        line = blob.count(b"\n", 0, error.start) + 1
        raise not_utf8(path, line, error.start, blob) from error


def not_utf8(path: str | Path, line: int, offset: int, blob: bytes, begin: int = 0) -> DataError:
    """The error for a text file that is not UTF-8: where, which byte, what to do.

    Only text of one byte per letter is told to be converted from such an encoding: of
    everything else that would make text which no later step can tell from the right one.

    Args:
        path: the file.
        line: of the byte.
        offset: of the byte in the file.
        blob: the file, or a part of it.
        begin: where that part begins in the file.
    """
    from bertkit.kinds.misplaced import misplaced_kind  # which reads files by way of this module
    from bertkit.kinds.recognise import HEAD, OTHER, TEXT, kind_of_opened

    at = offset - begin
    where = f"{path}:{line}: not UTF-8 at byte {offset} (0x{blob[at]:02x})"
    head = _beginning(path) if begin else blob
    for magic, kind, remedy in _NOT_TEXT:
        if head.startswith(magic):
            return DataError(f"{where}: the file is {kind}", remedy)
    # A part of the beginning, such as a line, may be too short to tell what the file is.
    short = not begin and len(blob) < HEAD
    found = kind_of_opened(path, (_beginning(path) or blob) if short else head)
    if found and found.name == OTHER and found.remedy is not None:
        return DataError(f"{where}: the file looks like {found.words}", found.remedy or _GIVE_TEXT)
    if other := misplaced_kind(path, found, TEXT):
        return other
    around = blob[max(0, at - _SAMPLE) : at + _SAMPLE]
    if coding := wide_encoding(head[:_SAMPLE]):
        name = coding[:6].upper()
        return DataError(
            f"{where}: every other byte is 0, as in {name} without a mark",
            f"convert it: {iconv_command(coding)}",
        )
    if blob[at] == 0xED and blob[at + 1 : at + 2] >= b"\xa0":
        return DataError(
            f"{where}: half a character, as CESU-8 and Java write those beyond U+FFFF",
            "write it again as UTF-8; iconv from another encoding would make other text of it",
        )
    controls = sum(byte < 9 or 13 < byte < 32 for byte in around)
    if controls * 20 > len(around):
        return DataError(f"{where}: it looks like no text", _GIVE_TEXT)
    return DataError(
        where,
        "if the text is in an encoding of one byte per letter, name it: iconv -f LATIN1 -t UTF-8"
        " FILE > NEW",
    )


def iconv_command(encoding: str) -> str:
    """The command that converts a file; iconv writes UTF-16LE where Python has utf-16-le."""
    name = re.sub(r"-([LB]E)$", r"\1", encoding.upper())
    return f"iconv -f {name} -t UTF-8 FILE > NEW"


def _beginning(path: str | Path) -> bytes:
    """The first bytes of a file, unpacked; none of what is no file."""
    from bertkit.kinds.recognise import HEAD

    try:
        with open_text(path) as stream:
            return stream.read(HEAD)
    except (DataError, OSError):
        return b""


def wide_encoding(head: bytes) -> str:
    """The encoding of two or four bytes per character, without a mark, that bytes seem to be in.

    Args:
        head: the first bytes of a file.

    Returns:
        `utf-16-le`, `utf-16-be`, `utf-32-le`, `utf-32-be`; empty for none of them.
    """
    if head.count(0) < 3:
        return ""
    even = head[: len(head) // 4 * 4]
    zeros = [even[place::4].count(0) for place in range(4)]
    count = len(even) // 4
    if sum(zeros) < 3 or not count:
        return ""
    if min(zeros[2:]) > 0.9 * count and zeros[0] < 0.1 * count:
        found = "utf-32-le"
    elif min(zeros[:2]) > 0.9 * count and zeros[3] < 0.1 * count:
        found = "utf-32-be"
    else:
        low, high = zeros[0] + zeros[2], zeros[1] + zeros[3]
        if max(low, high) < 0.01 * len(even) or min(low, high) * 20 > max(low, high):
            return ""
        found = "utf-16-le" if high > low else "utf-16-be"
    try:
        text = even[: len(even) - 4].decode(found) if len(even) > 64 else even.decode(found)
    except UnicodeDecodeError:
        return ""
    strange = sum(not (char.isprintable() or char.isspace()) for char in text)
    return found if strange * 20 <= len(text) else ""
