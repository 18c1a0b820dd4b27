"""Reads tables whose rows are sentences, a list of words and a list of tags; writes JSON lines."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bertkit.codecs.json_lines import json_object, parse_json
from bertkit.codecs.strict_json import json_text
from bertkit.errors import DataError
from bertkit.storage.files import is_utf8
from bertkit.tables.arrow import named
from bertkit.tables.table import Table
from bertkit.tasks.tag.sentence import Columns, Sentence

PREDICTED = "predicted_tags"
# Names that such files have for words and for tags, where none is given.
WORD_FIELDS = ("words", "tokens")
_TAG_FIELDS = ("tags", "ner_tags", "labels")
_HINT = 'one object per line: {"words": ["A", "word"], "tags": ["O", "B-X"]}'
_TABLE_HINT = "a row has a list of words (words, tokens) and one of as many tags (tags, ner_tags)"
_NUMBERS_HINT = (
    "name them in their order: --labels O --labels B-X ..., or --labels @FILE; Parquet and Arrow"
    " files of `datasets` have the names in them"
)


@dataclass
class RowFile:
    """A file with a sentence in each row, taken apart.

    Attributes:
        name: of the file.
        entries: the object of each row; None for an empty line.
        sentences: one for each object; their tags where they were asked for.
        labels: all tags in their order, where the file notes them.
    """

    name: str
    entries: list[dict[str, Any] | None] = field(default_factory=list)
    sentences: list[Sentence] = field(default_factory=list)
    labels: Sequence[str] = ()

    def cut(self, limit: int) -> None:
        """Leave out all that comes after so many sentences."""
        numbers = [number for number, entry in enumerate(self.entries) if entry is not None]
        del self.entries[numbers[limit] :], self.sentences[limit:]

    def with_tags(self, tags: Sequence[Sequence[str]]) -> str:
        """The same objects with one more field: the tags of each sentence's words."""
        rest = iter(tags)
        lines = [
            ""
            if entry is None
            else json_text({**entry, PREDICTED: list(next(rest))}, readable=True)
            for entry in self.entries
        ]
        return "".join(f"{line}\n" for line in lines)


def is_json(text: str) -> bool:
    """Whether the first line that is not empty is an object, and so no word in columns."""
    first = text.lstrip("\ufeff\r\n\t ").partition("\n")[0]
    try:
        return isinstance(json.loads(first), dict)
    except (ValueError, RecursionError):
        return False


def read_json_words(
    name: str, text: str, columns: Columns, tagged: bool, labels: Sequence[str] = ()
) -> RowFile:
    """Take JSON lines, or an array of objects, apart; see `bertkit.tasks.tag.conll.read_conll`.

    Words are in the field `words` or `tokens`, tags in `tags`, `ner_tags` or `labels`.

    Args:
        name: of the file, for messages.
        text: its content.
        columns: where words and tags are.
        tagged: tags are needed.
        labels: names of tags that are numbers from 0; none where these are not known.

    Raises:
        DataError: not an object, no list of texts, or not as many tags as words; names the line.
    """
    found = RowFile(name)
    text = text.removeprefix("\ufeff")
    reader = _RowReader(found, columns, tagged, labels)
    if text.lstrip()[:1] == "[":
        for number, entry in enumerate(parse_json(text, name, _HINT), 1):
            reader.add(number, entry, f"{name}: object {number}")
    else:
        for number, line in enumerate(text.split("\n"), 1):
            place = f"{name}:{number}"
            if line.strip():
                reader.add(number, json_object(line, place, _HINT), place)
            else:
                found.entries.append(None)
        if text.endswith("\n"):
            found.entries.pop()
    return _whole(found)


