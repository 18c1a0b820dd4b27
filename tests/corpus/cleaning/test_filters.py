"""Each filter drops what it is about, and nothing else; each limit can be moved."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from bertkit.corpus.cleaning.clean_corpus import clean_corpus
from bertkit.corpus.cleaning.config import FILTERS, CleanConfig
from bertkit.corpus.cleaning.filters import limits_of
from corpus.cleaning import readable

PLAIN = [
    "The harbour was quiet when the last of the fishing boats came in that evening.",
    "Two children stood on the wall, counting lanterns as they were lit along the quay.",
    "Nobody spoke of the storm, although each of them had seen it gather in the west.",
    "By morning there would be work enough for everyone, and little time to talk.",
]
WORDS = len(readable.words(" ".join(PLAIN)))
CASES = {
    "short": (["Too short."], {"min_words": 2}),
    "long": (PLAIN, {"max_words": WORDS}),
    "density": (["x" * 200 + " base sixty four or something"], {"min_words_per_character": 0.01}),
    "repetition": ([*PLAIN, *PLAIN], {"max_duplicate_lines": 0.5,
                                      "max_duplicate_line_characters": 0.5,
                                      "max_duplicate_ngrams": 0.8}),
    "symbols": (["#one #two #three and four five six"], {"max_symbols_per_word": 0.5}),
}  # fmt: skip


def criteria(tmp_path, document, **settings) -> list[str]:
    path = str(readable.write(tmp_path / "in.txt", [document]))
    result = clean_corpus([path], config=dataclasses.replace(CleanConfig(), **settings), workers=1)
    return [name for name in FILTERS if result.criteria[name]["documents"]]


def test_plain_text_passes_all(tmp_path):
    assert criteria(tmp_path, PLAIN) == []


@pytest.mark.parametrize("name", CASES)
def test_a_filter_finds_its_case_and_its_limit_can_be_moved(tmp_path, name):
    document, moved = CASES[name]
    if name == "long":
        assert criteria(tmp_path, document, max_words=WORDS - 1) == ["long"]
    else:
        assert criteria(tmp_path, document) == [name]
    assert criteria(tmp_path, document, **moved) == []


def test_many_short_words_and_words_without_letters_are_odd(tmp_path):
    assert criteria(tmp_path, ["a b c d e f g h"]) == ["density"]
    assert criteria(tmp_path, ["1234 5678 9012 word other"]) == ["symbols"]
    assert criteria(tmp_path, ["1234 5678 9012 word other"], max_wordless=0.6) == []


def test_a_frequent_pair_of_words_is_repetition(tmp_path):
    words = [f"word{n} buy now" for n in range(20)]
    assert criteria(tmp_path, [" ".join(words)]) == ["repetition"]
    assert criteria(tmp_path, [" ".join(words)], max_top_ngram=0.9) == []


def test_limits_are_those_of_gopher():
    expected = [0.3, 0.2, 0.2, 0.18, 0.16, 0.15, 0.14, 0.13, 0.12, 0.11, 0.10]
    assert np.allclose(limits_of(CleanConfig()), expected)
