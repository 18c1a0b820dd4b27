"""Reads and writes JSON lines: on each line a sentence as a list of words and a list of tags."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bertkit.codecs.json_lines import json_object
from bertkit.codecs.strict_json import json_text
from bertkit.errors import DataError
from bertkit.storage.files import is_utf8
from bertkit.tasks.tag.sentence import Columns, Sentence

PREDICTED = "predicted_tags"
# Names that such files have for words and for tags, where none is given.
WORD_FIELDS = ("words", "tokens")
_TAG_FIELDS = ("tags", "ner_tags", "labels")
_HINT = 'one object per line: {"words": ["A", "word"], "tags": ["O", "B-X"]}'


@dataclass
class JsonFile:
    """A file of JSON lines, taken apart.

    Attributes:
        name: of the file.
        entries: the object of each line; None for an empty line.
        sentences: one for each object; their tags where they were asked for.
    """

    name: str
    entries: list[dict[str, Any] | None] = field(default_factory=list)
    sentences: list[Sentence] = field(default_factory=list)

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


def read_json_words(name: str, text: str, columns: Columns, tagged: bool) -> JsonFile:
    """Take a file of JSON lines apart; see `bertkit.tasks.tag.conll.read_conll`.

    Words are in the field `words` or `tokens`, tags in `tags`, `ner_tags` or `labels`.

    Raises:
        DataError: not an object, no list of texts, or not as many tags as words; names the line.
    """
    found = JsonFile(name)
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        if not line.strip():
            found.entries.append(None)
            continue
        place = f"{name}:{number}"
        entry = json_object(line, place, _HINT)
        words = texts_of(entry, (columns.words,) if columns.words else WORD_FIELDS, place)
        tags = None
        if tagged:
            tags = texts_of(entry, (columns.tags,) if columns.tags else _TAG_FIELDS, place)
            if len(tags) != len(words):
                raise DataError(f"{place}: {len(words)} words and {len(tags)} tags", _HINT)
        found.entries.append(entry)
        found.sentences.append(Sentence(words, tags, name, [number] * len(words)))
    if text.endswith("\n"):
        found.entries.pop()
    if not found.sentences:
        raise DataError(f"{name}: holds no sentence", _HINT)
    return found


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
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise DataError(f"{place}: {name!r} is not a list of texts", hint)
    if not all(map(is_utf8, found)):
        raise DataError(f"{place}: {name!r} holds half of a character (a lone surrogate)", hint)
    return found
