"""Tables of templates that stand for words of a sentence: one YAML file per language.

A file maps a pattern (`patterns`) or the name of a function (`=convert`, see `functions`) to
the templates that it renders; `nothing` lists those that show nothing in a sentence, and
names that end in `*` there stand for all that begin so. `common.yaml` holds the names of
the English Wikipedia, which most others have taken over. A wiki's own language comes first,
then its families of names (`names`), the common names, and those of the other languages (but
for names of one letter, which mean something else in each).

What is in the tables of languages was compared with what there is of these wikis: dumps,
lists of redirects (which tell what a short name stands for), programs and tests that handle
their pages.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import yaml

from bertkit.corpus.forms.mediawiki.templates.functions import FUNCTIONS
from bertkit.corpus.forms.mediawiki.templates.names import by_form
from bertkit.corpus.forms.mediawiki.templates.patterns import Handler, compiled
from bertkit.storage.files import package_file

COMMON = "common"
# In this order a name that stands in several files is looked up.
LANGUAGES = ("en", "de", "fr", "es", "ru", "it", "nl", "pl", "ja", "zh", "pt", "sv")
NOTHING = "nothing"
# Spellings of one name are remembered, as many as a large wiki has in use.
_REMEMBERED, _LONGEST = 20_000, 200


def nothing(values: Mapping[str, str]) -> str:
    """Renders a template that is known to show nothing in a sentence."""
    return ""


class Templates:
    """What the templates of a wiki become.

    Args:
        language: of the wiki, ISO 639; any other than `LANGUAGES` has the common names.
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self._handlers: dict[str, Handler] = {}
        self._own: set[str] = set()
        self._beginnings: tuple[str, ...] = ()
        # What comes first wins.
        order = [language, COMMON, *LANGUAGES]
        for name in dict.fromkeys(order):
            if name == COMMON or (name in LANGUAGES and name != "en"):
                self._add(name, own=name in (language, COMMON))
        self._found: dict[str, Handler | None] = {}

    def _add(self, name: str, own: bool) -> None:
        beginnings = list(self._beginnings)
        for pattern, names in _rows(name).items():
            # Months have the names of the wiki's language, whoever's table the template is in.
            spoken = self.language if name == COMMON or self.language in LANGUAGES else name
            handler = _handler(pattern, spoken or "en")
            for template in names:
                key = key_of(str(template))
                if pattern == NOTHING and key.endswith("*"):
                    beginnings += [key[:-1]] if own else []
                    key = key[:-1]
                if own or len(key) > 1:
                    self._handlers.setdefault(key, handler)
                if name == self.language:
                    self._own.add(key)
        self._beginnings = tuple(beginnings)

    def find(self, name: str) -> Handler | None:
        """What renders a template; None for one that no table knows.

        Args:
            name: as written.
        """
        try:
            return self._found[name]
        except KeyError:
            found = self._search(name)
            if len(self._found) < _REMEMBERED and len(name) < _LONGEST:
                self._found[name] = found
            return found

    def _search(self, name: str) -> Handler | None:
        key = key_of(name)
        found = None if key in self._own else by_form(name, key, self.language)
        found = found or self._handlers.get(key)
        if found is None and key.startswith(self._beginnings):
            return nothing
        return found or by_form(name, key, "")

    def __len__(self) -> int:
        return len(self._handlers)


@functools.lru_cache(maxsize=8)
def templates_of(language: str) -> Templates:
    """The templates of wikis in a language, read once per process."""
    return Templates(language)


def key_of(name: str) -> str:
    """A template's name without what does not count: case, underscores, spaces around it."""
    return name.strip().lower().replace("_", " ")


@functools.lru_cache(maxsize=32)
def _rows(name: str) -> dict[str, list[Any]]:
    text = package_file("corpus", "forms", "mediawiki", "templates", f"{name}.yaml").read_text(
        encoding="utf-8"
    )
    rows: dict[str, list[Any]] = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return rows


def _handler(pattern: str, language: str) -> Handler:
    if pattern == NOTHING:
        return nothing
    if pattern.startswith("="):
        return functools.partial(FUNCTIONS[pattern[1:]], language)
    return compiled(pattern, language)
