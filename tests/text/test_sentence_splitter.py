from __future__ import annotations

import subprocess
import sys

import pytest

from bertkit.errors import MissingDependencyError, UsageError
from bertkit.text import sentence_splitter
from bertkit.text.sentence_splitter import model_splitter, rule_splitter
from bertkit.workers.pool import run_tasks

TEXT = "It costs 3.14 dollars in the U.S. today. Why; he asked? No end"


def test_rules_are_those_of_the_sentencizer():
    import spacy

    pipeline = spacy.blank("en")
    pipeline.add_pipe("sentencizer")
    wanted = [sentence.text for sentence in pipeline(TEXT).sents]
    assert rule_splitter("en")(TEXT) == wanted
    assert len(wanted) == 3


def loads_torch(number: int) -> bool:
    assert len(rule_splitter("en")(TEXT)) == 3
    return "torch" in sys.modules


def test_rules_need_no_torch_in_processes_of_bertkits_own(tmp_path):
    """spaCy would import it where it is installed: 2 s and 190 MB in each process."""
    assert list(run_tasks(loads_torch, [1, 2], workers=2)) == [False, False]
    (tmp_path / "a.txt").write_text(TEXT)
    words = ["extract", "--input", tmp_path / "a.txt", "--output", tmp_path / "out"]
    run = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "bertkit", *map(str, words)],
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {line.rpartition("|")[2].strip() for line in run.stderr.splitlines()}
    assert "spacy.language" in imported and "torch.nn" not in imported
    assert "3 sentences" in run.stdout


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
