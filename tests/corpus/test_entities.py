from __future__ import annotations

import html

import pytest

from bertkit.corpus.clean import clean_document
from bertkit.corpus.document import RawDocument
from bertkit.corpus.entities import unescape
from bertkit.corpus.forms.mediawiki.html_text import plain_text_of_html
from bertkit.corpus.forms.mediawiki.wikitext import plain_text


@pytest.mark.parametrize(
    "text",
    [
        "&lt;a&gt; &amp;amp; &#65;&#x42; & &#0; &#; &nolt &#99999999; &notit;",
        "&#" + "0" * 900 + "65;",
    ],
)
def test_references_are_those_of_html(text):
    assert unescape(text) == html.unescape(text)


@pytest.mark.parametrize(
    ("reference", "character"),
    [
        ("1" * 5000, "\ufffd"),
        ("0" * 5000 + "65", "A"),
        ("0" * 5000, "\ufffd"),
        ("0" * 5000 + "1" * 5000, "\ufffd"),
    ],
)
def test_numbers_of_any_length_are_read(reference, character):
    """Python itself refuses to read such a number."""
    for end in (";", " "):
        text = f"a&#{reference}{end}b"
        assert unescape(text) == f"a{character}{end.strip(';')}b"
        assert clean_document(RawDocument("1", "", text), escaped=True) == unescape(text)
        assert plain_text(text) == plain_text_of_html(text) == unescape(text)
