"""What is wrong with a value that should be a text."""

from __future__ import annotations

import pytest

from bertkit.tasks.finetuning.texts import fault_of_text


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "missing"),
        (3, "not a text"),
        (["a"], "not a text"),
        ("a\ud800", "half of a character"),
        ("", "empty"),
        (" \n\t", "empty"),
        ("\u200b\u2060\ufeff\u00ad", "characters that are not seen"),
    ],
)
def test_what_is_no_text_is_told(value, said):
    assert said in fault_of_text(value)


@pytest.mark.parametrize("value", ["a", "\u200ba", ".", "ॐ", "🙂", "0"])
def test_what_is_seen_is_a_text(value):
    assert fault_of_text(value) == ""
