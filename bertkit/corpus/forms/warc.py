"""Reads WET files of Common Crawl: WARC records of type `conversion`, text taken from pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

from bertkit.corpus.document import Found, RawDocument, Rejected, Skipped
from bertkit.corpus.forms.form import Form, ReadOptions
from bertkit.corpus.forms.text import too_large
from bertkit.corpus.raw_file import RawFile
from bertkit.errors import DataError, NotTextError

_LONGEST_HEADER = 1 << 16
_PIECE = 1 << 20
_LONGEST_SIZE = 18  # digits
_CUT_OFF = "cut off"
_ADVICE = "fetch it again"


def is_warc(head: bytes) -> bool:
    """True if the first bytes of a file begin a WARC record."""
    return head.startswith(b"WARC/")


def describe_warc(file: RawFile, head: bytes, options: ReadOptions) -> str:
    """Nothing; refuses archives of pages as they were fetched.

    Raises:
        NotTextError: the file holds no text, but HTML and other answers of servers.
    """
    if b"WARC-Type: conversion" not in head and b"WARC-Type: response" in head:
        raise NotTextError(
            f"{file} is a WARC archive of web pages as they were fetched, not of their text",
            "take the text out of the pages first (datatrove, trafilatura), or use WET files",
        )
    return ""


def read_warc(file: RawFile, options: ReadOptions) -> Iterator[Found]:
    """The text of each converted page; other records are counted by their type.

    Raises:
        DataError: a record that is no WARC, or does not say its size.
    """
    with file.open() as stream:
        number = 0
        while head := _head(stream, file):
            number += 1
            size = _size(head, f"{file}, record {number}")
            kind = head.get("warc-type", "")
            name = head.get("warc-target-uri") or f"{file}, record {number}"
            if kind != "conversion" or size > options.max_bytes:
                if not _pass(stream, size):
                    yield Rejected(name, _CUT_OFF)
                    return
                yield (
                    Skipped(kind or "no type") if kind != "conversion" else too_large(name, options)
                )
                continue
            blob = stream.read(size)
            if len(blob) < size:
                yield Rejected(name, _CUT_OFF)
                return
            try:
                yield RawDocument(name, "", blob.decode("utf-8"))
            except UnicodeDecodeError as error:
                yield Rejected(name, f"not UTF-8 at byte {error.start} of the record")


def _head(stream: IO[bytes], file: RawFile) -> dict[str, str]:
    """The fields before a record, by lower-case name; none at the end of the file."""
    line = stream.readline(_LONGEST_HEADER)
    while line and not line.strip():
        line = stream.readline(_LONGEST_HEADER)
    if not line:
        return {}
    if not line.startswith(b"WARC/"):
        raise NotTextError(f"{file}: a record that does not begin with WARC/", _ADVICE)
    fields = {"": line.decode("utf-8", "replace")}
    left = _LONGEST_HEADER
    while (line := stream.readline(_LONGEST_HEADER)).strip():
        left -= len(line)
        if left < 0:
            raise DataError(f"{file}: the fields of a record do not end", _ADVICE)
        name, _, value = line.decode("utf-8", "replace").partition(":")
        fields[name.strip().lower()] = value.strip()
    return fields


def _size(head: dict[str, str], place: str) -> int:
    """The bytes of a record; where the file ends within its fields they are not there."""
    size = head.get("content-length")
    if size is None:
        raise DataError(f"{place}: has no Content-Length: cut off or damaged", _ADVICE)
    if not (size.isascii() and size.isdecimal()) or len(size) > _LONGEST_SIZE:
        shown = size[:_LONGEST_SIZE]
        raise DataError(f"{place}: Content-Length is {shown!r}, not a number of bytes", _ADVICE)
    return int(size)


def _pass(stream: IO[bytes], size: int) -> bool:
    """Go over so many bytes; False where the file ends before."""
    while size > 0 and (block := stream.read(min(size, _PIECE))):
        size -= len(block)
    return not size


FORM = Form(
    name="warc",
    help="WET files of Common Crawl",
    read=read_warc,
    signature=is_warc,
    describe=describe_warc,
)
