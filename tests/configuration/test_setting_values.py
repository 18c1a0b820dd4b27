"""Values of settings: types, bounds, and the one spelling of words."""

from __future__ import annotations

from dataclasses import dataclass, fields

import pytest

from bertkit.configuration.config import setting
from bertkit.configuration.setting_values import convert, spelling


@dataclass
class Config:
    word: str = setting("a_b", choices=("a_b", "c-d"))
    number: int | None = setting(None, minimum=2)
    real: float | None = setting(None, minimum=0.0, maximum=1.0)


WORD, NUMBER, REAL = fields(Config)


def test_words_have_one_spelling():
    assert [spelling(word, ("a_b", "c-d")) for word in ("a-b", "a_b", "c_d", "x_y")] == [
        "a_b", "a_b", "c-d", "x_y"
    ]  # fmt: skip
    assert convert("a-b", str, WORD) == "a_b"
    with pytest.raises(ValueError, match="not one of a_b, c-d"):
        convert("x", str, WORD)


def test_numbers_are_bounded():
    assert convert("3", int | None, NUMBER) == 3 and convert("none", int | None, NUMBER) is None
    with pytest.raises(ValueError, match="below the smallest"):
        convert(1, int | None, NUMBER)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e400", float("nan"), 10**400])
def test_numbers_are_finite(value):
    """They pass every bound: nan is not below the smallest value."""
    with pytest.raises(ValueError, match="number, not"):
        convert(value, float | None, REAL)
