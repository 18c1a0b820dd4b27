"""Counts of parts add up."""

from __future__ import annotations

from dataclasses import replace

from bertkit.summary.counts import TextCounts
from bertkit.summary.plain import count_plainly


def test_sums():
    one, two = count_plainly("A b.\nC.\n"), count_plainly("A b.\n\nД\n")
    both = one + two
    assert (both.files, both.documents, both.sentences, both.words) == (2, 3, 4, 6)
    assert both.lines.repeated_share == 0.25
    assert both.characters[ord("A")] == 2
    assert (TextCounts() + one).words == one.words


def test_tokens_are_known_of_all_or_of_nothing():
    one = replace(count_plainly("A"), tokens=1, unknown=0)
    assert (TextCounts() + one).tokens == 1
    assert (one + one).tokens == 2
    assert (one + count_plainly("B")).tokens is None
