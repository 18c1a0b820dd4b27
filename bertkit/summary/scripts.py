"""Tells the script of a letter or mark from the block of Unicode that it is in."""

from __future__ import annotations

import functools
import unicodedata
from bisect import bisect

# First code point of a run of blocks → its script. Only letters and marks are looked up, so that
# runs may take in what lies between blocks. Source: Blocks.txt and Scripts.txt of Unicode 17.0.
_STARTS = """
0041 Latin 02B9 Other 02E0 Latin 02E5 Other 0370 Greek 0400 Cyrillic 0530 Armenian 0590 Hebrew
0600 Arabic 0700 Syriac 0750 Arabic 0780 Thaana 07C0 Nko 0800 Samaritan 0840 Mandaic 0860 Syriac
0870 Arabic 0900 Devanagari 0980 Bengali 0A00 Gurmukhi 0A80 Gujarati 0B00 Oriya 0B80 Tamil
0C00 Telugu 0C80 Kannada 0D00 Malayalam 0D80 Sinhala 0E00 Thai 0E80 Lao 0F00 Tibetan 1000 Myanmar
10A0 Georgian 1100 Hangul 1200 Ethiopic 13A0 Cherokee 1400 Canadian 1680 Ogham 16A0 Runic
1700 Tagalog 1720 Hanunoo 1740 Buhid 1760 Tagbanwa 1780 Khmer 1800 Mongolian 18B0 Canadian
1900 Limbu 1950 Tai 1A00 Buginese 1A20 Tai 1AB0 Other 1B00 Balinese 1B80 Sundanese 1BC0 Batak
1C00 Lepcha 1C50 OlChiki 1C80 Cyrillic 1C90 Georgian 1CC0 Sundanese 1CD0 Devanagari 1D00 Latin
1D26 Greek 1D2B Cyrillic 1D2C Latin 1DC0 Other 1E00 Latin 1F00 Greek 2070 Latin 20D0 Other
2100 Latin 2126 Greek 2127 Latin 2C00 Glagolitic 2C60 Latin 2C80 Coptic 2D00 Georgian
2D30 Tifinagh 2D80 Ethiopic 2DE0 Cyrillic 2E80 Han 3041 Hiragana 30A1 Katakana 3105 Bopomofo
3131 Hangul 3190 Han 31A0 Bopomofo 31C0 Han 31F0 Katakana 3200 Hangul 3220 Han 32D0 Katakana
3400 Han A000 Yi A4D0 Lisu A500 Vai A640 Cyrillic A6A0 Bamum A700 Latin A800 SylotiNagri
A840 PhagsPa A880 Saurashtra A8E0 Devanagari A900 KayahLi A930 Rejang A960 Hangul A980 Javanese
A9E0 Myanmar AA00 Cham AA60 Myanmar AA80 TaiViet AAE0 Meetei AB01 Ethiopic AB30 Latin
AB70 Cherokee ABC0 Meetei AC00 Hangul F900 Han FB00 Latin FB13 Armenian FB1D Hebrew FB50 Arabic
FE00 Other FE70 Arabic FF21 Latin FF65 Katakana FFA0 Hangul 10000 Other 10780 Latin 107C0 Other
16F00 Miao 17000 Tangut 1AFF0 Katakana 1B001 Hiragana 1B120 Katakana 1B170 Other
1D400 Latin 1E000 Other 1E900 Adlam 1EC00 Other 1EE00 Arabic 1F000 Other 20000 Han E0000 Other
"""
_WORDS = _STARTS.split()
_FIRST = [int(word, 16) for word in _WORDS[::2]]
_NAMES = _WORDS[1::2]
_OTHER = "Other"
# From here on, letters of `Other` are named by the first word of their names, such as Gothic.
_ANCIENT = 0x10000
# Marks of these scripts are letters or vowels: a word without them is another word or none.
_NAMES_OF_SCRIPTS = (
    "Devanagari Bengali Gurmukhi Gujarati Oriya Tamil Telugu Kannada Malayalam Sinhala Thai Lao "
    "Tibetan Myanmar Khmer Balinese Javanese Sundanese Newa Hiragana Katakana"
)
MARKS_ARE_LETTERS = frozenset(_NAMES_OF_SCRIPTS.split())
# Writing without marks of sentences: spaces stand between phrases.
MARKLESS = frozenset({"Thai", "Lao"})
# Letters of alphabets that are written as another one with a mark; marks of stress are none.
_MARKED_LETTERS = {"Cyrillic": frozenset("ЙйЁёЇїЎўЃѓЌќ")}


@functools.lru_cache(maxsize=1 << 16)
def script_of(character: str) -> str:
    """The script of a letter or mark, by Unicode's name without spaces, such as `Latin`.

    Empty for digits, punctuation and signs, and for marks of all scripts.
    """
    if unicodedata.category(character)[0] not in "LM":
        return ""
    place = bisect(_FIRST, ord(character))
    name = _NAMES[place - 1] if place else ""
    if name != _OTHER:
        return name
    if ord(character) < _ANCIENT:
        return ""
    return unicodedata.name(character, "").partition(" ")[0].capitalize()


def stripped_letters(character: str) -> str:
    """The script whose letter or vowel sign is lost where accents are stripped; or empty."""
    for script, letters in _MARKED_LETTERS.items():
        if character in letters:
            return script
    for part in unicodedata.normalize("NFD", character):
        if unicodedata.category(part) == "Mn" and script_of(part) in MARKS_ARE_LETTERS:
            return script_of(part)
    return ""
