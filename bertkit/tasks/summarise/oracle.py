"""Finds the sentences of a document that come closest to its summary, to be learnt as labels.

The measure is BERTSum's (Liu 2019; Cerebras' `RougeBasedLabelsFormatter` has it too): the sum of
the F1 of single words and of pairs of neighbours, each counted once, of a to z and digits alone.
`greedy` takes the best sentence, then the one that adds most to it, and so on; `combination` looks
at every set of sentences up to a size.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Any

Sentences = Sequence[Sequence[str]]
_LEFT_OUT = re.compile(r"[^a-zA-Z0-9 ]")
_TINY = 1e-8  # of the reference, against division by zero


class _Grams:
    """The n-grams of one length.

    Attributes:
        sentences: those of each sentence.
        shared: those of each sentence that the summary has too, as bits.
        count: those of the summary.
    """

    def __init__(self, size: int, sentences: list[list[str]], summary: list[str]) -> None:
        bits = {gram: 1 << number for number, gram in enumerate(_ngrams(summary, size))}
        self.count = len(bits)
        self.sentences = [_ngrams(words, size) for words in sentences]
        self.shared = [sum(bits[gram] for gram in grams & bits.keys()) for grams in self.sentences]

    def score(self, evaluated: int, both: int) -> float:
        """F1 against the summary of so many n-grams, of which so many are shared."""
        precision = both / evaluated if evaluated else 0.0
        recall = both / self.count if self.count else 0.0
        return 2.0 * ((precision * recall) / (precision + recall + _TINY))


def greedy(document: Sentences, summary: Sentences, most: int) -> list[int]:
    """Numbers of up to `most` sentences, each of which raises the score; ascending.

    Args:
        document: words of each sentence, lower-cased if case shall not count.
        summary: words of each of its sentences.
        most: sentences at most.
    """
    ones, twos = _both_kinds(document, summary)
    chosen: list[int] = []
    words, pairs = set[Any](), set[Any]()  # of the chosen sentences
    known, known_pairs = 0, 0  # of those, what the summary has
    best = 0.0
    while len(chosen) < most:
        found = -1
        for number in range(len(document)):
            both, both_pairs = known | ones.shared[number], known_pairs | twos.shared[number]
            if both == known and both_pairs == known_pairs:
                continue  # what shares nothing new only lowers the precision
            score = ones.score(len(words | ones.sentences[number]), both.bit_count())
            score += twos.score(len(pairs | twos.sentences[number]), both_pairs.bit_count())
            if score > best:
                best, found = score, number
        if found < 0:
            break
        chosen.append(found)
        words |= ones.sentences[found]
        pairs |= twos.sentences[found]
        known |= ones.shared[found]
        known_pairs |= twos.shared[found]
    return sorted(chosen)


def combination(document: Sentences, summary: Sentences, most: int) -> list[int]:
    """Numbers of the best set of up to `most` + 1 sentences; ascending.

    The one more is the reference's, as is the first sentence where no word is shared. Minutes for
    a thousand documents.
    """
    kinds = _both_kinds(document, summary)
    left = [number for number in range(len(document)) if any(k.shared[number] for k in kinds)]
    best = 0.0
    chosen: tuple[int, ...] = (0,)
    for size in range(1, most + 2):
        for numbers in itertools.combinations(left, size):
            score = 0.0
            for kind in kinds:
                whole = len(set().union(*(kind.sentences[number] for number in numbers)))
                both = reduce(or_, (kind.shared[number] for number in numbers))
                score += kind.score(whole, both.bit_count())
            if score > best:
                best, chosen = score, numbers
    return list(chosen)


ORACLES = {"greedy": greedy, "combination": combination}


def _both_kinds(document: Sentences, summary: Sentences) -> tuple[_Grams, _Grams]:
    """(single words, pairs of neighbours)."""
    sentences = [_plain(words) for words in document]
    whole = _plain([word for sentence in summary for word in sentence])
    return _Grams(1, sentences, whole), _Grams(2, sentences, whole)


def _ngrams(words: list[str], size: int) -> set[Any]:
    return set(words if size == 1 else itertools.pairwise(words))


def _plain(words: Sequence[str]) -> list[str]:
    return _LEFT_OUT.sub("", " ".join(words)).split()
