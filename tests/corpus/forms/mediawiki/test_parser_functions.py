from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertkit.corpus.forms.mediawiki.parser_functions import expression, function
from bertkit.corpus.forms.mediawiki.wikitext import plain_text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{{#if:a|b|c}}", "b"),
        ("{{#if: |b|c}}", "c"),
        ("{{#ifeq:01|1|b|c}}", "b"),
        ("{{#ifeq:a|b|c}}", ""),
        ("{{#ifexpr:2*3 > 5|b|c}}", "b"),
        ("{{#ifexpr:x|b|c}}", "c"),
        ("{{#switch:b|a=1|b=2|3}}", "2"),
        ("{{#switch:b|a|b|c=2|#default=3}}", "2"),
        ("{{#switch:z|a=1|#default=3|b=2}}", "3"),
        ("{{#switch:z|a=1|3}}", "3"),
        ("{{#iferror:a|b|c}}", "c"),
        ("{{#ifexist:Page|b|c}}", "b"),
        ("{{#tag:sub|2}}", "2"),
        ("{{#tag:ref|a note}}", ""),
        ("{{lc:ABC}} {{ucfirst:abc}} {{uc:a}}", "abc Abc A"),
        ("{{padleft:7|3|0}}", "007"),
        ("{{plural:1|day|days}} {{plural:3|day|days}}", "day days"),
        ("{{formatnum:1234|R}}", "1234"),
        ("{{#if:{{#switch:a|a=x}}|{{#expr:{{#if:1|2}}+3}}}}", "5"),
        ("{{#time:Y}}{{#invoke:x|y}}{{DEFAULTSORT:x}}", ""),
        ("{{#unheard of:x|y}}", ""),
        ("{{#wenn:a|b}} {{#если:a|b}} {{ФОРМАТЧИСЛА:5}}", "b b 5"),
    ],
)
def test_functions(text, words):
    assert plain_text(f"Text {text}.") == f"Text {words}.".replace(" .", ".")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1+2*3", "7"),
        ("(1+2)*3", "9"),
        ("7/2 round 1", "3.5"),
        ("7/2", "3.5"),
        ("17 mod 5", "2"),
        ("2^10", "1024"),
        ("-3 + abs(-2)", "-1"),
        ("1e3", "1000"),
        ("1 = 1 and not 0", "1"),
        ("floor 2.7 + ceil 2.1", "5"),
        ("1/3", "0.33333333333333"),
        ("1/0", ""),
        ("2^99999999", ""),
        ("(-8)^0.5", ""),
        ("1+", ""),
        ("import os", ""),
        ("(" * 200 + "1" + ")" * 200, ""),
        ("9" * 400, ""),
        ("", ""),
    ],
)
def test_expressions(text, value):
    assert expression(text) == value


@given(st.text("0123456789+-*/^().eE <>=modrundiv", max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_expression_ends(text):
    assert len(expression(text)) < 30


def test_other_names_are_no_functions():
    assert function("convert", ["5", "km"]) is None
    assert function("Cite:x", []) is None


def test_a_number_is_read_once_for_all_cases():
    """Half a million of its digits for each case would take hours."""
    number = "1" * 500_000
    assert function("#switch:" + number, ["a=b"] * 100_000 + ["#default=c"]) == "c"
    assert function("#switch: 1.0", ["a=b", "1=c"]) == "c"
