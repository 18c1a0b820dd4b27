"""Figures, and the warnings with what to do."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from bertkit.summary.plain import count_plainly
from bertkit.summary.report import figures, rows, warnings


def test_good_text_has_no_warnings():
    text = "\n\n".join(f"Sentence {n} is here.\nAnother {n} follows." for n in range(50))
    found = figures(count_plainly(text))
    assert warnings(found) == []
    assert found["documents"] == 50 and found["scripts"] == {"Latin": 1.0}
    assert found["duplicates"] == "exact"
    assert sum(found["line_lengths"].values()) == 100
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert any("words on average" in value for _, value in rows(found))


def test_what_is_unusual_is_said():
    repeats = figures(count_plainly("\n".join(f"Line {n % 30}." for n in range(100))))
    (said,) = warnings(repeats)
    assert said.startswith("70% of the lines repeat another line")
    singles = figures(count_plainly("\n\n".join(f"Line {n}." for n in range(100))))
    (said,) = warnings(singles)
    assert "100% of the documents have one sentence" in said and "--objective mlm" in said
    assert warnings(singles, lines_count=False) == []
    long = figures(count_plainly("\n".join(f"{n} word" * 600 for n in range(30))))
    assert "30 of 30 lines have more than 2,000" in warnings(long)[0]


def test_unknown_tokens_are_said_loudly():
    counts = replace(count_plainly("日本語の文。 in English"), tokens=10, unknown=4)
    found = figures(counts, lambda character: character.isascii())
    assert found["unknown"] == 0.4
    assert found["characters_outside_vocabulary"]["different"] == 6
    (said,) = warnings(found)
    assert said.startswith(
        "40.0% of the tokens are [UNK]: 6 characters of the text (Han, Hiragana)"
    )
    assert "train-vocab" in said
    assert any(what == "[UNK]" and "40.00%" in value for what, value in rows(found))


def test_a_vocabulary_of_the_language_that_lacks_rare_characters():
    counts = replace(count_plainly("word " * 50 + "é"), tokens=51, unknown=1)
    (said,) = warnings(figures(counts, lambda character: character.isascii()))
    assert "--alphabet" in said and "of this language" not in said


def test_no_text():
    found = figures(count_plainly(""))
    assert found["sentences"] == 0 and warnings(found) == []
    assert rows(found)


def test_the_docs_explain_every_figure():
    page = (Path(__file__).parents[2] / "docs" / "text-summary.md").read_text("utf-8")
    found = figures(replace(count_plainly("a b"), tokens=1, unknown=0), lambda character: True)
    for name in found:
        assert f"`{name}`" in page, name
    for what, _ in rows(found):
        assert f"`{what}`" in page, what
