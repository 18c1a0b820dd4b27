from __future__ import annotations

import pytest

from bertkit.corpus.cleaning.config import CRITERIA, CleanConfig


def test_criteria_are_given_as_lists_or_in_one_word():
    assert CleanConfig(drop=["exact, lines", "short"]).dropped == {"exact", "lines", "short"}
    assert CleanConfig(drop=["near"]).dropped == {"near", "exact"}
    assert CleanConfig(drop=["all"]).dropped == set(CRITERIA)
    assert CleanConfig().dropped == frozenset()


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"drop": ["exact,fuzzy"]}, "--drop 'fuzzy'"),
        ({"drop": ["overlap"]}, "needs --against"),
        ({"min_words": 9, "max_words": 8}, "--min-words 9"),
        ({"min_words_per_character": 0.9}, "--min-words-per-character 0.9"),
        ({"drop": ["all"]}, ""),
        ({"drop": ["overlap"], "against": ["x"]}, ""),
    ],
)
def test_rules_over_several_settings(settings, problem):
    found = CleanConfig(**settings).problems()
    assert (problem in found[0]) if problem else found == []
