"""Reads the names of a table's columns from its beginning."""

from __future__ import annotations

import codecs
import json
import os
from pathlib import Path

from bertkit.errors import DataError
from bertkit.storage.files import is_remote
from bertkit.tables.arrow import is_column_file, names_of_column_file
from bertkit.tables.csv_rows import rows_of
from bertkit.tables.files import is_data_set, table_files
from bertkit.text.files import open_text

_HEAD = 1 << 16
_SEPARATED = (".csv", ".tsv", ".tab")


def column_names(path: str) -> list[str]:
    """Names of the columns of a local table; none for what is no table, or cannot be read.

    Of Parquet and Arrow those of the file; of JSON the keys of the first object, if it holds a text
    or a list; of CSV and TSV, told by the ending of the name, the first row.

    Args:
        path: a file, or a folder that `save_to_disk` of `datasets` wrote.

    Raises:
        MissingDependencyError: Parquet and Arrow without pyarrow.
    """
    try:
        if is_remote(path) or (os.path.isdir(path) and not is_data_set(path)):
            return []
        first = table_files(path)[0]
        if not os.path.isfile(first):
            return []
        if is_column_file(first):
            return names_of_column_file(first)
        with open_text(first, _HEAD) as stream:
            head = stream.read(_HEAD)
    except (DataError, OSError):
        return []
    if any(suffix in _SEPARATED for suffix in Path(first).suffixes):
        rows = rows_of(head.removeprefix(codecs.BOM_UTF8))
        return [name.strip() for name in rows[0]] if rows and len(rows[0]) > 1 else []
    return _keys(head.decode("utf-8", "replace").lstrip("\ufeff \t\r\n"))


def _keys(text: str) -> list[str]:
    """Keys of the first object of JSON lines or of an array."""
    start = text[1:].lstrip() if text.startswith("[") else text.partition("\n")[0]
    try:
        found, _ = json.JSONDecoder().raw_decode(start)
    except (ValueError, RecursionError):
        return []
    if not isinstance(found, dict) or not any(isinstance(v, (str, list)) for v in found.values()):
        return []
    return list(map(str, found))
