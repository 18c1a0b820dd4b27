"""Cuts the rows out of a table, as each of the programs that write tables quotes its fields."""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

_DELIMITERS = ",;|"
_LOOKED_AT = 20
# A file of so few bytes is whole in its head.
_WHOLE = 16_000
# A quotation mark behind a backslash, as Spark, MySQL and pandas' escapechar write it.
_ESCAPED = re.compile(r'(?<!\\)((?:\\\\)*)\\"')
# One that is doubled, and is no empty field.
_DOUBLED = re.compile(r'[^,\t;|\r\n\\]""|(?<!\\)""[^,\t;|\r\n]')
# Excel's own first line, which names the delimiter.
_NAMED = re.compile(rb"(?:\xef\xbb\xbf)?\"?sep=([^\"\r\n\x80-\xff])\"?\r?\n")
# Stands for an escaped one while the row is cut; no text has this code point.
_MARK = "\ufdd0"


class _TooLargeError(Exception):
    """A row that is larger than a document may be."""


class SizedLine(Protocol):
    """A line of a table, with its end."""

    @property
    def number(self) -> int:
        """Of the line, from 1."""
        ...

    @property
    def size(self) -> int:
        """Its bytes in all."""
        ...

    @property
    def blob(self) -> bytes:
        """Those that were kept."""
        ...


class Row(NamedTuple):
    """A row of a table, as it was cut; `number` is that of its first line."""

    number: int
    fields: list[str]


class Damaged(NamedTuple):
    """A row that cannot be cut: why, or empty where it is too large."""

    number: int
    reason: str


def without_named_delimiter(head: bytes) -> bytes:
    """The first bytes of a table without the line `sep=;` that Excel reads before its header."""
    found = _NAMED.match(head)
    return head[found.end() :] if found else head


def rows_of(head: bytes) -> list[list[str]]:
    """The first rows that are whole in these bytes."""
    text = without_named_delimiter(head).decode("utf-8", "ignore")
    delimiter, escaped = _delimiter(head), _is_escaped(text)
    rows: list[list[str]] = []
    try:
        for fields in _reader(io.StringIO(text, newline=""), delimiter, escaped, strict=False):
            if fields:
                rows.append(fields)
            if len(rows) > _LOOKED_AT:
                return rows
    except csv.Error:
        return rows
    # The last one of a long file is cut off.
    return rows[:-1] if len(head) > _WHOLE and len(rows) > 1 else rows


def cut_rows(lines: Iterator[SizedLine], head: bytes, max_bytes: int) -> Iterator[Row | Damaged]:
    """The rows of a file; one that is too large or damaged costs itself.

    A quotation that is never closed, or goes on behind its closing mark, is none: such a row
    is its line, as programs write it that do not quote.

    Args:
        lines: of the table, UTF-8, with their ends.
        head: its first bytes, as UTF-8.
        max_bytes: of the largest row.
    """
    csv.field_size_limit(max(csv.field_size_limit(), max_bytes))
    source = _Lines(lines, max_bytes)
    escaped = _is_escaped(head.decode("utf-8", "ignore"))
    cut = _Cut(source, _delimiter(source.peek()), escaped)
    if _NAMED.match(source.peek()):
        next(source)
    while not source.ended:
        source.next_row()
        try:
            fields = cut.row()
            if fields:
                yield Row(source.begun, fields)
        except (csv.Error, UnicodeDecodeError) as error:
            yield Damaged(source.begun, _reason(error))
        except _TooLargeError:
            yield Damaged(source.begun, "")


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8 at byte {error.start} of the line"
    return f"not a row: {error}"


