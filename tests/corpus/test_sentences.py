from __future__ import annotations

import json
import lzma
import shutil
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertkit.corpus.clean import clean_text
from bertkit.corpus.sentences import make_splitter, split_lines
from bertkit.errors import MissingDependencyError, UsageError

XQUAD = ("ar", "de", "el", "en", "es", "hi", "ro", "ru", "th", "tr", "vi", "zh")
# Sentence ends that the sentencizer knows; Thai writes none.
ENDS = ".!?。！？।؟…"


@pytest.fixture(scope="module")
def rule():
    return make_splitter("rule", "en")


def squeezed(text: str) -> str:
    return "".join(text.split())


def test_rule_splits_at_ends_and_not_inside_tokens(rule):
    text = 'It costs 3.14 dollars. "Why?" he asked. In the U.S. it\nis  cheaper! No end'
    assert rule(text) == [
        # Punctuation after an end goes with it: spaCy's rule, odd for opening marks.
        'It costs 3.14 dollars. "',
        'Why?"',
        "he asked.",
        "In the U.S. it is cheaper!",
        "No end",
    ]


def test_blank_line_always_ends_a_sentence(rule):
    assert rule("A heading\n\nand the text\nof it.\n \n\nMore") == [
        "A heading",
        "and the text of it.",
        "More",
    ]


def test_lines_keeps_lines():
    assert split_lines(" a.  b \n\n\tc\n") == ["a. b", "c"]


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=80))
def test_nothing_is_lost_and_no_line_is_empty(rule, text):
    text = clean_text(text)
    for splitter in (rule, make_splitter("unicode"), split_lines):
        found = splitter(text)
        assert squeezed("".join(found)) == squeezed(text)
        assert all(line and line == line.strip() and line.splitlines() == [line] for line in found)


def test_hostile_strings_come_through(rule, shared):
    text = clean_text((shared / "data/multilingual/blns.txt").read_text("utf-8"))
    found = rule(text)
    assert squeezed("".join(found)) == squeezed(text)
    assert all(len(line.splitlines()) == 1 for line in found)


@pytest.mark.parametrize("language", XQUAD)
def test_real_paragraphs_of_many_languages(shared, language):
    path = shared / f"data/multilingual/xquad/xquad.{language}.json.xz"
    values = json.loads(lzma.decompress(path.read_bytes()))
    texts = [block["context"] for article in values["data"] for block in article["paragraphs"]]
    splitter = make_splitter("rule", language)
    found = [splitter(clean_text(text)) for text in texts[:25]]
    assert [squeezed("".join(item)) for item in found] == [
        squeezed(clean_text(text)) for text in texts[:25]
    ]
    if language != "th":
        lines = [line for item in found for line in item]
        assert len(lines) > 3 * len(found), "the paragraphs have several sentences each"
        ended = [line for line in lines if any(mark in ENDS for mark in line[-4:])]
        assert len(ended) > 0.9 * len(lines)


def test_japanese_sentences_are_found_again(shared):
    wanted = (shared / "data/multilingual/ja_gsd_dev.sentences.txt").read_text("utf-8").split("\n")
    wanted = [line for line in wanted if line.endswith("。") and line.count("。") == 1][:100]
    wanted = [line for line in wanted if not set(line) & set("！？!?")]
    assert make_splitter("rule", "ja")("".join(wanted)) == wanted


@pytest.mark.parametrize(
    ("language", "name", "count"),
    [("hy", "hy", 2), ("my", "my", 2), ("bo", "bo", 2), ("km", "km", 2), ("el", "el", 4),
     ("zh", "zh", 4), ("ja", "ja", 4), ("xx", "hy", 2), ("xx", "my", 2), ("xx", "bo", 2)],
)  # fmt: skip
def test_reported_texts(shared, language, name, count):
    text = (shared / f"data/reports/12-sentences/{name}.txt").read_text("utf-8")
    assert len(make_splitter("rule", language)(text)) == count


