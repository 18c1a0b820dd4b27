"""Shared n-grams are found where they are, the first one of a document, and no others."""

from __future__ import annotations

import numpy as np

from bertkit.corpus.cleaning.against import words_of
from bertkit.corpus.cleaning.kernels.overlap import filter_of, find_overlaps, text_ngrams
from corpus.cleaning.kernels.test_scan import scanned


def matches(text: str, sought: str, size: int) -> list[list[int]]:
    words = words_of(sought)
    keys = np.empty(len(words), np.uint64)
    keys = np.unique(keys[: text_ngrams(words, 0, len(words), size, keys)])
    into, counts = scanned(text)
    out = np.full((counts[2], 3), -1, np.int64)
    find_overlaps(into.words, into.documents[: counts[2]], size, keys, filter_of(keys), out)
    return out[:, :2].tolist()


def test_the_first_ngram_of_each_document_is_found():
    text = "x a b c d y\n\nb c\n\nq A, B: c! a b c\n\nb c d a"
    assert matches(text, "a b c d", 3) == [[1, 3], [-1, -1], [9, 3], [15, 3]]
    assert matches(text, "a b c d", 4) == [[1, 4], [-1, -1], [-1, -1], [-1, -1]]


def test_documents_do_not_run_into_each_other():
    assert matches("a b\n\nc d", "a b c d", 3) == [[-1, -1], [-1, -1]]


def test_no_other_words_match():
    rng = np.random.default_rng(1)
    text = "\n\n".join(" ".join(map(str, rng.integers(0, 50, 40))) for _ in range(50))
    sought = " ".join(map(str, rng.integers(0, 50, 200)))
    grams = {tuple(sought.split()[i : i + 3]) for i in range(198)}
    expected = []
    for number, document in enumerate(text.split("\n\n")):
        words = document.split()
        at = next((i for i in range(38) if tuple(words[i : i + 3]) in grams), None)
        expected.append([-1, -1] if at is None else [number * 40 + at, 3])
    assert matches(text, sought, 3) == expected
    assert any(row[0] >= 0 for row in expected)
