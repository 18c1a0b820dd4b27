from __future__ import annotations

from bertkit.corpus.cleaning.clean_corpus import clean_corpus
from bertkit.corpus.cleaning.config import CRITERIA
from bertkit.corpus.cleaning.text_report import report_text
from corpus.cleaning import readable
from corpus.cleaning.readable import plain

SENTENCE = "The old house stood on the hill above the harbour for more than two hundred years."


def test_the_report_shows_counts_examples_and_what_was_written(tmp_path):
    documents = [[SENTENCE, "It is gone."], [SENTENCE, "It is gone!"], [SENTENCE, "It is gone."]]
    readable.write(tmp_path / "in.txt", documents)
    readable.write(tmp_path / "test.txt", [[SENTENCE], ["A short one."]])
    path = str(tmp_path / "in.txt")
    config = plain("exact", against=[str(tmp_path / "test.txt")])
    lines = report_text(clean_corpus([path], str(tmp_path / "out"), config, workers=1)).splitlines()
    rows = {line.split()[0]: line.split() for line in lines if line.split()}
    assert rows.keys() >= CRITERIA.keys()
    assert rows["exact"][1:3] == ["1", "33.33%"] and "dropped" in rows["exact"]
    assert rows["near"][1] == "1" and rows["overlap"][1] == "3"
    assert f"  exact: {path}:7 = {path}:1" in lines
    assert f"  near: {path}:4 = {path}:1 (similarity about 1.00)" in lines
    shares = next(line for line in lines if line.startswith("  overlap:"))
    assert "'The old house stood on the hill above the harbour for more than'" in shares
    assert f"with {tmp_path / 'test.txt'}" in shares
    assert "1 of 1 evaluation texts overlap, 1 more are too short to look for" in lines[-2]
    assert lines[-1].startswith("2 documents, 4 sentences")
