from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bertkit.corpus import clean
from bertkit.corpus.clean import clean_document, clean_text, one_line, paragraphs
from bertkit.corpus.document import RawDocument


def test_only_line_feed_ends_a_line():
    assert clean_text("a\r\nb\rc\x0bd\x0ce\x85f\u2028g\u2029h") == "a\nb\nc\nd\ne\nf\ng\nh"


def test_invisible_and_control_characters():
    assert clean_text("\ufeffso\u00adft\u200bly a\x00b\x1fc\x7fd\x9fe") == "softly a b c d e"
    assert clean_text("lone \ud800 half") == "lone \ufffd half"


def test_what_scripts_need_stays():
    kept = "می\u200cخواهم 👩\u200d💻 \u200fעברית\u200e e\u0301 ﬁ Ⅷ\tx"
    assert clean_text(kept) == kept


@given(st.text())
def test_clean_text_is_stable_and_encodable(text):
    once = clean_text(text)
    assert clean_text(once) == once
    once.encode("utf-8")
    assert len(one_line(once).splitlines()) <= 1


def test_every_character_that_the_rules_change_is_found():
    """Lines are looked at by `str.isprintable` first, which must miss none of them."""
    changed = [c for c in map(chr, range(0x110000)) if c != "\n" and clean._ANY.search(c)]
    assert len(changed) > 2000
    assert all(clean_text(f"a{c}b\nc") != f"a{c}b\nc" for c in changed)


def test_wikiextractor_title_goes_and_entities_are_resolved_once():
    raw = RawDocument("1", 'A "B" & C', 'A "B" &amp; C\n\nText &lt;x&gt; &amp;amp; y.\n\nA B')
    assert clean_document(raw, titled=True, escaped=True).strip() == "Text <x> &amp; y.\n\nA B"
    assert clean_document(raw) == raw.text


def test_title_stays_where_the_text_does_not_repeat_it():
    raw = RawDocument("1", "Title", "Other first line\n\nText")
    assert clean_document(raw, titled=True, escaped=True) == raw.text


def test_rulers_separate_and_vanish():
    raw = RawDocument("1", "", "Heading\n*******\nText - a -- b --- c\n  ---  \n== x ==\n")
    assert paragraphs(clean_document(raw)) == ["Heading", "Text - a -- b --- c", "== x =="]


def test_paragraphs_of_nothing():
    assert paragraphs(" \n\t\n ") == []
    assert paragraphs("a\n \t\nb\n\n\n\n  c") == ["a", "b", "c"]
