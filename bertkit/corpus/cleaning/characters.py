"""Tells for each Unicode character whether it is part of a word, a word of its own or a gap.

A word is a run of letters, marks and digits, lower-cased; in scripts that are written without
spaces between words each character counts as one. So an n-gram is of words where there are
words, and of characters where there are none, without anybody naming the language.
"""

from __future__ import annotations

import functools
import unicodedata

import numpy as np

# Class of a character, in the bits above those of its code point.
OTHER, SPACE, LETTER, DIGIT, UNSPACED = range(5)
CLASS_SHIFT = 24

# Blocks of scripts without spaces between words: (first, last) code point.
_UNSPACED_BLOCKS = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x1950, 0x19DF),  # Tai Le, New Tai Lue
    (0x1A20, 0x1AAF),  # Tai Tham
    (0x1B00, 0x1B7F),  # Balinese
    (0x2E80, 0x2FDF),  # radicals of Han
    (0x3005, 0x3007),
    (0x3021, 0x303C),
    (0x3040, 0x312F),  # Hiragana, Katakana, Bopomofo
    (0x31A0, 0x31BF),
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),  # Han
    (0xA000, 0xA4CF),  # Yi
    (0xA980, 0xA9FF),  # Javanese, Myanmar
    (0xAA60, 0xAADF),  # Myanmar, Tai Viet
    (0xF900, 0xFAFF),  # Han
    (0xFF66, 0xFF9F),  # half-width Katakana
    (0x1B000, 0x1B16F),  # kana
    (0x20000, 0x3FFFD),  # Han
)
_CHARACTERS = 0x110000
# Thousands of letters that are all alike: (first, last, class).
_ALIKE = (
    (0x3400, 0x4DBF, UNSPACED),
    (0x4E00, 0x9FFF, UNSPACED),
    (0xAC00, 0xD7A3, LETTER),  # Hangul
    (0x20000, 0x3FFFD, UNSPACED),
)
# Beyond there is nothing but Han, and a few marks.
_LISTED = (
    *range(0x3400),
    *range(0x4DC0, 0x4E00),
    *range(0xA000, 0xAC00),
    *range(0xD7A4, 0xD800),
    *range(0xF900, 0x1FC00),
    *range(0xE0100, 0xE01F0),
)


@functools.cache
def character_table() -> np.ndarray:
    """uint32[0x110000]: class << 24 | code point after folding its case, by code point."""
    table = np.full(_CHARACTERS, OTHER << CLASS_SHIFT, np.uint32)
    table |= np.arange(_CHARACTERS, dtype=np.uint32)
    unspaced = np.zeros(_CHARACTERS, bool)
    for first, last in _UNSPACED_BLOCKS:
        unspaced[first : last + 1] = True
    for code in _LISTED:
        table[code] = _entry(chr(code), bool(unspaced[code]))
    for first, last, kind in _ALIKE:
        table[first : last + 1] |= kind << CLASS_SHIFT
    return table


def _entry(character: str, unspaced: bool) -> int:
    kind = unicodedata.category(character)
    if character.isspace():
        return SPACE << CLASS_SHIFT | ord(" ")
    if kind[0] in "LM":
        return (UNSPACED if unspaced else LETTER) << CLASS_SHIFT | ord(_folded(character))
    if kind[0] == "N":
        return DIGIT << CLASS_SHIFT | ord(character)
    return OTHER << CLASS_SHIFT | ord(character)


def _folded(character: str) -> str:
    """Case folding that leaves one character one character."""
    for found in (character.casefold(), character.lower()):
        if len(found) == 1:
            return found
    return character
