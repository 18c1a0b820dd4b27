"""Tells the script of a letter from the name that Unicode gives it."""

from __future__ import annotations

import functools
import unicodedata

_NAMES = {
    "CJK": "Han",
    "KANGXI": "Han",
    "IDEOGRAPHIC": "Han",
    "KATAKANA-HIRAGANA": "Katakana",
    "HALFWIDTH": "Katakana",
    "FULLWIDTH": "Latin",
    "MICRO": "Greek",
    "OHM": "Greek",
    "ORIYA": "Odia",
}
# Marks of these scripts are letters or vowels: a word without them is another word or none.
_NAMES_OF_SCRIPTS = (
    "Devanagari Bengali Gurmukhi Gujarati Odia Tamil Telugu Kannada Malayalam Sinhala Thai Lao "
    "Tibetan Myanmar Khmer Balinese Javanese Sundanese Newa Hiragana Katakana"
)
MARKS_ARE_LETTERS = frozenset(_NAMES_OF_SCRIPTS.split())


@functools.lru_cache(maxsize=1 << 16)
def script_of(character: str) -> str:
    """The script of a letter or mark, such as `Latin`; empty for digits, punctuation, signs."""
    if unicodedata.category(character)[0] not in "LM":
        return ""
    words = unicodedata.name(character, "").split()
    if not words or words[0] in ("COMBINING", "MODIFIER", "VARIATION", "FEMININE", "MASCULINE"):
        if words[1:2] == ["KATAKANA-HIRAGANA"]:
            return "Katakana"
        return ""
    return _NAMES.get(words[0], words[0].capitalize())


def stripped_letters(character: str) -> str:
    """The script whose letter or vowel sign is lost where accents are stripped; or empty."""
    for part in unicodedata.normalize("NFD", character):
        if unicodedata.category(part) == "Mn" and script_of(part) in MARKS_ARE_LETTERS:
            return script_of(part)
    return ""
