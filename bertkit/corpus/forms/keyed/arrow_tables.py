"""Reads Parquet and Arrow files some rows at a time: one document per row."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

from bertkit.codecs.packed_stream import decompression_errors
from bertkit.corpus.document import RawDocument, Rejected
from bertkit.corpus.forms.form import ReadOptions, Span, spans_between
from bertkit.corpus.forms.keyed.keys import TextKeys, column_of
from bertkit.corpus.forms.text import too_large
from bertkit.corpus.raw_file import RawFile
from bertkit.errors import DataError
from bertkit.optional import require
from bertkit.storage.files import is_remote, size_of

# So many rows are made Python strings at a time.
_ROWS = 256
# Pages of a column are read through so much, not all at once.
_BUFFER = 1 << 20
# What pyarrow's errors say of text in another encoding.
_NOT_UTF8 = "UTF8"


def read_parquet(file: RawFile, options: ReadOptions) -> Iterator[RawDocument | Rejected]:
    """The rows of a Parquet file, or of the row groups that begin in the span.

    Raises:
        DataError: damaged, or no column is known to be the text.
        MissingDependencyError: pyarrow is not installed.
    """
    with _parquet(file) as table:
        schema = table.schema_arrow
        text = _column(schema, options, file)
        first = 0
        wanted = []
        span = options.span
        begins = _begins(table, size_of(file.path)) if span else [0] * table.num_row_groups
        for group, begin in enumerate(begins):
            if span and begin < span.start:
                first += table.metadata.row_group(group).num_rows
            elif not span or begin < span.stop:
                wanted.append(group)
        names = _needed(schema, text, options)
        batches = table.iter_batches(batch_size=_ROWS, row_groups=wanted, columns=names)
        yield from _documents(batches if wanted else (), first, text, file, options)


def read_arrow(file: RawFile, options: ReadOptions) -> Iterator[RawDocument | Rejected]:
    """The rows of an Arrow file or stream; memory holds one of its batches.

    Raises:
        DataError: damaged, or no column is known to be the text.
        MissingDependencyError: pyarrow is not installed.
    """
    with _arrow(file) as (schema, batches):
        text = _column(schema, options, file)
        names = _needed(schema, text, options)
        pieces = (
            batch.select(names).slice(start, _ROWS)
            for batch in batches
            for start in range(0, batch.num_rows, _ROWS)
        )
        yield from _documents(pieces, 0, text, file, options)


def describe(file: RawFile, parquet: bool, options: ReadOptions) -> str:
    """In which column the text of a file is, as words.

    Raises:
        DataError: in none that is known, or given; or the file is damaged.
        MissingDependencyError: pyarrow is not installed.
    """
    if parquet:
        with _parquet(file) as table:
            text = _column(table.schema_arrow, options, file)
    else:
        with _arrow(file) as (schema, _):
            text = _column(schema, options, file)
    return f'text in column "{text}"'


def spans_of(file: RawFile, size: int) -> list[Span]:
    """Spans of about `size` bytes of a local Parquet file, cut between its row groups."""
    total = size_of(file.path)
    if file.compression():
        return [Span(0, total)]
    starts = [0]
    with _parquet(file) as table:
        for begin in _begins(table, total)[1:]:
            if begin - starts[-1] >= size:
                starts.append(begin)
    return spans_between(starts, total)


def _documents(
    batches: Any, first: int, text: str, file: RawFile, options: ReadOptions
) -> Iterator[RawDocument | Rejected]:
    keys = TextKeys(options)
    keys.text = text
    number = first
    for batch in batches:
        for record in _records(batch):
            number += 1
            name = f"{file}, row {number}"
            found = (
                Rejected(name, record) if isinstance(record, str) else keys.document(record, name)
            )
            large = isinstance(found, RawDocument) and len(found.text) > options.max_bytes
            yield too_large(name, options) if large else found


def _records(batch: Any) -> list[dict[str, Any] | str]:
    """The values of each row by column; for a row that Python cannot have, why.

    pyarrow believes a damaged file's offsets, and reads whatever lies in memory there: they are
    checked first.

    Raises:
        ArrowInvalid: damaged.
    """
    try:
        batch.validate(full=True)
        return list(batch.to_pylist())
    except (ValueError, OverflowError) as error:  # pyarrow's own, and Python's of a date
        if isinstance(error, _arrow_error()) and _NOT_UTF8 not in str(error):
            raise
        if batch.num_rows == 1:
            reason = "text that is not UTF-8" if _NOT_UTF8 in str(error) else str(error)
            return [f"cannot be read: {reason}"]
    return [found for row in range(batch.num_rows) for found in _records(batch.slice(row, 1))]


def _arrow_error() -> type[Exception]:
    """What all errors are that pyarrow raises of its own."""
    arrow = require("pyarrow", "Parquet and Arrow files", extra="parquet")
    return arrow.ArrowException  # type: ignore[no-any-return]


def _column(schema: Any, options: ReadOptions, file: RawFile) -> str:
    texts = [field.name for field in schema if _holds_text(field.type)]
    return column_of(schema.names, texts, options, str(file))


def _holds_text(kind: Any) -> bool:
    kind = getattr(kind, "value_type", kind) if str(kind).startswith("dictionary") else kind
    return str(kind) in ("string", "large_string", "string_view")


def _needed(schema: Any, text: str, options: ReadOptions) -> list[str]:
    """The columns to read: text, title and id, or the structures that hold them."""
    names = (text, options.title_key or "title", "id")
    found = (name if name in schema.names else name.partition(".")[0] for name in names)
    return list(dict.fromkeys(name for name in found if name in schema.names))


def _begins(table: Any, size: int) -> list[int]:
    """About where in a file of so many bytes each of its row groups begins, by its rows.

    pyarrow knows the very byte, but ends the process where that part of a file is damaged.
    """
    rows = [
        max(0, table.metadata.row_group(group).num_rows) for group in range(table.num_row_groups)
    ]
    whole = max(1, sum(rows))
    before = [0, *accumulate(rows)][: len(rows)]
    return [size * rows_before // whole for rows_before in before]


@contextlib.contextmanager
def _parquet(file: RawFile) -> Iterator[Any]:
    require("pyarrow", "Parquet and Arrow files", extra="parquet")
    parquet = require("pyarrow.parquet", "Parquet files", extra="parquet")
    with _opened(file) as source, _errors(file):
        table = parquet.ParquetFile(source, pre_buffer=False, buffer_size=_BUFFER)
        try:
            yield table
        finally:
            table.close()


@contextlib.contextmanager
def _arrow(file: RawFile) -> Iterator[tuple[Any, Iterator[Any]]]:
    arrow = require("pyarrow", "Parquet and Arrow files", extra="parquet")
    head = file.head(6)
    if head.startswith(b"ARROW1"):
        with _opened(file) as source, _errors(file):
            table = arrow.ipc.open_file(source)
            yield table.schema, map(table.get_batch, range(table.num_record_batches))
        return
    with file.open() as stream, _errors(file), arrow.ipc.open_stream(stream) as reader:
        yield reader.schema, iter(reader)


@contextlib.contextmanager
def _opened(file: RawFile) -> Iterator[Any]:
    """The file for pyarrow: a plain local one by its path, which is fastest."""
    if file.path and not is_remote(file.path) and not file.compression():
        arrow = require("pyarrow", "Parquet and Arrow files", extra="parquet")
        with arrow.OSFile(file.path, "rb") as source:
            yield source
        return
    with file.open_seekable() as stream:
        yield stream


@contextlib.contextmanager
def _errors(file: RawFile) -> Iterator[None]:
    """Turn pyarrow's errors in the block into DataError."""
    with decompression_errors(str(file)):
        try:
            yield
        except MemoryError as error:
            raise DataError(
                f"{file} is truncated or damaged, or has a part that memory does not hold",
                "download or write the file again, in smaller row groups or record batches",
            ) from error
        except (_arrow_error(), OSError, UnicodeDecodeError) as error:  # the last: of names
            if isinstance(error, OSError) and error.errno is not None:
                raise
            reason = str(error).partition("\n")[0]
            raise DataError(
                f"{file} is truncated or damaged ({reason})", "download or write the file again"
            ) from error
