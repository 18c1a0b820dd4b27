from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertkit.corpus.forms.mediawiki.html_text import is_redirect, plain_text_of_html
from bertkit.corpus.forms.mediawiki.wikitext import plain_text

LINK = '<a rel="mw:WikiLink" href="./{0}" title="{0}" id="mwBA">{0}</a>'
REFERENCE = (
    '<sup about="#mwt5" class="mw-ref reference" id="cite_ref-1" rel="dc:references" typeof='
    '"mw:Extension/ref" data-mw=\'{"name":"ref","body":{"html":"<p>1 > 0</p>"}}\'><a href='
    '"./X#cite_note-1" style="counter-reset: mw-Ref 1;"><span class="mw-reflink-text">[1]</span>'
    "</a></sup>"
)
# Each as Parsoid writes it, with the text that is left.
CASES = {
    "<p>One <b>two</b>\n<i>three</i>.</p>\n<p>Four.</p>": "One two three.\n\nFour.",
    f"<p>A {LINK.format('cat')} sat{REFERENCE} on.</p>": "A cat sat on.",
    '<section data-mw-section-id="1"><h2 id="H">Head</h2><p>Text.</p></section>': "Text.",
    '<table class="infobox vcard"><tbody><tr><td>a<table><tr><td>b</td></tr></table></td></tr>'
    "</tbody></table><p>After.</p>": "After.",
    '<div role="navigation" class="navbox"><div>n</div></div><p>After.</p>': "After.",
    '<div role="note" class="hatnote navigation-not-searchable">See x.</div><p>T.</p>': "T.",
    '<div class="reflist"><ol class="mw-references references"><li>r</li></ol></div>': "",
    '<p>A <span style="display:none">hidden</span>b <span class="noprint">c</span>d.</p>': "A b d.",
    "<style data-mw-deduplicate=\"x\">.a>b{c:'d'}</style><p>Text.</p>": "Text.",
    '<p>Let <span class="mwe-math-element"><math><mi>x</mi></math><img alt="{\\displaystyle x}"/>'
    "</span> be.</p>": "Let be.",
    '<p>Said.<sup class="noprint Inline-Template Template-Fact">[<i><a href="./W:CN" title="W:CN">'
    "<span>citation needed</span></a></i>]</sup> More.</p>": "Said. More.",
    '<p>Dit.<sup><a rel="mw:WikiLink" href="./Aide:Source" title="Aide:Source">[Quoi ?]</a></sup>'
    " Fin.</p>": "Dit. Fin.",
    "<p>10<sup>6</sup> and H<sub>2</sub>O.</p>": "106 and H2O.",
    '<figure typeof="mw:File/Thumb"><a href="./F"><img src="x"/></a><figcaption>C</figcaption>'
    "</figure><p>Text.</p>": "Text.",
    '<ul class="gallery mw-gallery-traditional"><li>g</li></ul><p>Text.</p>': "Text.",
    "<ul><li>An item says much.\n<ul><li>Inner item.</li></ul></li><li>"
    f"{LINK.format('x')}</li></ul>": "An item says much.\n\nInner item.",
    "<dl><dt>Term</dt><dd>Its meaning.</dd></dl>": "Term\n\nIts meaning.",
    '<p>One<br/>two <span class="mw-editsection">[edit]</span></p>': "One\ntwo",
    "<p>5 &lt; 6 &amp;amp; 7&nbsp;km.</p>": "5 < 6 &amp; 7\xa0km.",
    '<p>x<span typeof="mw:Entity"> </span>y<!-- no > end --></p>': "x y",
    '<p>The mountain is <span data-mw=\'{"parts":[{"template":{"target":{"wt":"unité"}}}]}\' '
    'class="nowrap" typeof="mw:Transclusion">2 000 m</span> high.</p>': (
        "The mountain is 2 000 m high."
    ),
    '<p>Its <a rel="mw:ExtLink" href="http://x.org" class="text">site</a>.</p>': "Its site.",
    '<p class="mw-empty-elt"></p><link rel="mw:PageProp/Category" href="./C"/><p>T.</p>': "T.",
    "<p>Never closed <span class='noprint'>stays.</p>": "Never closed stays.",
    "<p>a \x01b\x02 \x03c</p>": "a b c",
    "": "",
}


@pytest.mark.parametrize("source", CASES)
def test_what_goes_and_what_stays(source):
    assert plain_text_of_html(source) == CASES[source]


def test_the_same_article_as_wikitext_gives_the_same_text():
    wikitext = (
        "{{Infobox|a=b}}\n'''Word''' is a [[word]].<ref>Book.</ref> It has {{convert|5|km}}.\n\n"
        "== Head ==\nMore (see; {{x}}) text.\n* An item of text.\n* [[Link]]\n"
    )
    document = (
        f'<table class="infobox"><tr><td>b</td></tr></table><p><b>Word</b> is a '
        f"{LINK.format('word')}.{REFERENCE} It has 5 km.</p><h2>Head</h2><p>More (see; ) text.</p>"
        f"<ul><li>An item of text.</li><li>{LINK.format('Link')}</li></ul>"
    )
    assert plain_text_of_html(document) == plain_text(wikitext)


def test_a_second_parser_finds_the_same_words():
    """BeautifulSoup's tree of the same page, without what a style sheet would drop."""
    bs4 = pytest.importorskip("bs4")
    page = "".join(source for source in CASES if "Never" not in source and "\x01" not in source)
    soup = bs4.BeautifulSoup(page, "html.parser")
    dropped = (
        "table, figure, style, h2, sup.reference, .noprint, .navbox, .hatnote, .gallery, .reflist, "
        ".mwe-math-element, .mw-editsection, [style*=none]"
    )
    for element in soup.select(dropped):
        element.decompose()
    for comment in soup.find_all(string=lambda text: isinstance(text, bs4.Comment)):
        comment.extract()
    for element in [*soup.find_all(["p", "li", "dd", "dt"]), *soup.find_all("br")]:
        element.insert_before("\n")
    words = soup.get_text().replace("[Quoi ?]", "").split()
    words = [word for word in words if word != "x" or words.count("x") > 1]
    found = plain_text_of_html(page).split()
    assert [w for w in words if w != "x"] == [w for w in found if w != "x"]


def test_redirects():
    assert is_redirect('<html><body><link rel="mw:PageProp/redirect" href="./X"/></body></html>')
    assert not is_redirect("<html><body><p>mw:PageProp/redirect</p></body></html>")


PIECES = st.sampled_from(
    ["<p>", "</p>", "<", ">", '"', "'", "<!--", "-->", "<li>", "</li>", "<table ", "</table>", "x "]
)


@given(st.lists(PIECES, max_size=60).map("".join))
@settings(max_examples=100, deadline=None)
def test_any_jumble_of_tags_gives_text(source):
    found = plain_text_of_html(source)
    assert found == found.strip()
    assert "\n\n\n" not in found


@pytest.mark.parametrize(
    "piece", ["<a", '<a "', "<a '\"", "<!--", '<p a="', "<sup>", "<table>", "<a>", "a"]
)
def test_hostile_documents_take_no_longer_than_their_length(piece):
    # Quadratic work would take hours here.
    for begin in ("", "<"):
        document = begin + piece * 100_000
        assert len(plain_text_of_html(document)) <= len(document)
