"""Shows what tables of examples and files of questions hold, for `bertkit inspect`."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from bertkit import log
from bertkit.errors import shortened
from bertkit.tables.arrow import named
from bertkit.tables.table import Row, Table, read_table
from bertkit.tasks.squad.questions import read_questions

_FEW = 20  # so many different values are counted as labels
_SHOWN = 6  # of them in the text
_LETTERS = 40  # of a label, at most


def view_table(path: str) -> tuple[dict[str, Any], str]:
    """What the columns of a table hold, and a table of it for people.

    Args:
        path: see `bertkit.tables.table.read_table`.

    Raises:
        DataError: it is damaged; names the line.
        MissingDependencyError: Parquet and Arrow without pyarrow.
    """
    table = read_table(path, header=_has_header)
    columns = [_column(table, number) for number in range(table.width)]
    rows = [
        (found["name"], found["holds"], f"{found['filled']:,}", _words(found)) for found in columns
    ]
    title = f"{path}: a table of {log.counted(len(table.rows), 'row')}"
    text = log.table(("column", "holds", "filled", "values"), rows, title)
    return {"path": path, "rows": len(table.rows), "columns": columns}, text


def view_questions(path: str) -> tuple[dict[str, Any], str]:
    """What a file of questions holds, and a table of it for people.

    Args:
        path: see `bertkit.tasks.squad.question_files.questions_in`.

    Raises:
        DataError: it is damaged, or a question is; names the place.
        MissingDependencyError: Parquet and Arrow without pyarrow.
    """
    questions = read_questions(path, version_2=True)
    passages = list({id(found.passage): found.passage for found in questions}.values())
    answered = [found for found in questions if found.answers]
    lengths = [len(passage.words) for passage in passages]
    asked = [len(found.text.split()) for found in questions]
    answers = [len(answer.text.split()) for found in answered for answer in found.answers]
    values = {
        "path": path,
        "questions": len(questions),
        "passages": len(passages),
        "without_answer": len(questions) - len(answered),
        "several_answers": sum(len(found.answers) > 1 for found in questions),
        "unfound_answers": sum(found.answer_words() is None for found in answered),
        "passage_words": _spread(lengths),
        "question_words": _spread(asked),
        "answer_words": _spread(answers),
    }
    rows = [
        (name.replace("_", " "), _spread_words(value) if isinstance(value, dict) else f"{value:,}")
        for name, value in values.items()
        if name != "path"
    ]
    return values, log.table(("questions", path), rows)


def _has_header(rows: Sequence[Row]) -> bool:
    """Whether the first row of a table names its columns: none of it is a value of its column."""
    first, *others = (row.values for row in rows)
    names = [field.strip() for field in first]
    return len({*names}) == len(names) and not any(
        _is_value(name, (values[number] for values in others)) for number, name in enumerate(names)
    )


def _is_value(name: str, values: Iterable[str]) -> bool:
    """Whether the name of a column is one of its values, nothing, or a number."""
    return not name or name.replace(".", "", 1).isdecimal() or name in values


def _column(table: Table, number: int) -> dict[str, Any]:
    """Name, kind of values, how many there are, and what they are."""
    name = table.names[number] if table.names else str(number + 1)
    classes = table.classes.get(name)
    values = [row.values[number] for row in table.rows]
    if classes:
        places = map(table.place, table.rows)
        values = [named(value, classes, place) for value, place in zip(values, places, strict=True)]
    values = [value for value in values if value not in (None, "")]
    kind = _kind(values)
    found: dict[str, Any] = {"name": name, "holds": kind, "filled": len(values)}
    if kind == "object":
        return found
    if kind == "number":
        found |= _range(values)
    elif kind == "text":
        found["words"] = _spread([len(value.split()) for value in values])
    elif kind == "list":
        found["lengths"] = _spread([len(value) for value in values])
        values = [part for value in values for part in value]
    counts = Counter(map(str, values))
    if counts and (classes or (len(counts) <= _FEW and len(counts) < len(values))):
        found["labels"] = {label: counts[label] for label in classes or sorted(counts)}
    return found


def _range(values: Sequence[float]) -> dict[str, float]:
    """Least and largest of those that are finite, and how many are not."""
    finite = [value for value in values if isinstance(value, int) or math.isfinite(value)]
    ends = {"least": min(finite), "most": max(finite)} if finite else {}
    return {**ends, "not_finite": len(values) - len(finite)}


def _kind(values: Sequence[Any]) -> str:
    """What the values of a column are: `text`, `number`, `list`, `object`, or `nothing`."""
    kinds = {type(value) for value in values}
    if not kinds:
        return "nothing"
    if kinds <= {str}:
        return "text"
    if kinds <= {int, float, bool}:
        return "number"
    return "list" if kinds <= {list} else "object"


def _spread(counts: Sequence[int]) -> dict[str, float]:
    """Mean and largest of some numbers; nothing of none."""
    if not counts:
        return {}
    return {"mean": round(sum(counts) / len(counts), 1), "most": max(counts)}


def _spread_words(spread: dict[str, float]) -> str:
    return f"{spread['mean']:,} on average, {spread['most']:,} at most" if spread else "none"


def _words(found: dict[str, Any]) -> str:
    """The values of a column for people."""
    if labels := found.get("labels"):
        return shortened([f"{name[:_LETTERS]} {n:,}" for name, n in labels.items()], _SHOWN)
    if found["holds"] == "number":
        ends = [f"{found['least']:,} to {found['most']:,}"] if "least" in found else []
        others = found["not_finite"]
        return ", ".join(ends + ([f"{others:,} not finite"] if others else []))
    if found["holds"] == "list":
        return f"{_spread_words(found['lengths'])} in a list"
    return f"{_spread_words(found['words'])}, in words" if found.get("words") else ""
