from __future__ import annotations

import pytest

from bertkit.corpus.forms.mediawiki.templates.patterns import (
    arguments,
    compiled,
    positional,
    roman,
)


@pytest.mark.parametrize(
    ("pattern", "given", "words"),
    [
        ("{1}", "a|b", "a"),
        ("{2|1}", "a", "a"),
        ("{u|2}", "a|b|u=c", "c"),
        ("{-1}", "a|b|c", "c"),
        ("{*}", "H|2|O", "H2O"),
        ("{2*, }", "a|b|c", "b, c"),
        ("x {1}[ ({2})]", "a|b", "x a (b)"),
        ("x {1}[ ({2})]", "a", "x a"),
        ("x {1}", "", ""),
        ("x", "", "x"),
        ("[{a}][{b}]", "", ""),
        ("{1@roman} {2@month}", "19|5", "XIX mai"),
    ],
)
def test_patterns(pattern, given, words):
    assert compiled(pattern, "fr")(arguments(given.split("|"))) == words


def test_arguments():
    values = arguments(["a", " b = c ", "3=d", "2=e"])
    assert values == {"1": "a", "b": "c", "3": "d", "2": "e"}
    assert positional(values) == ["a", "e", "d"]


def test_roman():
    assert [roman(number) for number in ("1", "4", "1987", "0", "XIX", "99999", "²")] == [
        "I",
        "IV",
        "MCMLXXXVII",
        "0",
        "XIX",
        "99999",
        "²",
    ]


@pytest.mark.parametrize(
    "number", ["1" * 5000, "00001" + "9" * 5000, "000012345", "4000", "0", "x", ""]
)
def test_only_numbers_below_4000_are_written_as_roman(number):
    assert roman(number) == number
    assert roman("0000" + "1999") == "MCMXCIX"
