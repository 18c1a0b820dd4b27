"""Scripts of characters."""

from __future__ import annotations

import pytest

from bertkit.summary.scripts import script_of, stripped_letters


@pytest.mark.parametrize(
    ("character", "script"),
    [("a", "Latin"), ("é", "Latin"), ("я", "Cyrillic"), ("漢", "Han"), ("か", "Hiragana"),
     ("ー", "Katakana"), ("한", "Hangul"), ("ह", "Devanagari"), ("ไ", "Thai"), ("ｶ", "Katakana"),
     ("1", ""), (".", ""), (" ", ""), ("\n", ""), ("\ue000", "")],
)  # fmt: skip
def test_script(character, script):
    assert script_of(character) == script


def test_marks_that_are_letters():
    assert stripped_letters("ि") == "" or stripped_letters("ि") == "Devanagari"
    assert stripped_letters("ु") == "Devanagari"
    assert stripped_letters("ั") == "Thai"
    assert stripped_letters("が") == "Katakana"
    assert stripped_letters("é") == stripped_letters("a") == stripped_letters("漢") == ""
