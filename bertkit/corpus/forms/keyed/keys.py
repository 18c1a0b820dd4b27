"""Finds the key, column or field that holds the text, and makes a document of a record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bertkit.corpus.document import RawDocument, Rejected
from bertkit.corpus.forms.form import ReadOptions
from bertkit.errors import NotTextError
from bertkit.tables.text_column import TEXT, find_text_key

_SHOWN = 12


class TextKeys:
    """Which keys hold text and title: those of the flags, else what the first record tells.

    Once a record has decided, the file's other records have the text under the same key.
    """

    def __init__(self, options: ReadOptions) -> None:
        self.text, self.title = options.text_key, options.title_key

    def document(self, record: Mapping[str, Any], name: str) -> RawDocument | Rejected:
        """A record as a document.

        Args:
            record: its values by key.
            name: names the document where it has no `id`.
        """
        text_key = self.text or find_text_key(key for key in record if _is_text(record[key]))
        text = value_at(record, text_key) if text_key else None
        if not isinstance(text, str):
            return Rejected(name, f"no text: {_lacks(record, self.text or TEXT)}")
        self.text = text_key
        title = value_at(record, self.title or "title")
        given = record.get("id")
        return RawDocument(
            str(given) if given is not None else name,
            title if isinstance(title, str) else "",
            text,
        )


def column_of(names: Iterable[str], texts: Iterable[str], options: ReadOptions, what: str) -> str:
    """The column that holds the text.

    Args:
        names: of all columns.
        texts: those that can hold text.
        options: `text_key` decides, if it is given.
        what: the file, for messages.

    Raises:
        NotTextError: there is no such column, or none, or several that may be it.
    """
    names = list(names)
    shown = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
    if options.text_key:
        if options.text_key in names or options.text_key.partition(".")[0] in names:
            return _only(options.text_key, names, what)
        raise NotTextError(
            f"{what} has no column {options.text_key}; it has {shown}", "see --text-key"
        )
    found = find_text_key(texts)
    if not found:
        raise NotTextError(
            f"{what}: which column is the text? It has {shown}",
            "name one with --text-key; --form text takes the file as it is",
        )
    return _only(found, names, what)


def _only(name: str, names: list[str], what: str) -> str:
    """The name of a column, of which there may be one only."""
    if names.count(name) > 1:
        raise NotTextError(
            f"{what} has {names.count(name)} columns named {name}", "rename all but one of them"
        )
    return name


def value_at(record: Mapping[str, Any], key: str) -> Any:
    """The value under a key, or under a path of keys such as `page.text`; None for none."""
    if key in record:
        return record[key]
    value: Any = record
    for part in key.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _lacks(record: Mapping[str, Any], key: str) -> str:
    """Why a record has no text under a key."""
    if key in record:
        return f'"{key}" is {_kind(record[key])}, not a string'
    return f'expected an object with a "{key}" string{_has(record)}'


def _kind(value: Any) -> str:
    """What a value of JSON, or of a column, is."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return f"the number {value}"
    return "an object" if isinstance(value, Mapping) else "a list"


def _has(record: Mapping[str, Any]) -> str:
    keys = ", ".join(list(record)[:_SHOWN])
    return f"; it has {keys}: see --text-key" if keys else ""
