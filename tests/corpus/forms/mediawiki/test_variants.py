from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertkit.corpus.config import ExtractConfig
from bertkit.corpus.forms.mediawiki.site import Site
from bertkit.corpus.forms.mediawiki.variants import order_of, with_one_variant
from bertkit.corpus.forms.mediawiki.wikitext import plain_text

HANS, HANT = order_of("zh", ""), order_of("zh", "zh-hant")


@pytest.mark.parametrize(
    ("text", "hans", "hant"),
    [
        ("-{zh-hans:软件;zh-hant:軟體}-是", "软件是", "軟體是"),
        ("-{zh-cn:博客;zh-tw:部落格;}-", "博客", "部落格"),
        ("-{A|zh-cn:博客;zh-tw:部落格}-", "博客", "部落格"),
        ("-{T|zh-hans:标题;zh-hant:標題}-", "", ""),
        ("-{H|zh-cn:宏;zh-tw:巨集}-文", "文", "文"),
        ("-{H|巨集=>zh-cn:宏;}-文", "文", "文"),
        ("-{-|zh-cn:宏}-文", "文", "文"),
        ("-{台}-湾", "台湾", "台湾"),
        ("-{R|a:b;c}-", "a:b;c", "a:b;c"),
        ("-{zh-hans;zh-hant|乾}-", "乾", "乾"),
        ("-{zh-hans:一-{zh-hans:内;zh-hant:外}-;zh-hant:三}-", "一内", "三"),
        ("-{巨集=>zh-cn:宏;}-", "宏", "巨集"),
        ("-{zh-tw:只}-", "只", "只"),
        ("这是-{zh-hans:[[软件|软]];zh-hant:[[軟體]]}-", "这是软", "这是軟體"),
        ("-{zh-hans:{{lang|en|a}}-b;zh-hant:c}-", "a-b", "c"),
        ("a-{b", "a-{b", "a-{b"),
        ("a}-b", "a}-b", "a}-b"),
    ],
)
def test_one_variant_is_shown(text, hans, hant):
    assert plain_text(text, "", Site(language="zh")) == hans
    assert plain_text(text, "", Site(language="zh", variant="zh-hant")) == hant


def test_a_variant_is_one_of_its_language():
    assert order_of("de", "zh-tw") == ()
    assert order_of("sr", "zh-tw") == order_of("sr", "")
    assert ExtractConfig(variant="zh-tw").problems() == []
    assert "zh-tv" in ExtractConfig(variant="zh-tv").problems()[0]


def test_other_wikis():
    assert order_of("sr", "")[0] == "sr-ec"
    assert with_one_variant("-{sr-ec:а;sr-el:b}-", order_of("sr", "sr-el")) == "b"
    assert with_one_variant("-{ku-arab:ا;ku-latn:a}-", order_of("ku", "")) == "a"


def test_wikis_without_variants_keep_what_looks_alike():
    formula = "2-{[4-(methyl)phenyl]}-N-{3-chloro}-benzene"
    assert with_one_variant(formula, ()) == formula
    assert with_one_variant("-{{x}}- a-{{y}}-b", ()) == "-{{x}}- a-{{y}}-b"
    # Text of such a wiki that stands elsewhere.
    assert with_one_variant("-{zh-hans:软件;zh-hant:軟體}- -{台}-湾", ()) == "软件 台湾"


@given(st.lists(st.sampled_from(["-{", "}-", "{{", "}}", "|", ";", "zh-cn:", "H", "a", "=>"])))
@settings(max_examples=100, deadline=None)
def test_any_jumble(pieces):
    text = "".join(pieces)
    for order in (HANS, HANT, ()):
        assert len(with_one_variant(text, order)) <= len(text)


def test_deep_and_long_markup_is_linear():
    long = "-{" * 100_000 + "}-" * 50_000
    assert len(with_one_variant(long, HANS)) <= len(long)


@pytest.mark.parametrize(
    "inner", [";" + " " * 200_000, " ;" * 100_000 + "x|a", " " * 200_000 + "x|a"]
)
def test_long_runs_of_spaces_take_no_longer_than_their_length(inner):
    """Patterns that try every share of such a run would take hours."""
    assert with_one_variant(f"-{{{inner}}}-", HANS)
