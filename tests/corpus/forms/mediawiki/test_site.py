from __future__ import annotations

import pytest

from bertkit.corpus.forms.mediawiki.site import Site, is_redirect, site_of
from bertkit.corpus.forms.mediawiki.wikitext import plain_text

HEAD = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/" version="0.11" xml:lang="{}">
  <siteinfo><sitename>W</sitename><dbname>{}</dbname><namespaces>
  <namespace key="-2" case="first-letter">Medium</namespace>
  <namespace key="6" case="first-letter">Slika</namespace>
  <namespace key="10" case="first-letter">Predloga</namespace>
  <namespace key="14" case="first-letter">Kategorija_x</namespace></namespaces>"""


def test_what_the_head_says():
    site = site_of(HEAD.format("sl", "slwiki"))
    assert (site.language, site.database, site.name) == ("sl", "slwiki", "slwiki (sl)")
    assert {"medium", "slika", "kategorija x"} <= site.dropped
    assert plain_text("[[Slika:a|b]]{{Predloga:Nowrap|5 km}} je.", "", site) == "5 km je."
    assert site_of(HEAD.format("en", "simplewiki")).language == "en"
    assert site_of("<dbname>frwiktionary</dbname>").language == "fr"
    assert site_of("<dbname>be_x_oldwiki</dbname>").language == "be-x-old"
    assert site_of("<page>").name == ""
    assert site_of(HEAD.format("zh", "zhwiki"), variant="zh-tw").variants[0] == "zh-tw"
    assert Site(language="de").variants == ()


@pytest.mark.parametrize(
    "text",
    [
        "#REDIRECT [[Foo]]",
        "#redirect: [[Foo#bar]] {{R from move}}",
        "#REDIRECTION [[Foo]]\n\n[[Catégorie:x]]",
        "#WEITERLEITUNG [[Foo]] any text",
        "#重定向 [[甲]]",
        "#転送[[甲]]",
        "#पुनर्प्रेषित [[फू]]",
        "#перенаправление [[Ф]]",
        "#เปลี่ยนทาง [[ก]]",
        "#unheard_of [[Foo]]\n<!-- nothing\nelse -->{{x}}",
    ],
)
def test_redirects(text):
    assert is_redirect(text)


@pytest.mark.parametrize(
    "text",
    [
        "#First [[item]] of a list",
        "# [[item]]",
        "#1 [[item]]",
        "#REDIRECT Foo",
        "Text #REDIRECT [[Foo]]",
        "",
    ],
)
def test_what_is_no_redirect(text):
    assert not is_redirect(text)


def test_a_redirect_with_a_long_run_of_spaces_takes_no_longer_than_its_length():
    """Two patterns for the same spaces would take hours."""
    assert not is_redirect("#REDIRECT" + " " * 1_000_000 + "x")


def test_what_follows_a_redirect_is_read_in_one_way():
    """Comments that could reach beyond their end would be read in two ways each, for ever."""
    page = "#list [[a]]" + " <!-- a note -->" * 300
    assert is_redirect(page)
    assert not is_redirect(page + " and words")


@pytest.mark.parametrize("tag", ["<mediawiki ", '<namespace key="6" '])
def test_the_head_of_a_dump_takes_no_longer_than_its_length(tag):
    assert site_of(tag * 100_000).language == ""
