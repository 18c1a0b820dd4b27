"""The merging kernels: room is made where it is needed, with the same result."""

from __future__ import annotations

import io

from bertkit.tokenization.normalisation import CASED
from bertkit.tokenization.training import merges
from bertkit.tokenization.training.merges import learn_merges
from bertkit.tokenization.training.word_counts import WordCounter


def test_tables_grow_from_nearly_nothing(monkeypatch):
    text = " ".join(f"{a}{b}{c}{a}{b}" for a in "abcdef" for b in "ghijkl" for c in "mnopqr")
    counter = WordCounter(CASED, 200)
    counter.feed("text", io.BytesIO((text + " " + text).encode()))
    words = counter.finished()
    tokens = [f"{prefix}{chr(code)}" for prefix in ("", "##") for code in range(97, 123)]
    wanted = learn_merges(words, tokens, 400, 2)
    assert len(wanted) > 200
    heap, changes = merges._heap_tables, merges._change_tables
    monkeypatch.setattr(merges, "_heap_tables", lambda size: heap(2))
    monkeypatch.setattr(
        merges, "_change_tables", lambda size: changes(1 if size == 1 << 14 else size)
    )
    assert learn_merges(words, tokens, 400, 2) == wanted
