"""Spans of large files: the words of the whole, however many spans."""

from __future__ import annotations

import gzip

import pytest

from bertkit.corpus.raw_file import open_source
from bertkit.summary.counts import TextCounts
from bertkit.tokenization.normalisation import UNCASED
from bertkit.tokenization.training import text_spans
from bertkit.tokenization.training.text_spans import count_spans, tasks_of
from bertkit.tokenization.training.word_counts import WordCounter, as_counter

SETTINGS = {"normalisation": UNCASED, "longest": 200}


def words_of(paths):
    tasks = list(tasks_of([str(path) for path in paths], open_source, **SETTINGS))
    whole = WordCounter(UNCASED, 200)
    text = TextCounts()
    for task in tasks:
        words, counts = count_spans(task)
        whole.add(words)
        text += counts
    assert text.bytes == whole.finished().bytes
    return len(tasks), as_counter(whole.finished())


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_large_file_is_cut_behind_spaces(tmp_path, monkeypatch, mark):
    text = " ".join(f"wörd{number % 97} 漢字" for number in range(3000)).encode()
    (tmp_path / "a").write_bytes(mark + text)
    whole = words_of([tmp_path / "a"])
    monkeypatch.setattr(text_spans, "SPAN", 1000)
    cut = words_of([tmp_path / "a"])
    assert whole[0] == 1 and cut[0] > 20
    assert cut[1] == whole[1] and whole[1]["漢"] == 3000


def test_small_files_go_together_and_compressed_ones_stay_whole(tmp_path, monkeypatch):
    text = b"one two three\n" * 500
    for name in "abcd":
        (tmp_path / name).write_bytes(text)
    with gzip.open(tmp_path / "e.gz", "wb", compresslevel=0) as stream:
        stream.write(text)
    files = sorted(tmp_path.iterdir())
    monkeypatch.setattr(text_spans, "SPAN", 15_000)
    assert words_of(files[:4])[0] == 2
    monkeypatch.setattr(text_spans, "SPAN", 2000)
    count, found = words_of([tmp_path / "e.gz"])
    assert count == 1 and found == {"one": 500, "two": 500, "three": 500}
