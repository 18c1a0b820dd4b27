"""Merging: the pieces of the `tokenizers` package, in its order."""

from __future__ import annotations

import io

import pytest
import tokenizers

from bertkit.tokenization.normalisation import CASED
from bertkit.tokenization.training.alphabet import Wanted, choose_alphabet
from bertkit.tokenization.training.merges import learn_merges
from bertkit.tokenization.training.word_counts import WordCounter


def library(text: str, first: list[str], size: int, min_frequency: int) -> list[str]:
    """What the package adds to these tokens."""
    trainer = tokenizers.BertWordPieceTokenizer(lowercase=False, strip_accents=False)
    characters = [token for token in first if len(token) == 1]
    trainer.train_from_iterator(
        [text],
        vocab_size=size,
        min_frequency=min_frequency,
        limit_alphabet=len(characters),
        initial_alphabet=characters,
        special_tokens=[token for token in first if len(token) > 1],
        show_progress=False,
    )
    ids = trainer.get_vocab()
    return sorted(ids, key=ids.get)[len(first) :]


def ours(text: str, size: int, min_frequency: int) -> tuple[list[str], list[str]]:
    counter = WordCounter(CASED, 200)
    counter.feed("text", io.BytesIO(text.encode()))
    words = counter.finished()
    counts = {character: int(pair.sum()) for character, pair in words.characters().items()}
    first = choose_alphabet(counts, Wanted(coverage=1.0), size=size, split_cjk=True).tokens(True)
    return first, learn_merges(words, first, size, min_frequency)


@pytest.mark.parametrize(("size", "min_frequency"), [(600, 2), (3000, 2), (9000, 5), (100_000, 2)])
def test_english(size, min_frequency):
    from pydoc_data import topics

    text = "\n\n".join(topics.topics[name] for name in sorted(topics.topics))[:200_000]
    first, merges = ours(text, size, min_frequency)
    assert merges == library(text, first, size, min_frequency)
    assert len(merges) > 100


@pytest.mark.parametrize(
    "text",
    ["aaaa aaaaa aaaaaa aa " * 5, "abab ababab bab baba abba " * 3, "", "a b c", "漢字 漢字"],
)
def test_repeated_letters_and_nothing(text):
    first, merges = ours(text, 400, 2)
    assert merges == library(text, first, 400, 2)


@pytest.mark.parametrize("name", ["ja_gsd_dev.sentences.txt", "ko_gsd_dev.sentences.txt"])
def test_other_scripts(shared, name):
    text = (shared / "data" / "multilingual" / name).read_text("utf-8")
    first, merges = ours(text, 6000, 2)
    assert len(merges) > 500
    assert merges == library(text, first, 6000, 2)


def test_words_with_unknown_characters_are_left_out():
    counter = WordCounter(CASED, 200)
    counter.feed("text", io.BytesIO(b"abx abx abx ab"))
    tokens = ["[UNK]", "##b", "a", "b"]  # no x
    assert learn_merges(counter.finished(), tokens, 10, 1) == ["ab"]
    assert learn_merges(counter.finished(), tokens, 10, 2) == []
