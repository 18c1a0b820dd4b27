"""Holds Unicode's Sentence_Break property: which class each character has.

Source: SentenceBreakProperty.txt of Unicode 17.0 (UAX #29, table 4). Marks, spaces and
numbers stand here as ranges; letters and combining marks follow from the properties that
define them, which Python has.
"""

from __future__ import annotations

import functools
import unicodedata

# Classes as one letter each.
UPPER, LOWER, OTHER_LETTER, NUMERIC = "U", "L", "O", "N"
ATERM, STERM, SCONTINUE, CLOSE, SPACE, PARAGRAPH = "A", "T", "C", "Q", "S", "P"
EXTEND, OTHER = "X", "-"  # EXTEND is the property's Extend and Format

_STERM = (
    "21 3F 589 61D-61F 6D4 700-702 7F9 837 839 83D-83E 964-965 104A-104B 1362 1367-1368 166E "
    "1735-1736 17D4-17D5 1803 1809 1944-1945 1AA8-1AAB 1B4E-1B4F 1B5A-1B5B 1B5E-1B5F 1B7D-1B7F "
    "1C3B-1C3C 1C7E-1C7F 203C-203D 2047-2049 2CF9-2CFB 2E2E 2E3C 2E53-2E54 2E60-2E61 3002 A4FF "
    "A60E-A60F A6F3 A6F7 A876-A877 A8CE-A8CF A92F A9C8-A9C9 AA5D-AA5F AAF0-AAF1 ABEB FE12 "
    "FE15-FE16 FE56-FE57 FF01 FF1F FF61 10A56-10A57 10F55-10F59 10F86-10F89 11047-11048 "
    "110BE-110C1 11141-11143 111C5-111C6 111CD 111DE-111DF 11238-11239 1123B-1123C 112A9 "
    "113D4-113D5 1144B-1144C 115C2-115C3 115C9-115D7 11641-11642 1173C-1173E 11944 11946 "
    "11A42-11A43 11A9B-11A9C 11C41-11C42 11EF7-11EF8 11F43-11F44 16A6E-16A6F 16AF5 16B37-16B38 "
    "16B44 16D6E-16D6F 16E98 1BC9F 1DA88"
)
_ATERM = "2E 2024 FE52 FF0E"
_SCONTINUE = (
    "2C-2D 3A-3B 37E 55D 60C-60D 7F8 1802 1808 2013-2014 3001 FE10-FE11 FE13-FE14 FE31-FE32 "
    "FE50-FE51 FE54-FE55 FE58 FE63 FF0C-FF0D FF1A-FF1B FF64"
)
_SPACE = "9 B-C 20 A0 1680 2000-200A 202F 205F 3000"
_PARAGRAPH = "A D 85 2028-2029"
_CLOSE = (
    "22 27-29 5B 5D 7B 7D AB BB F3A-F3D 169B-169C 2018-201F 2039-203A 2045-2046 207D-207E "
    "208D-208E 2308-230B 2329-232A 275B-2760 2768-2775 27C5-27C6 27E6-27EF 2983-2998 29D8-29DB "
    "29FC-29FD 2E00-2E0D 2E1C-2E1D 2E20-2E29 2E42 2E55-2E5C 2E62-2E63 3008-3011 3014-301B "
    "301D-301F FD3E-FD3F FE17-FE18 FE35-FE44 FE47-FE48 FE59-FE5E FF08-FF09 FF3B FF3D FF5B FF5D "
    "FF5F-FF60 FF62-FF63 1F676-1F678"
)
# Numbers and their signs that are no decimal digits by category.
_NUMERIC = "600-605 66B-66C 6DD 890-891 8E2 19DA 110BD 110CD"
# Letters by Other_Alphabetic and the like, whose category is another.
_OTHER_LETTER = (
    "5F3 10D0-10FA 10FD-10FF 1C90-1CBA 1CBD-1CBF 16EE-16F0 2180-2182 2185-2188 3007 3021-3029 "
    "3038-303A A6E6-A6EF 10140-10174 10341 1034A 103D1-103D5 12400-1246E 295"
)
# Letters that became lower case after Unicode 14, which older Pythons have.
_LOWER = "10FC A7F2-A7F4 AB69"
_EXTEND = "345 FF9E-FF9F"


def characters(ranges: str) -> list[str]:
    """The characters of ranges such as `41-5A 61`."""
    found: list[str] = []
    for text in ranges.split():
        first, _, last = text.partition("-")
        found += map(chr, range(int(first, 16), int(last or first, 16) + 1))
    return found


STERMS = "".join(characters(_STERM))
ATERMS = "".join(characters(_ATERM))
# Shads: no ends for Unicode, but the only marks of sentences that Tibetan has.
TIBETAN = "\u0f0d\u0f0e\u0f0f\u0f10\u0f11\u0f12\u0f14"
_FIXED = {
    character: name
    for name, ranges in (
        (STERM, _STERM),
        (ATERM, _ATERM),
        (SCONTINUE, _SCONTINUE),
        (SPACE, _SPACE),
        (PARAGRAPH, _PARAGRAPH),
        (CLOSE, _CLOSE),
        (NUMERIC, _NUMERIC),
        (OTHER_LETTER, _OTHER_LETTER),
        (LOWER, _LOWER),
        (EXTEND, _EXTEND),
    )
    for character in characters(ranges)
}
_BY_CATEGORY = {"Mn": EXTEND, "Me": EXTEND, "Mc": EXTEND, "Cf": EXTEND, "Nd": NUMERIC}


@functools.cache
def break_class(character: str) -> str:
    """The class of a character: one of the letters above."""
    fixed = _FIXED.get(character)
    if fixed is not None:
        return fixed
    if kind := _BY_CATEGORY.get(unicodedata.category(character)):
        return kind
    if character.islower():
        return LOWER
    if character.isupper() or character.istitle():
        return UPPER
    return OTHER_LETTER if character.isalpha() else OTHER
