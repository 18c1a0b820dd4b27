"""Finds the ends of sentences by Unicode's rules (UAX #29), for every script.

The rules are those of section 5.1. `tailored` changes them where they are known to fail in
text as it is written:

- A full stop or an ASCII `!` or `?` with a letter right behind it ends nothing (`node.js`,
  `?id=3`), nor does one behind a single letter (`J. Smith`).
- A quotation mark or bracket that opens right behind an end belongs to the next sentence.
- A Japanese quotation followed by a particle (`「はい。」と言った`) goes on.
- Tibetan shads and two Ethiopic word spaces (`፡፡`) end a sentence.
- Further characters can be ends, such as `;` in Greek.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable

from bertkit.corpus.sentence_rules.break_classes import (
    ATERM,
    ATERMS,
    CLOSE,
    EXTEND,
    LOWER,
    NUMERIC,
    OTHER_LETTER,
    PARAGRAPH,
    SCONTINUE,
    SPACE,
    STERM,
    STERMS,
    TIBETAN,
    UPPER,
    break_class,
)

# Two of them are typed for a full stop.
_WORD_SPACE = "\u1361"
_PARTICLES = (*"とをがのに", "って")
_LETTERS = (UPPER, LOWER, OTHER_LETTER)
# Scripts of syllables and words begin about here: one of their letters is no initial.
_IDEOGRAPHS = "\u2e80"


@functools.cache
def unicode_splitter(
    more_ends: str = "", *, others: bool = True, tailored: bool = True
) -> Callable[[str], list[str]]:
    """A function that cuts a text into sentences; joined, they are the text.

    Args:
        more_ends: characters that end a sentence besides Unicode's.
        others: without, only `more_ends` end one.
        tailored: with the changes above; without them the rules are Unicode's own.
    """
    return _Rules(more_ends, others, tailored).split


class _Rules:
    def __init__(self, more_ends: str, others: bool, tailored: bool) -> None:
        self._tailored = tailored
        ends = more_ends + (TIBETAN + _WORD_SPACE if tailored and others else "")
        self._class = functools.cache(
            lambda character: STERM if character in ends else break_class(character)
        )
        # Rule 4: a paragraph separator is an end by itself.
        marks = re.escape(STERMS + ATERMS + ends if others else ends)
        self._candidates = re.compile(f"[{marks}]|\r\n|[\n\r\x85\u2028\u2029]")

    def split(self, text: str) -> list[str]:
        """The sentences of a text."""
        found: list[str] = []
        begin = end = 0
        for match in self._candidates.finditer(text):
            if match.start() < end:
                continue  # inside the ending of the sentence before
            end = match.end()
            if self._class(match.group()[0]) != PARAGRAPH:
                stop = self._end_of(text, match.start())
                if not stop:
                    continue
                end = stop
            found.append(text[begin:end])
            begin = end
        if begin < len(text):
            found.append(text[begin:])
        return found

    def _end_of(self, text: str, mark: int) -> int:
        """Where the sentence ends that has a terminator at `mark`; 0 if it goes on."""
        full_stop = self._class(text[mark]) == ATERM
        place = self._past_extend(text, mark + 1)
        following = self._at(text, place)
        # Rules 6 and 7, and the tailoring of what is glued to a mark or a single letter.
        if full_stop and following == NUMERIC:
            return 0
        if full_stop and following == UPPER and self._before(text, mark)[0] in (UPPER, LOWER):
            return 0
        if self._tailored and self._glued(text, mark, place):
            return 0
        # Rules 9 and 10: closing marks, then spaces, go with the end.
        while self._at(text, place) == CLOSE and not self._opens(text, place):
            place = self._past_extend(text, place + 1)
        closed = place
        while self._at(text, place) == SPACE:
            place = self._past_extend(text, place + 1)
        following = self._at(text, place)
        if following == PARAGRAPH:
            return place + (2 if text.startswith("\r\n", place) else 1)
        # Rules 8a and 8.
        if following in (SCONTINUE, STERM, ATERM):
            return 0
        if full_stop and self._goes_on_in_lower_case(text, place):
            return 0
        if self._tailored and self._quoted(text, mark, closed, place):
            return 0
        return place

    def _goes_on_in_lower_case(self, text: str, place: int) -> bool:
        while (kind := self._at(text, place)) and kind not in (PARAGRAPH, STERM, ATERM):
            if kind in _LETTERS:
                return kind == LOWER
            place += 1
        return False

    def _glued(self, text: str, mark: int, place: int) -> bool:
        """Whether a mark stands inside a word, or behind an initial."""
        here, following = text[mark], self._at(text, place)
        if here == _WORD_SPACE:
            return text[mark - 1 : mark] != _WORD_SPACE
        if here in ".!?\u2024\ufe52" and following in _LETTERS:
            return here in ".\u2024\ufe52" or text[place].isascii()
        if here != ".":
            return False
        kind, character = self._before(text, mark)
        return (
            kind in (UPPER, OTHER_LETTER)
            and character < _IDEOGRAPHS
            and character == text[mark - 1]
            and self._before(text, mark - 1)[0] not in (*_LETTERS, NUMERIC)
        )

    def _opens(self, text: str, place: int) -> bool:
        """Whether a mark of class Close opens a quotation or a bracket."""
        if not self._tailored:
            return False
        category = unicodedata.category(text[place])
        # German and others close with marks that open elsewhere; a word follows only the latter.
        return category == "Ps" or (
            category == "Pi" and self._at(text, place + 1) in (*_LETTERS, NUMERIC)
        )

    def _quoted(self, text: str, mark: int, closed: int, place: int) -> bool:
        return mark + 1 < closed == place and text.startswith(_PARTICLES, place)

    def _past_extend(self, text: str, place: int) -> int:
        while place < len(text) and self._class(text[place]) == EXTEND:
            place += 1
        return place

    def _at(self, text: str, place: int) -> str:
        return self._class(text[place]) if place < len(text) else ""

    def _before(self, text: str, place: int) -> tuple[str, str]:
        """Class and character before a place, marks that combine passed over."""
        while place > 0:
            place -= 1
            kind = self._class(text[place])
            if kind != EXTEND:
                return kind, text[place]
        return "", ""
