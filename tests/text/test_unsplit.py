"""Raw text is told from text of one sentence per line."""

from __future__ import annotations

import gzip

import pytest

from bertkit.text.unsplit import check_sentence_files, looks_unsplit

SENTENCES = [
    "The whale dives deep into the cold northern sea at night.",
    "It comes up again after an hour to breathe, as Dr. Smith saw.",
]


def test_one_sentence_per_line_is_taken_for_that():
    assert not looks_unsplit("\n".join(SENTENCES * 10))
    assert not looks_unsplit("鯨は深く潜る。\n「息をする。」\n" * 10)
    assert not looks_unsplit("") and not looks_unsplit("\n \n")


@pytest.mark.parametrize("glue", [" ", "  "])
def test_paragraphs_are_not(glue):
    assert "several sentences" in looks_unsplit((glue.join(SENTENCES) + "\n\n") * 5)
    assert "characters on average" in looks_unsplit(glue.join(SENTENCES * 5))


def test_carriage_returns_alone_end_no_line():
    for end, said in (("\r", True), ("\r\n", False), ("\n", False)):
        assert ("carriage returns" in looks_unsplit(end.join(SENTENCES * 3) + end)) is said


def test_the_warning_says_what_to_do(tmp_path, caplog):
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(" ".join(SENTENCES * 9).encode()))
    check_sentence_files([str(path)])
    assert "bertkit extract" in caplog.text and "a.txt.gz" in caplog.text
