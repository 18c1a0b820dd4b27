"""MinHash signatures estimate the Jaccard similarity that plain sets have."""

from __future__ import annotations

import random

import numpy as np

from bertkit.corpus.cleaning.config import CleanConfig
from bertkit.corpus.cleaning.kernels import scan as columns
from bertkit.corpus.cleaning.kernels.signatures import (
    EMPTY,
    NO_KEY,
    band_keys,
    common,
    equal_numbers,
    hash_ngrams,
    sign,
)
from bertkit.corpus.cleaning.survey import permutation_family
from corpus.cleaning import readable
from corpus.cleaning.kernels.test_scan import scanned


def signed(texts: list[str]) -> np.ndarray:
    into, counts = scanned("\n\n".join(texts))
    assert counts[2] == len(texts)
    out = np.empty((len(texts), 128), np.uint32)
    ngrams = np.empty(counts[0] + 1, np.uint32)
    sign(into.words, into.documents[: counts[2]], 5, permutation_family(CleanConfig()), ngrams, out)
    return out


def test_equal_numbers_estimate_the_similarity_without_bias():
    rng = random.Random(3)
    errors = []
    for _ in range(60):
        first = [f"w{rng.randrange(10_000)}" for _ in range(200)]
        second = list(first)
        for _ in range(rng.randrange(1, 30)):
            second[rng.randrange(200)] = f"x{rng.randrange(10_000)}"
        texts = [" ".join(first), " ".join(second)]
        exact = readable.jaccard(*map(readable.ngrams, texts))
        estimate = int(equal_numbers(*signed(texts))) / 128
        # In units of the standard deviation of 128 independent trials.
        errors.append((estimate - exact) / max(0.01, (exact * (1 - exact) / 128) ** 0.5))
    assert abs(np.mean(errors)) < 0.5
    assert 0.6 < np.std(errors) < 1.4


def test_sets_of_ngrams_are_those_of_plain_python():
    for text in ("a b c d e f g a b c d e", "one two", "中文字詞典中文字詞典", "x " * 30):
        into, counts = scanned(text)
        out = np.empty(counts[0], np.uint32)
        first, count = into.documents[0, columns.FIRST_WORD], into.documents[0, columns.WORDS]
        written = int(hash_ngrams(into.words, first, count, 5, out))
        assert len(np.unique(out[:written])) == len(readable.ngrams(text))


def test_order_of_words_counts_and_their_number_of_occurrences_does_not():
    phrase = "a b c d e f"
    same, again, other = signed([phrase, f"{phrase} {phrase} {phrase}", "f e d c b a"])
    assert (same == signed([phrase.upper()])[0]).all()
    assert equal_numbers(same, other) < 20
    # Every n-gram of the first is in the second.
    assert (again <= same).all()


def test_equal_bands_have_equal_keys_and_no_words_have_none():
    rows = np.arange(3 * 128, dtype=np.uint32).reshape(3, 128)
    rows[1, :7] = rows[0, :7]
    rows[2] = EMPTY
    keys = np.empty((18, 3), np.uint64)
    band_keys(rows, 7, keys)
    assert keys[0, 0] == keys[0, 1]
    assert (keys[1:, 0] != keys[1:, 1]).all()
    assert (keys[:, 2] == NO_KEY).all()
    assert len(np.unique(keys[:, 0])) == 18


def test_common_counts_the_intersection():
    rng = np.random.default_rng(1)
    for _ in range(50):
        first, second = (np.unique(rng.integers(0, 40, n, np.uint32)) for n in (30, 20))
        assert common(first, second) == len(np.intersect1d(first, second))
