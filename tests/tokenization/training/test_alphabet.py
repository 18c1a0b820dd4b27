"""Which characters a vocabulary keeps."""

from __future__ import annotations

import pytest

from bertkit.errors import UsageError
from bertkit.tokenization.normalisation import CASED, UNCASED
from bertkit.tokenization.training.alphabet import (
    Wanted,
    choose_alphabet,
    fill_up,
    parse_wanted,
)


def many(count: int, first: int = 0x4E00) -> dict[str, int]:
    """So many ideographs, the earlier the more frequent."""
    return {chr(first + number): 2 * count - number for number in range(count)}


USUAL = Wanted()


def chosen(counts: dict[str, int], wanted: Wanted = USUAL, size: int = 30_528):
    return choose_alphabet(counts, wanted, size=size, split_cjk=True)


def test_by_default_the_text_is_covered():
    counts = many(5000) | {chr(0x9000 + number): 1 for number in range(600)}
    found = chosen(counts)
    assert 4900 < len(found.characters) < 5600
    assert found.coverage >= 0.9995
    assert found.seen == 5600 and not found.cut_to_fit
    assert found.characters == sorted(found.characters)
    # Fewer characters than a thousand are all kept.
    rare = {"a": 10**9, "b": 1, "漢": 1}
    assert chosen(rare).characters == ["a", "b", "漢"]
    assert chosen(rare, Wanted(coverage=0.5)).characters == ["a"]


def test_a_number_is_exact_and_ties_are_settled():
    assert chosen({"c": 1, "b": 1, "a": 1}, Wanted(count=2)).characters == ["a", "b"]
    assert len(chosen(many(50), Wanted(count=10)).characters) == 10


def test_tokens_come_in_the_usual_order():
    tokens = chosen({"b": 2, "a": 1, "漢": 1, ",": 1}).tokens(True)
    assert tokens == [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        "##a",
        "##b",
        ",",
        "a",
        "b",
        "漢",
    ]


def test_a_small_vocabulary_takes_what_fits_or_says_so():
    found = chosen(many(5000), size=2005)
    assert len(found.characters) == 2000 and found.cut_to_fit
    with pytest.raises(UsageError, match="--size 900 is too small: the text has 5000") as error:
        chosen(many(5000), size=900)
    assert "give at least 1005" in error.value.hint
    with pytest.raises(UsageError, match="too small"):
        chosen(many(5000), Wanted(count=3000), size=2005)


def test_flags():
    assert parse_wanted("6000") == Wanted(count=6000)
    assert parse_wanted("99.9%").coverage == pytest.approx(0.999)
    for text in ("0", "-1", "101%", "0%", "many", "%", "1.5"):
        with pytest.raises(UsageError, match="neither"):
            parse_wanted(text)


def test_room_is_filled_with_common_characters():
    japanese = {"漢": 5, "か": 9, "カ": 3}
    tokens = chosen(japanese).tokens(True)
    added = fill_up(tokens, japanese, 30_528, CASED)
    assert {"亜", "ぬ", "##ぬ", "ガ"} <= set(added) and "漢" not in added and "##亜" not in added
    assert len(added) > 2900
    assert len(fill_up(tokens, japanese, len(tokens) + 11, CASED)) in (10, 11)
    # What becomes another character first is not needed.
    assert "ガ" not in fill_up(tokens, japanese, 30_528, UNCASED)
    assert fill_up(["a"], {"a": 100, "é": 3}, 30_528, CASED) == []
