"""Reads texts, pairs of texts and their labels from tables."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bertkit import log
from bertkit.errors import DataError
from bertkit.tables.arrow import named
from bertkit.tables.table import Header, Row, Table, read_table
from bertkit.tasks.classify import glue
from bertkit.tasks.classify.config import NONE, TableConfig
from bertkit.tasks.classify.glue import GLUE
from bertkit.tasks.finetuning.texts import fault_of_text

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
TakesNames = Callable[[Sequence[str], str], bool]
LABELS = ("label", "labels", "score", "gold_label", "class", "target", "category")


@dataclass(frozen=True)
class Example:
    """A text or a pair of texts.

    Attributes:
        place: file and line.
        text: the first one.
        pair: the second one; None for a single text.
        label: as the file has it: a text or number, or a list; None without.
        named: the label is a name, or several, that the file notes for its numbers.
    """

    place: str
    text: str
    pair: str | None = None
    label: Any = None
    named: bool = False


@dataclass(frozen=True)
class Columns:
    """Which columns hold what, by their names.

    Attributes:
        text: of the text.
        pair: of its partner; empty for single texts.
        labels: of the label; several hold 0 or 1 each; none where it is not known.
    """

    text: str
    pair: str
    labels: Sequence[str]


def columns_of(table: Table, config: TableConfig) -> Columns:
    """The columns of the settings, of GLUE's file, or the usual names that a table has.

    Raises:
        DataError: a column that is named is not there, or none has a usual name.
    """
    text, pair = config.text_column, config.pair_column
    labels = list(config.label_column)
    known = glue.columns(GLUE[config.glue], table) if config.glue else None
    if known and text is None:
        text, pair = known[:2]
        # GLUE as `datasets` has it calls every label `label`.
        own = known[2] in table.names or not table.names
        labels = labels or ([known[2]] if own else [])
    usual = {name.lower(): name for name in table.names}
    if text is None:
        pairs = next((names for names in PAIRS if usual.keys() >= set(names)), None)
        single = next((name for name in TEXTS if name in usual), None)
        if pairs and pair in (None, usual[pairs[1]]):
            text, pair = usual[pairs[0]], usual[pairs[1]]
        elif single:
            text = usual[single]
        else:
            raise DataError(
                f"{table.path}: which column is the text? It has {table.shown()}",
                "name it: --text-column",
            )
    labels = labels or [usual[name] for name in LABELS if name in usual][:1]
    return Columns(text, "" if pair in (None, NONE) else str(pair), labels)


def _require_names(table: Table, columns: Columns) -> None:
    """Refuse a first row of data that would be lost as names of columns.

    Columns that are given by number may be of a file without a header. The first row is data
    where its label is a number, or the label of another row.
    """
    # Of tables whose rows begin at 1 no row was taken for names.
    headed = bool(table.names) and table.rows[0].line > 1
    for name in columns.labels if headed else ():
        if name in table.names or not name.isdecimal() or int(name) > table.width:
            continue
        number = int(name) - 1
        first = table.names[number]
        if _is_number(first) or any(str(row.values[number]).strip() == first for row in table.rows):
            raise DataError(
                f"{table.path}:1: the first row is no header: its column {name} is {first!r},"
                " a label",
                "give --no-header",
            )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _never(names: Sequence[str], path: str) -> bool:
    return False


class ExampleReader:
    """Reads tables by the settings.

    Args:
        config: the settings; columns that they do not name are those of the first file.

    Attributes:
        columns: in which the examples of the first file are; None before.
        classes: names of the labels of the last file, in the order of its numbers; empty where
            it notes none, or they were not taken.
    """

    def __init__(self, config: TableConfig) -> None:
        self._config = config
        self.columns: Columns | None = None
        self.classes: Sequence[str] = ()

    def read(self, path: str, use: str, takes_names: TakesNames = _never) -> list[Example]:
        """The examples of a file.

        Of GLUE's own files, as everybody has it, rows of a training file that are cut or hold
        an empty text are left out, and counted; empty texts elsewhere are taken.

        Args:
            path: of the table.
            use: `train`, `eval` or `predict`, whose rows need no label.
            takes_names: tells of the names that a file (its path) notes for its numbers whether
                the labels are these names.

        Raises:
            DataError: no such column, a row without text, without its partner or label; names
                file and line.
        """
        config, own = self._config, self._config.glue is not None
        left_out: list[str] = []
        header: Header = config.header
        if config.glue:
            header = functools.partial(glue.has_header, GLUE[config.glue])
        may_cut = left_out if own and use == "train" else None
        table = read_table(path, header=header, quoting=config.quoting, ragged=may_cut)
        # GLUE's files to predict have other columns than those to train on.
        columns = self.columns if self.columns and not own else columns_of(table, config)
        self.columns = self.columns or columns
        _require_names(table, columns)
        labelled = use != "predict"
        if labelled and not columns.labels:
            raise DataError(
                f"{path}: which column is the label? It has {table.shown()}",
                "name it: --label-column",
            )
        self.classes = _classes(table, columns, takes_names) if labelled else ()
        cut = _Cut(table, columns, labelled=labelled, empty=own, classes=self.classes)
        found = [cut.example(row) for row in table.rows[: config.limit or None]]
        if may_cut is not None:
            left_out += [e.place for e in found if not e.text or e.pair == ""]
            found = [e for e in found if e.text and e.pair != ""]
        if left_out:
            text = "%d rows are cut or have an empty text, and are left out; the first: %s"
            log.logger.warning(text, len(left_out), left_out[0])
        return found


def _classes(table: Table, columns: Columns, takes_names: TakesNames) -> Sequence[str]:
    """Names of the numbers in the column of labels, where they are to be taken."""
    if len(columns.labels) != 1 or not table.classes:
        return ()
    column = table.column(columns.labels[0], "--label-column")
    names = table.classes.get(table.names[column], ())
    return names if names and takes_names(names, table.path) else ()


class _Cut:
    """Takes an example out of a row."""

    def __init__(
        self,
        table: Table,
        columns: Columns,
        *,
        labelled: bool,
        empty: bool,
        classes: Sequence[str],
    ) -> None:
        self._table, self._names, self._empty, self._classes = table, columns, empty, classes
        self._text = table.column(columns.text, "--text-column")
        self._pair = table.column(columns.pair, "--pair-column") if columns.pair else None
        labels = columns.labels if labelled else ()
        self._labels = [table.column(name, "--label-column") for name in labels]

    def example(self, row: Row) -> Example:
        """The example of a row; raises what `ExampleReader.read` says."""
        place = self._table.place(row)
        text = self._text_in(row.values[self._text], self._names.text, place)
        pair = None
        if self._pair is not None:
            pair = self._text_in(row.values[self._pair], self._names.pair, place)
        label = self._label(row, place) if self._labels else None
        return Example(place, text, pair, label, bool(self._classes))

    def _text_in(self, value: Any, name: str, place: str) -> str:
        fault = fault_of_text(value)
        empty = fault.startswith("empty")
        if fault and not (empty and self._empty):
            hint = "remove the row, or fill it in" if empty else "every row needs a text"
            raise DataError(f"{place}: {name} is {fault}", hint)
        return str(value)

    def _label(self, row: Row, place: str) -> Any:
        """The value of the one column, or the names of the columns that hold 1."""
        names = self._names.labels
        if len(names) == 1:
            given = row.values[self._labels[0]]
            value = named(given, self._classes, place) if self._classes else given
            if value is None or value == "":
                fault = "empty" if given is None or given == "" else given
                raise DataError(
                    f"{place}: {names[0]} is {fault}: there is no label",
                    "remove the row, or fill it in",
                )
            return value
        chosen = []
        for column, name in zip(self._labels, names, strict=True):
            value = str(row.values[column]).strip().lower()
            if value not in ("0", "1", "true", "false"):
                raise DataError(f"{place}: {name} is {value!r}, not 0 or 1")
            if value in ("1", "true"):
                chosen.append(name)
        return chosen
