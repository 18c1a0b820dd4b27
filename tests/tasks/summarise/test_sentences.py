"""Sequences against BERTSum's recipe as published, with transformers' tokenizer."""

from __future__ import annotations

import random

import numpy as np
import pytest
from transformers import BertTokenizer

from bertkit.tasks.summarise.sentences import Limits, candidates, tokens_of
from bertkit.tokenization.vocabulary import load_vocab
from bertkit.tokenization.wordpiece import WordPieceTokenizer

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PIECES += ["rain", "##fall", "fell", "the", "a", "on", "mat", "##s", ".", ",", "'", "x"]


@pytest.fixture(scope="module")
def vocab_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("vocab") / "vocab.txt"
    path.write_text("\n".join(PIECES) + "\n")
    return path


@pytest.fixture(scope="module")
def tokenizer(vocab_file):
    return WordPieceTokenizer(load_vocab(str(vocab_file)))


def published(theirs, source, labels, limits):
    """The text joined by [SEP] [CLS], tokenized as one, cut, and looked through for marks."""
    kept = [n for n, words in enumerate(source) if len(words) > limits.least_words]
    kept = kept[: limits.sentences]
    text = " [SEP] [CLS] ".join(" ".join(source[n][: limits.most_words]) for n in kept)
    tokens = ["[CLS]", *theirs.tokenize(text)[: limits.tokens - 2], "[SEP]"]
    segments, number = [], 0
    for token in tokens:
        segments.append(number % 2)
        number += token == "[SEP]"
    places = [n for n, token in enumerate(tokens) if token == "[CLS]"]
    ids = theirs.convert_tokens_to_ids(tokens)
    return ids, segments, places, [labels[n] for n in kept][: len(places)]


def test_sequences_equal_the_published_recipe(vocab_file, tokenizer):
    theirs = BertTokenizer(str(vocab_file))
    draw = random.Random(5)
    words = ["Rainfall", "rains", "fell.", "the", "a,", "on", "mats'", "x", "zebra", "it's"]
    cut = 0
    for _ in range(300):
        source = [
            [draw.choice(words) for _ in range(draw.randint(0, 14))]
            for _ in range(draw.randint(1, 9))
        ]
        source.append(["x"] * 6)  # one that is long enough
        labels = [draw.randint(0, 1) for _ in source]
        limits = Limits(tokens=draw.choice([12, 40, 64]), most_words=9, sentences=5)
        found = tokens_of(source, labels, tokenizer, limits)
        ids, segments, places, wanted = published(theirs, source, labels, limits)
        assert found.ids.tolist() == ids
        assert found.segments.tolist() == segments
        assert found.places.tolist() == places
        assert found.target.tolist() == wanted
        cut += found.lost
    assert cut > 100


def test_sentences_are_known_by_their_numbers(tokenizer):
    words = [text.split() for text in ("x", "", "a b c d e f", "x x", "a b c d e f g")]
    found = tokens_of(words, None, tokenizer, Limits(tokens=64))
    assert found.sentences == [2, 4]
    assert found.target is None
    assert found.lost == 0


def test_where_all_sentences_are_short_they_are_read():
    assert candidates([["a"], [], ["b", "c"]], Limits(tokens=64)) == [0, 2]


def test_the_number_that_is_scored_has_a_limit(tokenizer):
    found = tokens_of(["abcdef"] * 4, [0, 1, 1, 0], tokenizer, Limits(tokens=64, scored=2))
    assert found.sentences == [0, 1]
    assert found.places.tolist() == [0, 8]
    assert found.target.tolist() == [0, 1]
    assert np.count_nonzero(found.ids == 2) == 4
