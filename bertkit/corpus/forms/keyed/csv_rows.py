"""Cuts the rows out of a raw file that is a table; see `bertkit.tables.csv_rows`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from bertkit.corpus.document import Rejected
from bertkit.corpus.forms.form import ReadOptions
from bertkit.corpus.forms.text import too_large
from bertkit.corpus.lines import DocumentBytes, lines
from bertkit.corpus.raw_file import RawFile
from bertkit.tables.csv_rows import Damaged, cut_rows, rows_of

__all__ = ["Row", "read_rows", "rows_of"]


class Row(NamedTuple):
    """A row of a table, as it was cut."""

    name: str
    fields: list[str]


def read_rows(file: RawFile, options: ReadOptions, head: bytes) -> Iterator[Row | Rejected]:
    """The rows of a file; one that is too large or damaged costs itself.

    Args:
        file: the table.
        options: the size of the largest row.
        head: its first bytes, as UTF-8.
    """
    for row in cut_rows(_whole(file, options.max_bytes), head, options.max_bytes):
        name = f"{file}:{row.number}"
        if not isinstance(row, Damaged):
            yield Row(name, row.fields)
        elif row.reason:
            yield Rejected(name, row.reason)
        else:
            yield too_large(name, options)


def _whole(file: RawFile, max_bytes: int) -> Iterator[DocumentBytes]:
    """The lines of a file, whose pieces are put together."""
    held = DocumentBytes(max_bytes)
    for line in lines(file):
        if line.begins and held.size:
            yield held
            held = DocumentBytes(max_bytes)
        held.add(line)
    if held.size:
        yield held
