"""Tidies the prose of a page once its markup is gone, whether that was wikitext or HTML."""

from __future__ import annotations

import re

# Around the text of a link, until the line is known to say more than its links.
LINK_START, LINK_END = "\x01", "\x02"

_LINKED = re.compile(f"{LINK_START}[^{LINK_END}]*{LINK_END}")
_WORD = re.compile(r"[^\W_]{2}")
# Bounded, so that a long run of commas or spaces costs no more than its length.
_EMPTY = r" {0,2}(?:(?:or|and)? ?[,;:/–-] ?){0,4}[)）]"
_EMPTY_BRACKETS, _EMPTY_ROUND = re.compile(rf"[(（]{_EMPTY}"), re.compile(rf"\({_EMPTY}")
_START = r" ?(?:[,;:] ?){1,4}"
_BRACKET_START, _ROUND_START = re.compile(rf"([(（]){_START}"), re.compile(rf"(\(){_START}")
_BRACKET_END = re.compile(r"[,;:](?: ?[,;:]){0,3} ?([)）])")
# Whether there is such an end, asked from its last character, which is rarer.
_ROUND_END = re.compile(r"\)(?:(?<=[,;:]\))|(?<=[,;:] \)))")
_SPACE_BEFORE = re.compile(r" ([,.;:)])(?=\s|$)", re.MULTILINE)
_BLANK_LINES = re.compile(r"\n{3,}")


def says_something(line: str) -> bool:
    """True if there are words beside the links of a line."""
    start = line.find(LINK_START)
    if start < 0:
        return _WORD.search(line) is not None
    if _WORD.search(line, 0, start):  # nearly always the first words tell
        return True
    # No link is whole behind the last end of one: to look for one from each start takes for ever.
    end = line.rfind(LINK_END) + 1
    return _WORD.search(_LINKED.sub("", line[:end]) + line[end:]) is not None


def tidy(text: str) -> str:
    """Text without marks of links, spare spaces and traces of what was dropped within brackets."""
    text = text.replace(LINK_START, "").replace(LINK_END, "")
    text = _without_empty_brackets(text)
    text = text.replace("\t", " ")
    # Faster than an expression that looks at every space.
    while "  " in text:
        text = text.replace("  ", " ")
    text = _SPACE_BEFORE.sub(r"\1", text)
    if "\n\n\n" in text:
        text = _BLANK_LINES.sub("\n\n", text)
    return text.strip()


def _without_empty_brackets(text: str) -> str:
    """No brackets around nothing, no separators beside a bracket.

    An expression that begins with one certain character is searched for ten times as
    fast as one that begins with any of several; the wide brackets are rare.
    """
    wide = "（" in text or "）" in text
    text = (_EMPTY_BRACKETS if wide else _EMPTY_ROUND).sub("", text)
    text = (_BRACKET_START if wide else _ROUND_START).sub(r"\1", text)
    if wide or _ROUND_END.search(text):
        text = _BRACKET_END.sub(r"\1", text)
    return text
