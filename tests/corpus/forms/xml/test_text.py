from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertkit.corpus.forms.xml.text import paragraphs_in


def parsed(xml: str) -> list[str]:
    return paragraphs_in(ElementTree.fromstring(f"<a>{xml}</a>"))


@pytest.mark.parametrize(
    ("xml", "wanted"),
    [
        ("one <i>two <b>three</b></i> four", ["one two three four"]),
        ("CO<sub>2</sub> at 10<sup>-<i>3</i></sup>", ["CO2 at 10-3"]),
        ("un<i>believ</i>able", ["unbelievable"]),
        ("<p>One.</p><p>Two.</p>", ["One.", "Two."]),
        ("One<p>Two</p>Three", ["One", "Two", "Three"]),
        ("a<list><list-item><p>b</p></list-item><list-item>c</list-item></list>d", list("abcd")),
        ("E is <DispFormula>mc<sup>2</sup></DispFormula>here", ["E is mc2 here"]),
        ("line<break/>end", ["line end"]),
        ("<b>Sex: F</b><b>Age: 16</b>", ["Sex: F", "Age: 16"]),
        ("<b>a</b> <b>b</b>", ["a b"]),
        ("a\n\n  b\tc", ["a b c"]),
        ("a<!-- no text -->b", ["ab"]),
        ("<mfrac><mn>1</mn><mn>2</mn></mfrac> of", ["1 2 of"]),
        ('<m:math xmlns:m="u"><m:mi>x</m:mi><m:mo>=</m:mo><m:mn>4</m:mn></m:math>', ["x=4"]),
        ("", []),
        ("<i/>", []),
    ],
)
def test_inline_joins_and_blocks_divide(xml, wanted):
    assert parsed(xml) == wanted


names = st.sampled_from(
    ["i", "b", "sup", "sub", "p", "sec", "list-item", "disp-formula", "unknown", "mfrac"]
)
trees = st.recursive(
    st.text("ab \n", max_size=4),
    lambda inner: st.builds(
        lambda name, parts: f"<{name}>{''.join(parts)}</{name}>", names, st.lists(inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None)
@given(trees)
def test_no_character_is_lost_or_made_up(xml):
    element = ElementTree.fromstring(f"<a>{xml}</a>")
    found = paragraphs_in(element)
    assert "".join("".join(found).split()) == "".join("".join(element.itertext()).split())
    assert all(line == " ".join(line.split()) and line for line in found)


def test_what_is_left_out_takes_its_contents_along_but_not_what_follows():
    element = ElementTree.fromstring("<a>x<table><p>gone</p></table>y</a>")
    assert paragraphs_in(element, {"table"}) == ["xy"]
