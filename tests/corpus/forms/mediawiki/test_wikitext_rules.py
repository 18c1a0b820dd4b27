from __future__ import annotations

import pytest

from bertkit.corpus.forms.mediawiki.prose import LINK_END, LINK_START
from bertkit.corpus.forms.mediawiki.site import Site
from bertkit.corpus.forms.mediawiki.wikitext import plain_text
from bertkit.corpus.forms.mediawiki.wikitext_rules import (
    arguments,
    external_link,
    last_argument,
    link,
    positional,
    template,
)


def test_names_of_the_wiki_count():
    site = Site(dropped=Site().dropped | {"slika", "kategorija"})
    assert plain_text("[[Slika:a|b]][[Kategorija:c]]Besedilo.", "", site) == "Besedilo."
    assert "b" in plain_text("[[Slika:a|b]][[Kategorija:c]]Besedilo.")


def test_arguments_by_number_and_name():
    values = arguments(["a", "x=1", "2= b ", "=", "c=d"])
    assert positional(values) == ["a", "b"]
    assert (values["x"], values["c"]) == ("1", "d")
    assert template("Convert", ["x"], "", Site()) == ""
    assert template(" unknown ", ["x"], "", Site()) is None
    assert last_argument(["x", "y", "z=1"]) == "y"


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


def test_prefixes_titles_and_functions():
    def words(name, *parts):
        return template(name, list(parts), "Title", Site())

    assert words("as of", "2010") == "As of 2010"
    assert words("frac", "1", "2", "3") == "1 2/3"
    assert words("pagename") == words("NOMPAGE") == "Title"
    assert words("Template:Convert", "5", "km") == words("subst:convert", "5", "km") == "5 km"
    assert words("formatnum:5") == "5"
    assert words("cite book", "1999") == words("#time:Y") == ""


def test_many_prefixes_take_no_longer_than_their_length():
    """To look the rest up behind each of them would take hours."""
    prefixes = "Template: subst:" * 100_000
    assert template(f"{prefixes}convert", ["5", "km"], "Title", Site()) == "5 km"
    assert template(f"{prefixes}lc:A", [], "Title", Site()) == "a"
