"""Reads texts, pairs of texts and their labels from tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bertkit.errors import DataError
from bertkit.files import is_utf8
from bertkit.tables.table import Row, Table, read_table
from bertkit.tasks.classify.config import TableConfig

NONE = "none"
# Usual names of the text and of its partner; the first pair or text that is there is taken.
PAIRS = (
    ("sentence1", "sentence2"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("question", "sentence"),
    ("text_a", "text_b"),
    ("text1", "text2"),
)
TEXTS = ("sentence", "text", "content", "review")
LABELS = ("label", "labels", "score", "gold_label", "class", "target", "category")


@dataclass(frozen=True)
class Example:
    """A text or a pair of texts.

    Attributes:
        place: file and line.
        text: the first one.
        pair: the second one; None for a single text.
        label: as the file has it: a text or number, or a list; None without.
    """

    place: str
    text: str
    pair: str | None = None
    label: Any = None


@dataclass(frozen=True)
class Columns:
    """Which columns hold what, by their names.

    Attributes:
        text: of the text.
        pair: of its partner; empty for single texts.
        labels: of the label; several hold 0 or 1 each; none where it is not known yet.
    """

    text: str
    pair: str
    labels: Sequence[str]


def columns_of(table: Table, config: TableConfig) -> Columns:
    """The columns of the settings, or the usual names that a table has.

    Raises:
        DataError: a column that is named is not there, or none has a usual name.
    """
    text, pair = config.text_column, config.pair_column
    if text is None:
        known = next((names for names in PAIRS if set(names) <= set(table.names)), None)
        single = next((name for name in TEXTS if name in table.names), None)
        if known and pair in (None, known[1]):
            text, pair = known
        elif single:
            text = single
        else:
            raise DataError(
                f"{table.path}: which column is the text? It has {table.shown()}",
                "name it: --text-column",
            )
    labels = list(config.label_column) or [name for name in LABELS if name in table.names][:1]
    return Columns(text, "" if pair in (None, NONE) else str(pair), labels)


def read_examples(
    path: str, config: TableConfig, *, columns: Columns | None, labelled: bool, limit: int
) -> tuple[list[Example], Columns]:
    """The examples of a file, and the columns that they are in.

    Args:
        path: of the table.
        config: the settings.
        columns: of the training file; None to find them out.
        labelled: every row must have a label.
        limit: examples at most; 0 for all.

    Raises:
        DataError: no such column, a row without text, without its partner or label; names
            file and line.
    """
    table = read_table(path, header=config.header, quoting=config.quoting)
    columns = columns or columns_of(table, config)
    if labelled and not columns.labels:
        raise DataError(
            f"{path}: which column is the label? It has {table.shown()}", "name it: --label-column"
        )
    text = table.column(columns.text, "--text-column")
    pair = table.column(columns.pair, "--pair-column") if columns.pair else None
    given = [table.column(name, "--label-column") for name in columns.labels if labelled]
    rows = table.rows[:limit] if limit else table.rows
    found = [
        Example(
            table.place(row),
            _text(table, row, text, columns.text),
            None if pair is None else _text(table, row, pair, columns.pair),
            _label(table, row, given, columns.labels) if labelled else None,
        )
        for row in rows
    ]
    return found, columns


def _text(table: Table, row: Row, column: int, name: str) -> str:
    value = row.values[column]
    if not isinstance(value, str) or not is_utf8(value):
        what = "no text" if value is None else "not a text"
        raise DataError(f"{table.place(row)}: {name} is {what}", "every row needs one")
    if not value.strip():
        raise DataError(f"{table.place(row)}: {name} is empty", "remove the row, or fill it in")
    return value


def _label(table: Table, row: Row, columns: Sequence[int], names: Sequence[str]) -> Any:
    """The value of the one column, or the names of the columns that hold 1."""
    if len(columns) == 1:
        value = row.values[columns[0]]
        if value is None or value == "":
            raise DataError(f"{table.place(row)}: {names[0]} is empty: there is no label")
        return value
    chosen = []
    for column, name in zip(columns, names, strict=True):
        value = str(row.values[column]).strip().lower()
        if value not in ("0", "1", "true", "false"):
            raise DataError(f"{table.place(row)}: {name} is {value!r}, not 0 or 1")
        if value in ("1", "true"):
            chosen.append(name)
    return chosen
