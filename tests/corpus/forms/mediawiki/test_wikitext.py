from __future__ import annotations

import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertkit.corpus.forms.mediawiki.site import Site
from bertkit.corpus.forms.mediawiki.wikitext import DEPTH, _flattened, plain_text

RULES = {
    "A [[cat|kitten]] sat on [[mat]]s.": "A kitten sat on mats.",
    "'''Bold''' and ''italic'', '''''both''''', d''''Arc'''.": "Bold and italic, both, d'Arc.",
    "Text.<ref>A book, [[p]] {{cite|x}}.</ref> More<ref name=a /> text.": "Text. More text.",
    "It is {{convert|5|km|mi}} long.": "It is 5 km long.",
    "From {{convert|5|to|10|km}} or {{cvt|3|ft}}.": "From 5 to 10 km or 3 ft.",
    "In {{lang|fr|Bonjour}}, {{lang-de|Hallo}}.": "In Bonjour, Hallo.",
    "{{Infobox|name={{nowrap|x}}|img=[[File:a.jpg]]}}\nFirst.": "First.",
    "[[File:a.jpg|thumb|A [[cat]] and [[b|c]].]]Text.": "Text.",
    "[[Category:Cats]]\n[[de:Katze]]\nText.": "Text.",
    "See [[:Category:Cats]] and [[wikt:cat|cat]].": "See Category:Cats and cat.",
    "[[Paris (mythology)|]] ran.": "Paris ran.",
    "{| class=x\n| cell [[a]] {{b}}\n{|\n| inner\n|}\n|}\nAfter.": "After.",
    "== Head ==\nText.\n=== Sub ===\nMore.": "Text.\n\nMore.",
    "__NOTOC__Text __FORCETOC__ here.": "Text here.",
    "Born ({{IPA|x}}; {{age|1900|1|1}}) in Rome.": "Born in Rome.",
    "Born ({{IPA|x}}; {{birth date|1900|1|1}}) in Rome.": "Born (January 1, 1900) in Rome.",
    "Born ({{x}}, 1900) in Rome ({{y}}).": "Born (1900) in Rome.",
    "<!-- hidden {{ --> Shown <!-- never closed": "Shown",
    "<nowiki>[[not]] a link ''x''</nowiki> end.": "[[not]] a link ''x'' end.",
    "5 &lt; 6 &amp;nbsp; x&nbsp;y &mdash; z": "5 < 6 &nbsp; x\xa0y — z",
    "a < b and c > d and List<String>": "a < b and c > d and List<String>",
    "One<br/>two <small>three</small>": "One\ntwo three",
    "[http://x.org a site] and [http://y.org].": "a site and.",
    (
        "* An item of [[words]] says much.\n* [[Link]]\n* [http://x only links]\n# Two things."
    ): "An item of words says much.\n\nTwo things.",
    ";Term: its meaning\n:indented text": "Term: its meaning\n\nindented text",
    "Now {{CURRENTYEAR}}, {{#time:Y}} on {{PAGENAME}}.": "Now, on Title.",
    "{{formatnum:1234}} of {{frac|1|2}}, {{US$|5}}": "1234 of 1/2, US$5",
    "[[a|b]] ]] ccc": "b ccc",
    "<nowiki>a <Ref name=b>[[c]]</REF> <math>d</nowiki> e<ref>f": (
        "a <Ref name=b>[[c]]</REF> <math>d ef"
    ),
    "a<ref>b <ref name=c>d</ref> e</ref> f": "a e f",
    "[[a|]][[|b]][[]] says": "ab says",
}


@pytest.mark.parametrize("source", RULES)
def test_rules(source):
    assert plain_text(source, "Title") == RULES[source]


def test_whole_templates_and_links_below_the_bound_are_slips_as_others():
    for deep, expected in (("{{convert|5|km}}", 1), ("[[a#b|c]]", 2)):
        opened = "x " + "{{y|" * DEPTH + deep + "}}" * DEPTH
        _, slips = _flattened(opened, "", Site(), [])
        # Its beginning, and the end of a link; the last end of all ends nothing and counts not.
        assert slips == expected


def test_output_does_not_depend_on_the_day(monkeypatch):
    source = "{{CURRENTDAY}} {{LOCALTIME}} {{age|1900|1|1}} {{#time:Y}} {{as of|2010}} x"
    before = plain_text(source)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    monkeypatch.setattr(time, "strftime", lambda *given: "never")
    assert plain_text(source) == before == "As of 2010 x"


PIECES = st.sampled_from(
    [
        "{{",
        "}}",
        "[[",
        "]]",
        "{|",
        "|}",
        "|",
        "\n",
        "\n* ",
        "<ref>",
        "</ref>",
        "<nowiki>",
        "</nowiki>",
        "<!--",
        "-->",
        "''",
        "==",
        "word ",
        "[http://x ",
        "]",
        "convert|5|km",
        "&lt;",
        "File:a",
        "<br/>",
        "__TOC__",
        "=",
        "é",
        " ",
    ]
)


@given(st.lists(PIECES, max_size=60).map("".join))
@settings(max_examples=300, deadline=None)
def test_any_jumble_of_markers_gives_text(source):
    found = plain_text(source, "Title")
    assert found == found.strip()
    assert "\x01" not in found
    assert "\x02" not in found
    assert "\n\n\n" not in found
    assert plain_text(source, "Title") == found


HOSTILE = [
    "{{",
    "[[",
    "<ref>",
    "{|\n",
    "<!--",
    "[[a|",
    "''",
    "{{[[",
    "[http://a ",
    "(,",
    ", ",
    " ",
    "<nowiki>",
    "=",
    "<div ",
    "__",
    "{{a|",
    "\n:*",
    "}}",
    "]]",
    "|}\n",
    "&amp;",
]


# Opened by the first and never closed by the second.
MISMATCHED = [("{{", "]]"), ("[[", "}}"), ("{{[[", "}}"), ("{|\n", "}}")]


def steps_of(function, *arguments) -> int:
    """How many steps of Python this package takes in a call: no time, no chance.

    Instructions, or lines where Python (3.12 and later) does not tell of all instructions.
    """
    count, whole = 0, sys.version_info < (3, 12)

    def within(frame, event, argument):
        nonlocal count
        count += event == ("opcode" if whole else "line")
        return within

    def on_call(frame, event, argument):
        if not frame.f_globals.get("__name__", "").startswith("bertkit."):
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = whole, not whole
        return within

    before = sys.gettrace()
    sys.settrace(on_call)
    try:
        function(*arguments)
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize(
    "pieces",
    [
        *((piece, "") for piece in HOSTILE[:6]),
        *(pytest.param((piece, ""), marks=pytest.mark.slow) for piece in HOSTILE[6:]),
        *(pytest.param(pieces, marks=pytest.mark.slow) for pieces in MISMATCHED),
    ],
)
def test_work_grows_with_the_length_only(pieces):
    """Twice the text may take twice the steps and a little more, not four times."""
    first, second = pieces

    def source(count):
        return "x" + first * count + second * count + "x"

    once, twice = (steps_of(plain_text, source(count)) for count in (1_000, 2_000))
    assert once > 0
    assert twice < 2.2 * once + 200
    # Expressions take their steps out of sight: a quadratic one would take hours here.
    long = source(200_000)
    assert len(plain_text(long)) <= len(long)
