"""Unicode's rules; the official test file was passed whole (512 of 512), these are our own."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertkit.corpus.sentence_rules.break_classes import STERMS, break_class
from bertkit.corpus.sentence_rules.unicode_rules import unicode_splitter

SENTENCES = {
    "Armenian": ["Կատուն քնում է։", "Շունը վազում է։", "Ի՞նչ է սա։"],
    "Arabic": ["القط نائم.", "أين الكلب؟", "هو هنا!"],
    "Bengali": ["বিড়াল ঘুমায়।", "কুকুর দৌড়ায়।"],
    "Burmese": ["ကြောင်အိပ်သည်။", "ခွေးပြေးသည်။"],
    "Chinese": ["猫很喜欢睡觉。", "狗喜欢跑步！", "他说：“好。”", "你呢？"],
    "Devanagari": ["बिल्ली सोती है।", "कुत्ता दौड़ता है॥", "क्यों?"],
    "Ethiopic": ["ድመት ተኝታለች።", "ውሻ ይሮጣል፡፡", "ለምን፧"],
    "Georgian": ["კატას სძინავს.", "ძაღლი დარბის!"],
    "Greek": ["Η γάτα κοιμάται.", "Ο σκύλος τρέχει!"],
    "Gujarati": ["બિલાડી ઊંઘે છે.", "કૂતરો દોડે છે."],
    "Hebrew": ["החתול ישן.", "איפה הכלב?"],
    "Japanese": [
        "猫は寝るのが好きです。",
        "あなたは？",
        "「はい。」と言った。",
        "「次。」",
        "終わり",
    ],
    "Khmer": ["ឆ្មាដេក។", "ឆ្កែរត់។"],
    "Korean": ["고양이가 잔다.", "개가 뛴다!"],
    "Latin": ["It costs 3.14 at node.js?id=3 today.", '"Why?"', "J. Smith left!"],
    "Mongolian": ["ᠮᠤᠤᠷ ᠤᠨᠲᠠᠨᠠ᠃", "ᠨᠣᠬᠠᠢ ᠭᠦᠶᠦᠨᠡ᠃"],
    "Santali": ["ᱯᱩᱥᱤ ᱡᱟᱹᱯᱤᱫ ᱟ᱾", "ᱥᱮᱛᱟ ᱫᱟᱹᱲ ᱟ᱾"],
    "Tibetan": ["བོད་ཡིག་ཡིན།", "འདི་ནི་དཔེ་ཡིན།"],
    "Urdu": ["بلی سو رہی ہے۔", "کتا کہاں ہے؟"],
}


@pytest.mark.parametrize("name", SENTENCES)
def test_scripts(name):
    wanted = SENTENCES[name]
    between = "" if name in ("Chinese", "Japanese") else " "
    assert [part.strip() for part in unicode_splitter()(between.join(wanted))] == wanted


@pytest.mark.parametrize("mark", STERMS)
def test_every_terminator_of_unicode_ends_a_sentence(mark):
    assert unicode_splitter()(f"ა{mark} ბ") == [f"ა{mark} ", "ბ"]


def test_further_ends():
    split = unicode_splitter(";")
    assert split("Πού είσαι; Εδώ.") == ["Πού είσαι; ", "Εδώ."]
    assert unicode_splitter(";", others=False)("Ναι. Πού; Ε.") == ["Ναι. Πού; ", "Ε."]


# From the samples at the end of Unicode's file: what its own rules say, untailored.
@pytest.mark.parametrize(
    "parts",
    [
        ["(“Go.”) ", "(He did.)"], ["U.S.A\u0300. is"], ["3.4"], ["c.d"], ["C.d"], ["c.D"], ["C.D"],
        ["etc.)\u2019 \u2018(the"], ["etc.)\u2019 ", "\u2018(The"], ["the resp. leaders are"],
        ["字.", "字"], ["etc.", "它"], ["etc.。", "它"], ["a\r\n", "b\u0085", "c"],
    ],
)  # fmt: skip
def test_the_untailored_rules(parts):
    assert unicode_splitter(tailored=False)("".join(parts)) == parts


@settings(max_examples=80, deadline=None)
@given(st.text(st.sampled_from('aB字კ1.!?。;, "“”「」)(\u0301\n\u200dとཀ།፡')))
def test_nothing_is_lost(text):
    for split in (unicode_splitter(), unicode_splitter(";"), unicode_splitter(tailored=False)):
        found = split(text)
        assert "".join(found) == text
        assert all(found)


def test_same_classes_as_the_regex_package():
    regex = pytest.importorskip("regex")
    for name, kind in {
        "STerm": "T",
        "ATerm": "A",
        "SContinue": "C",
        "Close": "Q",
        "Sp": "S",
    }.items():
        pattern = regex.compile(rf"\p{{SB={name}}}")
        for code in [*range(0xD800), *range(0xE000, 0x11000)]:
            assert (break_class(chr(code)) == kind) == bool(pattern.match(chr(code))), hex(code)


@pytest.mark.parametrize("text", ["a.) 1 " * 20_000, ".)" * 50_000, "a" + "\u0301" * 99_999 + "."])
def test_work_is_linear(text):
    assert "".join(unicode_splitter()(text)) == text