def read_table_words(
    table: Table, columns: Columns, tagged: bool, labels: Sequence[str] = ()
) -> RowFile:
    """Take a table apart whose rows have lists of words and tags; see `read_json_words`.

    Numbers are tags by the names that the table notes for them.
    """
    fields = _TAG_FIELDS if columns.tags is None else (columns.tags,)
    tags = next((name for name in fields if name in table.names), "")
    noted = table.classes.get(tags, ())
    found = RowFile(table.path, labels=noted)
    reader = _RowReader(found, columns, tagged, noted or labels, _TABLE_HINT)
    for row, (place, entry) in zip(table.rows, table.records(), strict=True):
        reader.add(row.line, entry, place, row.path)
    found.entries = [_kept(entry) for entry in found.entries if entry is not None]
    return _whole(found, _TABLE_HINT)


def _kept(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a row that are written beside the tags."""
    return {key: value for key, value in entry.items() if _is_kept(value)}


def _is_kept(value: Any) -> bool:
    """Whether a value of a table is kept beside the tags: some have no form in JSON."""
    if isinstance(value, dict):
        return all(map(_is_kept, value.values()))
    if isinstance(value, list):
        return all(map(_is_kept, value))
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or (is_utf8(value) if isinstance(value, str) else isinstance(value, int))


def _whole(found: RowFile, hint: str = _HINT) -> RowFile:
    if not found.sentences:
        raise DataError(f"{found.name}: holds no sentence", hint)
    return found


@dataclass
class _RowReader:
    """Adds the sentences of rows to a file; see `read_json_words`."""

    found: RowFile
    columns: Columns
    tagged: bool
    labels: Sequence[str]
    hint: str = _HINT

    def add(self, number: int, entry: Any, place: str, path: str = "") -> None:
        """Take the words, and the tags, out of a row.

        Args:
            number: of its line or row.
            entry: its values by name.
            place: for messages.
            path: of its file, where there are several.

        Raises:
            DataError: no object, no list of texts, or not as many tags as words.
        """
        if not isinstance(entry, dict):
            raise DataError(f"{place}: not an object", _HINT)
        fields = self.columns
        words = texts_of(entry, (fields.words,) if fields.words else WORD_FIELDS, place, self.hint)
        tags = None
        if self.tagged:
            names = (fields.tags,) if fields.tags else _TAG_FIELDS
            entry = self._with_names(entry, names, place)
            tags = texts_of(entry, names, place, self.hint)
            if len(tags) != len(words):
                raise DataError(f"{place}: {len(words)} words and {len(tags)} tags", self.hint)
        self.found.entries.append(entry)
        lines = [number] * len(words)
        self.found.sentences.append(Sentence(words, tags, path or self.found.name, lines))

    def _with_names(
        self, entry: dict[str, Any], names: Sequence[str], place: str
    ) -> dict[str, Any]:
        """The same row with tags that are numbers by their names."""
        name = next((name for name in names if name in entry), "")
        numbers = entry.get(name)
        if not isinstance(numbers, list) or not any(type(tag) is int for tag in numbers):
            return entry
        if not self.labels:
            raise DataError(
                f"{place}: {name!r} holds numbers, and the tags they stand for are not known",
                _NUMBERS_HINT,
            )
        tags = named(numbers, self.labels, place)
        if None in tags:
            word = tags.index(None)
            raise DataError(
                f"{place}: {name!r} has {numbers[word]} for word {word + 1}: there is no tag",
                "remove the row, or give the word a tag",
            )
        return {**entry, name: tags}


def texts_of(
    entry: Mapping[str, Any], names: Sequence[str], place: str, hint: str = _HINT
) -> list[str]:
    """The list of texts in the first of some fields that is there.

    Raises:
        DataError: there is none, or it is something else.
    """
    name = next((name for name in names if name in entry), None)
    if name is None:
        raise DataError(f"{place}: has no field {' or '.join(map(repr, names))}", hint)
    found = entry[name]
    if found is None:
        raise DataError(f"{place}: {name!r} is empty", hint)
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise DataError(f"{place}: {name!r} is not a list of texts", hint)
    if not all(map(is_utf8, found)):
        raise DataError(f"{place}: {name!r} holds half of a character (a lone surrogate)", hint)
    return found
