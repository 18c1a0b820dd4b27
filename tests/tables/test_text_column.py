"""Which column holds the text."""

from __future__ import annotations

from bertkit.tables.text_column import find_text_key


def test_the_key_is_text_or_the_only_other_name():
    assert find_text_key(["id", "content", "text"]) == "text"
    assert find_text_key(["id", "Content"]) == "Content"
    assert find_text_key(["content", "body"]) == ""
    assert find_text_key(["sentence"]) == ""


def test_the_plain_spelling_comes_first():
    assert find_text_key(["text", "Text"]) == find_text_key(["Text", "text"]) == "text"
    assert find_text_key(["TEXT", "Text"]) == "TEXT"
