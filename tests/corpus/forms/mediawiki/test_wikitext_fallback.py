from __future__ import annotations

import sys

import pytest

from bertkit.corpus.forms.mediawiki import wikitext, wikitext_fallback
from bertkit.corpus.forms.mediawiki.site import Site
from bertkit.corpus.forms.mediawiki.wikitext import plain_text
from bertkit.errors import MissingDependencyError

from .test_wikitext import RULES


@pytest.mark.parametrize("source", [s for s in RULES if "nowiki" not in s and "<!--" not in s])
def test_second_parser_agrees(source):
    """mwparserfromhell takes the same source apart; the rules see the same parts."""
    bare = wikitext._without_tags(wikitext._without_elements(source))
    flat = wikitext._DOUBLE.sub("", wikitext_fallback.flatten(bare, "Title", Site()))
    # A switch glued to a word, and an unmatched bracket, are no markup to it.
    if "{|" in source and "inner" in source:
        pytest.skip("its table parser wants the end of the inner table elsewhere")
    assert wikitext._paragraphs(flat) == RULES[source]


def test_unmatched_markers_are_taken_apart_by_the_second_parser(monkeypatch):
    seen = []
    flatten = wikitext_fallback.flatten
    monkeypatch.setattr(
        wikitext_fallback, "flatten", lambda *given: seen.append(given[0]) or flatten(*given)
    )
    assert plain_text("Good [[a|b]] {{x}} and {{broken [[c]] text.") == "Good b and broken c text."
    assert len(seen) == 1
    assert plain_text("Good [[a|b]] {{x}}.") == "Good b."
    assert len(seen) == 1


@pytest.mark.parametrize(
    "source",
    ["Good }} text.", "A ]] and }} [[b|c]] so.", "{{x}} a }}\n\n== H ==\nb {{y|}}}} c.",
     "}}\n* a\n}} b",     "{{nowrap|a [[b]]}}}} c ]]", "[[File:x.jpg|thumb|a {{b}}]]]] c."],
)  # fmt: skip
def test_marks_that_end_nothing_need_no_second_parser(source, monkeypatch):
    """What it would make of them is the same: they go."""
    flat = wikitext._DOUBLE.sub("", wikitext_fallback.flatten(source, "Title", Site()))
    monkeypatch.setattr(wikitext_fallback, "flatten", None)
    assert plain_text(source, "Title") == wikitext._paragraphs(flat)


def test_missing_parser_is_one_clear_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "mwparserfromhell", None)
    with pytest.raises(MissingDependencyError) as caught:
        plain_text("a {{ b")
    assert "bertkit[wiki]" in caught.value.hint
    assert caught.value.exit_code == 4
