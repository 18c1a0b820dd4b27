"""Reads whole tables of examples: CSV and TSV, JSON lines and arrays, Parquet and Arrow."""

from __future__ import annotations

import contextlib
import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from bertkit.codecs.json_lines import parse_json
from bertkit.codecs.packed_stream import decompression_errors, unpacked
from bertkit.errors import DataError, shortened
from bertkit.storage.files import open_binary
from bertkit.tables.arrow import is_column_file, read_column_file
from bertkit.tables.csv_rows import Damaged, cut_rows
from bertkit.tables.files import table_files
from bertkit.text.encoding import not_utf8

QUOTINGS = ("auto", "csv", "none")
_PACKED = (".gz", ".bz2", ".xz", ".zst")
_DELIMITERS = ",;|"
_SHOWN = 12
_OBJECTS = "one object per line is expected"
_HEAD = 1 << 16
_LARGEST = 1 << 27  # bytes of a row


class NoRowsError(DataError):
    """A file of a table without any rows."""


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
        line: where it begins, from 1; of Parquet and Arrow its number, from 1.
        values: one per column; None where there is none.
        path: of its file, where the table has several.
    """

    line: int
    values: Sequence[Any]
    path: str = ""


Header = bool | Callable[[Sequence[Row]], bool]


@dataclass(frozen=True)
class Table:
    """A table in memory.

    Attributes:
        path: of its file, as given.
        names: of the columns; empty where it has no header.
        width: number of columns.
        rows: in their order.
        classes: column → names of the numbers in it, from 0, where the file notes them, as those
            of `datasets` do.
    """

    path: str
    names: Sequence[str]
    width: int
    rows: Sequence[Row]
    classes: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def place(self, row: Row) -> str:
        """Where a row is, for messages."""
        return f"{row.path or self.path}:{row.line}"

    def records(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """(place, column → value) of every row."""
        for row in self.rows:
            yield self.place(row), dict(zip(self.names, row.values, strict=True))

    def column(self, name: str, flag: str) -> int:
        """The number of a column, from 0, by its name or by its number from 1.

        Args:
            name: as given.
            flag: that names it, for messages.

        Raises:
            DataError: there is no such column.
        """
        if name in self.names:
            return list(self.names).index(name)
        if name.isdecimal() and 1 <= int(name) <= self.width:
            return int(name) - 1
        raise DataError(f"{self.path} has no column {name!r}; it has {self.shown()}", f"see {flag}")

    def shown(self) -> str:
        """Its columns, for messages."""
        if not self.names:
            return f"no header and {self.width} columns, which are named by number"
        return shortened(self.names, _SHOWN)


def read_table(
    path: str, *, header: Header = True, quoting: str = "auto", ragged: list[str] | None = None
) -> Table:
    """Read a table of any of these forms, packed or not; several files as one.

    Args:
        path: local or remote; see `bertkit.tables.files.table_files`.
        header: the first row of CSV or TSV has the names of the columns; or a function of all
            rows that tells so.
        quoting: of CSV and TSV: `csv` takes quotation marks around fields away, `none` takes
            every character as it is; `auto`: `none` where tabs stand between the fields.
        ragged: takes the places of rows with another number of fields, which are left out.

    Raises:
        NoRowsError: the file, or each of several, is empty.
        DataError: cannot be read, not UTF-8, a row of another width, or files with other columns;
            names the line.
        MissingDependencyError: Parquet and Arrow without pyarrow.
    """
    files = table_files(path)
    if len(files) == 1:
        return _read_file(files[0], header=header, quoting=quoting, ragged=ragged)
    parts: list[Table] = []
    for name in files:
        with contextlib.suppress(NoRowsError):  # writers of several files leave some empty
            parts.append(_read_file(name, header=header, quoting=quoting, ragged=ragged))
    if not parts:
        raise _no_rows(path)
    return _joined(path, parts)


def _joined(path: str, parts: Sequence[Table]) -> Table:
    """Several files as one table, with the columns of the first one in its order."""
    first = parts[0]
    rows = []
    for part in parts:
        if sorted(part.names) != sorted(first.names) or part.width != first.width:
            raise DataError(
                f"{part.path} has other columns than {first.path}: {part.shown()}",
                "files of one table have the same columns",
            )
        if part.classes != first.classes:
            raise DataError(
                f"{part.path} has other names of labels than {first.path}",
                "files of one table note the same names, or none of them does",
            )
        order = [list(part.names).index(name) for name in first.names]
        for row in part.rows:
            values = [row.values[number] for number in order] if order else row.values
            rows.append(Row(row.line, values, part.path))
    return replace(first, path=path, rows=rows)


def _read_file(path: str, *, header: Header, quoting: str, ragged: list[str] | None) -> Table:
    if is_column_file(path):
        return _columns(path)
    kind = Path(path).suffixes[-2:] if path.endswith(_PACKED) else Path(path).suffixes[-1:]
    text = _text(path)
    first = text.lstrip()[:1]
    if kind[:1] in ([".jsonl"], [".ndjson"], [".json"]) or first == "{":
        return _json(path, text)
    return _delimited(path, text, header=header, quoting=quoting, ragged=ragged)


def _text(path: str) -> str:
    with decompression_errors(path), open_binary(path) as raw, unpacked(raw, path) as stream:
        blob = stream.read()
    coding = "utf-16" if blob[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = blob.decode(coding)
        # Old Macs end lines with a carriage return alone.
        return text if "\n" in text else text.replace("\r", "\n")
    except UnicodeDecodeError as error:
        if coding == "utf-16":
            raise DataError(f"{path}: not UTF-16: {error.reason}", "write it as UTF-8") from error
        line = blob.count(b"\n", 0, error.start) + 1
        raise not_utf8(path, line, error.start, blob) from error


def _delimited(
    path: str, text: str, *, header: Header, quoting: str, ragged: list[str] | None
) -> Table:
    delimiter = _delimiter(path, text.partition("\n")[0])
    plain = quoting == "none" or (quoting == "auto" and delimiter == "\t")
    rows: list[Row] = []
    width = 0
    for line, fields in _cut(path, text, delimiter, plain):
        width = width or len(fields)
        if len(fields) != width:
            if ragged is None:
                raise DataError(
                    f"{path}:{line}: {len(fields)} fields, not {width} as the first row",
                    "see --quoting" if '"' in "".join(fields) else _width_hint(plain, delimiter),
                )
            ragged.append(f"{path}:{line}")
            continue
        rows.append(Row(line, fields))
    names: list[str] = []
    if rows and (header(rows) if callable(header) else header):
        names = [field.strip() for field in rows.pop(0).values]
        _require_names(path, names)
    if not rows:
        raise _no_rows(path, "below its header" if names else "")
    return Table(path, names, width, rows)


def _width_hint(plain: bool, delimiter: str) -> str:
    """What to do about a row of more or fewer fields than the first."""
    name = {"\t": "a tab", ",": "a comma", ";": "a semicolon"}.get(delimiter, repr(delimiter))
    if plain:
        return f"fields are parted by {name}; none may stand within a field"
    return f"a field with {name} in it stands in quotation marks"


def _no_rows(path: str, where: str = "") -> NoRowsError:
    return NoRowsError(f"{path}: holds no rows {where}".rstrip(), "give a file with examples in it")


def _delimiter(path: str, head: str) -> str:
    """What stands between fields: by the ending of the name, else what the first line has."""
    ending = Path(path).name.rpartition(".")[2]
    if ending in ("tsv", "tab") or "\t" in head:
        return "\t"
    found = max(_DELIMITERS, key=lambda mark: (head.count(mark), mark == ","))
    return found if found in head or ending == "csv" else "\t"


def _cut(path: str, text: str, delimiter: str, plain: bool) -> Iterator[tuple[int, list[str]]]:
    """(line, fields) of every row that is not blank."""
    if plain:
        for number, row in enumerate(text.split("\n"), 1):
            row = row.removesuffix("\r")
            if row:
                yield number, row.split(delimiter)
        return
    blob = text.encode()
    for found in cut_rows(_lines(blob), blob[:_HEAD], _LARGEST):
        if isinstance(found, Damaged):
            raise DataError(
                f"{path}:{found.number}: {found.reason or 'too large'}", "see --quoting"
            )
        yield found.number, found.fields


class _Line(NamedTuple):
    number: int
    blob: bytes

    @property
    def size(self) -> int:
        return len(self.blob)


def _lines(blob: bytes) -> Iterator[_Line]:
    for number, line in enumerate(io.BytesIO(blob), 1):
        yield _Line(number, line)


def _require_names(path: str, names: Sequence[str]) -> None:
    twice = sorted(name for name, count in Counter(names).items() if count > 1 and name)
    if twice:
        raise DataError(f"{path}: two columns are named {twice[0]!r}")


def _json(path: str, text: str) -> Table:
    """Objects, one to a line, or in an array."""
    if text.lstrip()[:1] == "[":
        records = list(enumerate(parse_json(text, path), 1))
    else:
        records = list(_json_lines(path, text))
    names: dict[str, int] = {}
    for line, record in records:
        if not isinstance(record, dict):
            raise DataError(f"{path}:{line}: not an object", _OBJECTS)
        for name in record:
            names.setdefault(str(name), len(names))
    if not records:
        raise _no_rows(path)
    rows = [Row(line, [record.get(name) for name in names]) for line, record in records]
    return Table(path, list(names), len(names), rows)


def _json_lines(path: str, text: str) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, parse_json(line, f"{path}:{number}", _OBJECTS)


def _columns(path: str) -> Table:
    found = read_column_file(path)
    _require_names(path, found.names)
    rows = [
        Row(number, values) for number, values in enumerate(zip(*found.columns, strict=True), 1)
    ]
    if not rows:
        raise _no_rows(path)
    return Table(path, found.names, len(found.names), rows, found.classes)
