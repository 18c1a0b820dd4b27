"""Reads tables with a header, CSV and TSV: one document per row, its text in a column."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import NamedTuple

from bertkit.corpus.document import RawDocument, Rejected
from bertkit.corpus.forms.form import Form, ReadOptions
from bertkit.corpus.forms.keyed.keys import TextKeys, column_of, find_text_key
from bertkit.corpus.forms.text import too_large
from bertkit.corpus.lines import DocumentBytes, lines
from bertkit.corpus.raw_file import RawFile

_DELIMITERS = "\t,;|"
# Names of columns in a file that is not named like a table.
_NAME = re.compile(r"[^\W\d][\w.:/-]{0,39}")
_HEADER = re.compile(rb"[\t,;|]")
_LONGEST_HEADER = 4000
_LOOKED_AT = 20
# A file of so few bytes is whole in its head.
_WHOLE = 16_000
# Fewer rows of as many fields as their header may be prose.
_ROWS = 3


class _TooLargeError(Exception):
    """A row that is larger than a document may be."""


class _Row(NamedTuple):
    """A row of a table, as it was cut."""

    name: str
    fields: list[str]


def is_table(head: bytes) -> bool:
    """True if a file begins with names of columns and rows of as many fields.

    Names alone make no table: a known name of the text must be among them, or there are
    three rows at least.
    """
    line, end, _ = head[:_LONGEST_HEADER].partition(b"\n")
    if not end or not _HEADER.search(line):  # nearly all text ends here
        return False
    if not _may_be_names(line):
        return False
    rows = _rows_of(head)
    names = [name.strip() for name in rows[0]] if rows else []
    if len(rows) < 2 or len(names) < 2 or not all(map(_NAME.fullmatch, names)):
        return False
    if len(set(names)) < len(names) or any(len(row) != len(names) for row in rows):
        return False
    # In prose a space follows a comma.
    return bool(find_text_key(names)) or (names == rows[0] and len(rows) > _ROWS)


def _may_be_names(line: bytes) -> bool:
    """False for a first line that is no header, where that is plain without parsing rows."""
    if b'"' in line or b"\r" in line[:-1]:
        return True
    if b" " in _HEADER.split(line, maxsplit=1)[0].strip():  # as in nearly all text
        return False
    names = line.decode("utf-8", "ignore").split(_delimiter(line, ""))
    return all(_NAME.fullmatch(name.strip()) for name in names)


def describe_table(file: RawFile, head: bytes, options: ReadOptions) -> str:
    """In which column the text of a table is, as words.

    Raises:
        DataError: in none that is known, or given.
    """
    rows = _rows_of(head, file.name)
    if not rows:  # its first row is longer than the head
        return ""
    names = [name.strip() for name in rows[0]]
    return f'text in column "{column_of(names, names, options, f"the table {file}")}"'


def read_table(file: RawFile, options: ReadOptions) -> Iterator[RawDocument | Rejected]:
    """The rows of a table with a header; quoted fields may have several lines.

    Raises:
        DataError: no column is known to be the text.
    """
    csv.field_size_limit(max(csv.field_size_limit(), options.max_bytes))
    keys = TextKeys(options)
    names: list[str] = []
    for row in _rows(file, options):
        if isinstance(row, Rejected):
            yield row
        elif not names:
            names = [name.strip() for name in row.fields]
            keys.text = column_of(names, names, options, f"the table {file}")
        elif len(row.fields) > len(names) or names.index(keys.text) >= len(row.fields):
            yield Rejected(row.name, f"{len(row.fields)} fields, not {len(names)} as the header")
        else:
            yield keys.document(dict(zip(names, row.fields, strict=False)), row.name)


def _rows(file: RawFile, options: ReadOptions) -> Iterator[_Row | Rejected]:
    """The rows of a file; one that is too large or damaged costs itself."""
    source = _Lines(file, options)
    delimiter = _delimiter(source.peek(), file.name)
    while not source.ended:
        reader = csv.reader(source, delimiter=delimiter)
        try:
            for fields in reader:
                if fields:
                    yield _Row(f"{file}:{source.begun}", fields)
                source.next_row()
        except (csv.Error, UnicodeDecodeError) as error:
            yield Rejected(f"{file}:{source.begun}", _reason(error))
        except _TooLargeError:
            yield too_large(f"{file}:{source.begun}", options)
        source.next_row()


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"not UTF-8 at byte {error.start} of the line"
    return f"not a row: {error}"


class _Lines:
    """The lines of a table for csv.reader, which asks for as many as a row has.

    Attributes:
        begun: number of the row's first line.
        ended: True behind the last line.
    """

    def __init__(self, file: RawFile, options: ReadOptions) -> None:
        self._options = options
        self._lines = self._whole(file)
        self._next = next(self._lines, None)
        self._size = 0
        self._fresh = True
        self.begun = 0

    @property
    def ended(self) -> bool:
        return self._next is None

    def peek(self) -> bytes:
        """The next line."""
        return self._next.blob if self._next else b""

    def next_row(self) -> None:
        """What follows is another row."""
        self._size, self._fresh = 0, True

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._next
        if line is None:
            raise StopIteration
        self._next = next(self._lines, None)
        if self._fresh:
            self.begun, self._fresh = line.number, False
        self._size += line.size
        if self._size > self._options.max_bytes:
            raise _TooLargeError
        return line.blob.decode("utf-8")

    def _whole(self, file: RawFile) -> Iterator[DocumentBytes]:
        held = DocumentBytes(self._options.max_bytes)
        for line in lines(file):
            if line.begins and held.size:
                yield held
                held = DocumentBytes(self._options.max_bytes)
            held.add(line)
        if held.size:
            yield held


def _rows_of(head: bytes, name: str = "") -> list[list[str]]:
    """The first rows that are whole in these bytes."""
    text = head.decode("utf-8", "ignore")
    rows: list[list[str]] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(head, name))
    try:
        for fields in reader:
            if fields:
                rows.append(fields)
            if len(rows) > _LOOKED_AT:
                return rows
    except csv.Error:
        return rows
    # The last one of a long file is cut off.
    return rows[:-1] if len(head) > _WHOLE and len(rows) > 1 else rows


def _delimiter(head: bytes, name: str) -> str:
    """What stands between the fields of the first line: what it has most of."""
    line = head.partition(b"\n")[0].decode("utf-8", "ignore")
    if name.lower().endswith((".tsv", ".tab")) and "\t" in line:
        return "\t"
    return max(_DELIMITERS, key=lambda mark: (line.count(mark), mark == ","))


FORM = Form(
    name="csv",
    help="tables with a header, CSV or TSV",
    read=read_table,
    signature=is_table,
    endings=(".csv", ".tsv", ".tab"),
    reason="it begins with names of columns",
    describe=describe_table,
    keyed=True,
)
