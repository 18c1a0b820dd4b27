"""Tells the encoding and the root element of an XML file, and turns its bytes into UTF-8."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from itertools import chain
from typing import IO

from bertkit.codecs.packed_stream import PIECE
from bertkit.corpus.raw_file import MARK_DAMAGE
from bertkit.errors import DataError

# First bytes of a file → its encoding; a mark of UTF-32 begins like one of UTF-16.
_MARKS = (
    (b"\xff\xfe\0\0", "utf-32-le"),
    (b"\0\0\xfe\xff", "utf-32-be"),
    (b"<\0\0\0", "utf-32-le"),
    (b"\0\0\0<", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
    (b"\xef\xbb\xbf", "utf-8"),
)
_DECLARED = re.compile(rb"<\?xml\s[^>]*?\bencoding\s*=\s*[\"']([A-Za-z][\w.-]*)[\"']")
# Python's names for what is no encoding of files.
_NO_ENCODINGS = {"punycode", "idna", "unicode_escape", "raw_unicode_escape", "undefined"}
# What may stand before the root element: white space, <?...?>, comments, a DOCTYPE.
_PROLOG = re.compile(
    rb"\s+|<\?.*?\?>|<!--.*?-->|<!DOCTYPE(?:[^>\[\"']|\"[^\"]*\"|'[^']*')*(?:\[.*?\]\s*)?>",
    re.DOTALL,
)
_ROOT = re.compile(rb"<(?:[\w.-]+:)?([A-Za-z_][\w.-]*)(?=[\s/>])")
# White space and marks in any encoding.
_BEFORE = b" \t\r\n\v\f\0\xff\xfe\xef\xbb\xbf"
# No declaration is longer.
_HEAD = 1 << 12


def encoding_of(head: bytes) -> str:
    """The encoding of a file from its first bytes: its mark, else what it declares.

    Raises:
        DataError: it declares one that Python does not know.
    """
    marked = next((name for mark, name in _MARKS if head.startswith(mark)), "")
    found = None if marked else _DECLARED.match(head.lstrip())
    if found is None:
        return marked or "utf-8"
    declared = found.group(1).decode("ascii")
    try:
        known = codecs.lookup(declared)
    except LookupError:
        known = None
    if known is None or known.name in _NO_ENCODINGS or not known._is_text_encoding:
        raise DataError(
            f"the file declares the encoding {declared}, which is not known",
            "convert the file to UTF-8, and its declaration with it",
        )
    # A declaration that reads as ASCII is not in UTF-16 or UTF-32, whatever it says.
    return "utf-8" if known.name.startswith(("utf-16", "utf-32", "utf-8")) else known.name


def as_utf8(blob: bytes) -> bytes:
    """A whole file, or its head, as UTF-8 without a byte order mark.

    Bytes that mean nothing in its encoding become bytes that are not UTF-8.

    Raises:
        DataError: as `encoding_of`.
    """
    return b"".join(_recoded(iter([blob]), encoding_of(blob[:_HEAD])))


def opened(stream: IO[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """An open file, whatever its encoding.

    Args:
        stream: its bytes, unpacked, from the first.

    Returns:
        The local name of its root element (empty where its first megabyte opens none), and
        the file in blocks of UTF-8 without a byte order mark.

    Raises:
        DataError: as `encoding_of`.
    """
    head = b""
    while len(head) < PIECE and (block := stream.read(PIECE - len(head))):
        head += block
    blocks = chain([head], iter(lambda: stream.read(PIECE), b""))
    return root_element(head), _recoded(blocks, encoding_of(head))


def root_element(head: bytes) -> bytes:
    """The local name of the root element that the first bytes of an XML file open.

    Returns:
        Empty where these bytes are no XML, or end before the root element begins.
    """
    if head[:1].isalnum() or not head.lstrip(_BEFORE).startswith(b"<"):  # nearly all text ends here
        return b""
    try:
        text = as_utf8(head[:PIECE])
    except DataError:
        text = head  # its markup is ASCII in nearly every encoding
    place = 0
    while found := _PROLOG.match(text, place):
        place = found.end()
    root = _ROOT.match(text, place)
    return root.group(1) if root else b""


def _recoded(blocks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    if encoding == "utf-8":
        first = next(blocks, b"").removeprefix(codecs.BOM_UTF8)
        yield first
        yield from blocks
        return
    # Wrong bytes become lone surrogates, which no parser takes: they cost their record.
    wide = encoding.startswith(("utf-16", "utf-32"))
    decoder = codecs.getincrementaldecoder(encoding)(MARK_DAMAGE if wide else "surrogateescape")
    first_text = True
    for block in blocks:
        text = decoder.decode(block)
        if first_text and text:
            text, first_text = text.removeprefix("\ufeff"), False
        yield text.encode("utf-8", "surrogatepass")
