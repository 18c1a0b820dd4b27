"""The text of a page is what an XML parser makes of it, whatever stands in it."""

from __future__ import annotations

import bz2
import re
import xml.etree.ElementTree as ElementTree
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertkit.corpus.forms.mediawiki.page_text import split_page

FILLER = "Cats sleep a lot. " * 150


def page(body: bytes, opening: bytes = b"<text>") -> bytes:
    head = b"<page><title>Cats</title><ns>0</ns><revision><id>1</id>"
    return head + opening + body + FILLER.encode() + b"</text></revision></page>"


def of_parser(xml: bytes) -> str | None:
    return ElementTree.fromstring(xml).findtext("revision/text")


def ours(xml: bytes) -> str | None:
    frame, text = split_page(xml)
    root = ElementTree.fromstring(frame)
    return root.findtext("revision/text") if text is None else text


@pytest.mark.parametrize(
    "opening", [b"<text>", b'<text bytes="9" xml:space="preserve">', b'<text a="x&gt;y">']
)
@pytest.mark.parametrize(
    "text",
    ["Cats", "a < b > c & d \"e\" 'f'", "&lt; &amp;lt; &amp;amp; &nbsp;", "猫 é \U0001f408", ""],
)
def test_plain_text_needs_no_parser(opening, text):
    xml = page(escape(text, {'"': "&quot;"}).encode(), opening)
    frame, found = split_page(xml)
    assert found == of_parser(xml) == text + FILLER
    assert len(frame) < 200 and ElementTree.fromstring(frame).findtext("title") == "Cats"


@pytest.mark.parametrize(
    "body",
    [b"a &apos; b", b"a &#65;&#x42; b", b"a\r\nb\rc", b"a > b", b"a <!-- b --> c",
     b"<![CDATA[a & b]]>", b"<i>a</i> b"],
)  # fmt: skip
def test_the_rest_goes_to_the_parser(body):
    xml = page(body)
    assert split_page(xml) == (xml, None)
    assert ours(xml) == of_parser(xml)


@pytest.mark.parametrize(
    "body",
    [b"a & b", b"a &nbsp; b", b"a ]]> b", b"a \x01 b", b"a \xff b", b"a \xed\xa0\x80 b",
     b"a \xef\xbf\xbf b", b"a \xef\xbf\xbe b", b"a < b", b"</text><text>", b"&lt", b"&amp;&"],
)  # fmt: skip
def test_damage_is_left_to_the_parser(body):
    xml = page(body)
    assert split_page(xml) == (xml, None)


@pytest.mark.parametrize(
    "xml",
    [
        page(b"", b'<text a="x>y">'),
        page(b"", b"<text/><text>"),
        page(b"", b"<textual>").replace(b"</text>", b"</textual>"),
        page(b"").replace(b"</text>", b"</text><i/>"),
        page(b"").replace(b"<revision>", b"<revision><text>a</text></revision><revision>"),
        page(b"").replace(b"<text>", b"<comment><text></text></comment><text>"),
        page(b"").removesuffix(b"</text></revision></page>"),
        b"<page/>",
    ],
)
def test_pages_of_another_shape(xml):
    try:
        expected = of_parser(xml)
    except ElementTree.ParseError:
        with pytest.raises(ElementTree.ParseError):
            ours(xml)
        return
    assert ours(xml) == expected


@given(
    st.text(alphabet="<>&;\"'ltgamp#x1 \r\n\t\x0b\x7f\x85\u2028é猫\ufffe-![]", max_size=40),
    st.booleans(),
)
def test_whatever_stands_there_it_is_the_parser_s_word(text, escaped):
    xml = page((escape(text) if escaped else text).encode("utf-8"))
    try:
        expected = of_parser(xml)
    except ElementTree.ParseError:
        with pytest.raises(ElementTree.ParseError):
            ours(xml)
        return
    assert ours(xml) == expected


def test_real_pages(shared):
    path = next((shared / "data/wikidump").glob("enwiki-latest*"))
    pages = re.findall(rb"<page>.*?</page>", bz2.decompress(path.read_bytes()), re.DOTALL)
    assert len(pages) > 200
    split = 0
    for xml in pages:
        split += split_page(xml)[1] is not None
        assert ours(xml) == of_parser(xml)
    assert split > 90