class _Cut:
    """The next row of a table: by the rules of its file, else by those of other programs."""

    def __init__(self, source: _Lines, delimiter: str, escaped: bool) -> None:
        self._source, self._delimiter, self._escaped = source, delimiter, escaped
        self._reader = self._new(escaped)
        self._width = 0

    def row(self) -> list[str]:
        """Its fields; errors as csv.reader with any quotation."""
        try:
            fields = next(self._reader, [])
        except csv.Error:
            self._reader = self._new(self._escaped)
            fields = self._otherwise()
        if self._delimiter == "\t" and self._are_rows(self._source.taken):
            self._source.rewind()
            fields = self._unquoted() or fields
        self._width = self._width or len(fields)
        return fields

    def _new(self, escaped: bool, strict: bool = True) -> Iterator[list[str]]:
        return _reader(self._source, self._delimiter, escaped, strict=strict)

    def _otherwise(self) -> list[str]:
        """A row that breaks the rules of quotation of its file."""
        for attempt in (self._other_escapes, self._unquoted):
            self._source.rewind()
            try:
                fields = attempt()
            except csv.Error:
                continue
            if len(fields) == self._width:
                return fields
        self._source.rewind()
        return next(self._new(self._escaped, strict=False), [])

    def _other_escapes(self) -> list[str]:
        return next(self._new(not self._escaped), [])

    def _unquoted(self) -> list[str]:
        reader = csv.reader(self._source, delimiter=self._delimiter, quoting=csv.QUOTE_NONE)
        return next(reader, [])

    def _are_rows(self, taken: list[SizedLine]) -> bool:
        """Whether each line within a quotation is a row itself, which the quotation swallowed."""
        mark = self._delimiter.encode()
        return (
            len(taken) > 1
            and self._width > 1
            and all(line.blob.count(mark) == self._width - 1 for line in taken)
        )


class _Lines:
    """The lines of a table for csv.reader, which asks for as many as a row has.

    Attributes:
        begun: number of the row's first line.
        taken: the lines of the row, to cut them again.
    """

    def __init__(self, lines: Iterator[SizedLine], max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._lines = lines
        self._next = next(self._lines, None)
        self._again: deque[SizedLine] = deque()
        self._size = 0
        self.taken: list[SizedLine] = []
        self.begun = 0

    @property
    def ended(self) -> bool:
        """True behind the last line."""
        return self._next is None and not self._again

    def peek(self) -> bytes:
        """The first line."""
        return self._next.blob if self._next else b""

    def next_row(self) -> None:
        """What follows is another row."""
        self._size, self.taken = 0, []

    def rewind(self) -> None:
        """Go back to the first line of the row."""
        self._again.extendleft(reversed(self.taken))
        self.next_row()

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if self._again:
            line = self._again.popleft()
        elif self._next is None:
            raise StopIteration
        else:
            line, self._next = self._next, next(self._lines, None)
        if not self.taken:
            self.begun = line.number
        self._size += line.size
        self.taken.append(line)
        if self._size > self._max_bytes:
            raise _TooLargeError
        return line.blob.decode("utf-8")


def _reader(
    source: Iterable[str], delimiter: str, escaped: bool, *, strict: bool
) -> Iterator[list[str]]:
    if not escaped:
        return csv.reader(source, delimiter=delimiter, strict=strict)
    marked = (_ESCAPED.sub(rf"\1{_MARK}", line) if '\\"' in line else line for line in source)
    cut = csv.reader(marked, delimiter=delimiter, strict=strict)
    return ([field.replace(_MARK, '"') for field in fields] for fields in cut)


def _is_escaped(text: str) -> bool:
    """Whether a table escapes its quotation marks with backslashes, and doubles none."""
    return '\\"' in text and _ESCAPED.search(text) is not None and not _DOUBLED.search(text)


def _delimiter(head: bytes) -> str:
    """What stands between fields: as named, else a tab, else what the first line has most of."""
    if named := _NAMED.match(head):
        return named[1].decode("ascii")
    line = head.partition(b"\n")[0].decode("utf-8", "ignore")
    if "\t" in line:
        return "\t"
    return max(_DELIMITERS, key=lambda mark: (line.count(mark), mark == ","))
