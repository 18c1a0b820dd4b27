"""Reads Parquet and Arrow files whole, with the names of labels that `datasets` notes in them."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bertkit import log
from bertkit.errors import BertkitError, DataError
from bertkit.optional import require
from bertkit.storage.files import is_remote, open_binary

_LARGEST_SCHEMA = 1 << 24
_MARK_BYTES = 8
# What pyarrow's errors say of text in another encoding.
_NOT_UTF8 = "UTF8"
_NO_LABEL = -1  # as `datasets` has it in files to predict


@dataclass(frozen=True)
class ColumnTable:
    """What a Parquet or Arrow file holds.

    Attributes:
        names: of the columns.
        columns: their values as Python's own.
        classes: column → names of the numbers in it, from 0, where the file notes them.
    """

    names: Sequence[str]
    columns: Sequence[Sequence[Any]]
    classes: Mapping[str, Sequence[str]] = field(default_factory=dict)


def is_parquet(head: bytes) -> bool:
    """True if the first bytes of a file begin a Parquet file."""
    return head.startswith(b"PAR1")


def is_arrow(head: bytes) -> bool:
    """True if the first bytes of a file begin an Arrow file (Feather) or an Arrow stream."""
    if head.startswith(b"ARROW1"):
        return True
    if not head.startswith(b"\xff\xff\xff\xff"):
        return False
    size = int.from_bytes(head[4:8], "little")
    return 0 < size < _LARGEST_SCHEMA and size % 8 == 0


def is_column_file(path: str) -> bool:
    """Whether a file is Parquet or Arrow, by its first bytes; never what can be read once only.

    Raises:
        DataError: it cannot be read.
    """
    if not is_remote(path) and not os.path.isfile(path):
        return False
    with open_binary(path) as stream:
        head = stream.read(_MARK_BYTES)
    return is_parquet(head) or is_arrow(head)


def read_column_file(path: str) -> ColumnTable:
    """Read a Parquet or Arrow file, local or remote, without columns of images and audio.

    Raises:
        DataError: damaged or cut off.
        MissingDependencyError: pyarrow is not installed.
    """
    with _opened(path) as reader:
        media = [part.name for part in _schema(reader) if _is_media(part.type)]
        table = _table(reader, [name for name in _schema(reader).names if name not in media])
        for name, column in zip(table.column_names, table.columns, strict=True):
            _require_sound(column, path, name)
    columns = [
        _values(column, path, name)
        for name, column in zip(table.column_names, table.columns, strict=True)
    ]
    return ColumnTable(table.column_names, columns, _classes(table.schema.metadata or {}))


def names_of_column_file(path: str) -> list[str]:
    """Names of the columns of a Parquet or Arrow file; errors as `read_column_file`."""
    with _opened(path) as reader:
        return list(map(str, _schema(reader).names))


@contextlib.contextmanager
def _opened(path: str) -> Iterator[Any]:
    """pyarrow's reader of a file, a `ParquetFile` or one of record batches."""
    arrow = require("pyarrow", "Parquet and Arrow files", extra="parquet")
    form = "Arrow"
    try:
        with open_binary(path) as stream:
            head = stream.read(_MARK_BYTES)
            stream.seek(0)
            if is_parquet(head):
                form = "Parquet"
                opened = require("pyarrow.parquet", "Parquet", extra="parquet").ParquetFile
            else:
                whole = head.startswith(b"ARROW1")
                opened = arrow.ipc.open_file if whole else arrow.ipc.open_stream
            with opened(stream) as reader:
                yield reader
    except BertkitError:
        raise
    except Exception as error:  # pyarrow's own kinds
        reason = str(error).partition("\n")[0]
        raise DataError(f"{path}: not a complete {form} file: {reason}") from error


def _schema(reader: Any) -> Any:
    return getattr(reader, "schema_arrow", None) or reader.schema


def _table(reader: Any, names: Sequence[str]) -> Any:
    """The columns of these names as pyarrow's table."""
    all_of_them = len(names) == len(_schema(reader).names)
    if hasattr(reader, "read_all"):
        return reader.read_all() if all_of_them else reader.read_all().select(names)
    return reader.read() if all_of_them else reader.read(names)


def _values(column: Any, path: str, name: str) -> list[Any]:
    """The values of a column as Python's own; none where Python has no such values.

    A date of the year 60000 beside the text is no reason to refuse the text.
    """
    try:
        return list(column.to_pylist())
    except Exception as error:  # Python's of a date or a time zone, pyarrow's own
        text = "%s: the column %r cannot be read, and is taken as empty: %s"
        log.warn_once(text % (path, name, error))
        return [None] * len(column)


def _require_sound(column: Any, path: str, name: str) -> None:
    """Refuse damage that pyarrow does not see: it reads whatever lies where offsets point to.

    Raises:
        ArrowInvalid: damaged.
        DataError: text that is not UTF-8.
    """
    arrow = require("pyarrow", "Parquet and Arrow files", extra="parquet")
    try:
        column.validate(full=True)
    except arrow.ArrowInvalid as error:
        if _NOT_UTF8 not in str(error):
            raise
        row = next(row for row in range(len(column)) if not _is_sound(column.slice(row, 1)))
        raise DataError(
            f"{path}:{row + 1}: the column {name!r} holds text that is not UTF-8",
            "write the file again from text that is",
        ) from error


def _is_sound(column: Any) -> bool:
    arrow = require("pyarrow", "Parquet and Arrow files", extra="parquet")
    try:
        column.validate(full=True)
    except arrow.ArrowInvalid:
        return False
    return True


def _is_media(kind: Any) -> bool:
    """Whether a column has images or audio, or lists of them, as `datasets` stores them."""
    types = require("pyarrow.types", "Parquet and Arrow files", extra="parquet")
    if types.is_list(kind) or types.is_large_list(kind):
        return _is_media(kind.value_type)
    return types.is_struct(kind) and any(
        types.is_binary(part.type) or types.is_large_binary(part.type) for part in kind
    )


def _classes(metadata: Mapping[bytes, bytes]) -> dict[str, list[str]]:
    """Column → names of its classes, from what `datasets` writes into a file's schema."""
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return {}
    found = {}
    for name, feature in features.items() if isinstance(features, dict) else ():
        names = _names_of(feature)
        if names:
            found[str(name)] = names
    return found


def _names_of(feature: Any) -> list[str]:
    """Names of the classes of a feature, or of what a list of them holds; empty where none are."""
    while isinstance(feature, (dict, list)) and feature:
        if isinstance(feature, list):
            feature = feature[0]
        elif feature.get("_type") == "ClassLabel":
            names = feature.get("names")
            found = list(map(str, names)) if isinstance(names, list) else []
            bare = [name.strip() for name in found]
            return bare if len(set(bare)) == len(found) else found
        else:
            feature = feature.get("feature")
    return []


def named(value: Any, names: Sequence[str], place: str) -> Any:
    """A number of a class, or a list of them, by name; None where there is no label.

    Args:
        value: as the file has it.
        names: of the classes, from 0.
        place: for messages.

    Raises:
        DataError: a number that has no name.
    """
    if isinstance(value, list):
        return [named(part, names, place) for part in value]
    if value is None or value == _NO_LABEL:
        return None
    if isinstance(value, int) and 0 <= value < len(names):
        return names[value]
    raise DataError(f"{place}: the label {value!r} has no name; the file notes {len(names)} names")