def test_double_danda_and_unicode_for_any_language():
    assert make_splitter("rule", "sa")("राम॥ सीता॥") == ["राम॥", "सीता॥"]
    assert make_splitter("unicode")("One. 二。三 ") == ["One.", "二。", "三"]
    assert make_splitter("unicode", "el")("Πού; Εδώ.") == ["Πού;", "Εδώ."]


def test_numbers_do_not_end_chinese_sentences():
    assert make_splitter("rule", "zh")("圆周率是3.14。对吗？对") == [
        "圆周率是3.14。",
        "对吗？",
        "对",
    ]


def test_same_as_spacy_itself(shared):
    import spacy

    pipeline = spacy.blank("en")
    pipeline.add_pipe("sentencizer")
    text = (shared / "data/corpus/gutenberg17/austen-persuasion.txt").read_text("utf-8")
    blocks = [" ".join(block.split()) for block in text.split("\n\n")[5:60]]
    wanted = [span.text for block in blocks for span in pipeline(block).sents if span.text]
    assert make_splitter("rule", "en")("\n\n".join(blocks)) == wanted


def test_punkt_with_real_data(shared, monkeypatch, tmp_path):
    nltk = pytest.importorskip("nltk")
    (tmp_path / "tokenizers").mkdir()
    shutil.copytree(shared / "data/punkt/punkt_tab", tmp_path / "tokenizers/punkt_tab")
    monkeypatch.setattr(nltk.data, "path", [str(tmp_path)])
    found = make_splitter("punkt", "en")("Mr. Smith left at 5 p.m. on Monday. He was late.\n\nEnd")
    assert found == ["Mr. Smith left at 5 p.m. on Monday.", "He was late.", "End"]


def test_punkt_without_data_says_what_to_run(monkeypatch):
    nltk = pytest.importorskip("nltk")
    monkeypatch.setattr(nltk.data, "path", [])
    with pytest.raises(MissingDependencyError) as caught:
        make_splitter("punkt", "en")
    assert caught.value.exit_code == 4
    assert caught.value.hint == "python -m nltk.downloader punkt_tab"


def test_missing_packages_and_models_are_exit_4(monkeypatch):
    with pytest.raises(MissingDependencyError, match="en_core_web_none") as caught:
        make_splitter("spacy:en_core_web_none")
    assert caught.value.hint == "python -m spacy download en_core_web_none"
    monkeypatch.setitem(sys.modules, "spacy", None)
    with pytest.raises(MissingDependencyError, match="the package spacy"):
        make_splitter("rule")
    monkeypatch.setitem(sys.modules, "nltk.tokenize.punkt", None)
    with pytest.raises(MissingDependencyError, match="the package nltk"):
        make_splitter("punkt")


def test_trained_pipeline_from_a_folder(tmp_path):
    import spacy

    pipeline = spacy.blank("en")
    pipeline.add_pipe("sentencizer", config={"punct_chars": [";"]})
    pipeline.to_disk(tmp_path / "model")
    assert make_splitter(f"spacy:{tmp_path / 'model'}")("One. Two; three") == [
        "One. Two;",
        "three",
    ]


@pytest.mark.parametrize("name", ["", "rules", "spacy:", "spacy"])
def test_unknown_splitter(name):
    with pytest.raises(UsageError, match="no splitter"):
        make_splitter(name)


def test_unknown_languages():
    with pytest.raises(UsageError, match="qq"):
        make_splitter("rule", "qq")
    with pytest.raises(UsageError, match="punkt has no model for the language 'zh'"):
        make_splitter("punkt", "zh")


def test_lines_have_plain_spaces_only():
    spaces = [c for c in map(chr, range(0x110000)) if c.isspace() and c != "\n"]
    text = "\n".join(f" a{c}{c} b{c}" for c in spaces)
    assert split_lines(text) == ["a b"] * len(spaces)
