"""Scripts of characters."""

from __future__ import annotations

import unicodedata

import pytest

from bertkit.summary.scripts import script_of, stripped_letters


@pytest.mark.parametrize(
    ("character", "script"),
    [("a", "Latin"), ("é", "Latin"), ("я", "Cyrillic"), ("漢", "Han"), ("か", "Hiragana"),
     ("ー", "Katakana"), ("한", "Hangul"), ("ह", "Devanagari"), ("ไ", "Thai"), ("ｶ", "Katakana"),
     ("ଓ", "Oriya"), ("𐌰", "Gothic"), ("\u0301", ""), ("\ufe0f", ""),
     ("1", ""), (".", ""), (" ", ""), ("\n", ""), ("\ue000", "")],
)  # fmt: skip
def test_script(character, script):
    assert script_of(character) == script


def test_marks_that_are_letters():
    assert stripped_letters("ि") == "" or stripped_letters("ि") == "Devanagari"
    assert stripped_letters("ु") == "Devanagari"
    assert stripped_letters("ั") == "Thai"
    assert stripped_letters("が") == "Hiragana"
    assert stripped_letters("й") == stripped_letters("Ї") == "Cyrillic"
    assert stripped_letters("\u0301") == stripped_letters("ѐ") == stripped_letters("и") == ""
    assert stripped_letters("é") == stripped_letters("a") == stripped_letters("漢") == ""


NAMES = (
    "Latin Greek Cyrillic Armenian Hebrew Arabic Devanagari Thai Tibetan Myanmar Georgian Hangul "
    "Ethiopic Khmer Han Hiragana Katakana Oriya Malayalam Gothic Adlam Mongolian"
)


def test_same_scripts_as_the_regex_package():
    regex = pytest.importorskip("regex")
    codes = (*range(0x1D00), *range(0x1E00, 0xD800), *range(0xE000, 0x20000))  # not phonetic signs
    letters = [chr(code) for code in codes if unicodedata.category(chr(code))[0] in "LM"]
    wrong = []
    for name in NAMES.split():
        found = regex.compile(rf"\p{{Script={name}}}").findall("".join(letters))
        wrong += [hex(ord(letter)) for letter in found if script_of(letter) != name]
    # Single letters in blocks of another script; Unicode 15 has more than 14.
    assert len(wrong) < 60, wrong
