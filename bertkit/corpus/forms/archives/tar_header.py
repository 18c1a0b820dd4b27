"""Tells a tar archive of any age by the checksum of its first header."""

from __future__ import annotations

BLOCK = 512
_CHECKSUM = slice(148, 156)


def is_tar(head: bytes) -> bool:
    """True if these first bytes of an (unpacked) file begin a tar archive: pax, GNU, ustar or v7.

    The oldest, of Unix version 7, have no magic number: the sum of all bytes of a header,
    with spaces in place of the sum itself, is all that they have.
    """
    block = head[:BLOCK]
    if len(block) < BLOCK or not block[0]:
        return False
    field = block[_CHECKSUM].strip(b" \0")
    if not field or field.strip(b"01234567"):
        return False
    zeroed = block[:148] + b" " * 8 + block[156:]
    total = sum(zeroed)
    # Some old programs added signed bytes.
    return int(field, 8) in (total, total - 256 * sum(byte > 127 for byte in zeroed))
