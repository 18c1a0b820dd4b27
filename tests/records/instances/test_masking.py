"""Masking: how many, which, and what stands there afterwards."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from oracle.masking import candidate_groups, mask_tokens

from bertkit.records.instances.pairs import predictions_for

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##b", "c", "##d"]
TOKENS = ["[CLS]", "a", "##b", "##d", "c", "[SEP]", "##d", "a", "##b", "[SEP]"]


@pytest.mark.parametrize(
    ("length", "expected"),
    # Half to even in float64: 4.5, 10.5, 16.5 … and 28.5, 52.5, 58.5, where float32 differs.
    [(3, 1), (5, 1), (10, 2), (30, 4), (50, 8), (70, 10), (110, 16), (190, 28), (350, 52),
     (390, 58), (510, 76), (512, 77)],
)  # fmt: skip
def test_number_of_predictions(length, expected):
    assert predictions_for(length, 0.15, 1000) == expected
    assert predictions_for(length, 0.15, 2) == min(2, expected)


def test_candidates_one_by_one_and_by_whole_words():
    assert candidate_groups(TOKENS, False) == [[1], [2], [3], [4], [6], [7], [8]]
    # Position 6 lost the head of its word to truncation: it joins the word before [SEP].
    assert candidate_groups(TOKENS, True) == [[1, 2, 3], [4, 6], [7, 8]]
    assert candidate_groups(["[CLS]", "##b", "a", "[SEP]"], True) == [[1], [2]]


def test_labels_are_what_stood_there_and_the_rest_is_untouched():
    rng = random.Random(5)
    for _ in range(200):
        masked = mask_tokens(TOKENS, 0.5, 4, WORDS, rng)
        assert len(masked.positions) == 4
        assert masked.positions == sorted(set(masked.positions))
        assert masked.labels == [TOKENS[position] for position in masked.positions]
        others = set(range(len(TOKENS))) - set(masked.positions)
        assert all(masked.tokens[position] == TOKENS[position] for position in others)
        assert not {0, 5, 9} & set(masked.positions)


def test_whole_words_are_taken_whole_or_passed_over():
    rng = random.Random(6)
    groups = [[1, 2, 3], [4, 6], [7, 8]]
    seen = set()
    for _ in range(200):
        positions = mask_tokens(TOKENS, 0.5, 4, WORDS, rng, whole_words=True).positions
        assert len(positions) <= 4
        for group in groups:
            assert set(group) <= set(positions) or not set(group) & set(positions)
        seen.add(tuple(positions))
    assert seen == {(1, 2, 3), (4, 6, 7, 8)}, "3 + 2 would be one too many"


def test_without_the_option_both_forms_use_the_stream_alike():
    plain = [token.replace("##", "") for token in TOKENS]
    one, other = random.Random(3), random.Random(3)
    a = mask_tokens(plain, 0.5, 4, WORDS, one)
    b = mask_tokens(plain, 0.5, 4, WORDS, other, whole_words=True)
    assert a == b
    assert one.getstate() == other.getstate()


def test_four_in_five_are_hidden_and_random_tokens_come_from_the_whole_vocabulary():
    rng = random.Random(7)
    tokens = ["[CLS]", *["x"] * 100, "[SEP]"]
    shown: Counter[str] = Counter()
    for _ in range(200):
        masked = mask_tokens(tokens, 0.5, 50, [*WORDS, "x"], rng)
        shown.update(masked.tokens[position] for position in masked.positions)
    total = sum(shown.values())
    assert total == 10_000
    assert shown["[MASK]"] / total == pytest.approx(0.81, abs=0.02)  # 0.8 + 0.1 / 10
    assert shown["x"] / total == pytest.approx(0.11, abs=0.02)
    assert set(shown) == {*WORDS, "x"}, "special tokens can be drawn too"
