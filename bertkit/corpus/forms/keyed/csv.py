"""Reads tables with a header, CSV and TSV: one document per row, its text in a column."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bertkit.corpus.document import RawDocument, Rejected
from bertkit.corpus.forms.form import Form, ReadOptions
from bertkit.corpus.forms.keyed.csv_rows import read_rows, rows_of
from bertkit.corpus.forms.keyed.keys import TextKeys, column_of
from bertkit.corpus.raw_file import RawFile, as_utf8, encoding_of
from bertkit.tables.csv_rows import without_named_delimiter
from bertkit.tables.text_column import find_text_key

# Names of columns in a file that is not named like a table; that of an index may be empty.
_NAME = re.compile(r"[^\W\d][\w .:/()#-]{0,39}")
_HEADER = re.compile(rb"[\t,;|]")
# A table of a single column; its quotation marks tell it from prose.
_ONLY_TEXT = re.compile(rb"\"?text\"?\r?", re.IGNORECASE)
_LONGEST_HEADER = 4000
_HEAD = 1 << 16
TABLES = (".csv", ".tsv", ".tab")
# Fewer rows of as many fields as their header may be prose.
_ROWS = 3


def is_table(head: bytes) -> bool:
    """True if a file begins with names of columns and rows of as many fields.

    Names alone make no table: a known name of the text must be among them, or there are
    three rows at least.
    """
    line, end, rest = without_named_delimiter(head[:_LONGEST_HEADER]).partition(b"\n")
    if end and _ONLY_TEXT.fullmatch(line):
        return b'"' in rest and all(len(row) == 1 for row in rows_of(head))
    named = not head.startswith(line)
    if not end or not (named or _HEADER.search(line)):  # nearly all text ends here
        return False
    if not (named or _may_be_names(line)):
        return False
    rows = rows_of(head)
    names = [name.strip() for name in rows[0]] if rows else []
    columns = names[1:] if names[:1] == [""] else names  # pandas' index
    if len(rows) < 2 or len(names) < 2 or not all(map(_NAME.fullmatch, columns)):
        return False
    if len(set(names)) < len(names) or any(len(row) != len(names) for row in rows):
        return False
    # In prose a space follows a comma; no prose begins by naming a delimiter.
    if named or find_text_key(names):
        return True
    return names == rows[0] and len(rows) > _ROWS


def _may_be_names(line: bytes) -> bool:
    """False for a first line that is no header, where that is plain without parsing rows."""
    if b'"' in line or b"\r" in line[:-1]:
        return True
    text = line.decode("utf-8", "ignore")
    return any(mark in text and _are_names(text.split(mark)) for mark in "\t,;|")


def _are_names(fields: list[str]) -> bool:
    """Whether these may be names of columns; the first one, of an index, may be empty."""
    first = fields[0].strip()
    if first and not _NAME.fullmatch(first):
        return False
    return all(_NAME.fullmatch(field.strip()) for field in fields[1:])


def lacks_header(head: bytes) -> bool:
    """True if the first lines of a file are rows of as many fields, which tabs or quotes part."""
    line = head[:_LONGEST_HEADER].partition(b"\n")[0]
    if b"\t" not in line and b'"' not in line:  # nearly all text ends here
        return False
    rows = rows_of(head)
    width = len(rows[0]) if rows else 0
    if len(rows) < _ROWS or width < 2 or any(len(row) != width or not row[0] for row in rows):
        return False
    # In prose a space follows a comma, and a quotation begins anywhere.
    apart = not any(field.startswith(" ") for row in rows for field in row)
    return apart and (b"\t" in line or b',"' in line)


def describe_table(file: RawFile, head: bytes, options: ReadOptions) -> str:
    """In which column the text of a table is, as words.

    Raises:
        DataError: in none that is known, or given.
    """
    rows = rows_of(head)
    if not rows:  # its first row is longer than the head
        return ""
    names = [name.strip() for name in rows[0]]
    return f'text in column "{column_of(names, names, options, f"the table {file}")}"'


def read_table(file: RawFile, options: ReadOptions) -> Iterator[RawDocument | Rejected]:
    """The rows of a table with a header; quoted fields may have several lines.

    Raises:
        DataError: no column is known to be the text.
    """
    head = as_utf8(file.head(_HEAD), encoding_of(file))
    keys = TextKeys(options)
    names: list[str] = []
    for row in read_rows(file, options, head):
        if isinstance(row, Rejected):
            yield row
        elif not names:
            names = [name.strip() for name in row.fields]
            keys.text = column_of(names, names, options, f"the table {file}")
        elif len(row.fields) > len(names) or names.index(keys.text) >= len(row.fields):
            yield Rejected(row.name, f"{len(row.fields)} fields, not {len(names)} as the header")
        else:
            yield keys.document(dict(zip(names, row.fields, strict=False)), row.name)


FORM = Form(
    name="csv",
    help="tables with a header, CSV or TSV",
    read=read_table,
    signature=is_table,
    endings=TABLES,
    reason="it begins with names of columns",
    describe=describe_table,
    keyed=True,
)
