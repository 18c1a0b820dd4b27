"""Texts and pairs become the tokens that Google's run_classifier.py makes of them."""

from __future__ import annotations

from bertkit.tasks.classify.batches import TextEncoder
from bertkit.tasks.classify.examples import Example
from bertkit.tokenization.vocabulary import load_vocab
from bertkit.tokenization.wordpiece import WordPieceTokenizer


def test_samples_are_those_of_run_classifier(place):
    """[CLS] A [SEP] B [SEP]; an empty second text is none."""
    tokenizer = WordPieceTokenizer(load_vocab(str(place / "words.txt")))
    encoder = TextEncoder(tokenizer, 8)
    tokens = list(tokenizer.vocab.ids)

    def shown(*texts):
        sample = encoder.sample(Example("f:1", *texts))
        return " ".join(tokens[number] for number in sample.ids), sample.segments.sum()

    assert shown("a film") == ("[CLS] a film [SEP]", 0)
    assert shown("a film", "") == ("[CLS] a film [SEP]", 0)
    assert shown("a film", "it was") == ("[CLS] a film [SEP] it was [SEP]", 3)
    assert shown("a film it was good", "it") == ("[CLS] a film it was [SEP] it [SEP]", 2)
    assert shown("the a film book it was is good") == ("[CLS] the a film book it was [SEP]", 0)
