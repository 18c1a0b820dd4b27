from __future__ import annotations

import pytest

from bertkit.corpus.forms.mediawiki.wikitext import plain_text
from bertkit.corpus.forms.mediawiki.wikitext_rules import (
    LINK_END,
    LINK_START,
    Site,
    external_link,
    has_words,
    link,
    positional,
    template,
)


def test_names_of_the_wiki_count():
    site = Site.with_names(["Slika", "Kategorija"])
    assert plain_text("[[Slika:a|b]][[Kategorija:c]]Besedilo.", "", site) == "Besedilo."
    assert "b" in plain_text("[[Slika:a|b]][[Kategorija:c]]Besedilo.")


def test_arguments_by_number_and_name():
    assert positional(["a", "x=1", "2=b", "=", "c=d"]) == ["a", "b"]
    assert template("Convert", ["x"], "") == ""
    assert template(" unknown ", ["x"], "") == ""


@pytest.mark.parametrize(
    ("target", "text", "shown"),
    [
        ("Cat", None, "Cat"),
        ("Cat", "kittens", "kittens"),
        (":Category:Cats", None, "Category:Cats"),
        ("#History", None, "History"),
        ("Paris (mythology)", "", "Paris"),
        ("wikt:Paris (city)", "", "Paris"),
    ],
)
def test_link_shows_its_text(target, text, shown):
    assert link(target, text, Site()) == f"{LINK_START}{shown}{LINK_END}"


def test_links_that_show_nothing():
    assert link("File:a.jpg", "thumb", Site()) == link("Kategorie:X", None, Site()) == ""
    assert link("de:Katze", None, Site()) == ""
    assert external_link("http://x.org") == ""
    assert external_link("http://x.org  a site ") == f"{LINK_START}a site{LINK_END}"


def test_a_name_without_words_is_a_template_that_gives_nothing():
    for name in (
        "convert",
        "Lang-de",
        "PAGENAME",
        "formatnum:5",
        "unknown",
        "cite book",
        "#time:Y",
    ):
        assert has_words(name) or template(name, ["5", "km"], "Title") == ""
    assert template("as of", ["2010"], "") == "As of 2010"
    assert template("frac", ["1", "2", "3"], "") == "1 2/3"
    assert template("pagename", [], "Title") == "Title"
