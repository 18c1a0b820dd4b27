"""Raw text is told from text of one sentence per line."""

from __future__ import annotations

import gzip

import pytest

from bertkit.errors import DataError
from bertkit.manifests.manifest import Manifest
from bertkit.text.unsplit import (
    check_sentence_files,
    is_raw,
    looks_unsplit,
    raw_form,
    refuse_raw_files,
)

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


def test_long_lines_tell_nothing_in_scripts_that_do_not_mark_sentences():
    thai = "ทีมรับถอดใจ 308 "
    assert not looks_unsplit((thai * 40 + "\n") * 5)
    assert looks_unsplit(("the team gives up " * 40 + "\n") * 5)


def test_carriage_returns_alone_end_no_line():
    for end, said in (("\r", True), ("\r\n", False), ("\n", False)):
        assert ("carriage returns" in looks_unsplit(end.join(SENTENCES * 3) + end)) is said


def test_the_warning_says_what_to_do(tmp_path, caplog):
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(" ".join(SENTENCES * 9).encode()))
    check_sentence_files([str(path)])
    assert "bertkit extract" in caplog.text and "a.txt.gz" in caplog.text


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ('{"text": "One."}\n{"text": "Two."}\n', "JSON lines"),
        ('\ufeff{"id": 3, "text": "' + "A long text. " * 9000, "JSON lines"),
        ('[\n  {"text": "One."}\n]\n', "an array of JSON objects"),
        ('<?xml version="1.0"?>\n<PubmedArticleSet>', "XML"),
        ('<doc id="12" url="x" title="y">\nText.\n</doc>\n', "WikiExtractor's output"),
        ("id,text\r\n" + '1,"Well, one."\r\n' * 3, "a table with a column of text"),
        ("\ufeffText\tlabel\n" + "One, two.\tx\n" * 3, "a table with a column of text"),
        ("sep=;\nid;content\n" + "1;One.\n" * 3, "a table with a column of text"),
        ("Text, they said.\n" + "One comma, here.\n" * 9, ""),
        ("A text, a body.\nNo comma here.\n" + "One, two.\n" * 9, ""),
        ("id,text\n1,One.\n2,Two, three.\n3,Four.\n4,Five.\n", ""),
        ("{ brackets } are used here.\nIt ends.\n", ""),
        ('{"key": 1} begins it.\nThen comes prose.\n', ""),
        ("[1] A note.\n", ""),
        ("", ""),
    ],
)
def test_json_and_markup_are_no_sentences(tmp_path, head, words):
    assert raw_form(head.encode()) == words
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(head.encode()))
    for check in (check_sentence_files, refuse_raw_files):
        if words:
            with pytest.raises(DataError, match=r"a\.txt\.gz looks like") as error:
                check([str(path)])
            assert f"bertkit extract --input {path} --output DIR (--form text" in error.value.hint
        else:
            check([str(path)])


def test_lines_that_were_insisted_on_are_text(tmp_path):
    """What `extract --form text` wrote, as the hint says, and what was made of that."""
    path = tmp_path / "part-00000-of-00001.txt"
    path.write_text('{"text": "One."}\n' * 30)
    Manifest("extract", {}, state="complete").write(tmp_path)
    check_sentence_files([str(path)])
    refuse_raw_files([str(path)])
    assert not is_raw([str(path)])
