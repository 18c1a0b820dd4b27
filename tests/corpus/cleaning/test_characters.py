"""The class of every character, against the data of Unicode that Python has."""

from __future__ import annotations

import unicodedata

from bertkit.corpus.cleaning.characters import (
    CLASS_SHIFT,
    DIGIT,
    LETTER,
    OTHER,
    SPACE,
    UNSPACED,
    character_table,
)


def test_letters_digits_and_spaces_are_those_of_unicode():
    kinds = (character_table() >> CLASS_SHIFT).tolist()
    for code in range(0x110000):
        category = unicodedata.category(chr(code))
        if chr(code).isspace():
            assert kinds[code] == SPACE, hex(code)
        elif category[0] in "LM":
            assert kinds[code] in (LETTER, UNSPACED), hex(code)
        elif category[0] == "N" and code < 0x20000:
            assert kinds[code] == DIGIT, hex(code)
        elif category != "Cn" and code < 0x20000:
            assert kinds[code] == OTHER, hex(code)


def test_scripts_without_spaces():
    table = character_table()
    names = {
        UNSPACED: "一中龍𠀀あアｱไ໑ກမខꀀㄅ々",
        LETTER: "aZéßяωアד가নអ".replace("ア", "").replace("អ", ""),
    }
    for kind, text in names.items():
        for character in text:
            if unicodedata.category(character)[0] in "LM":
                assert table[ord(character)] >> CLASS_SHIFT == kind, character


def test_case_is_folded_where_one_character_stays_one():
    def folded(character: str) -> str:
        return chr(character_table()[ord(character)] & 0x1FFFFF)

    assert "".join(map(folded, "AbÉΣςЯßİ")) == "abéσσяßİ"
