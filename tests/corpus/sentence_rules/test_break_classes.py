from __future__ import annotations

from bertkit.corpus.sentence_rules.break_classes import STERMS, break_class, characters


def test_classes():
    text = "aA字1.!, )\u0301\n-\u00aa\u10d0\u1c90\u200d\u00ad。"
    assert "".join(map(break_class, text)) == "LUONATCSQXPCLOOXXT"


def test_ranges():
    assert characters("41-43 61") == ["A", "B", "C", "a"]
    assert len(STERMS) == 168
