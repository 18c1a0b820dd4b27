"""Renders the templates that are known by the form of their name: `XIXe siècle`, `link-en`."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping

from bertkit.corpus.forms.mediawiki.templates.patterns import Handler

Values = Mapping[str, str]

_MONTHS = "janvier|février|mars|avril|mai|juin|juillet|août|septembre|octobre|novembre|décembre"

# Roman numbers.
_TO_39 = r"(?:x{0,3}(?:ix|iv|v?i{1,3}|v)|x{1,3})"


def the_name(name: str, values: Values) -> str:
    """Renders a template whose name is its words."""
    return name


def before_christ(name: str, values: Values) -> str:
    """`56 av. J.-C.` of -56."""
    return f"{name.lstrip('-')} av. J.-C."


def link_helper(name: str, values: Values) -> str:
    """The text of a link to another wiki: the third argument, or the first."""
    return values.get("3") or values.get("1", "")


def in_language(name: str, values: Values) -> str:
    """Words in the language that the name tells."""
    return values.get("1") or values.get("texte") or values.get("2", "")


def above_the_line(name: str, values: Values) -> str:
    """`me` of e|me; without words what the name says, and `e` for its longer spellings."""
    return values.get("1") or {"è": "e", "ème": "e"}.get(name.lower(), name.lower())


def abbreviated_language(name: str, values: Values) -> str:
    """`ang. Bigfoot` of ang.|Bigfoot."""
    return f"{name.lower()} {values['1']}" if values.get("1") else ""


# Families of names, in lower case, and the wikis that they are looked for on ("" for all).
NAMES: tuple[tuple[str, re.Pattern[str], Callable[[str, Values], str]], ...] = (
    (
        "",
        re.compile(rf"(?:\d+|{_TO_39})(?:er|re|e|ère|ème) (?:siècle|millénaire)(?: av\. j\.-c\.)?"),
        the_name,
    ),
    ("fr", re.compile(rf"(?:\d+|{_TO_39})(?:er|re|e|ère|ème)|(?:2|ii)(?:nd|nde)"), the_name),
    ("fr", re.compile(rf"1er (?:{_MONTHS})"), the_name),
    ("fr", re.compile(r"e|è|ème|er|re|ère|nd|nde"), above_the_line),
    # Louis XIV, Élisabeth II
    ("fr", re.compile(rf"[a-zà-ÿ-]{{4,}} {_TO_39}"), the_name),
    ("fr", re.compile(r"-\d{1,4}"), before_christ),
    ("pl", re.compile(r"[a-ząćęłńóśźż]{3,8}\."), abbreviated_language),
    ("", re.compile(r"(?:link-|internal link helper/)[a-z]{2,3}"), link_helper),
    ("zh", re.compile(r"[a-z]{2,3}-link|ilh|internal link helper"), link_helper),
    ("", re.compile(r"lang-[a-z-]+\d?"), in_language),
    ("", re.compile(r"\d/\d{1,2}"), the_name),
)


def by_form(name: str, key: str, language: str) -> Handler | None:
    """What renders a template of a family; None for a name of no family.

    Args:
        name: as written.
        key: the name in lower case, without underscores.
        language: whose families are looked through; "" for those that all wikis have.
    """
    for own, pattern, handler in NAMES:
        if own == language and pattern.fullmatch(key):
            return functools.partial(handler, name.strip())
    return None
