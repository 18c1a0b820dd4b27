from __future__ import annotations

import sys

import pytest

from bertkit.errors import MissingDependencyError, UsageError
from bertkit.text import sentence_splitter
from bertkit.text.sentence_splitter import model_splitter, rule_splitter

TEXT = "It costs 3.14 dollars in the U.S. today. Why; he asked? No end"


def test_rules_are_those_of_the_sentencizer():
    import spacy

    pipeline = spacy.blank("en")
    pipeline.add_pipe("sentencizer")
    wanted = [sentence.text for sentence in pipeline(TEXT).sents]
    assert rule_splitter("en")(TEXT) == wanted
    assert len(wanted) == 3


def test_other_ends():
    assert rule_splitter("en", [";"])(TEXT) == [
        "It costs 3.14 dollars in the U.S. today. Why;",
        "he asked? No end",
    ]


def test_a_model_without_sentences_gets_the_sentencizer(tmp_path):
    import spacy

    spacy.blank("en").to_disk(tmp_path / "model")
    assert model_splitter(str(tmp_path / "model"))(TEXT) == rule_splitter("en")(TEXT)


def test_a_text_longer_than_spacy_takes_by_itself():
    text = "Word. " * 200_000
    assert len(rule_splitter("xx")(text)) == 200_000


@pytest.mark.parametrize("run", ["=" * 3000, "(" * 3000, "=-" * 2000, "(" * 700 + "[{(" * 700])
def test_long_runs_of_signs_take_no_time_and_are_kept(run):
    # By itself spaCy needs seconds for these, and hours for a million.
    text = f"One. Two {run} three. Four."
    found = rule_splitter("en")(text)
    assert "".join("".join(found).split()) == "".join(text.split())
    assert (found[0], found[-1]) == ("One.", "Four.")
    found = rule_splitter("en")(f"A. {run * 100} B.")
    assert "".join("".join(found).split()) == f"A.{run * 100}B."


def test_runs_and_long_texts_have_the_sentences_of_spacy(monkeypatch):
    import spacy

    pipeline = spacy.blank("en")
    pipeline.add_pipe("sentencizer")
    run = "=" * 300
    text = f'He is. {run} "A 3.14!" {run}. Hi{run} e.g. x! ' + "Word it is. " * 30
    wanted = [sentence.text for sentence in pipeline(text).sents]
    assert rule_splitter("en")(text) == wanted
    monkeypatch.setattr(sentence_splitter, "MOST", 700)
    assert rule_splitter("en")(text) == wanted


def test_what_is_missing_is_named_with_what_to_do(monkeypatch):
    with pytest.raises(UsageError, match="no language 'qq'"):
        rule_splitter("qq")
    with pytest.raises(MissingDependencyError, match="no_such_model") as caught:
        model_splitter("no_such_model", instead="--other")
    assert caught.value.hint == "python -m spacy download no_such_model; or --other"
    monkeypatch.setitem(sys.modules, "spacy", None)
    for make in (rule_splitter, model_splitter):
        with pytest.raises(MissingDependencyError, match="package spacy") as caught:
            make("en", instead="--other")
        assert caught.value.hint == "pip install spacy; or --other"
        assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    ("model", "line"),
    [("en", "give en_core_web_sm, after python -m spacy download en_core_web_sm"),
     ("de_core_news_lg", "python -m spacy download de_core_news_lg")],
)  # fmt: skip
def test_the_hint_for_a_missing_model_works_with_spacy_3(model, line):
    with pytest.raises(MissingDependencyError) as caught:
        model_splitter(model)
    assert line in str(caught.value.hint)
