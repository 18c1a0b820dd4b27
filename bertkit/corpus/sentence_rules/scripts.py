"""Tells in which script a text is written, from a sample of its letters."""

from __future__ import annotations

import functools
from bisect import bisect
from collections import Counter

# First code point of a run of blocks → its script. Only letters are looked up, so that runs
# may take in what lies between blocks. Source: Blocks.txt and Scripts.txt of Unicode 17.0.
_STARTS = """
0041 Latin 0370 Greek 0400 Cyrillic 0530 Armenian 0590 Hebrew 0600 Arabic 0700 Syriac 0750 Arabic
0780 Thaana 07C0 Nko 0800 Samaritan 0840 Mandaic 0860 Syriac 0870 Arabic 0900 Devanagari
0980 Bengali 0A00 Gurmukhi 0A80 Gujarati 0B00 Oriya 0B80 Tamil 0C00 Telugu 0C80 Kannada
0D00 Malayalam 0D80 Sinhala 0E00 Thai 0E80 Lao 0F00 Tibetan 1000 Myanmar 10A0 Georgian
1100 Hangul 1200 Ethiopic 13A0 Cherokee 1400 Canadian 1680 Ogham 16A0 Runic 1700 Tagalog
1720 Hanunoo 1740 Buhid 1760 Tagbanwa 1780 Khmer 1800 Mongolian 18B0 Canadian 1900 Limbu
1950 Tai 1A00 Buginese 1A20 Tai 1B00 Balinese 1B80 Sundanese 1BC0 Batak 1C00 Lepcha
1C50 OlChiki 1C80 Cyrillic 1C90 Georgian 1CC0 Sundanese 1CD0 Devanagari 1D00 Latin 1D26 Greek
1D2B Cyrillic 1D2C Latin 1F00 Greek 2070 Latin 2C00 Glagolitic 2C60 Latin 2C80 Coptic
2D00 Georgian 2D30 Tifinagh 2D80 Ethiopic 2DE0 Cyrillic 2E80 Han 3041 Kana 3105 Bopomofo
3131 Hangul 3190 Han 31A0 Bopomofo 31C0 Han 31F0 Kana 3200 Hangul 3220 Han 32D0 Kana 3400 Han
A000 Yi A4D0 Lisu A500 Vai A640 Cyrillic A6A0 Bamum A700 Latin A800 SylotiNagri A840 PhagsPa
A880 Saurashtra A8E0 Devanagari A900 KayahLi A930 Rejang A960 Hangul A980 Javanese A9E0 Myanmar
AA00 Cham AA60 Myanmar AA80 TaiViet AAE0 Meetei AB01 Ethiopic AB30 Latin AB70 Cherokee
ABC0 Meetei AC00 Hangul F900 Han FB00 Latin FB13 Armenian FB1D Hebrew FB50 Arabic FE20 Other
FE70 Arabic FF21 Latin FF65 Kana FFA0 Hangul 10000 Other 16F00 Miao 17000 Tangut 1AFF0 Kana
1B170 Other 1D400 Latin 1E000 Other 1E900 Adlam 1EC00 Other 1EE00 Arabic 1F000 Other 20000 Han
E0000 Other
"""
_WORDS = _STARTS.split()
_FIRST = [int(word, 16) for word in _WORDS[::2]]
_NAMES = _WORDS[1::2]
# Letters that are looked at; a text in two scripts may begin with a quotation.
SAMPLE = 1000
# Japanese mixes Han with kana: so much of them makes it Japanese.
_KANA = 0.05


@functools.lru_cache(maxsize=1 << 16)
def script_of(character: str) -> str:
    """The script of a letter; empty for any other character and for those of no script here."""
    if not character.isalpha():
        return ""
    place = bisect(_FIRST, ord(character))
    name = _NAMES[place - 1] if place else ""
    return "" if name == "Other" else name


def main_script(text: str) -> str:
    """The script that most letters at the beginning of a text belong to.

    Returns:
        A name as in Unicode, without spaces; `Kana` for Japanese, also where most of it is
        Han. Empty for a text without letters.
    """
    sample = text[:SAMPLE]
    if sample.isascii():
        return "Latin" if any(map(str.isalpha, sample)) else ""
    found: Counter[str] = Counter()
    for character, count in Counter(sample).items():
        if script := script_of(character):
            found[script] += count
    if found["Kana"] and found["Kana"] >= _KANA * (found["Kana"] + found["Han"]):
        found["Kana"] += found.pop("Han", 0)
    return max(found, key=lambda name: (found[name], name), default="") if found.total() else ""
