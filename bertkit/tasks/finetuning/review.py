"""Keeps what a fine-tuned model got wrong on the files it was scored on, as tables to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bertkit import log
from bertkit.codecs.strict_json import json_text
from bertkit.errors import DataError
from bertkit.storage.files import is_utf8, read_json, write_text

NAME = "review.json"
ROWS = 10  # of a table of examples
GROUPS = 20  # of a table of labels
_LONGEST = 240  # characters of a text
# Title → rows, each with the same names of columns.
Tables = Mapping[str, Sequence[Mapping[str, Any]]]


def excerpt(text: str, middle: int = 0) -> str:
    """A text on one line, or what stands around a place in it, so that a table stays small.

    Args:
        text: any.
        middle: number of a character that is to be seen.
    """
    first = max(0, middle - _LONGEST // 2) if len(text) > _LONGEST else 0
    last = first + _LONGEST
    inside = " ".join(text[first:last].split())
    return f"{'…' if first else ''}{inside}{'…' if last < len(text) else ''}"


def write_review(folder: str | Path, task: str, files: Mapping[str, Tables]) -> None:
    """Write `review.json` into a run's folder.

    Args:
        folder: of the run.
        task: its name.
        files: path of a scored file → tables.
    """
    found = {"task": task, "files": files}
    write_text(Path(folder) / NAME, json_text(found, indent=1, readable=True) + "\n")


def read_review(folder: str | Path) -> dict[str, Any] | None:
    """What `write_review` wrote; None for what other tasks write under this name.

    Raises:
        DataError: the file is of another form.
    """
    path = Path(folder) / NAME
    found = read_json(path)
    if not isinstance(found, dict) or "task" not in found:
        return None
    try:
        tables = [rows for tables in found["files"].values() for rows in tables.values()]
        for rows in tables:
            for row in rows:
                if row.keys() != rows[0].keys() or not all(map(_is_plain, row.values())):
                    raise TypeError(row)
    except (AttributeError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: not a review of predictions", "score them again with bertkit finetune"
        ) from error
    return found


def _is_plain(value: object) -> bool:
    return (isinstance(value, str) and is_utf8(value)) or isinstance(value, (int, float))


def cells(rows: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """The headings and the texts of a table."""
    return list(rows[0]), [[_shown(value) for value in row.values()] for row in rows]


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) else value or "(nothing)"


def as_text(found: Mapping[str, Any]) -> str:
    """A review for people."""
    parts = []
    for path, tables in found["files"].items():
        for title, rows in tables.items():
            if rows:
                head, body = cells(rows)
                parts.append(log.table(head, body, title=f"{title} ({path})"))
    return "\n\n".join(parts) or "nothing was wrong"
