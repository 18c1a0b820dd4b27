"""Shares of repeated text, against the rules written out in plain Python."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bertkit.corpus.cleaning.kernels.repetition import (
    DUPLICATE_5,
    DUPLICATE_LINE_CHARACTERS,
    DUPLICATE_LINES,
    FEWEST_WORDS,
    SHARES,
    TOP_2,
    counter_for,
    measure_repetition,
)
from corpus.cleaning import readable
from corpus.cleaning.kernels.test_scan import scanned


def shares_of(text: str) -> np.ndarray:
    into, counts = scanned(text)
    out = np.empty((counts[2], SHARES))
    table = counter_for(max(counts[0], counts[1]))
    table.round[0] = np.uint32(2**32 - 3)  # so that it begins anew within a document
    measure_repetition(into, into.documents[: counts[2]], table, out)
    return out[0]


def top(words: list[str], size: int) -> float:
    grams = Counter(tuple(words[i : i + size]) for i in range(len(words) - size + 1))
    sizes = (count * len("".join(gram)) for gram, count in grams.items() if count >= 3)
    return max(sizes, default=0) / len("".join(words))


def duplicates(words: list[str], size: int) -> float:
    """As datatrove's find_all_duplicate, which follows Gopher."""
    seen: set[tuple[str, ...]] = set()
    repeated, at = 0, 0
    while at + size <= len(words):
        gram = tuple(words[at : at + size])
        if gram in seen:
            repeated += len("".join(gram))
            at += size
        else:
            seen.add(gram)
            at += 1
    return repeated / len("".join(words))


@given(st.lists(st.sampled_from(["a", "bb", "ccc", "中", "dd"]), min_size=50, max_size=90))
@settings(max_examples=100)
def test_shares_of_ngrams_are_those_of_plain_python(words):
    found = shares_of(" ".join(words))
    expected = [*(top(words, n) for n in (2, 3, 4)), *(duplicates(words, n) for n in range(5, 11))]
    # What could not be over any limit is not computed.
    judged = [found[TOP_2 + k] or expected[k] * (expected[k] <= 0.1) for k in range(3)]
    assert np.allclose([*judged, *found[DUPLICATE_5:]], expected)


def test_lines_that_repeat_are_counted():
    found = shares_of("one line\nanother\nOne  line\none line")
    assert found[DUPLICATE_LINES] == 0.5
    assert found[DUPLICATE_LINE_CHARACTERS] == 16 / 31


def test_short_documents_are_not_judged():
    assert not shares_of("a b " * (FEWEST_WORDS // 2 - 1)).any()
    assert shares_of("a b " * (FEWEST_WORDS // 2)).any()
    assert not shares_of("same\nsame\nsame").any()
    assert readable.words("same\nsame") == ["same", "same"]
