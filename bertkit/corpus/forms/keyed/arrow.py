"""Recognises Parquet and Arrow files, such as those of `datasets`; arrow_tables reads them."""

from __future__ import annotations

from collections.abc import Iterator

from bertkit.corpus.document import RawDocument, Rejected
from bertkit.corpus.forms.form import Form, ReadOptions, Span
from bertkit.corpus.raw_file import RawFile
from bertkit.optional import require
from bertkit.tables.arrow import is_arrow, is_parquet


def read_parquet(file: RawFile, options: ReadOptions) -> Iterator[RawDocument | Rejected]:
    """The rows of a Parquet file; see `arrow_tables.read_parquet`."""
    from bertkit.corpus.forms.keyed import arrow_tables

    return arrow_tables.read_parquet(file, options)


def read_arrow(file: RawFile, options: ReadOptions) -> Iterator[RawDocument | Rejected]:
    """The rows of an Arrow file or stream; see `arrow_tables.read_arrow`."""
    from bertkit.corpus.forms.keyed import arrow_tables

    return arrow_tables.read_arrow(file, options)


def describe_rows(file: RawFile, head: bytes, options: ReadOptions) -> str:
    """In which column the text is, as words; nothing for a member of an archive.

    Raises:
        DataError: in none that is known, or given.
        MissingDependencyError: pyarrow is not installed.
    """
    from bertkit.corpus.forms.keyed import arrow_tables

    return arrow_tables.describe(file, is_parquet(head), options) if file.path else ""


def spans_of(file: str | RawFile, size: int, options: ReadOptions | None = None) -> list[Span]:
    """Spans of a Parquet file of some row groups each; see `arrow_tables.spans_of`."""
    from bertkit.corpus.forms.keyed import arrow_tables

    return arrow_tables.spans_of(RawFile.of(file), size)


def require_pyarrow() -> object:
    """Raise MissingDependencyError where pyarrow is not installed."""
    return require("pyarrow", "Parquet and Arrow files", extra="parquet")


PARQUET = Form(
    name="parquet",
    help="a column of texts",
    read=read_parquet,
    signature=is_parquet,
    endings=(".parquet",),
    describe=describe_rows,
    keyed=True,
    spans=spans_of,
    require=require_pyarrow,
)
ARROW = Form(
    name="arrow",
    help="Arrow and Feather files, also of datasets' save_to_disk",
    read=read_arrow,
    signature=is_arrow,
    endings=(".arrow", ".feather"),
    describe=describe_rows,
    keyed=True,
    require=require_pyarrow,
)
