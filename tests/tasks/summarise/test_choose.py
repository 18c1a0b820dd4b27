"""Trigram blocking and the order of sentences."""

from __future__ import annotations

import random

import numpy as np

from bertkit.tasks.summarise.choose import choose


def words(*sentences):
    return [sentence.split() for sentence in sentences]


def test_best_first_and_equal_ones_in_order():
    sentences = words("a b c", "d e f", "g h i", "j k l")
    assert choose(np.array([0.1, 0.5, 0.5, 0.9]), sentences, 3) == [3, 1, 2]


def test_a_trigram_of_a_better_sentence_blocks():
    sentences = words("the cat sat down", "so the cat sat", "the cat ran", "no")
    assert choose(np.array([4.0, 3.0, 2.0, 1.0]), sentences, 3) == [0, 2, 3]
    assert choose(np.array([4.0, 3.0, 2.0, 1.0]), sentences, 3, block_trigrams=False) == [0, 1, 2]


def blocked(candidate, chosen):
    """BERTSum's rule as published: any trigram shared with any sentence chosen before."""

    def trigrams(sentence):
        return {tuple(sentence[n : n + 3]) for n in range(len(sentence) - 2)}

    return any(trigrams(candidate) & trigrams(other) for other in chosen)


def test_equals_the_published_rule_on_random_documents():
    draw = random.Random(3)
    for _ in range(300):
        sentences = [[draw.choice("abcd") for _ in range(draw.randint(0, 7))] for _ in range(9)]
        scores = np.array([draw.random() for _ in sentences])
        wanted = []
        for number in np.argsort(-scores):
            if len(wanted) < 3 and not blocked(sentences[number], [sentences[n] for n in wanted]):
                wanted.append(int(number))
        assert choose(scores, sentences, 3) == wanted
